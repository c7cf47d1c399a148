from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from digest.collect.schedule import floor, fresh_for, next_check, next_try, retry_after

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class _Middle(Random):
    """No jitter: the middle of every range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.mark.parametrize(
    ("headers", "ttl_s", "minutes", "floor_minutes"),
    [
        ({}, None, 15, None),
        ({"Cache-Control": "max-age=60"}, None, 15, 1),
        ({"Cache-Control": "public, max-age=1800"}, None, 30, 30),
        ({"Cache-Control": 'max-age="3600"'}, 7200, 120, 60),
        ({"Cache-Control": "MAX-AGE=3600, must-revalidate"}, None, 60, 60),
        ({"Cache-Control": "s-maxage=7200"}, None, 15, None),
        ({"Cache-Control": "max-age=31536000"}, None, 1440, 1440),
        ({"Cache-Control": "no-cache, max-age=3600"}, None, 15, None),
        ({"Cache-Control": "max-age=3600", "Age": "1800"}, None, 30, 30),
        ({"Expires": "Mon, 05 Jan 2026 13:00:00 GMT"}, None, 60, 60),
        ({"Expires": "Mon, 05 Jan 2026 13:00:00 GMT", "Date": "Mon, 05 Jan 2026 12:30:00 GMT"}, None, 30, 30),
        ({"Expires": "Mon, 05 Jan 2026 13:00:00 GMT", "Cache-Control": "max-age=120"}, None, 15, 2),
        ({"Expires": "0"}, None, 15, None),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 10**7, 1440, None),
        ({"Cache-Control": "max-age=nonsense", "Age": "x"}, 60, 15, None),
    ],
)
def test_the_next_look_is_the_longest_wish_within_bounds(
    headers: dict[str, str], ttl_s: int | None, minutes: int, floor_minutes: int | None
):
    fresh = fresh_for(headers, now=_NOW)
    lowest = floor(now=_NOW, fresh_for=fresh)
    ttl = timedelta(seconds=ttl_s) if ttl_s else None

    assert next_check(now=_NOW, wishes=(fresh, ttl), floor=lowest, rng=_Middle()) == _NOW + minutes * _MINUTE
    assert lowest == (_NOW + floor_minutes * _MINUTE if floor_minutes else None)


def test_jitter_is_a_tenth_and_never_goes_below_the_floor():
    lowest = _NOW + _HOUR
    rng = Random(7)  # noqa: S311 - no secrets here
    free = [next_check(now=_NOW, wishes=(_HOUR,), floor=None, rng=rng) for _ in range(200)]
    bound = [next_check(now=_NOW, wishes=(_HOUR,), floor=lowest, rng=rng) for _ in range(200)]

    assert min(free) >= _NOW + 54 * _MINUTE
    assert max(free) <= _NOW + 66 * _MINUTE
    assert max(free) - min(free) > 10 * _MINUTE
    assert min(bound) == lowest


def test_back_off_doubles_up_to_a_day():
    waits = [(next_try(now=_NOW, failures=n, floor=None, rng=_Middle()) - _NOW) / _HOUR for n in (1, 2, 3, 4, 5, 6, 60)]

    assert waits == [1, 2, 4, 8, 16, 24, 24]
    assert next_try(now=_NOW, failures=1, floor=_NOW + 3 * _HOUR, rng=_Middle()) == _NOW + 3 * _HOUR


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 2 * _MINUTE),
        (" 0 ", timedelta()),
        ("Mon, 05 Jan 2026 12:05:00 GMT", 5 * _MINUTE),
        ("Mon, 05 Jan 2026 11:00:00 GMT", timedelta()),
        ("999999999999999999999", _DAY),
        ("Tue, 05 Jan 2027 12:05:00 GMT", _DAY),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped_at_a_day(value: str, wait: timedelta | None):
    assert retry_after(value, now=_NOW) == wait


def test_the_floor_is_the_longer_of_both_wishes():
    assert floor(now=_NOW, fresh_for=_HOUR, retry_after=_MINUTE) == _NOW + _HOUR
    assert floor(now=_NOW, fresh_for=None, retry_after=2 * _DAY) == _NOW + _DAY
    assert floor(now=_NOW, fresh_for=timedelta(), retry_after=None) is None
