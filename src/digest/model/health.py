"""How a source does, in one word and in a sentence; and whether it is silent far beyond its habit.

Rules: everything follows from what is stored of the source and the time; nothing here changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.model.article import Source, SourceKind

#: So many failures in a row over so long are no passing trouble (collection.md F7).
LASTING_FAILURES = 5
LASTING_AFTER = timedelta(days=3)

#: Days of a habit that are kept, and how many are needed before it is one.
HABIT_DAYS = 60
_ENOUGH_DAYS = 5
#: Silence is told when it lasts so many times as long as the second longest pause: the longest may have been a
#: holiday or a night when this machine was off, the second longest is a weekend or a usual night.
_BEYOND = 1.5
_LEAST_SILENCE = timedelta(hours=24)


class SourceState(StrEnum):
    """How a source does. ``retrying`` may pass by itself; ``failing`` has lasted, and asks for somebody."""

    OK = "ok"
    RETRYING = "retrying"
    FAILING = "failing"
    HELD = "held"
    GONE = "gone"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Health:
    """A source's state and what to say of it. ``silent_for`` is set when it is silent far beyond its habit."""

    state: SourceState
    words: str
    silent_for: timedelta | None = None

    @property
    def needs_somebody(self) -> bool:
        """Whether it will not come right by waiting."""
        return self.state in {SourceState.FAILING, SourceState.GONE} or self.silent_for is not None


def health(source: Source, *, now: datetime) -> Health:
    """How a source does at ``now``."""
    state = _state(source, now)
    silence = silent_for(source, now=now) if state is SourceState.OK else None
    return Health(state, _words(source, state, silence), silence)


def silence_limit(gaps: tuple[tuple[str, float], ...]) -> timedelta | None:
    """How long a source with these pauses may be silent before it is odd; None while it has no habit yet."""
    if len(gaps) < _ENOUGH_DAYS:
        return None
    second_longest = sorted(seconds for _day, seconds in gaps)[-2]
    return max(_LEAST_SILENCE, timedelta(seconds=_BEYOND * second_longest))


def silent_for(source: Source, *, now: datetime) -> timedelta | None:
    """How long the source has shown nothing unseen, where that is far beyond its habit."""
    limit = silence_limit(source.gaps)
    if limit is None or source.last_new_at is None:
        return None
    silence = now - source.last_new_at
    return silence if silence > limit else None


def with_news(source: Source, *, now: datetime) -> tuple[tuple[str, float], ...]:
    """The source's pauses after something unseen was found in it at ``now``: of each day the longest is kept."""
    if source.last_new_at is None or now <= source.last_new_at:
        return source.gaps
    day, pause = f"{now:%Y-%m-%d}", (now - source.last_new_at).total_seconds()
    before = source.gaps
    if before and before[-1][0] == day:
        return (*before[:-1], (day, max(pause, before[-1][1])))
    return (*before, (day, pause))[-HABIT_DAYS:]


def span(length: timedelta) -> str:
    """A length of time for people: ``3 days``, ``26 hours``, ``20 minutes``."""
    minutes = round(length.total_seconds() / 60)
    for size, word in ((1440, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f"{minutes // size} {word}s"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _state(source: Source, now: datetime) -> SourceState:
    if source.paused:
        return SourceState.PAUSED
    if source.gone_at is not None:
        return SourceState.GONE
    if source.last_error is None:
        return SourceState.OK
    if source.not_before is not None and source.not_before > now:
        return SourceState.HELD
    return SourceState.FAILING if is_lasting(source, now=now) else SourceState.RETRYING


def is_lasting(source: Source, *, now: datetime) -> bool:
    """Whether the source has failed so often and so long that waiting alone will not help."""
    since = source.failing_since
    return source.failures >= LASTING_FAILURES and since is not None and now - since >= LASTING_AFTER


def _words(source: Source, state: SourceState, silence: timedelta | None) -> str:
    error = source.last_error or ""
    if state is SourceState.OK and source.kind is SourceKind.PUSH:
        return "ok: articles are added by hand"
    if state is SourceState.OK:
        return "not fetched yet" if source.last_success_at is None else _silence(source, silence)
    since = f"{source.failing_since:%Y-%m-%d %H:%M} UTC" if source.failing_since else "the last poll"
    times = "" if source.failures == 1 else f" ×{source.failures}"
    said = {
        SourceState.PAUSED: "paused" + (f"; before that: {error}" if error else ""),
        SourceState.GONE: f"gone: {error}; it is not asked any more",
        SourceState.HELD: f"held until {_moment(source.not_before)}, as its server asked: {error}",
        SourceState.FAILING: f"failing since {since}, {source.failures} times: {error}; it is tried daily",
        SourceState.RETRYING: f"failed{times}: {error}; next try {_moment(source.next_poll_at)}",
    }
    return said[state]


def _silence(source: Source, silence: timedelta | None) -> str:
    if silence is None:
        return "ok"
    usual = (silence_limit(source.gaps) or _LEAST_SILENCE) / _BEYOND
    return f"nothing new for {span(silence)}; usually something comes within {span(usual)}"


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "–"
