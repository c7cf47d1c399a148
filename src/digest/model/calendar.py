"""Periods and send times as people live them: local days, gaps and folds at clock changes.

Rules: a period is named by its local start date. A send time that falls into a gap (clocks go forward)
happens at the first valid minute after it; one that happens twice (clocks go back) is sent at the first.
RFC 5545 §3.3.5 takes the first of a repeated time as well.
"""

from __future__ import annotations

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


def _matches(rule: CadenceRule, day: date) -> bool:
    if rule is CadenceRule.DAILY:
        return True
    if rule is CadenceRule.WEEKDAYS:
        return day.weekday() < 5
    return day.weekday() == 0


def due_period(cadence: Cadence, zone: ZoneInfo, now: datetime) -> Period:
    """The latest period whose send instant is not after ``now``."""
    day = now.astimezone(zone).date() + timedelta(days=1)
    while True:
        if _matches(cadence.rule, day):
            due_at = local_instant(day, cadence.send_at, zone)
            if due_at <= now:
                return Period(day, due_at)
        day -= timedelta(days=1)


def next_period(cadence: Cadence, zone: ZoneInfo, now: datetime) -> Period:
    """The first period whose send instant is after ``now``."""
    day = now.astimezone(zone).date() - timedelta(days=1)
    while True:
        if _matches(cadence.rule, day):
            due_at = local_instant(day, cadence.send_at, zone)
            if due_at > now:
                return Period(day, due_at)
        day += timedelta(days=1)
