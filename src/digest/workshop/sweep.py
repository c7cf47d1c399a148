"""Many mails checked at once: every kind, fixture and theme, or the ones asked for.

Rules: a template that cannot be rendered is one more finding, and the sweep goes on. What several mails say alike is
told once, with how many say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from jinja2 import Environment

from digest.compose.context import DigestContext
from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.folders import layers_of, theme_names
from digest.compose.kinds import MailKind
from digest.model.errors import BadInput, MessageInvalid, TemplateBroken
from digest.workshop.checks import check
from digest.workshop.facts import DEFAULT_CLIENTS, known_clients
from digest.workshop.findings import Finding, Group, Severity, gather, rank
from digest.workshop.mail import WRITTEN_AT, Mail, lay_out

#: More to ask of a mail than `check` does: axe, a spam filter.
Question = Callable[[Mail], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mails, by which templates, judged for whom. ``()`` means all of a thing."""

    search_path: tuple[Path, ...] = ()
    kinds: tuple[MailKind, ...] = ()
    fixtures: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    clients: tuple[str, ...] = DEFAULT_CLIENTS


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one mail. ``files`` are those of its templates, by name."""

    kind: MailKind
    template: str
    fixture: str
    theme: str
    findings: tuple[Finding, ...]
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """How people call it: ``digest/forty (plain)``."""
        return f"{self.template}/{self.fixture} ({self.theme})"


@dataclass(frozen=True, slots=True)
class Told:
    """One finding, and the mails that have it. ``file`` is the template's file, as far as it is one."""

    finding: Finding
    mails: tuple[str, ...]
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """All that was found: worst first, each once."""

    mails: int
    told: tuple[Told, ...]

    def count(self, severity: Severity) -> int:
        """How many findings of a weight, without the ignored ones."""
        return sum(one.finding.severity is severity and not one.finding.ignored_because for one in self.told)

    @property
    def ignored(self) -> int:
        """How many findings somebody has a reason to live with."""
        return sum(bool(one.finding.ignored_because) for one in self.told)


def sweep(wanted: Wanted, *, ask: Sequence[Question] = (), now: datetime = WRITTEN_AT) -> Sweep:
    """Check the wanted mails. Raises BadInput or NotFound for a kind, fixture, theme or client there is not."""
    refuse_unknown(wanted.clients)
    checked = list(_checked(wanted, ask, now))
    if not checked:
        raise BadInput("there is no such mail to check", hint=f"fixtures are {', '.join(_fixtures(wanted))}")
    return Sweep(len(checked), _told(checked))


def refuse_unknown(clients: Sequence[str]) -> None:
    """Raise BadInput for a mail client of the settings that the table of facts does not know."""
    if unknown := next((client for client in clients if client not in known_clients()), None):
        near = get_close_matches(unknown, known_clients(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known_clients())}"
        raise BadInput(f"preview.clients: there is no mail client {unknown!r}", hint=hint)


def _checked(wanted: Wanted, ask: Sequence[Question], now: datetime) -> Iterator[Checked]:
    for theme in wanted.themes or theme_names(wanted.search_path):
        env = templates(wanted.search_path, theme=theme)
        mapped_env = templates(wanted.search_path, theme=theme, source_map=True)
        for kind in wanted.kinds or tuple(MailKind):
            for template in (kind.value, *(own_templates(wanted.search_path) if kind is MailKind.DIGEST else ())):
                for fixture in fixture_names(kind, search_path=wanted.search_path):
                    if not wanted.fixtures or fixture in wanted.fixtures:
                        mail = _Asked(kind, template, fixture, env, mapped_env)
                        found, files = _look_at(mail, wanted, ask=ask, now=now)
                        yield Checked(kind, template, fixture, theme, found, files)


def own_templates(search_path: Sequence[Path]) -> tuple[str, ...]:
    """Folders of an operator's own that a publication may name instead of ``digest``."""
    bodies = [path for root in search_path for path in (root / "email").glob("*/body.html")]
    return tuple(sorted({path.parent.name for path in bodies} - {kind.value for kind in MailKind}))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One mail to look at."""

    kind: MailKind
    template: str
    fixture: str
    env: Environment
    mapped_env: Environment


def _look_at(
    asked: _Asked, wanted: Wanted, *, ask: Sequence[Question], now: datetime
) -> tuple[tuple[Finding, ...], Mapping[str, str]]:
    """What is found in a mail, and the files of its templates."""
    context = load_fixture(asked.fixture, kind=asked.kind, search_path=wanted.search_path)
    if is_never_sent(context):
        return (), {}
    try:
        mail = lay_out(
            context,
            env=asked.env,
            mapped_env=asked.mapped_env,
            fixture=asked.fixture,
            template=asked.template,
            now=now,
        )
    except TemplateBroken as error:
        path = layers_of(asked.env).path_of(error.template) if error.template else None
        return (finding_of(error),), {error.template: str(path)} if error.template and path else {}
    except MessageInvalid as error:
        broken = Finding(
            "message", Severity.BREAKS, Group.STRUCTURE, f"No mail can say this: {error.message}", hint=error.hint
        )
        return (broken,), {}
    more = [found for question in ask for found in question(mail)]
    return gather([*check(mail, clients=wanted.clients), *more]), mail.files


def is_never_sent(context: DigestContext) -> bool:
    """Whether this mail is only a state to look at: a digest without news is not sent."""
    return context.lead is None and not context.kind.is_notice


def finding_of(error: TemplateBroken) -> Finding:
    """A template that cannot be rendered, as a finding."""
    return Finding(
        "template-broken",
        Severity.BREAKS,
        Group.STRUCTURE,
        error.message.removeprefix(f"{error.template}, line {error.line}: "),
        hint=error.hint,
        template=error.template,
        line=error.line,
    )


def _told(checked: Sequence[Checked]) -> tuple[Told, ...]:
    """Each cause once: the same rule in the same line of the same file, whichever theme or fixture showed it."""
    met: dict[tuple[object, ...], tuple[Finding, Path | None, list[str]]] = {}
    for mail in checked:
        for found in mail.findings:
            path = mail.files.get(found.template or "")
            key = (found.rule, found.severity, *_cause(found, path), bool(found.ignored_because))
            first, file, names = met.setdefault(key, (replace(found, count=0), Path(path) if path else None, []))
            met[key] = (replace(first, count=first.count + found.count), file, names)
            if mail.name not in names:
                names.append(mail.name)
    told = [Told(found, tuple(names), file) for found, file, names in met.values()]
    return tuple(sorted(told, key=lambda one: rank(one.finding)))


def _cause(found: Finding, path: str | None) -> tuple[object, ...]:
    """What makes two findings of a rule the same: the place, but for features some client does not know."""
    is_feature = found.group is Group.COMPATIBILITY and found.severity is not Severity.BREAKS
    return ("feature",) if is_feature else (found.template, path, found.line)


def _fixtures(wanted: Wanted) -> list[str]:
    return sorted(
        {
            name
            for kind in wanted.kinds or tuple(MailKind)
            for name in fixture_names(kind, search_path=wanted.search_path)
        }
    )
