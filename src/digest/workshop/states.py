"""What the workshop shows, as an address: every control is a value here and a parameter of the URL.

Rules: reading an address never raises. What it does not know falls back to the default, and a note says so. What is
default stays out of the address, so that a copied link says only what its sender chose. No value is a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlencode

NARROWEST, WIDEST = 240, 1600
MOST_FRAMES = 4
#: A patch in an address stays below what servers and chat programs let through.
LONGEST_PATCH = 4000
HEAD = "HEAD"

_Choice = TypeVar("_Choice", bound=StrEnum)
_SOURCE = re.compile(r"live(:\d{1,18}(\.\d{1,18})?)?|issue:\d{1,18}")
_PLACE = re.compile(r"(?P<template>\w[\w./-]{0,199}):(?P<line>\d{1,6})")


class View(StrEnum):
    """How much is on the stage."""

    STAGE = "stage"
    MATRIX = "matrix"
    COMPARE = "compare"
    READ = "read"


class Scheme(StrEnum):
    """How dark. ``forced`` is a client that inverts colours by itself; ``both`` is light beside dark."""

    LIGHT = "light"
    DARK = "dark"
    FORCED = "forced"
    BOTH = "both"


class Pane(StrEnum):
    """What the inspector shows."""

    CHECKS = "checks"
    SOURCE = "source"
    TEXT = "text"
    HEADERS = "headers"
    DATA = "data"
    SEND = "send"


class Way(StrEnum):
    """How two mails are compared."""

    SIDE = "side"
    SWIPE = "swipe"
    DIFF = "diff"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a template, counted from 1."""

    template: str
    line: int

    def __str__(self) -> str:
        return f"{self.template}:{self.line}"


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from. ``fixtures`` are the names for each kind; the first of each list is its default.

    ``has_project`` says whether there are articles and issues to take instead of a fixture.
    """

    kinds: tuple[str, ...]
    themes: tuple[str, ...]
    clients: tuple[str, ...]
    locales: tuple[str, ...]
    fixtures: Mapping[str, tuple[str, ...]]
    has_project: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """One thing to look at, and how.

    ``source`` is a fixture's name; ``live``, ``live:<publication>`` or ``live:<publication>.<subscriber>``; or
    ``issue:<id>``. ``theme`` and ``locale`` are ``""`` where the data decides. ``patch`` is a JSON merge patch laid
    over the data. ``vs`` is what to compare with: ``HEAD``, or another state without its slash: ``digest?f=rtl``.
    ``at`` is the line of a template that is selected.
    """

    kind: str
    source: str
    theme: str = ""
    widths: tuple[int, ...] = (600,)
    scheme: Scheme = Scheme.LIGHT
    client: str = "authored"
    pane: Pane = Pane.CHECKS
    view: View = View.STAGE
    vs: str = ""
    way: Way = Way.SIDE
    locale: str = ""
    patch: str = ""
    at: Place | None = None
    inspects: bool = False
    with_images: bool = True
    is_bare: bool = False

    def changed(self, **changes: object) -> State:
        """This state with something else chosen."""
        return replace(self, **changes)  # type: ignore[arg-type]  # our own pages name fields

    @property
    def is_real(self) -> bool:
        """Whether its data are the project's own and no fixture."""
        return _SOURCE.fullmatch(self.source) is not None

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """The schemes that are shown beside each other."""
        return (Scheme.LIGHT, Scheme.DARK) if self.scheme == Scheme.BOTH else (self.scheme,)

    @property
    def frames(self) -> tuple[tuple[int, Scheme], ...]:
        """Width and scheme of each frame on the stage: at most four."""
        return tuple((width, scheme) for width in self.widths for scheme in self.schemes)[:MOST_FRAMES]

    @property
    def other(self) -> str:
        """The kind and data as another state names them in its ``vs``."""
        alone = State(
            self.kind,
            self.source,
            theme=self.theme,
            widths=self.widths,
            scheme=self.scheme,
            client=self.client,
            locale=self.locale,
            patch=self.patch,
            with_images=self.with_images,
        )
        return alone.address("")

    def address(self, under: str = "/preview/") -> str:
        """The path and query that `parse` reads back to this state."""
        query = urlencode(self._query(), quote_via=quote, safe=":,/?=")
        return f"{under}{quote(self.kind, safe='')}" + (f"?{query}" if query else "")

    def frame(self, scheme: Scheme, *, head: bool = False) -> str:
        """The address of the mail alone in ``scheme``; with ``head`` by the templates of the last commit."""
        shown = State(
            self.kind,
            self.source,
            theme=self.theme,
            scheme=scheme,
            client=self.client,
            locale=self.locale,
            patch=self.patch,
            with_images=self.with_images,
            vs=HEAD if head else "",
        )
        return shown.address("/frame/")

    def _query(self) -> list[tuple[str, str]]:
        at = str(self.at) if self.at else ""
        flags = [("i", "1" if self.inspects else ""), ("img", "" if self.with_images else "0")]
        said = [
            ("f", "" if self.source == "default" else self.source),
            ("t", self.theme),
            ("w", "" if self.widths == (600,) else ",".join(map(str, self.widths))),
            ("s", "" if self.scheme == Scheme.LIGHT else self.scheme),
            ("c", "" if self.client == "authored" else self.client),
            ("v", "" if self.view == View.STAGE else self.view),
            ("p", "" if self.pane == Pane.CHECKS else self.pane),
            ("vs", self.vs),
            ("by", "" if self.way == Way.SIDE else self.way),
            ("l", self.locale),
            ("at", at),
            ("patch", self.patch),
            *flags,
            ("bare", "1" if self.is_bare else ""),
        ]
        return [(key, str(value)) for key, value in said if value]


