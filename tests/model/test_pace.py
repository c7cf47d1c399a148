"""The pace towards one provider, by the rule of Postfix's queue manager."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.model.pace import BLOCKS_WITHIN, FORGET_AFTER, LONGEST, SHORTEST, START, Pace

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def troubled(times: int = 1, *, pace: Pace | None = None, at: datetime = NOON) -> Pace:
    pace = pace or Pace("gmail.com", at)
    for _ in range(times):
        pace = pace.after_trouble(at, "421 4.7.28 slower, please")
    return pace


def test_the_first_complaint_opens_a_window_that_was_not_there():
    assert Pace("gmail.com", NOON).rate is None
    assert troubled().window == pytest.approx(START - 1 / START)


def test_a_success_undoes_about_one_complaint():
    assert troubled().after_successes(1, NOON).window == pytest.approx(START, abs=0.01)


def test_successes_are_summed_up_as_if_told_one_by_one():
    one_by_one = troubled()
    for _ in range(500):
        one_by_one = one_by_one.after_successes(1, NOON)

    assert troubled().after_successes(500, NOON).window == pytest.approx(one_by_one.window)
    assert one_by_one.window == pytest.approx(32, abs=0.5)


def test_below_one_the_provider_is_dead_for_a_back_off_that_doubles():
    pace, pauses = troubled(12), []
    assert not pace.is_held(NOON)
    at = NOON
    for _ in range(9):
        pace = troubled(13, pace=pace, at=at)
        assert pace.held_until is not None
        pauses.append(pace.held_until - at)
        at = pace.held_until
        assert pace.is_held(at - MINUTE / 60)
        assert not pace.is_held(at)
        assert pace.window == 1

    assert pauses[:4] == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST, 8 * SHORTEST]
    assert pauses[-1] == LONGEST


def test_after_a_pause_one_complaint_is_enough_for_the_next():
    pace = troubled(13)
    assert pace.held_until is not None

    again = pace.after_trouble(pace.held_until, "421 still")

    assert again.held_until == pace.held_until + 2 * SHORTEST


def test_what_was_on_its_way_when_a_pause_began_changes_nothing():
    held = troubled(13)

    assert troubled(5, pace=held) == held
    assert held.after_successes(100, NOON) == held


def test_the_third_refusal_within_an_hour_pauses_for_as_long():
    pace = Pace("yahoo.com", NOON)
    for minute in (0, 30):
        pace = pace.after_block(NOON + minute * MINUTE, "554 5.7.1 spam")
    assert not pace.is_held(NOON + 30 * MINUTE)
    assert pace.rate is None

    last = NOON + 59 * MINUTE
    assert pace.after_block(last, "554 5.7.1 spam").held_until == last + BLOCKS_WITHIN
    assert not pace.after_block(NOON + 61 * MINUTE, "554 5.7.1 spam").is_held(NOON + 61 * MINUTE)


def test_quiet_for_ten_minutes_and_there_is_no_limit_any_more():
    assert not troubled().is_over(NOON + FORGET_AFTER - MINUTE)
    assert troubled().is_over(NOON + FORGET_AFTER)

    held = troubled(13)
    assert held.held_until is not None
    assert not held.is_over(NOON + FORGET_AFTER)
    assert held.is_over(held.held_until + FORGET_AFTER)

    blocked = Pace("yahoo.com", NOON).after_block(NOON, "554 5.7.1 spam")
    assert not blocked.is_over(NOON + FORGET_AFTER)
    assert blocked.is_over(NOON + BLOCKS_WITHIN)


@given(st.integers(1, 12), st.integers(1, 1_000_000))
def test_the_time_for_mails_is_how_long_they_take_at_a_growing_rate(complaints: int, count: int):
    """By hand: in one second after another as many as the window stands for, which grows by them."""
    pace, total, seconds = troubled(complaints), 0.0, 0.0
    while total < count:
        assert pace.rate is not None
        step = 0.01 * (1 + seconds)
        total += pace.rate * step
        pace = _grown(pace, pace.rate * step)
        seconds += step

    assert troubled(complaints).time_for(count).total_seconds() == pytest.approx(seconds, rel=0.1, abs=0.05)


def _grown(pace: Pace, mails: float) -> Pace:
    assert pace.window is not None
    return Pace(pace.provider, pace.troubled_at, window=pace.window + mails / pace.window)
