"""What will go out in the next days: to how many readers, in which waves, and until when at the present rate.

Rules: reads only. It counts the readers there are now; who joins, leaves or is paused until then is not foreseen, and
whether there is news enough is not either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.app.container import Container
from digest.app.waves import at_hours
from digest.model.calendar import Period, due_period, next_period
from digest.model.issue import IssueState
from digest.model.publication import Cadence, Publication
from digest.store import deliveries, figures, issues, publications
from digest.store.engine import Tx


@dataclass(frozen=True, slots=True)
class Wave:
    """Readers who get an issue from ``at`` on; ``through_by`` None where no rate is known yet."""

    at: datetime
    readers: int
    through_by: datetime | None


@dataclass(frozen=True, slots=True)
class Planned:
    """An issue to come, or one that waits for its later waves. ``state`` None: it has not been begun."""

    publication: str
    timezone: str
    cadence: str
    period: Period
    state: IssueState | None
    waves: tuple[Wave, ...]

    @property
    def readers(self) -> int:
        """How many get it."""
        return sum(wave.readers for wave in self.waves)


def upcoming(container: Container, *, slug: str | None, days: int, now: datetime) -> list[Planned]:
    """Every issue that is due within so many days, by its due instant. Raises NotFound for an unknown publication."""
    with container.store.read() as tx:
        chosen = [publications.get(tx, slug)] if slug else publications.list_all(tx)
        found = [
            planned
            for publication in chosen
            for cadence in publication.cadences
            for planned in _of_cadence(tx, container, publication, cadence, until=now + timedelta(days=days), now=now)
        ]
    return sorted(found, key=lambda planned: (planned.period.due_at, planned.publication, planned.cadence))


def _of_cadence(
    tx: Tx, container: Container, publication: Publication, cadence: Cadence, *, until: datetime, now: datetime
) -> Iterator[Planned]:
    rate = _rate(tx, container, publication)
    readers_by_clock = deliveries.by_clock(tx, publication.id, cadence.name)
    at_once = readers_by_clock.get(None, 0)
    own = {clock: count for clock, count in readers_by_clock.items() if clock is not None}
    for period in _periods(publication, cadence, until=until, now=now):
        issue = issues.of_period(tx, publication.id, cadence=cadence.name, period=period)
        if issue is not None and not issue.state.is_open:
            continue
        zone = ZoneInfo(publication.timezone)
        readers = Counter({period.due_at: at_once} if at_once else {})
        for clock, at in at_hours(period, own, send_at=cadence.send_at, zone=zone).items():
            readers[at] += own[clock]
        waves = tuple(_waves(readers, rate))
        yield Planned(
            publication.slug, publication.timezone, cadence.name, period, issue.state if issue else None, waves
        )


def _periods(publication: Publication, cadence: Cadence, *, until: datetime, now: datetime) -> Iterator[Period]:
    """The period that is due, and those that follow until ``until``."""
    zone = ZoneInfo(publication.timezone)
    period = due_period(cadence, zone, now)
    if period.due_at >= publication.created_at and now - period.due_at <= cadence.max_lateness:
        yield period
    while (period := next_period(cadence, zone, period.due_at)).due_at <= until:
        yield period


def _waves(readers: Counter[datetime], rate: float | None) -> Iterator[Wave]:
    """The waves in order; one that comes before the last is through goes on behind it."""
    free_at: datetime | None = None
    for at in sorted(readers):
        if rate is None:
            yield Wave(at, readers[at], None)
            continue
        begins = at if free_at is None else max(at, free_at)
        free_at = begins + timedelta(seconds=readers[at] / rate)
        yield Wave(at, readers[at], free_at)


def _rate(tx: Tx, container: Container, publication: Publication) -> float | None:
    """Mails a second: what the last issue did, but never more than the relays may."""
    lately = figures.lately_a_second(tx, publication.id)
    limits = [relay.rate for relay in container.settings.relays.values()]
    allowed = sum(limit for limit in limits if limit is not None) if limits and None not in limits else None
    if lately is None or allowed is None:
        return lately if allowed is None else allowed
    return min(lately, allowed)
