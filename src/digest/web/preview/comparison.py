"""Two mails beside each other: which, what they are called, and the lines of HTML that differ."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from digest.workshop.desk import Desk, Drawn
from digest.workshop.states import HEAD, Scheme, State, parse_other

_MOST_CHANGES = 400


@dataclass(frozen=True, slots=True)
class Side:
    """One of two mails that are compared."""

    letter: str
    label: str
    state: State
    width: int
    scheme: Scheme
    is_head: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two mails, the lines of HTML that differ, and what keeps them from being compared."""

    sides: tuple[Side, ...]
    changes: tuple[str, ...]
    trouble: str = ""


def compared(desk: Desk, state: State, drawn: Drawn) -> Comparison:
    """``state``, which was drawn, and what its ``vs`` names: the last commit, or another state."""
    is_head = state.vs in {"", HEAD}
    other = state.changed(vs="") if is_head else parse_other(state, desk.choices())
    beside = desk.draw(other, head=is_head)
    called = ("working tree", "last commit (HEAD)") if is_head else _called(state, other)
    sides = (
        Side("A", called[0], state.changed(vs=""), state.widths[0], state.schemes[0], is_head=False),
        Side("B", called[1], other, other.widths[0], other.schemes[0], is_head=is_head),
    )
    if beside.fault:
        return Comparison(sides[:1], (), f"{beside.fault.message}; {beside.fault.hint}".rstrip("; "))
    before = beside.mail.rendered.html if beside.mail else ""
    after = drawn.mail.rendered.html if drawn.mail else ""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    changes = [line for line in lines if not line.startswith(("---", "+++"))]
    return Comparison(sides, tuple(changes[:_MOST_CHANGES]))


def _called(state: State, other: State) -> tuple[str, str]:
    """What differs between two states, for each of them."""
    names = {"kind": "", "source": "", "theme": "theme ", "scheme": "", "client": "", "locale": "language "}
    names["patch"] = "patch "
    ours, theirs = [], []
    for name, before in names.items():
        one, two = getattr(state, name), getattr(other, name)
        if one != two:
            ours.append(f"{before}{one or 'default'}")
            theirs.append(f"{before}{two or 'default'}")
    return ", ".join(ours) or "the same", ", ".join(theirs) or "the same"
