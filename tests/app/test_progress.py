"""The numbers of progress: what is done, how fast it goes, when it will be through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.app import progress
from digest.app.controls import Waiting
from digest.app.line import Watch
from digest.app.progress import Pace, Progress
from digest.model.delivery import DeliveryState, OnDoubt, Outcome
from digest.model.issue import IssueState
from digest.store import issues
from digest.store.engine import Store
from support.paper import a_paper, run_paper
from support.sending import sending_issue
from support.sink import start_sink

S = DeliveryState
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def counts(**given: int) -> dict[DeliveryState, int]:
    return dict.fromkeys(DeliveryState, 0) | {DeliveryState(name): number for name, number in given.items()}


def batch(state: DeliveryState, number: int) -> list[Outcome]:
    return [Outcome(key, state, NOW) for key in range(number)]


def test_sent_failed_and_skipped_are_done_and_doubts_are_not():
    found = Progress(100, counts(sent=40, failed=3, skipped=7, unknown=2, deferred=8, pending=40))

    assert (found.done, found.ready) == (50, 40)


def test_the_rate_is_that_of_the_last_ten_seconds():
    pace = Pace()
    pace.begin(10_000, counts(pending=10_000), now=0.0)
    rates = []
    for second in range(1, 31):
        pace.add(batch(S.SENT, 200 if second <= 20 else 50), now=float(second))
        rates.append(pace.progress(now=float(second)).rate)

    assert rates[19] == pytest.approx(200)
    assert rates[24] == pytest.approx(125), "half of the window is the slower half"
    assert rates[29] == pytest.approx(50)
    assert pace.progress(now=45.0).rate == 0.0


def test_a_run_that_has_just_begun_is_measured_by_what_it_had_time_for():
    pace = Pace()
    pace.begin(1000, counts(pending=1000), now=100.0)
    pace.add(batch(S.SENT, 50), now=102.0)

    assert pace.progress(now=102.0).rate == pytest.approx(25)
    assert pace.progress(now=102.0).left_s == pytest.approx(950 / 25)


def test_what_was_settled_before_is_done_and_is_no_speed():
    pace = Pace()
    pace.begin(1000, counts(sent=600, skipped=10, pending=390), now=0.0)

    assert pace.progress(now=5.0).done == 610
    assert pace.progress(now=5.0).rate == 0.0
    assert pace.progress(now=5.0).left_s is None


def test_each_outcome_is_counted_where_it_belongs_and_the_sum_stays():
    pace = Pace()
    pace.begin(20, counts(pending=20), now=0.0)
    pace.add(
        batch(S.SENT, 8) + batch(S.DEFERRED, 3) + batch(S.FAILED, 2) + batch(S.UNKNOWN, 1) + batch(S.PENDING, 2),
        now=1.0,
    )
    found = pace.progress(now=1.0)

    assert {state: count for state, count in found.counts.items() if count} == {
        S.SENT: 8,
        S.DEFERRED: 3,
        S.FAILED: 2,
        S.UNKNOWN: 1,
        S.PENDING: 6,
    }
    assert sum(found.counts.values()) == 20


def test_nothing_is_promised_where_only_retries_are_left():
    assert Progress(10, counts(sent=8, deferred=2), rate=5.0).left_s is None


def test_whoever_only_looks_takes_the_difference_for_speed():
    pace = Pace()
    pace.follow(100, counts(sent=20, pending=80), now=0.0)
    first = pace.progress(now=0.0).rate
    pace.follow(100, counts(sent=40, pending=60), now=2.0)

    assert first == 0.0
    assert pace.progress(now=2.0).rate == pytest.approx(10)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time  # noqa: PLC0415

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(seconds=7), "10:30:07"),
        (timedelta(minutes=12), "10:42"),
        (timedelta(hours=15), "Mon 01:30"),
    ],
)
def test_a_time_is_said_as_this_machines_clock_shows_it(ahead: timedelta, said: str):
    assert progress.local_time(NOW + ahead, now=NOW) == said


@pytest.mark.usefixtures("berlin")
def test_a_wait_says_why_and_until_when():
    put_off = Waiting("12 put off by relay default: 451 4.7.1 greylisted", NOW + timedelta(minutes=12))

    assert progress.waits_for(put_off, now=NOW) == ("12 put off by relay default: 451 4.7.1 greylisted; next try 10:42")


def test_a_run_begins_at_what_is_already_settled(store: Store, tmp_path: Path):
    """The first run is paused after its first batch; the second tells where it goes on from."""
    told: list[Progress] = []

    def pause(done: object) -> None:
        with store.write() as tx:
            issue = issues.list_recent(tx)[0]
            if done and issue.state is IssueState.SENDING:
                issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.PAUSED, now=NOW)

    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=200)
        paused = run_paper(paper, watch=Watch(outcomes=pause))
        with store.write() as tx:
            issues.move(tx, paused.issue.id, expected=IssueState.PAUSED, to=IssueState.SENDING, now=NOW)
        run_paper(paper, watch=Watch(tally=told.append))

    assert 0 < paused.tally.counts[S.SENT] < 200
    assert told[0].done == paused.tally.counts[S.SENT]
    assert told[0].audience == 200


def test_a_retry_that_is_waited_for_is_explained_with_the_relays_words(store: Store, tmp_path: Path):
    told: list[str] = []
    with start_sink(tmp_path, defer={"reader2@example.com": 1}) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, delivery={"retry_first_s": 3})
        result = run_paper(paper, watch=Watch(waiting=told.append))
    reasons = [reason for reason in told if reason]

    assert result.issue.state is IssueState.SENT
    assert len(reasons) == 1
    assert reasons[0].startswith("1 put off by relay default: 451 4.7.1 greylisted, try again later; next try ")
    assert told[-1] == "", "it says when it goes on"


def test_a_look_from_outside_knows_the_speed_and_the_reason(store: Store):
    issue = sending_issue(store, 5)
    found = progress.look(store, issue.id, on_doubt=OnDoubt.RESEND, with_rate=True)

    assert (found.progress.done, found.progress.audience, found.progress.rate) == (0, 5, 0.0)
    assert found.waiting is not None
    assert "nobody is delivering" in found.waiting.reason
