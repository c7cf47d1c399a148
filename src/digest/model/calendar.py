"""Periods and send times as people live them: local days, gaps and folds at clock changes.

Rules: a period is named by its local start date. A send time that falls into a gap (clocks go forward)
happens at the first valid minute after it; one that happens twice (clocks go back) is sent at the first.
RFC 5545 §3.3.5 takes the first of a repeated time as well. A month that is too short for its day has its last one.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.model.publication import Cadence, CadenceRule


@dataclass(frozen=True, slots=True)
class Period:
    """A slot of a cadence: its local start date and the UTC instant at which its issue is due."""

    start: date
    due_at: datetime


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall-clock time on a local day; a gap gives its end, a fold its first occurrence."""
    naive = datetime.combine(day, at.replace(tzinfo=None))
    instant = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == naive:
        return instant
    # In a gap PEP 495 puts fold=1 before the change and fold=0 after it: the change itself lies between the two.
    early, before = naive.replace(tzinfo=zone, fold=1).astimezone(UTC), naive.replace(tzinfo=zone).utcoffset()
    while instant - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(instant - early) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            instant = middle
    return instant


def reader_instant(
    period: Period, *, send_at: time, zone: ZoneInfo, deliver_at: time, reader_zone: ZoneInfo
) -> datetime:
    """When a reader gets the issue of a period: the first ``deliver_at`` on their clock that is not before it is due.

    Which local day that is follows from both zones' standard times alone. So nobody gets two issues on one day, or none
    on another, when either clock changes: a reader whose hour is then a little before the issue is due gets it as soon
    as it is, at most the length of the change late.
    """
    issued = datetime.combine(period.start, send_at) - _standard_offset(zone, period.due_at)
    behind = _standard_offset(reader_zone, period.due_at)
    day = period.start - timedelta(days=2)
    while datetime.combine(day, deliver_at) - behind < issued:
        day += timedelta(days=1)
    return max(local_instant(day, deliver_at, reader_zone), period.due_at)


def _standard_offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    local = instant.astimezone(zone)
    return (local.utcoffset() or timedelta()) - (local.dst() or timedelta())


def is_due_on(cadence: Cadence, day: date) -> bool:
    """Whether the cadence has a period that starts on a local day."""
    if _is_off(cadence, day):
        return False
    if _falls_on(cadence, day):
        return True
    if cadence.rule not in {CadenceRule.WEEKLY, CadenceRule.MONTHLY}:
        return False
    before = day - timedelta(days=1)
    while _is_off(cadence, before):
        if _falls_on(cadence, before):
            return True
        before -= timedelta(days=1)
    return False


def _falls_on(cadence: Cadence, day: date) -> bool:
    if cadence.rule is CadenceRule.DAILY:
        return True
    if cadence.rule is CadenceRule.WEEKDAYS:
        return day.weekday() < 5
    if cadence.rule is CadenceRule.WEEKLY:
        return day.isoweekday() == (cadence.day or 1)
    return day.day == min(cadence.day or 1, monthrange(day.year, day.month)[1])


def _is_off(cadence: Cadence, day: date) -> bool:
    return bool(cadence.days_off) and not cadence.days_off.isdisjoint((f"{day:%m-%d}", f"{day:%Y-%m-%d}"))


def due_period(cadence: Cadence, zone: ZoneInfo, now: datetime) -> Period:
    """The latest period whose send instant is not after ``now``."""
    day = now.astimezone(zone).date() + timedelta(days=1)
    while True:
        if is_due_on(cadence, day):
            due_at = local_instant(day, cadence.send_at, zone)
            if due_at <= now:
                return Period(day, due_at)
        day -= timedelta(days=1)


def next_period(cadence: Cadence, zone: ZoneInfo, now: datetime) -> Period:
    """The first period whose send instant is after ``now``."""
    day = now.astimezone(zone).date() - timedelta(days=1)
    while True:
        if is_due_on(cadence, day):
            due_at = local_instant(day, cadence.send_at, zone)
            if due_at > now:
                return Period(day, due_at)
        day += timedelta(days=1)
