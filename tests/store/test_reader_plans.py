"""The statements that readers' pages and the clock run find their rows by an index, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update

from digest.model.consent import SignUpState
from digest.store import asking, consents, departures, publications, signups, subscriptions, suppressions
from digest.store.engine import Store, Tx
from digest.store.reader_tables import consent, departure, signup
from digest.store.tables import subscription
from store.test_plans import plans
from support.factories import NOW, make_publication
from support.sending import add_readers

READERS = 3000


@pytest.fixture
def busy(store: Store) -> Store:
    """Three thousand readers, each with a request, a departure and a line in the ledger."""
    with store.write() as tx:
        paper = make_publication(tx)
        add_readers(tx, paper, READERS)
        origin = {"how": "form", "page": "", "network": "", "wording": "", "mail": ""}
        lines = [
            {"publication_id": paper.id, "subscriber_id": n, "email_hash": f"{n:064}", "act": "asked", "at": NOW}
            | {"digest": True, "alerts": False, **origin}
            for n in range(1, READERS + 1)
        ]
        tx.connection.execute(insert(consent), lines)
        requests = [
            {"token_id": f"s{n}", "publication_id": paper.id, "subscriber_id": n, "email": "", "email_norm": ""}
            | {"wishes": {}, "page": "", "network": "", "wording": "", "state": "confirmed", "created_at": NOW}
            for n in range(1, READERS + 1)
        ]
        tx.connection.execute(insert(signup), requests)
        gone = [
            {"token_id": f"d{n}", "publication_id": paper.id, "subscriber_id": n, "choice": "leave", "how": "page"}
            | {"at": NOW, "before": {}, "reason": ""}
            for n in range(1, READERS + 1)
        ]
        tx.connection.execute(insert(departure), gone)
        paused = update(subscription).where(subscription.c.subscriber_id == 7)
        tx.connection.execute(paused.values(state="paused", paused_until=NOW))
        tx.connection.execute(text("ANALYZE"))
    return store


ACTS: dict[str, Callable[[Tx], object]] = {
    "a link to confirm": lambda tx: signups.seen_by_token(tx, "s7"),
    "requests to remind": lambda tx: signups.to_remind(tx, before=NOW, limit=9),
    "requests to forget": lambda tx: signups.forget(tx, before=NOW - timedelta(days=7)),
    "an answer": lambda tx: signups.answer(tx, 7, state=SignUpState.KNOWN, subscriber_id=7),
    "a count": lambda tx: asking.ask(tx, "net:x", hours=1, now=NOW),
    "a link to undo": lambda tx: departures.by_token(tx, "d7"),
    "a reader's ledger": lambda tx: consents.of_reader(tx, 7, email_hash=f"{7:064}"),
    "pauses that end": lambda tx: subscriptions.resume_due(tx, now=NOW),
    "a later page": lambda tx: subscriptions.page(tx, 1, after=2500, limit=10),
    "what bars an address": lambda tx: suppressions.bars_address(tx, "0" * 64, publication_id=1, now=NOW),
}


def test_nothing_that_is_asked_all_day_walks_through_a_table(busy: Store):
    walked = {}
    for name, act in ACTS.items():
        for table in ("signup", "departure", "consent", "asking", "subscription", "suppression", "subscriber"):
            plan = plans(busy, act, on=table)
            scans = [line for line in plan.splitlines() if _walks(line, table, sorts=name == "a reader's ledger")]
            if scans:
                walked[name, table] = scans

    assert walked == {}


def _walks(line: str, table: str, *, sorts: bool) -> bool:
    """Whether a line of a plan reads all of a table; ``sorts``: it may sort the few rows it found."""
    reads_all = line.startswith(f"SCAN {table}") or f"Seq Scan on {table} " in line
    return reads_all or ("USE TEMP B-TREE" in line and not sorts)


def test_a_page_begins_where_the_last_one_ended(busy: Store):
    with busy.read() as tx:
        key = publications.get(tx, "morning").id
        first = subscriptions.page(tx, key, limit=1000)
        second = subscriptions.page(tx, key, after=first[-1].subscriber.id, limit=1000)

    assert [item.subscriber.id for item in first + second] == list(range(1, 2001))
