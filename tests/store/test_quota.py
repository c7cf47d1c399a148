"""Never more than the limits say, whoever asks in whatever order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.store import quota
from digest.store.engine import Store
from digest.store.quota import Grant

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCOPE = "relay:ses"


def take(store: Store, wanted: int, *, at: float = 0.0, start: datetime = NOON, **limits: object) -> Grant:
    given_limits = {"per_second": 10.0, "capacity": 10, "daily_quota": None} | limits
    scope = str(given_limits.pop("scope", SCOPE))
    with store.write() as tx:
        now = start + timedelta(seconds=at)
        return quota.reserve(tx, scope, wanted=wanted, now=now, **given_limits)  # type: ignore[arg-type]  # a test's


def test_a_full_bucket_gives_what_it_holds_and_then_fills_at_its_rate(store: Store):
    first, second, third = take(store, 8), take(store, 8), take(store, 8)
    later = take(store, 8, at=0.5)

    assert [grant.granted for grant in (first, second, third, later)] == [8, 2, 0, 5]
    assert third.wait == pytest.approx(0.1)


def test_the_places_of_two_workers_follow_each_other(store: Store):
    first, second = take(store, 4), take(store, 4, at=0.1)

    assert (first.wait, second.wait) == (0.0, pytest.approx(0.3))


def test_a_pause_saves_up_no_more_than_the_capacity(store: Store):
    take(store, 10)

    assert take(store, 50, at=3600).granted == 10


def test_the_daily_quota_ends_at_midnight_utc_and_says_how_long_that_is(store: Store):
    got = [take(store, 6, per_second=None, daily_quota=10).granted for _ in range(2)]
    none_left = take(store, 6, per_second=None, daily_quota=10, at=1800)
    tomorrow = take(store, 6, per_second=None, daily_quota=10, at=12 * 3600)

    assert got == [6, 4]
    assert (none_left.granted, none_left.is_day_over, none_left.wait) == (0, True, 11.5 * 3600)
    assert (tomorrow.granted, tomorrow.day) == (6, "2026-11-23")


def test_what_is_returned_can_be_reserved_again(store: Store):
    grant = take(store, 10, daily_quota=10)
    with store.write() as tx:
        quota.give_back(tx, SCOPE, grant=grant, unused=7, ahead=7, now=NOON)
    again = take(store, 10, daily_quota=10)

    assert (again.granted, again.wait) == (7, pytest.approx(0.3))


def test_places_before_those_of_another_worker_are_not_handed_out_twice(store: Store):
    first, second = take(store, 5), take(store, 5)
    with store.write() as tx:
        quota.give_back(tx, SCOPE, grant=first, unused=5, ahead=5, now=NOON)

    assert second.granted == 5
    assert take(store, 5).granted == 0


def test_a_quota_charged_yesterday_is_not_returned_to_today(store: Store):
    yesterday = take(store, 10, daily_quota=10)
    today = take(store, 10, at=86400, daily_quota=10)
    with store.write() as tx:
        quota.give_back(tx, SCOPE, grant=yesterday, unused=10, ahead=0, now=NOON + timedelta(days=1))

    assert today.granted == 10
    assert take(store, 1, at=86401, daily_quota=10).granted == 0


def test_a_change_of_limits_keeps_the_places_already_handed_out(store: Store):
    take(store, 10)
    wider = take(store, 100, capacity=30)

    assert (wider.granted, wider.wait) == (20, pytest.approx(1.0))


def test_a_clock_read_too_early_grants_nothing_twice(store: Store):
    take(store, 10, at=1.0)

    assert take(store, 10, at=0.0).granted == 0
    assert take(store, 10, at=1.5).granted == 5


asks = st.lists(
    st.tuples(
        st.floats(0, 3, allow_nan=False).map(lambda s: round(s, 6)),  # time since the ask before
        st.integers(1, 30),  # wanted
        st.integers(0, 30),  # how many of them are given back at once
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asks=asks, per_second=st.floats(0.05, 200), capacity=st.integers(1, 40))
def test_no_order_of_asking_ever_gets_more_than_the_capacity_and_the_rate(
    store: Store, asks: list[tuple[float, int, int]], per_second: float, capacity: int
):
    """Over every stretch of time between two asks; and all places are a full step apart."""
    scope, at, grants = f"relay:{uuid4().hex}", 0.0, []
    places: list[float] = []
    for pause, wanted, returned in asks:
        at += pause
        grant = take(store, wanted, at=at, scope=scope, per_second=per_second, capacity=capacity)
        kept = max(0, grant.granted - returned)
        with store.write() as tx:
            unused = grant.granted - kept
            first_unused = grant.wait + kept / per_second
            ahead = unused if first_unused > 0 else max(0, unused - 1)
            now = NOON + timedelta(seconds=at)
            quota.give_back(tx, scope, grant=grant, unused=unused, ahead=ahead, now=now)
        grants.append((at, kept))
        places += [at + grant.wait + n / per_second for n in range(kept)]

    for first, (since, _) in enumerate(grants):
        for last in range(first, len(grants)):
            got = sum(count for _, count in grants[first : last + 1])
            assert got <= capacity + per_second * (grants[last][0] - since) + 1e-6
    step = 1 / per_second
    assert all(after - before >= step - 1e-5 for before, after in pairwise(places))


def test_four_threads_together_get_what_one_would(store: Store):
    barrier = Barrier(4)

    def ask(_number: int) -> list[tuple[float, int]]:
        barrier.wait()
        found = []
        for _ in range(25):
            with store.write() as tx:
                now = tx.now()
                grant = quota.reserve(tx, SCOPE, wanted=7, per_second=200.0, capacity=50, daily_quota=100_000, now=now)
            found.append((now.timestamp(), grant.granted))
        return found

    with ThreadPoolExecutor(4) as pool:
        grants = sorted(one for found in pool.map(ask, range(4)) for one in found)

    total, lasted = sum(count for _, count in grants), grants[-1][0] - grants[0][0]
    assert 50 <= total <= 50 + 200 * lasted + 1e-3
    assert take(store, 1, start=datetime.now(UTC), daily_quota=total, per_second=None).is_day_over


def test_four_threads_together_never_pass_the_daily_quota(store: Store):
    def ask(_number: int) -> int:
        return sum(take(store, 9, per_second=None, daily_quota=200).granted for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        granted = sum(pool.map(ask, range(4)))

    assert granted == 200
