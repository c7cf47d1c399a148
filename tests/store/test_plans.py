"""The statements every worker runs all day find their rows by an index, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text, update

from digest.model.delivery import DeliveryState, OnDoubt, Outcome
from digest.model.issue import Issue
from digest.model.notice import NewNotice, NoticeKind
from digest.store import deliveries, notices, publications, renditions, standing
from digest.store.engine import Store, Tx
from digest.store.tables import delivery, notice
from support.sending import EVERYTHING, composed_issue, sending_issue

READERS, CHUNK = 2000, 50
LEASE = {"lease": "one", "lease_for": timedelta(minutes=1)}


@pytest.fixture
def issue(store: Store) -> Issue:
    """An issue in forty chunks, most of it sent, one chunk claimed; and older ones that are done."""
    made = sending_issue(store, READERS, chunk_size=CHUNK)
    with store.write() as tx:
        publication = publications.by_id(tx, made.publication_id)
        for day in (18, 19, 20, 21):
            older = composed_issue(tx, publication, day=day)
            rendition = renditions.of_issue(tx, older.id)[0].id
            deliveries.fan_out(tx, older, {EVERYTHING: rendition}, chunk_size=CHUNK, now=tx.now())
            tx.connection.execute(update(delivery).where(delivery.c.issue_id == older.id).values(state="sent"))
        tx.connection.execute(update(delivery).where(delivery.c.chunk >= 10).values(state="sent"))
        deliveries.claim(tx, made.id, chunk=0, limit=CHUNK, now=tx.now(), **LEASE)
    return made


@contextmanager
def statements(tx: Tx) -> Iterator[list[tuple[str, Any]]]:
    """What is really sent to the database inside the block: (SQL, parameters)."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:  # noqa: FBT001 - called by SQLAlchemy
        seen.append((sql, parameters[0] if many else parameters))

    event.listen(tx.connection, "before_cursor_execute", note)
    yield seen
    event.remove(tx.connection, "before_cursor_execute", note)


def plans(store: Store, act: Callable[[Tx], object], *, on: str = "delivery") -> str:
    """The plans of every statement on a table that ``act`` runs."""
    lines: list[str] = []
    with store.write() as tx:
        with statements(tx) as seen:
            act(tx)
        if tx.is_postgres:
            # A small table is read whole whatever its indexes; what counts is which one serves a large table.
            tx.connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN " if tx.is_postgres else "EXPLAIN QUERY PLAN "
        for sql, parameters in seen:
            if on in sql:
                rows = tx.connection.exec_driver_sql(explain + sql, parameters)
                lines += [row[0] if tx.is_postgres else row[3] for row in rows]
    return "\n".join(lines)


def check(plan: str, *indexes: str, on: str = "delivery") -> None:
    """No statement walks through all rows of the table, or of an issue, and one of ``indexes`` leads to the rows."""
    found = set(re.findall(r"(?:USING (?:COVERING )?INDEX|Scan using|Index Scan on) (\w+)", plan))
    scans = re.findall(rf"^SCAN {on}\b(?! USING).*|Seq Scan on {on}\b.*", plan, flags=re.MULTILINE)

    # An issue may have a million rows: its key alone is no way to a few of them (SQLite names the columns it used).
    scans += re.findall(rf"SEARCH {on} USING (?:COVERING )?INDEX sqlite_autoindex_\S+ \(issue_id=\?\)", plan)

    assert scans == []
    assert found.intersection(indexes), plan


def test_claiming_reads_one_chunk_by_the_index_of_open_deliveries(store: Store, issue: Issue):
    plan = plans(
        store,
        lambda tx: deliveries.claim(
            tx, issue.id, chunk=7, limit=20, now=tx.now(), lease="two", lease_for=LEASE["lease_for"]
        ),
    )

    check(plan, "ix_delivery_open")


def test_marking_finds_its_rows_by_their_key(store: Store, issue: Issue):
    plan = plans(
        store, lambda tx: deliveries.mark(tx, issue.id, subscriber_ids=list(range(1, 21)), now=tx.now(), lease="one")
    )

    check(plan, "pk_delivery", "sqlite_autoindex_delivery_1")


def test_renewing_and_releasing_find_what_a_lease_holds_by_its_index(store: Store, issue: Issue):
    check(plans(store, lambda tx: deliveries.renew(tx, issue.id, now=tx.now(), **LEASE)), "ix_delivery_lease")
    check(plans(store, lambda tx: deliveries.release(tx, issue.id, lease="one")), "ix_delivery_lease")


def test_recording_finds_each_row_by_its_key_or_its_lease(store: Store, issue: Issue):
    def record(tx: Tx) -> None:
        deliveries.mark(tx, issue.id, subscriber_ids=[1, 2], now=tx.now(), lease="one")
        outcomes = [Outcome(key, DeliveryState.SENT, tx.now(), reply_code=250) for key in (1, 2)]
        assert deliveries.record(tx, issue.id, lease="one", outcomes=outcomes) == 2

    check(plans(store, record), "pk_delivery", "sqlite_autoindex_delivery_1", "ix_delivery_lease")


def test_skipping_those_who_left_reads_one_chunk(store: Store, issue: Issue):
    check(plans(store, lambda tx: deliveries.skip_departed(tx, issue.id, chunk=7)), "ix_delivery_open")


def test_looking_for_work_reads_open_deliveries_only(store: Store, issue: Issue):
    looks: list[Callable[[Tx], object]] = [
        lambda tx: deliveries.sweep(tx, issue.id, on_doubt=OnDoubt.RESEND, now=tx.now()),
        lambda tx: deliveries.ready_chunks(tx, issue.id, now=tx.now()),
        lambda tx: standing.remains(tx, issue.id, on_doubt=OnDoubt.RESEND),
        lambda tx: standing.next_wake(tx, issue.id, on_doubt=OnDoubt.RESEND),
    ]
    for look in looks:
        check(plans(store, look), "ix_delivery_open")


def test_looking_for_notices_reads_open_ones_only(store: Store, issue: Issue):
    """Each session looks every second, and what is over is kept for a month."""
    over = {"kind": "test", "publication_id": issue.publication_id, "email": "a@example.org", "language": "en"}
    over |= {"subject": "s", "text": "t", "created_at": issue.created_at, "expires_at": issue.created_at}
    new = NewNotice(
        NoticeKind.TEST, "open", issue.publication_id, "a@example.org", "a@example.org", "en", "s", "t", None
    )
    with store.write() as tx:
        rows = [{**over, "dedupe_key": f"over:{number}", "state": "sent"} for number in range(2000)]
        tx.connection.execute(insert(notice), rows)
        notices.enqueue(tx, new, now=tx.now())
        tx.connection.execute(text("ANALYZE"))
    looks: list[Callable[[Tx], object]] = [
        lambda tx: notices.wants_work(tx, now=tx.now()),
        lambda tx: notices.sweep(tx, now=tx.now()),
        lambda tx: notices.claim(tx, lease="one", lease_for=LEASE["lease_for"], limit=10, now=tx.now()),
        lambda tx: notices.renew(tx, now=tx.now(), **LEASE),
    ]
    for look in looks:
        check(plans(store, look, on="notice"), "ix_notice_open", on="notice")
    check(plans(store, lambda tx: notices.has_old(tx, now=tx.now()), on="notice"), "ix_notice_created_at", on="notice")
