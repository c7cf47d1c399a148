"""When a source is looked at again, and what servers say of it in their headers. Pure: the time comes from outside.

Two instants: when it is *due* (`next_check`), which only makes work, and the *floor* before which nobody asks at all,
not even an operator who asks for everything (`floor`): max-age and Retry-After are the server's word on that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random

MIN_INTERVAL = timedelta(minutes=15)
MAX_INTERVAL = timedelta(hours=24)
#: Of a wait, up or down: a thousand sources added in one minute do not come due in one minute for ever.
JITTER = 0.1

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_UNCACHEABLE = re.compile(r"(?:^|[,\s])no-(?:cache|store)\b", re.IGNORECASE)


def next_check(*, now: datetime, wishes: tuple[timedelta | None, ...], floor: datetime | None, rng: Random) -> datetime:
    """The longest of our own interval (15 min), the feed's ttl and the server's freshness, at most 24 h, ±10 %.

    Never before ``floor`` (collection.md F3).
    """
    asked = max((wish for wish in wishes if wish is not None), default=MIN_INTERVAL)
    due = now + _jittered(min(max(MIN_INTERVAL, asked), MAX_INTERVAL), rng)
    return max(due, floor) if floor else due


def next_try(*, now: datetime, failures: int, floor: datetime | None, rng: Random) -> datetime:
    """After so many failures in a row: 1, 2, 4 … 24 h from ``now``, ±10 %; never before ``floor`` (F5)."""
    wait = min(timedelta(hours=2 ** min(failures - 1, 5)), MAX_INTERVAL)
    due = now + _jittered(wait, rng)
    return max(due, floor) if floor else due


def floor(*, now: datetime, fresh_for: timedelta | None, retry_after: timedelta | None = None) -> datetime | None:
    """Before when the server does not want to be asked; at most 24 h from ``now``, None when it said nothing."""
    wait = max((one for one in (fresh_for, retry_after) if one is not None), default=timedelta())
    return now + min(wait, MAX_INTERVAL) if wait > timedelta() else None


def fresh_for(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """How long the answer is said to stay fresh: max-age, else Expires (RFC 9111 §4.2.1), less its age.

    None when nothing is said, or nothing that can be read; zero when it is stale already.
    """
    control = headers.get("Cache-Control", "")
    if _UNCACHEABLE.search(control):
        return timedelta()
    if age := _MAX_AGE.search(control):
        lifetime = timedelta(seconds=int(age.group(1)))
    elif (expires := _http_date(headers.get("Expires", ""))) is not None:
        lifetime = expires - (_http_date(headers.get("Date", "")) or now)
    else:
        return None
    spent = headers.get("Age", "").strip()
    if spent.isascii() and spent.isdigit():
        lifetime -= timedelta(seconds=min(int(spent[:9]), 10**8))
    return max(lifetime, timedelta())


def retry_after(value: str, *, now: datetime) -> timedelta | None:
    """The wait that a Retry-After header asks for, in seconds or as a date (RFC 9110 §10.2.3); at most 24 h."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        wait = timedelta(seconds=min(int(value[:9]), 10**8))
    elif (date := _http_date(value)) is not None:
        wait = date - now
    else:
        return None
    return min(max(wait, timedelta()), MAX_INTERVAL)


def _jittered(wait: timedelta, rng: Random) -> timedelta:
    return wait * rng.uniform(1 - JITTER, 1 + JITTER)


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):  # "0" and "-1" are common, and mean: in the past
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
