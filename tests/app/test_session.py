"""One delivering session a process, however many issues it has under way."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from digest.app import editions
from digest.app.clock import tick
from digest.app.notices import post
from digest.app.serve import ticking
from digest.engine.local import LocalEngine
from digest.model.issue import IssueState
from digest.model.notice import NewNotice, NoticeKind
from digest.store import deliveries, issues, publications, renditions
from digest.store.engine import Store
from support.factories import make_publication
from support.sending import EVERYTHING, add_readers, composed_issue, make_container
from support.sink import start_sink

READERS = 60


def two_issues(store: Store) -> Counter[str]:
    """Two publications with an issue each, being sent, with nobody at work on them."""
    with store.write() as tx:
        for number, slug in enumerate(("morning", "evening")):
            publication = make_publication(tx, slug)
            add_readers(tx, publication, READERS, first=1 + number * READERS)
            issue = composed_issue(tx, publication)
            made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
            deliveries.fan_out(tx, issue, {EVERYTHING: made[EVERYTHING]}, chunk_size=20, now=tx.now())
            issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=tx.now())
    return Counter({f"reader{number}@example.com": 1 for number in range(1, 2 * READERS + 1)})


def states(store: Store) -> set[IssueState]:
    """Of the two issues; the clock may open and skip others."""
    with store.read() as tx:
        return {issues.get(tx, key).state for key in (1, 2)}


def relay_to(port: int, **more: object) -> dict[str, dict[str, object]]:
    return {"default": {"host": "127.0.0.1", "port": port, "connections": 3, **more}}


def test_serve_sends_two_issues_over_one_set_of_connections_and_closes_them_at_once(store: Store, tmp_path: Path):
    """The clock turns once; the session closes what it has finished without waiting for the next turn."""

    async def a_while() -> None:
        async with ticking(container, every_s=600):
            async with asyncio.timeout(60):
                while states(store) != {IssueState.SENT}:  # noqa: ASYNC110 - a thread does it
                    await asyncio.sleep(0.05)

    everybody = two_issues(store)
    with start_sink(tmp_path, delay_s=0.01) as sink:
        container = make_container(store, relays=relay_to(sink.port))
        asyncio.run(a_while())

    assert sink.recipients() == everybody
    assert len(sink.events("connected")) <= 3
    assert editions.audit(store, 1).is_balanced
    assert editions.audit(store, 2).is_balanced


def test_two_issues_of_one_process_keep_one_rate(store: Store, tmp_path: Path):
    two_issues(store)
    with start_sink(tmp_path) as sink:
        container = make_container(store, relays=relay_to(sink.port, rate=50))
        asyncio.run(tick(container))
    times = sorted(mail["at"] for mail in sink.accepted())

    assert states(store) == {IssueState.SENT}
    assert max(sum(since <= at < since + 1 for at in times) for since in times) <= 50


def test_one_turn_of_the_clock_sends_waiting_notices_too(store: Store, tmp_path: Path):
    with store.write() as tx:
        publication = make_publication(tx)
        new = NewNotice(
            kind=NoticeKind.CONFIRM,
            dedupe_key="confirm:1",
            publication_id=publication.id,
            email="ann@example.org",
            email_norm="ann@example.org",
            language="en",
            subject="Please confirm",
            text="Follow this link.\n",
            html=None,
        )
        posted = [post(tx, LocalEngine(), new, now=tx.now()) for _ in range(2)]
    with start_sink(tmp_path) as sink:
        container = make_container(store, relays=relay_to(sink.port))
        asyncio.run(tick(container))
        asyncio.run(tick(container))

    assert (posted[0] is not None, posted[1]) == (True, None)
    assert sink.recipients() == Counter({"ann@example.org": 1})


def test_an_issue_that_cannot_be_written_leaves_the_others_alone(store: Store, tmp_path: Path):
    two_issues(store)
    with store.write() as tx:
        publications.change(tx, publications.get(tx, "morning").id, {"postal_address": ""})
    with start_sink(tmp_path) as sink:
        container = make_container(store, relays=relay_to(sink.port))
        turn = asyncio.run(tick(container))

    assert [(slug, type(error).__name__) for slug, error in turn.errors] == [("morning", "ConfigInvalid")]
    assert set(sink.recipients()) == {f"reader{number}@example.com" for number in range(READERS + 1, 2 * READERS + 1)}
