from __future__ import annotations

from datetime import date, timedelta

import pytest

from digest.deliver.warmup import WarmUp

FIRST = date(2026, 11, 25)
PLAN = WarmUp(FIRST, start=200, factor=1.5, until=50_000)


def after(days: int, plan: WarmUp = PLAN) -> int | None:
    return plan.ceiling(FIRST + timedelta(days=days))


def test_the_ceiling_grows_from_day_to_day_until_the_warm_up_is_over():
    assert [after(days) for days in range(6)] == [200, 300, 450, 675, 1012, 1518]
    assert after(13) == 38_923
    assert after(14) is None


def test_before_its_first_day_the_relay_is_not_used():
    assert after(-1) == after(-400) == 0


def test_years_later_it_is_over_all_the_same():
    assert after(365 * 50) is None


@pytest.mark.parametrize(("until", "third"), [(800, 800), (799, None)])
def test_a_day_that_reaches_the_end_exactly_still_counts(until: int, third: int | None):
    assert after(2, WarmUp(FIRST, start=200, factor=2, until=until)) == third
