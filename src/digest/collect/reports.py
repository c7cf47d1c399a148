"""What a collecting run tells of each source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from digest.model.article import Oddity, Source
from digest.model.errors import DigestError


class Outcome(StrEnum):
    """How a source did in a run.

    ``waiting``: its server asked not to be asked yet, so it was not. ``late``: the run's deadline came first.
    """

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    WAITING = "waiting"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source in one run.

    ``merged`` counts entries that another source had brought before, ``pages`` the pages that were read for their
    text. ``error`` is set, in plain words, when it failed, was late or is waited for; ``hint`` says what to do.
    """

    source_id: int
    title: str
    url: str
    outcome: Outcome
    new: int = 0
    updated: int = 0
    merged: int = 0
    pages: int = 0
    error: str | None = None
    hint: str | None = None
    warnings: tuple[Oddity, ...] = ()


Progress = Callable[[SourceReport], None]


def failed(source: Source, error: DigestError, outcome: Outcome = Outcome.FAILED) -> SourceReport:
    """The report of a source that gave nothing."""
    return SourceReport(source.id, source.title, source.url, outcome, error=str(error), hint=error.hint)
