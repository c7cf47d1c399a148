"""Findings that a template's author has looked at and finds fine.

Rules: ``{# lint: ignore RULE "reason" #}`` needs its reason; without one it ignores nothing and is a finding itself. It
counts for what is found in the template it stands in; in the mail's own ``body.html`` and in ``email/layout.html`` it
counts for the whole mail. One that nothing answers to is harmless: another fixture may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.mail import Mail

_COMMENT = re.compile(r"\{#-?\s*lint:\s*ignore\b\s*(?P<rule>[\w-]+)?\s*(?P<rest>.*?)-?#\}", re.DOTALL)
_REASON = re.compile(r"\"([^\"]*\S[^\"]*)\"|'([^']*\S[^']*)'|“([^”]*\S[^”]*)”")


@dataclass(frozen=True, slots=True)
class Excuse:
    """One comment: what it ignores, why (empty when it does not say), and where it stands."""

    rule: str
    reason: str
    template: str
    line: int


def excuses(mail: Mail) -> Iterator[Excuse]:
    """The comments of all templates that took part."""
    for template, source in mail.sources.items():
        for found in _COMMENT.finditer(source):
            reason = _REASON.search(found["rest"])
            said = next(filter(None, reason.groups()), "") if reason else ""
            line = source.count("\n", 0, found.start()) + 1
            yield Excuse(found["rule"] or "", " ".join(said.split()), template, line)


def excused(findings: Iterable[Finding], mail: Mail) -> Iterator[Finding]:
    """The findings, with the reasons that were given, and one more for each comment that gives none."""
    known = list(excuses(mail))
    everywhere = {"email/layout.html", mail.part("body.html")}
    for found in findings:
        reason = next(
            (
                one.reason
                for one in known
                if one.rule == found.rule and one.reason and (one.template in {found.template, *everywhere})
            ),
            "",
        )
        yield replace(found, ignored_because=reason) if reason else found
    for one in known:
        if not (one.rule and one.reason):
            yield Finding(
                "lint-ignore",
                Severity.DEGRADES,
                Group.STRUCTURE,
                f"“lint: ignore {one.rule}” gives no reason, so nothing is ignored".replace("ignore ”", "ignore”"),
                hint='Write {# lint: ignore RULE "why that is fine" #}.',
                template=one.template,
                line=one.line,
            )
