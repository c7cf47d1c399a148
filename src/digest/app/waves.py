"""When readers with an hour of their own get an issue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from digest.model.calendar import Period, local_instant, reader_instant
from digest.model.issue import Issue
from digest.model.publication import Publication
from digest.store.fanout import ReaderClock


def wave_times(publication: Publication, issue: Issue, clocks: Iterable[ReaderClock]) -> dict[ReaderClock, datetime]:
    """The instant of each clock for the issue. A zone that nobody knows is the publication's."""
    zone = ZoneInfo(publication.timezone)
    send_at = next(
        (one.send_at for one in publication.cadences if one.name == issue.cadence),
        issue.due_at.astimezone(zone).time(),  # a rhythm that was taken away meanwhile
    )
    return at_hours(Period(issue.period_start, issue.due_at), clocks, send_at=send_at, zone=zone)


def at_hours(
    period: Period, clocks: Iterable[ReaderClock], *, send_at: time, zone: ZoneInfo
) -> dict[ReaderClock, datetime]:
    """The instant of each clock for a period that is issued at ``send_at`` in ``zone``."""
    known = available_timezones()
    return {
        clock: reader_instant(
            period,
            send_at=send_at,
            zone=zone,
            deliver_at=time.fromisoformat(clock.deliver_at),
            reader_zone=ZoneInfo(clock.zone) if clock.zone in known else zone,
        )
        for clock in clocks
    }


def after_quiet_hours(zones: Iterable[str], quiet: tuple[time, time], *, now: datetime) -> dict[ReaderClock, datetime]:
    """When readers of each zone who are to be left in peace now may be mailed; others are not in it."""
    begin, end = quiet
    known, found = available_timezones(), {}
    for name in zones:
        zone = ZoneInfo(name if name in known else "UTC")
        local = now.astimezone(zone)
        is_quiet = begin <= local.time() < end if begin <= end else not end <= local.time() < begin
        if is_quiet:
            day = local.date() if local.time() < end else local.date() + timedelta(days=1)
            found[ReaderClock(name, "")] = local_instant(day, end, zone)
    return found
