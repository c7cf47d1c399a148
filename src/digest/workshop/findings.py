"""What a check says: one finding for each fault, with its place, its weight and what to do.

Rules: `BREAKS` is for what some readers cannot read, reach or trust; `DEGRADES` for what looks or reads worse
somewhere; `NOTE` for what is worth knowing. A finding names the template and line that cause it, as far as they are
known, and stands once for each cause: `count` says how often it was met.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is, worst first."""

    BREAKS = "breaks"
    DEGRADES = "degrades"
    NOTE = "note"


class Group(StrEnum):
    """What a finding is about, in the order they are told."""

    STRUCTURE = "structure"
    LINKS = "links"
    TEXT = "text"
    COMPATIBILITY = "compatibility"
    ACCESSIBILITY = "accessibility"
    CONTRAST = "contrast"
    SIZE = "size"
    SPAM = "spam"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``template`` is a name such as ``email/layout.html``; ``line`` counts from 1.

    ``clients`` are names of the table of facts (``outlook.windows``), empty where it is about all. ``tested_on`` is
    the day its facts were tested, ISO 8601, or empty. ``selector`` leads to the first element in the mail.
    ``ignored_because`` is the reason a template gives for living with it; such a finding weighs nothing.
    """

    rule: str
    severity: Severity
    group: Group
    message: str
    hint: str = ""
    template: str | None = None
    line: int | None = None
    clients: tuple[str, ...] = ()
    tested_on: str = ""
    count: int = 1
    selector: str = ""
    ignored_because: str = ""

    @property
    def breaks(self) -> bool:
        """Whether it should stop a build."""
        return self.severity is Severity.BREAKS and not self.ignored_because


def gather(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each cause once, with how often it was met; worst first, then by group and place."""
    once: dict[tuple[object, ...], Finding] = {}
    for found in findings:
        key = (found.rule, found.severity, found.template, found.line, found.message)
        seen = once.get(key)
        once[key] = replace(seen, count=seen.count + found.count) if seen else found
    return tuple(sorted(once.values(), key=rank))


def rank(found: Finding) -> tuple[object, ...]:
    """The order findings are told in: the worst first, then by group and place; ignored ones last."""
    return (
        bool(found.ignored_because),
        tuple(Severity).index(found.severity),
        tuple(Group).index(found.group),
        found.template or "~",
        found.line or 0,
        found.rule,
    )
