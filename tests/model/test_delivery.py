"""How long a deferred delivery waits."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.model.delivery import backoff

FIVE_MINUTES = timedelta(minutes=5)


class Middle(Random):
    """No jitter: always the middle of the range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def waits(*attempts: int, first: timedelta = FIVE_MINUTES) -> list[float]:
    return [backoff(attempt, first=first, rng=Middle()).total_seconds() / 60 for attempt in attempts]


def test_each_wait_is_twice_the_one_before():
    assert waits(1, 2, 3, 4) == [5, 10, 20, 40]


def test_no_wait_is_longer_than_six_hours():
    assert waits(7, 8, 9, 100, 5000) == [320, 360, 360, 360, 360]


def test_a_first_wait_above_the_cap_is_cut_to_it():
    assert waits(1, first=timedelta(days=1)) == [360]


@given(st.integers(1, 10_000), st.randoms(use_true_random=False), st.integers(1, 3600))
def test_jitter_stays_within_a_fifth(attempt: int, rng: Random, first_s: int):
    first = timedelta(seconds=first_s)
    plain = backoff(attempt, first=first, rng=Middle())

    assert 0.799 <= backoff(attempt, first=first, rng=rng) / plain <= 1.201


def test_the_same_random_numbers_give_the_same_wait_and_others_another():
    one, again, other = (backoff(3, first=FIVE_MINUTES, rng=rng) for rng in map(Random, (1, 1, 2)))

    assert one == again
    assert one != other


@pytest.mark.parametrize("attempt", [0, -1])
def test_an_attempt_is_counted_from_one(attempt: int):
    with pytest.raises(ValueError, match="at least 1"):
        backoff(attempt, first=FIVE_MINUTES, rng=Middle())
