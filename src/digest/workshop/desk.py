"""Drawing what is open: one rendering for all frames of a state, drawn again only after something was saved.

Rules: nothing is written. A generation is one state of the files; within it each mail is rendered once, whoever asks.
When a template breaks, the last good mail of the same state stays, beside what is wrong. Safe to use from several
threads: one draws, the others wait for it. Rendering takes processor time: never call it in an event loop.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, TemplateNotFound

from digest.app.container import Container
from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names
from digest.compose.folders import DEFAULT_THEME, layers_of, package_templates, theme_names
from digest.compose.kinds import MailKind
from digest.model.errors import DigestError, TemplateBroken
from digest.workshop.checks import check
from digest.workshop.clients import Client
from digest.workshop.compare import LastCommit
from digest.workshop.facts import DEFAULT_CLIENTS
from digest.workshop.findings import Finding, Severity
from digest.workshop.mail import Mail, lay_out
from digest.workshop.sources import Data, data_of
from digest.workshop.states import Choices, State
from digest.workshop.sweep import refuse_unknown

_AROUND = 3
_KEPT = 96
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong. ``frame`` are (line number, text) around ``line``; ``chain`` the way there, outermost first."""

    place: str
    message: str
    hint: str = ""
    template: str | None = None
    line: int | None = None
    frame: tuple[tuple[int, str], ...] = ()
    chain: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A state as it was drawn: the last good mail, None before there was one, and what is wrong now.

    ``nothing`` says in words why there is no mail where nothing is wrong.
    """

    key: _Key
    generation: int
    mail: Mail | None
    label: str
    theme: str
    fault: Fault | None
    nothing: str
    took_ms: float


@dataclass(frozen=True, slots=True)
class Mark:
    """How a mail stands in short."""

    fault: bool
    breaks: int
    degrades: int
    notes: int

    @property
    def weight(self) -> tuple[bool, int, int]:
        """The worse, the greater."""
        return self.fault, self.breaks, self.degrades


@dataclass(slots=True)
class _Environments:
    """Templates compiled once for each (folders, theme, language, mapped or not)."""

    made: dict[tuple[tuple[Path, ...], str, str, bool], Environment] = field(default_factory=dict)

    def of(self, folders: Sequence[Path], theme: str, locale: str, *, mapped: bool) -> Environment:
        key = (tuple(folders), theme, locale, mapped)
        if key not in self.made:
            self.made[key] = templates(folders, theme=theme, locale=locale or "en", source_map=mapped)
        return self.made[key]


class Desk:
    """Draws states with the templates and data as they are on disk.

    Raises BadInput for a mail client in the settings that there is not.
    """

    def __init__(
        self,
        container: Container | None,
        search_path: Sequence[Path],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.container = container
        self.search_path = tuple(search_path)
        self.last_commit = LastCommit([*self.search_path, package_templates()])
        self._clock = clock
        self._clients = (container.settings.preview.clients if container else ()) or DEFAULT_CLIENTS
        refuse_unknown(self._clients)
        self._environments = _Environments()
        self._lock = threading.RLock()
        self._generation = 0
        self._seen: Mapping[Path, int] = {}
        self._now: dict[_Key, Drawn] = {}
        self._good: OrderedDict[_Key, Drawn] = OrderedDict()
        self._findings: dict[_Key, tuple[Finding, ...]] = {}
        self._choices: tuple[int, Choices] | None = None

    @property
    def generation(self) -> int:
        """The number of this state of the files; grows when one was saved."""
        with self._lock:
            self._look()
            return self._generation

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder of templates: the operator's, then ours."""
        return (*self.search_path, package_templates())

    def choices(self) -> Choices:
        """What there is to choose from now."""
        with self._lock:
            self._look()
            if self._choices is None or self._choices[0] != self._generation:
                self._choices = self._generation, self._read_choices()
            return self._choices[1]

    def draw(self, state: State, *, head: bool = False) -> Drawn:
        """Draw ``state``; with ``head`` by the templates of the last commit."""
        key = (state.kind, state.source, state.theme, state.locale, state.patch, "head" if head else "")
        with self._lock:
            self._look()
            if key not in self._now:
                drawn = self._drawn(key, state, head=head)
                self._now[key] = drawn
                if drawn.mail is not None and drawn.fault is None:
                    self._keep(drawn)
            return self._now[key]

    def findings(self, drawn: Drawn) -> tuple[Finding, ...]:
        """What the checks say of a mail; worst first."""
        if drawn.mail is None:
            return ()
        found = self._findings.get(drawn.key)
        if found is None:
            found = check(drawn.mail, clients=self._clients)
            if drawn.generation == self._generation:
                self._findings[drawn.key] = found
        return found

    def mark(self, drawn: Drawn) -> Mark:
        """How a drawn mail stands."""
        return _marked(drawn, self.findings(drawn))

    def marks(self) -> dict[tuple[str, str], Mark]:
        """How the mails stand that were drawn and checked in this generation, by kind and fixture."""
        with self._lock:
            self._look()
            return {
                (key[0], key[1]): _marked(drawn, self._findings.get(key, ()))
                for key, drawn in self._now.items()
                if not any(key[2:]) and (key in self._findings or drawn.fault or drawn.nothing)
            }

    def environment(self, theme: str = "", locale: str = "") -> Environment:
        """The templates as the mail of a state is rendered with them."""
        with self._lock:
            self._look()
            return self._environments.of(self.search_path, theme or DEFAULT_THEME, locale, mapped=False)

    def source(self, template: str, theme: str = "") -> str | None:
        """The text of a template, None when there is none of that name. Never reads outside the folders."""
        path = self.path(template, theme)
        return path.read_text(encoding="utf-8") if path else None

    def path(self, template: str, theme: str = "") -> Path | None:
        """The file of a template, None when there is none."""
        return layers_of(self.environment(theme)).path_of(template)

    def _read_choices(self) -> Choices:
        kinds = tuple(kind.value for kind in MailKind)
        themes = theme_names(self.search_path)
        return Choices(
            kinds=kinds,
            themes=tuple(sorted(themes, key=lambda name: (name != DEFAULT_THEME, name))),
            clients=tuple(client.value for client in Client),
            locales=_locales(self.folders),
            fixtures={kind: tuple(fixture_names(MailKind(kind), search_path=self.search_path)) for kind in kinds},
            has_project=self.container is not None,
        )

    def _look(self) -> None:
        """Begin a new generation when a file was saved, came or went."""
        seen = {path: path.stat().st_mtime_ns for path in _files(self.folders)}
        if seen == self._seen:
            return
        if seen.keys() != self._seen.keys():
            self._environments = _Environments()  # a theme's folder may be new
        self._seen = seen
        self._generation += 1
        self._now.clear()
        self._findings.clear()

    def _drawn(self, key: _Key, state: State, *, head: bool) -> Drawn:
        began = time.perf_counter()
        label = theme = nothing = ""
        mail, fault = None, None
        try:
            folders = self.last_commit.templates().folders if head else self.search_path
            data = data_of(
                state,
                container=self.container,
                search_path=self.search_path,
                now=self._clock(),
            )
            label, theme = data.label, state.theme or data.theme
            if data.is_empty:
                nothing = "This digest has no story, so it is not sent. Nobody gets an empty mail."
            else:
                mail = self._mail(state, data, folders, theme)
        except DigestError as error:
            fault = self._explain(error, state)
            good = self._good.get(key)
            mail = good.mail if good else None
            label, theme = label or (good.label if good else ""), theme or (good.theme if good else DEFAULT_THEME)
        took_ms = (time.perf_counter() - began) * 1000
        return Drawn(key, self._generation, mail, label, theme, fault, nothing, took_ms)

    def _mail(self, state: State, data: Data, folders: Sequence[Path], theme: str) -> Mail:
        return lay_out(
            data.context,
            env=self._environments.of(folders, theme, state.locale, mapped=False),
            mapped_env=self._environments.of(folders, theme, state.locale, mapped=True),
            fixture=state.source,
            template=data.template,
            sender=data.sender,
            now=self._clock(),
        )

    def _keep(self, drawn: Drawn) -> None:
        self._good[drawn.key] = drawn
        self._good.move_to_end(drawn.key)
        while len(self._good) > _KEPT:
            self._good.popitem(last=False)

    def _explain(self, error: DigestError, state: State) -> Fault:
        if not isinstance(error, TemplateBroken) or error.template is None:
            return Fault(error.code, error.message, error.hint)
        place = f"{error.template}:{error.line}" if error.line else error.template
        message = error.message.removeprefix(f"{error.template}, line {error.line}: ").removeprefix(
            f"{error.template}: "
        )
        frame = self._frame(error.template, error.line, state) if error.line else ()
        return Fault(place, message, error.hint, error.template, error.line, frame, error.chain)

    def _frame(self, template: str, line: int, state: State) -> tuple[tuple[int, str], ...]:
        """The lines around the fault; none when the template itself is missing."""
        env = self._environments.of(self.search_path, state.theme or DEFAULT_THEME, state.locale, mapped=False)
        assert env.loader is not None  # noqa: S101 - narrows the type: `templates` sets one
        try:
            source, _, _ = env.loader.get_source(env, template)
        except TemplateNotFound:
            return ()
        numbered = list(enumerate(source.splitlines(), start=1))
        return tuple(numbered[max(0, line - 1 - _AROUND) : line + _AROUND])


def _locales(folders: Sequence[Path]) -> tuple[str, ...]:
    """The languages we say things in ourselves: English, and each with a catalogue."""
    found = {path.stem.replace("_", "-") for folder in folders for path in (folder / "locale").glob("*.po")}
    return ("en", *sorted(found - {"en"}))


def _files(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]


def _marked(drawn: Drawn, findings: Sequence[Finding]) -> Mark:
    counts = dict.fromkeys(Severity, 0)
    for one in findings:
        if not one.ignored_because:
            counts[one.severity] += 1
    fault = drawn.fault is not None
    return Mark(fault, counts[Severity.BREAKS], counts[Severity.DEGRADES], counts[Severity.NOTE])