@dataclass(slots=True)
class _Reading:
    """The query being read, and what was not understood so far."""

    query: Mapping[str, str]
    notes: list[str] = field(default_factory=list)

    def one_of(self, key: str, known: tuple[str, ...], default: str, noun: str) -> str:
        value = self.query.get(key, "")
        if not value or value in known:
            return value or default
        self.notes.append(f"There is no {noun} “{_short(value)}”; this is {default or 'the default'}.")
        return default

    def choice(self, key: str, default: _Choice, noun: str) -> _Choice:
        kinds = type(default)
        return kinds(self.one_of(key, tuple(kinds), default, noun))


def parse(kind: str, query: str, choices: Choices) -> tuple[State, tuple[str, ...]]:
    """The state that ``/preview/<kind>?<query>`` asks for, and notes on what in it was not understood."""
    said = dict(parse_qsl(query, max_num_fields=None))
    reading = _Reading(said)
    if kind not in choices.kinds:
        reading.notes.append(f"There is no mail “{_short(kind)}”; this is {choices.kinds[0]}.")
        kind = choices.kinds[0]
    state = State(
        kind=kind,
        source=_source(reading, kind, choices),
        theme=reading.one_of("t", choices.themes, "", "theme"),
        widths=_widths(reading),
        scheme=reading.choice("s", Scheme.LIGHT, "scheme"),
        client=reading.one_of("c", choices.clients, "authored", "client"),
        pane=reading.choice("p", Pane.CHECKS, "pane"),
        view=reading.choice("v", View.STAGE, "view"),
        vs=_other(reading, choices),
        way=reading.choice("by", Way.SIDE, "way to compare"),
        locale=reading.one_of("l", choices.locales, "", "language"),
        patch=_patch(reading),
        at=_place(reading),
        inspects=said.get("i") == "1",
        with_images=said.get("img") != "0",
        is_bare=said.get("bare") == "1",
    )
    return state, tuple(reading.notes)


def parse_other(state: State, choices: Choices) -> State:
    """The state that ``state`` is compared with, as it would be shown alone; ``state`` itself for HEAD or nothing."""
    if state.vs in {"", HEAD}:
        return state.changed(vs="")
    kind, _, query = state.vs.partition("?")
    return parse(kind, query, choices)[0].changed(vs="")


def _source(reading: _Reading, kind: str, choices: Choices) -> str:
    value = reading.query.get("f", "")
    names = choices.fixtures.get(kind) or ("default",)
    if _SOURCE.fullmatch(value):
        if choices.has_project:
            return value
        reading.notes.append(f"“{value}” needs a project with articles, and there is none here; this is {names[0]}.")
        return names[0]
    return reading.one_of("f", names, names[0], "fixture")


def _widths(reading: _Reading) -> tuple[int, ...]:
    said = reading.query.get("w", "")
    if not said:
        return (600,)
    words = said.split(",")
    widths = tuple(int(word) for word in words if re.fullmatch(r"\d{1,5}", word))
    fitting = tuple(width for width in widths if NARROWEST <= width <= WIDEST)[:MOST_FRAMES]
    if len(fitting) != len(words):
        reading.notes.append(
            f"Widths are up to {MOST_FRAMES} numbers from {NARROWEST} to {WIDEST}; “{_short(said)}” has others."
        )
    return fitting or (600,)


def _patch(reading: _Reading) -> str:
    said = reading.query.get("patch", "")
    if not said:
        return ""
    trouble = ""
    try:
        value = json.loads(said)
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        trouble = "" if isinstance(value, dict) else "it is no object"
    except (ValueError, RecursionError) as error:
        trouble, compact = str(error), ""
    if not trouble and len(compact) > LONGEST_PATCH:
        trouble = f"it has {len(compact):,} characters of at most {LONGEST_PATCH:,}; save it as a fixture"
    if trouble:
        reading.notes.append(f"The patch was left out: {trouble}.")
        return ""
    return compact


def _place(reading: _Reading) -> Place | None:
    said = reading.query.get("at", "")
    if not said:
        return None
    found = _PLACE.fullmatch(said)
    if found is None or ".." in said:
        reading.notes.append(f"“{_short(said)}” is no line of a template.")
        return None
    return Place(found["template"], int(found["line"]))


def _other(reading: _Reading, choices: Choices) -> str:
    said = reading.query.get("vs", "")
    if said in {"", HEAD}:
        return said
    kind, _, query = said.partition("?")
    if kind not in choices.kinds:
        reading.notes.append(f"“{_short(said)}” is nothing to compare with; this is {HEAD}.")
        return HEAD
    other, notes = parse(kind, "&".join(part for part in query.split("&") if not part.startswith("vs=")), choices)
    reading.notes.extend(notes)
    return other.other


def _short(text: str) -> str:
    clean = "".join(character if character.isprintable() else "�" for character in text)
    return clean if len(clean) <= 40 else clean[:39] + "…"
