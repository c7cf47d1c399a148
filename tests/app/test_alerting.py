"""Breaking news reaches those who asked for it, once, past whatever else is going out."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import select, update

from digest.app import alerting, editions
from digest.app.clock import system_clock, tick
from digest.app.container import Container
from digest.app.run import RunResult, advance
from digest.app.waves import after_quiet_hours
from digest.audience.leave import find_by_token, undo, unsubscribe_by_token
from digest.model.errors import BadInput, NothingToDo
from digest.model.issue import IssueState
from digest.store import articles, issues, subscriptions
from digest.store.engine import Store
from digest.store.fanout import ReaderClock
from digest.store.tables import delivery, subscription
from support.paper import a_line, a_paper, run_paper
from support.sink import start_sink

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def asked_for_alerts(store: Store, *readers: int) -> None:
    with store.write() as tx:
        mine = subscription.c.subscriber_id.in_(readers)
        tx.connection.execute(update(subscription).where(mine).values(alerts=True))


def first_article(store: Store) -> int:
    with store.read() as tx:
        return articles.list_recent(tx)[0].id


def sound(paper: Container, article_id: int) -> RunResult:
    found = alerting.draft(paper, str(article_id), slug=None, now=system_clock())
    issue = alerting.sound(paper, found, now=system_clock())
    line = a_line(paper, at=system_clock())
    return asyncio.run(advance(line, issue))


def test_an_alert_reaches_those_who_asked_for_alerts_and_nobody_else(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=4)
        run_paper(paper)
        before = sink.recipients()
        asked_for_alerts(store, 1, 3)
        result = sound(paper, first_article(store))
        arrived = sink.recipients() - before
        mail = message_from_bytes(sink.messages()[-1], policy=policy.default)

    assert result.issue.state is IssueState.SENT
    assert result.issue.number is None
    assert arrived == {"reader1@example.com": 1, "reader3@example.com": 1}
    assert editions.audit(store, result.issue.id).is_balanced
    assert mail["List-Id"] == "The Morning Post alerts <alerts.morning.example.com>"
    assert mail["List-Archive"] is None
    assert "Just in" in mail.get_body(("html",)).get_content()


def test_an_article_is_alerted_of_once_and_the_next_digest_is_counted_on(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)
        asked_for_alerts(store, 1)
        article_id = first_article(store)
        sound(paper, article_id)
        with pytest.raises(NothingToDo, match="alert about"):
            sound(paper, article_id)
    with store.read() as tx:
        numbers = [issue.number for issue in issues.list_recent(tx)]

    assert numbers == [None, 1]


def test_nobody_is_alerted_where_nobody_asked(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)

    with pytest.raises(NothingToDo, match="nobody asked for alerts"):
        alerting.draft(paper, str(first_article(store)), slug="morning", now=NOON)


def test_a_day_has_so_many_alerts_and_no_more(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, articles=3, alerts={"per_day": 2})
        run_paper(paper)
        asked_for_alerts(store, 1)
        with store.read() as tx:
            keys = [article.id for article in articles.list_recent(tx)]
        sound(paper, keys[0])
        sound(paper, keys[1])
        with pytest.raises(BadInput, match="2 alerts in 24 hours"):
            sound(paper, keys[2])


def test_leaving_an_alert_leaves_the_alerts_and_can_be_undone(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)
        asked_for_alerts(store, 1)
        sound(paper, first_article(store))
        mail = message_from_bytes(sink.messages()[-1], policy=policy.default)
    found = re.search(r"/u/([^>\s]+)>", str(mail["List-Unsubscribe"]))
    assert found is not None
    token, now = found[1], datetime.now(UTC)
    seen = find_by_token(store, paper.keyring, token=token)
    left = unsubscribe_by_token(store, paper.keyring, token, now=now, how="page")

    def wants() -> tuple[str, bool, bool]:
        with store.read() as tx:
            mine = subscriptions.get(tx, 1, publication_id=1)
        assert mine is not None
        return mine.state.value, mine.digest, mine.alerts

    after = wants()
    again = unsubscribe_by_token(store, paper.keyring, token, now=now, how="one-click")
    assert left is not None
    undo(store, paper.keyring, token=left.undo_token, now=now)

    assert seen is not None
    assert (seen.only_alerts, seen.was_active, left.was_active) == (True, True, True)
    assert after == ("active", True, False)
    assert again is not None
    assert not again.was_active
    assert wants() == ("active", True, True)


def test_who_is_asleep_gets_it_when_their_quiet_hours_end_if_it_is_still_news(store: Store, tmp_path: Path):
    local = datetime.now(UTC)
    quiet = f"{local - timedelta(hours=1):%H:%M}-{local + timedelta(hours=1):%H:%M}"
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, alerts={"quiet_hours": quiet})
        run_paper(paper)
        asked_for_alerts(store, 1)
        before = sink.recipients()
        waiting = sound(paper, first_article(store))
        held = sink.recipients() - before
        with store.write() as tx:
            issues.expire_at(tx, waiting.issue.id, instant=local)
        asyncio.run(tick(paper))
    with store.read() as tx:
        rows = tx.connection.execute(
            select(delivery.c.state, delivery.c.reason).where(delivery.c.issue_id == waiting.issue.id)
        )

        assert [tuple(row) for row in rows] == [("failed", "expired")]
    assert not held
    assert waiting.issue.state is IssueState.SENDING
    assert waiting.next_try_at is not None


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", None),
        ("Asia/Tokyo", None),
        ("Australia/Sydney", datetime(2026, 12, 1, 19, 30, tzinfo=UTC)),
        ("Pacific/Honolulu", datetime(2026, 12, 1, 16, 30, tzinfo=UTC)),
    ],
)
def test_quiet_hours_are_those_of_the_reader(zone: str, expected: datetime | None):
    found = after_quiet_hours([zone], (time(22), time(6, 30)), now=NOON)

    assert found.get(ReaderClock(zone, "")) == expected
