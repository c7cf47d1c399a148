"""`digest preview check`: the checks of the preview in a terminal and in a build."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import output
from digest.cli.state import config_of
from digest.compose.kinds import MailKind
from digest.config import settings as settings_module
from digest.config.settings import Settings
from digest.model.errors import ConfigInvalid
from digest.workshop.axe import axe_findings
from digest.workshop.browser import opened_page
from digest.workshop.facts import DEFAULT_CLIENTS, client_names
from digest.workshop.findings import Finding, Severity
from digest.workshop.mail import Mail
from digest.workshop.spam import spam_findings, spam_score
from digest.workshop.sweep import Question, Sweep, Told, Wanted, sweep

_OLD_AFTER_DAYS = 4 * 365


class Format(StrEnum):
    """How findings are told."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


_HEADS = {
    Severity.BREAKS: "Breaks: some readers cannot read, reach or trust it",
    Severity.DEGRADES: "Degrades: worse somewhere",
    Severity.NOTE: "Worth knowing",
}
_COMMANDS = {Severity.BREAKS: "error", Severity.DEGRADES: "warning", Severity.NOTE: "notice"}


def check(
    context: typer.Context,
    *,
    kind: Annotated[list[MailKind] | None, typer.Option(help="Only this kind of mail; may be repeated.")] = None,
    fixture: Annotated[list[str] | None, typer.Option(help="Only this fixture; may be repeated.")] = None,
    theme: Annotated[list[str] | None, typer.Option(help="Only this theme; may be repeated.")] = None,
    axe: Annotated[
        bool, typer.Option("--axe", help="Ask axe-core, too, in Chromium (needs the extra `checks`).")
    ] = False,
    spam: Annotated[bool, typer.Option("--spam", help="Ask the filter of preview.spam_url, too.")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="Tell what is only worth knowing, too.")] = False,
    as_format: Annotated[
        Format, typer.Option("--format", help="For people, for programs, or as annotations of GitHub Actions.")
    ] = Format.TEXT,
) -> int:
    """Check the mails of your templates, or of the built-in ones; exit code 1 when something breaks."""
    settings = settings_module.load(config_of(context))
    wanted = Wanted(
        search_path=(settings.path(settings.site.templates),),
        kinds=tuple(kind or ()),
        fixtures=tuple(fixture or ()),
        themes=tuple(theme or ()),
        clients=settings.preview.clients or DEFAULT_CLIENTS,
    )
    with _questions(settings, axe=axe, spam=spam) as ask:
        found = sweep(wanted, ask=ask, now=datetime.now(UTC))
    _TELL[as_format](found, notes)
    return 1 if found.count(Severity.BREAKS) else 0


@contextlib.contextmanager
def _questions(settings: Settings, *, axe: bool, spam: bool) -> Iterator[Sequence[Question]]:
    """What was asked for beside the checks themselves; the browser lasts as long as the block."""
    with contextlib.ExitStack() as opened:
        ask: list[Question] = []
        if axe:
            page = opened.enter_context(opened_page())
            ask += [lambda mail: axe_findings(page, mail, dark=False), lambda mail: axe_findings(page, mail, dark=True)]
        if spam:
            url = settings.preview.spam_url
            if not url:
                raise ConfigInvalid(
                    "--spam needs a filter to ask", hint="set preview.spam_url to your rspamd or spamd in digest.toml"
                )

            def score(mail: Mail) -> Sequence[Finding]:
                return spam_findings(spam_score(mail.eml, url))

            ask.append(score)
        yield ask


def _as_text(found: Sweep, with_notes: bool) -> None:
    for severity, head in _HEADS.items():
        told = [one for one in found.told if one.finding.severity is severity and not one.finding.ignored_because]
        if told and (with_notes or severity is not Severity.NOTE):
            output.say(f"{head}\n")
            for one in told:
                _tell(one)
    if with_notes and found.ignored:
        output.say("Ignored, with a reason\n")
        for one in found.told:
            if one.finding.ignored_because:
                output.say(f"  {_place(one)}  {one.finding.message} [{one.finding.rule}]")
                output.say(f"      because: {one.finding.ignored_because}\n")
    output.say(_sum(found))
    if not with_notes and found.count(Severity.NOTE):
        output.note("--notes tells the notes, too.")


def _tell(one: Told) -> None:
    finding = one.finding
    output.say(f"  {_place(one)}  {finding.message} [{finding.rule}]")
    if finding.hint:
        output.say(f"      → {finding.hint}")
    output.say(f"      {_met(one)}\n")


def _met(one: Told) -> str:
    """Who is hit, how often and where, and how old the knowledge is."""
    finding, first = one.finding, one.mails[0]
    parts = [client_names(finding.clients)] if finding.clients and finding.severity is Severity.BREAKS else []
    parts.append(f"in {first}" if len(one.mails) == 1 else f"in {len(one.mails)} mails, the first {first}")
    if finding.tested_on:
        age = (datetime.now(UTC).date() - datetime.fromisoformat(finding.tested_on).date()).days
        parts.append(f"tested {finding.tested_on[:7]}" + (", long ago" if age > _OLD_AFTER_DAYS else ""))
    return " · ".join(parts)


def _sum(found: Sweep) -> str:
    breaks, degrades = found.count(Severity.BREAKS), found.count(Severity.DEGRADES)
    parts = [
        f"{breaks or 'nothing'} break{'' if breaks > 1 else 's'}",
        f"{degrades or 'nothing'} degrade{'' if degrades > 1 else 's'}",
        output.count(found.count(Severity.NOTE), "note"),
        *([f"{found.ignored} ignored with a reason"] if found.ignored else []),
    ]
    return f"{output.count(found.mails, 'mail')} checked: {', '.join(parts)}."


def _place(one: Told) -> str:
    """The file as one would open it, with the line; the template's name where it is no file."""
    finding = one.finding
    if finding.template is None:
        return one.mails[0]
    name = _shown(one.file) if one.file else finding.template
    return f"{name}:{finding.line}" if finding.line else name


def _shown(file: Path) -> str:
    """Relative to the working directory where it is below it."""
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else str(file)


def _as_json(found: Sweep, _with_notes: bool) -> None:
    output.print_json(
        {
            "mails": found.mails,
            "breaks": found.count(Severity.BREAKS),
            "degrades": found.count(Severity.DEGRADES),
            "notes": found.count(Severity.NOTE),
            "ignored": found.ignored,
            "findings": [
                {**output.jsonable(one.finding), "file": _shown(one.file) if one.file else None, "mails": one.mails}
                for one in found.told
            ],
        }
    )


def _as_github(found: Sweep, with_notes: bool) -> None:
    for one in found.told:
        finding = one.finding
        if finding.ignored_because or (finding.severity is Severity.NOTE and not with_notes):
            continue
        facts = {
            "file": _shown(one.file) if one.file else "",
            "line": str(finding.line or ""),
            "title": f"{finding.group}: {finding.rule}",
        }
        said = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in facts.items() if value)
        words = ". ".join(filter(None, [finding.message.rstrip("."), finding.hint.rstrip(".")]))
        output.say(f"::{_COMMANDS[finding.severity]} {said}::{_escaped(words)} ({_met(one)})")
    output.note(_sum(found))


def _escaped(text: str, more: str = "") -> str:
    """As workflow commands want it: percent, line ends, and in properties colon and comma as %XX."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


_TELL = {Format.TEXT: _as_text, Format.JSON: _as_json, Format.GITHUB: _as_github}
