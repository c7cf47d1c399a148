"""A restored older copy of the database mails nothing that this machine has mailed before."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.app import controls, editions
from digest.app import line as steps
from digest.app.clock import clock_from, tick
from digest.app.container import Container
from digest.app.fence import Fence
from digest.app.run import advance
from digest.model.errors import NothingToDo, StoreUnavailable
from digest.model.issue import Issue, IssueState
from digest.store import installation, issues
from digest.store.engine import Store
from support.paper import MORNING, a_line, a_paper, run_paper
from support.sink import Sink, start_sink

DAY = timedelta(days=1)


@pytest.fixture
def disk(sqlite_database: str) -> Iterator[Store]:
    """A store on SQLite, which a test can copy and put back."""
    opened = Store(sqlite_database)
    yield opened
    opened.close()


def snapshot(store: Store, copy: Path) -> None:
    assert store.sqlite_path
    source, target = sqlite3.connect(store.sqlite_path), sqlite3.connect(copy)
    source.backup(target)
    target.close()
    source.close()


def restore(store: Store, copy: Path) -> None:
    assert store.sqlite_path
    store.close()
    for suffix in ("-wal", "-shm"):
        store.sqlite_path.with_name(store.sqlite_path.name + suffix).unlink(missing_ok=True)
    shutil.copy(copy, store.sqlite_path)


def a_started_paper(store: Store, folder: Path, sink: Sink) -> tuple[Container, Issue]:
    paper = a_paper(store, folder, port=sink.port)
    line = a_line(paper)
    return paper, steps.open_due(line, line.publication.cadences[0], by_clock=False)


def fence_lines(paper: Container) -> list[list[str]]:
    path = paper.settings.path(paper.settings.delivery.fence_file)
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def test_the_fence_knows_what_began_and_how_much_of_it_was_sent(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)
    with store.read() as tx:
        identity = installation.identity(tx)

    day = str(MORNING.date())
    assert [words[:5] for words in fence_lines(paper)] == [
        [identity, "morning", "daily", day, "0"],
        [identity, "morning", "daily", day, "3"],
    ]


@pytest.mark.parametrize("by_clock", [True, False])
@pytest.mark.parametrize("opened_before", [True, False])
def test_a_copy_from_before_the_issue_began_sends_nothing(
    disk: Store, tmp_path: Path, *, by_clock: bool, opened_before: bool
):
    with start_sink(tmp_path) as sink:
        paper = a_paper(disk, tmp_path, port=sink.port)
        if opened_before:
            line = a_line(paper)
            steps.open_due(line, line.publication.cadences[0], by_clock=False)
        snapshot(disk, tmp_path / "copy.db")
        run_paper(paper)
        restore(disk, tmp_path / "copy.db")
        if by_clock:
            trouble = asyncio.run(tick(paper, clock=clock_from(MORNING))).errors[0][1]
        else:
            with pytest.raises(StoreUnavailable) as caught:
                run_paper(paper)
            trouble = caught.value

        assert set(sink.recipients().values()) == {1}
    assert "restored older copy" in trouble.message
    assert "digest issue cancel 1" in trouble.hint


def test_the_remedy_that_is_named_ends_the_trouble_and_the_next_period_is_sent(disk: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(disk, tmp_path, port=sink.port)
        snapshot(disk, tmp_path / "copy.db")
        run_paper(paper)
        restore(disk, tmp_path / "copy.db")
        with pytest.raises(StoreUnavailable):
            run_paper(paper)
        editions.cancel(disk, 1)
        with pytest.raises(NothingToDo):
            run_paper(paper)
        result = run_paper(paper, at=MORNING + DAY)

        assert result.issue.state is IssueState.SENT
        assert set(sink.recipients().values()) == {2}


def test_a_copy_from_the_middle_of_a_send_that_was_finished_sends_nothing_and_can_be_closed(
    disk: Store, tmp_path: Path
):
    with start_sink(tmp_path) as sink:
        paper, issue = a_started_paper(disk, tmp_path, sink)
        line = a_line(paper)
        issue = steps.fan_out(line, steps.compose(line, steps.curate(line, asyncio.run(steps.collect(line, issue)))))
        snapshot(disk, tmp_path / "copy.db")
        asyncio.run(advance(line, issue))
        restore(disk, tmp_path / "copy.db")
        with pytest.raises(StoreUnavailable, match="counts 0 sent in the database, but this machine has sent 3"):
            run_paper(paper)
        closed = controls.close(disk, issue.id)

        assert sink.recipients() == Counter({f"reader{n}@example.com": 1 for n in (1, 2, 3)})
    assert closed.issue.state is IssueState.SENT


def test_a_crash_between_the_fence_and_the_first_byte_is_resumed(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper, issue = a_started_paper(store, tmp_path, sink)
        line = a_line(paper)
        issue = steps.fan_out(line, steps.compose(line, steps.curate(line, asyncio.run(steps.collect(line, issue)))))
        with store.read() as tx:
            fence = Fence(paper.settings.path(paper.settings.delivery.fence_file), installation.identity(tx))
        fence.note(issue, sent=0)

        assert run_paper(paper).issue.state is IssueState.SENT


def test_a_retried_issue_is_no_older_copy(store: Store, tmp_path: Path):
    with start_sink(tmp_path, dead=["reader2@example.com"]) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        issue = run_paper(paper).issue
        controls.retry_failed(store, issue.id, dead_too=True, expire_after=DAY)

        assert run_paper(paper).issue.state is IssueState.SENT


def test_a_database_made_anew_is_another_installation(store: Store, tmp_path: Path):
    fence = tmp_path / "digest.fence"
    fence.write_text(f"another morning daily {MORNING.date()} 3 2026-11-22T07:30:00Z\n")
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, delivery={"fence_file": str(fence)})

        assert run_paper(paper).issue.state is IssueState.SENT


def test_a_torn_line_is_passed_over_and_the_next_one_starts_afresh(store: Store, tmp_path: Path):
    fence = tmp_path / "digest.fence"
    fence.write_text("0123 morning dai")
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, delivery={"fence_file": str(fence)})
        run_paper(paper)

    assert [len(words) for words in fence_lines(paper)] == [3, 6, 6]


def test_nothing_is_sent_when_the_fence_cannot_be_written(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, delivery={"fence_file": str(tmp_path / "no" / "fence")})
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            run_paper(paper)

        assert sink.recipients() == Counter()


@pytest.mark.parametrize("far", ["planned", "composed"])
def test_the_clock_skips_an_unfinished_issue_after_its_latest_start_and_a_person_may_still_run_it(
    store: Store, tmp_path: Path, far: str
):
    with start_sink(tmp_path) as sink:
        paper, issue = a_started_paper(store, tmp_path, sink)
        line = a_line(paper)
        if far == "composed":
            steps.compose(line, steps.curate(line, asyncio.run(steps.collect(line, issue))))
        late = issue.due_at + timedelta(hours=6, minutes=1)
        by_hand = steps.open_due(a_line(paper, at=late), line.publication.cadences[0], by_clock=False)
        asyncio.run(tick(paper, clock=clock_from(late)))

        assert by_hand.state is IssueState(far)
        assert sink.recipients() == Counter()
    with store.read() as tx:
        skipped = issues.get(tx, issue.id)
    assert (skipped.state, skipped.reason) == (IssueState.SKIPPED, "too-late")


def test_a_machine_that_slept_between_two_steps_does_not_begin_too_late(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper, issue = a_started_paper(store, tmp_path, sink)
        slept = a_line(paper, at=issue.due_at + timedelta(hours=7))
        result = asyncio.run(advance(slept, issue, by_clock=True))
        assert sink.recipients() == Counter()
    assert (result.issue.state, result.issue.reason) == (IssueState.SKIPPED, "too-late")


def test_a_person_may_run_an_issue_after_its_latest_start(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper, _issue = a_started_paper(store, tmp_path, sink)

        assert run_paper(paper, at=MORNING + timedelta(hours=9)).issue.state is IssueState.SENT
