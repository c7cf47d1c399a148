"""The clock: due to the minute in local time, once however many clocks there are, late only within reason."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.app.clock import clock_from, tick
from digest.app.container import Container
from digest.app.serve import ticking
from digest.model.issue import Issue, IssueState
from digest.model.publication import Cadence, CadenceRule, CatchUp
from digest.store import issues, publications
from digest.store.engine import Store
from support.paper import a_paper, write_article
from support.sink import start_sink

BERLIN = ZoneInfo("Europe/Berlin")


def turn(paper: Container, at: datetime):
    return asyncio.run(tick(paper, clock=clock_from(at)))


def all_issues(store: Store) -> list[Issue]:
    with store.read() as tx:
        return list(reversed(issues.list_recent(tx)))


def born(store: Store, at: datetime, **cadence: object) -> None:
    """Move the paper's birth back and set its rhythm."""
    with store.write() as tx:
        publication = publications.list_all(tx)[0]
        publications.change(tx, publication.id, {"created_at": at, "timezone": "Europe/Berlin"})
        defaults = {"name": "daily", "rule": CadenceRule.DAILY, "send_at": time(7, 0)}
        publications.put_cadence(tx, publication.id, Cadence(**(defaults | cadence)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "day",
    [
        pytest.param((2026, 3, 28), id="the day before summer time"),
        pytest.param((2026, 3, 29), id="summer time begins"),
        pytest.param((2026, 10, 25), id="summer time ends"),
    ],
)
def test_an_issue_goes_out_at_the_local_send_time_whatever_the_clocks_did(
    sqlite_database: str, tmp_path: Path, day: tuple[int, int, int]
):
    store = Store(sqlite_database)
    due = datetime(*day, 7, 0, tzinfo=BERLIN).astimezone(UTC)
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        born(store, due - timedelta(hours=20))

        early = turn(paper, due - timedelta(seconds=30))
        assert not early.results
        assert sink.recipients() == Counter()

        turn(paper, due)
        assert sum(sink.recipients().values()) == 3

    issue = all_issues(store)[0]
    assert (issue.state, issue.due_at, str(issue.period_start)) == (
        IssueState.SENT,
        due,
        f"{due.astimezone(BERLIN):%F}",
    )
    store.close()


def test_a_send_time_that_clocks_skip_is_sent_when_they_have_skipped_it(sqlite_database: str, tmp_path: Path):
    store = Store(sqlite_database)
    after_gap = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        born(store, after_gap - timedelta(hours=5), send_at=time(2, 30))

        assert not turn(paper, after_gap - timedelta(minutes=1)).results
        assert turn(paper, after_gap).results[0].issue.state is IssueState.SENT
    store.close()


def test_a_clock_that_was_down_catches_up_within_the_maximum_lateness(store: Store, tmp_path: Path):
    due = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        born(store, due - timedelta(days=9), max_lateness=timedelta(hours=2))
        result = turn(paper, due + timedelta(hours=1, minutes=59))

    assert [one.issue.state for one in result.results] == [IssueState.SENT]
    assert len(all_issues(store)) == 1, "only the latest period is caught up, not every day of the downtime"


@pytest.mark.parametrize(
    ("late", "catch_up"), [(timedelta(hours=3), CatchUp.LATEST), (timedelta(minutes=6), CatchUp.NONE)]
)
def test_what_is_too_late_is_skipped_on_record_and_its_news_rolls_over(
    store: Store, tmp_path: Path, late: timedelta, catch_up: CatchUp
):
    due = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        born(store, due - timedelta(days=9), max_lateness=timedelta(hours=2), catch_up=catch_up)
        turn(paper, due + late)
        missed = sink.recipients()
        turn(paper, due + timedelta(days=1))

    states = [(issue.state, issue.reason) for issue in all_issues(store)]
    assert missed == Counter()
    assert states == [(IssueState.SKIPPED, "too-late"), (IssueState.SENT, None)]
    assert sum(sink.recipients().values()) == 3


def test_a_publication_owes_nobody_an_issue_from_before_it_was_made(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    born(store, datetime(2026, 11, 22, 6, 30, tzinfo=UTC))

    assert turn(paper, datetime(2026, 11, 22, 7, 0, tzinfo=UTC)).is_idle
    assert all_issues(store) == []


def test_two_clocks_make_one_issue_and_reach_each_reader_once(store: Store, tmp_path: Path):
    due = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)

    async def both() -> None:
        clocks = [tick(paper, clock=clock_from(due)) for _ in range(2)]
        await asyncio.gather(*clocks)

    with start_sink(tmp_path, delay_s=0.005) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=40)
        born(store, due - timedelta(days=1))
        asyncio.run(both())
        turn(paper, due + timedelta(seconds=15))

    assert len(all_issues(store)) == 1
    assert sink.recipients() == Counter({f"reader{n}@example.com": 1 for n in range(1, 41)})


def test_a_turn_goes_on_with_an_issue_that_was_left_unfinished(store: Store, tmp_path: Path):
    due = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    paper = a_paper(store, tmp_path, port=9)
    born(store, due - timedelta(days=1))
    stuck = turn(paper, due)
    with start_sink(tmp_path) as sink:
        from support.sending import make_container  # noqa: PLC0415 - the same paper with a relay that works

        mended = make_container(store, relays={"default": {"host": "127.0.0.1", "port": sink.port}})
        done = turn(mended, due + timedelta(minutes=1))

    assert [type(error).__name__ for _, error in stuck.errors] == ["RelayUnreachable"]
    assert [one.issue.state for one in done.results] == [IssueState.SENT]


def test_the_ticking_clock_of_serve_sends_what_is_due(store: Store, tmp_path: Path):
    """The real scheduler on the real time: due a minute ago, sent by the first turn."""

    async def a_moment() -> None:
        async with ticking(paper, every_s=1):
            for _ in range(200):
                await asyncio.sleep(0.05)
                if sum(sink.recipients().values()) == 3:
                    return

    now = datetime.now(UTC)
    local = (now - timedelta(minutes=1)).astimezone(BERLIN)
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        born(store, now - timedelta(days=2), send_at=time(local.hour, local.minute))
        write_article(tmp_path / "articles", "late")
        asyncio.run(a_moment())

    assert sum(sink.recipients().values()) == 3
