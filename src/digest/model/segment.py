"""Segments: which readers of a publication, as a rule of typed tests that can be counted, shown and stored.

A rule is text for people and a tree for the store; nothing of it ever becomes SQL text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a field holds, and so what it can be asked."""

    TEXT = "text"
    FLAG = "flag"
    INSTANT = "instant"


class Op(StrEnum):
    """How a field is asked. ``within`` looks back from now, ``in`` is any of several."""

    IS = "="
    IS_NOT = "!="
    IN = "in"
    CONTAINS = "contains"
    BEFORE = "before"
    AFTER = "after"
    WITHIN = "within"
    MISSING = "missing"


#: Every field a rule may name; ``attribute.NAME`` beside them.
FIELDS: dict[str, Kind] = {
    "state": Kind.TEXT,
    "cadence": Kind.TEXT,
    "format": Kind.TEXT,
    "topic": Kind.TEXT,
    "locale": Kind.TEXT,
    "timezone": Kind.TEXT,
    "domain": Kind.TEXT,
    "name": Kind.TEXT,
    "source": Kind.TEXT,
    "digest": Kind.FLAG,
    "alerts": Kind.FLAG,
    "joined": Kind.INSTANT,
    "consented": Kind.INSTANT,
    "left": Kind.INSTANT,
    "mailed": Kind.INSTANT,
}
ATTRIBUTE = "attribute."
OPS: dict[Kind, frozenset[Op]] = {
    Kind.TEXT: frozenset({Op.IS, Op.IS_NOT, Op.IN, Op.CONTAINS, Op.MISSING}),
    Kind.FLAG: frozenset({Op.IS}),
    Kind.INSTANT: frozenset({Op.BEFORE, Op.AFTER, Op.WITHIN, Op.MISSING}),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. ``values`` are texts, one flag, one instant or one span, as the field and ``op`` have it."""

    field: str
    op: Op
    values: tuple[str | bool | datetime | timedelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One or more of these."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not this."""

    part: Rule


Rule = Asked | Every | Either | Not
