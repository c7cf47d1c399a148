"""Reading the rule of a segment: ``locale = de and (topic = sport or not alerts = yes) and mailed within 30 days``.

Words are fields, operators or values; a value with blanks or signs stands in double quotes. ``and`` binds before
``or``, ``not`` before both. A rule that cannot be read says at which character and what would do there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.audience.application import check_locale, check_timezone, check_yes
from digest.model.errors import BadInput
from digest.model.segment import ATTRIBUTE, FIELDS, OPS, Asked, Either, Every, Kind, Not, Op, Rule
from digest.model.subscriber import Format, SubscriptionState

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(!=|=|\(|\)|,)|([^\s"=!(),]+))', re.DOTALL)
_RULE_MAX, _DEPTH_MAX = 4000, 40
_DAYS_MAX = 36_500


@dataclass(frozen=True, slots=True)
class _Token:
    """A word, sign or quoted text, and the character it starts at, 1 the first."""

    text: str
    at: int
    is_quoted: bool = False

    def says(self, word: str) -> bool:
        return not self.is_quoted and self.text.lower() == word


def parse(text: str, *, cadences: Iterable[str] = (), topics: Iterable[str] = ()) -> Rule:
    """The tree of a rule. Raises BadInput with the place; cadences and topics must be among those given."""
    if len(text) > _RULE_MAX:
        raise BadInput(f"the rule has {len(text)} characters", hint=f"at most {_RULE_MAX} are allowed")
    reader = _Reader(text, {"cadence": tuple(cadences), "topic": tuple(topics)})
    rule = reader.either(0)
    if reader.here is not None:
        raise reader.trouble("nothing should follow here", "join tests with and, or")
    return rule


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, text: str, known: dict[str, tuple[str, ...]]) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._end = len(text) + 1
        self._known = known

    @property
    def here(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def trouble(self, what: str, hint: str) -> BadInput:
        here = self.here
        where = f"at character {here.at} ({here.text[:40]!r})" if here else f"at its end, character {self._end}"
        return BadInput(f"the rule cannot be read {where}: {what}", hint=hint)

    def _take(self, word: str) -> bool:
        if self.here is not None and self.here.says(word):
            self._at += 1
            return True
        return False

    def either(self, depth: int) -> Rule:
        if depth > _DEPTH_MAX:
            raise self.trouble("it is nested too deeply", "use fewer brackets")
        parts = [self._every(depth)]
        while self._take("or"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self, depth: int) -> Rule:
        parts = [self._one(depth)]
        while self._take("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self, depth: int) -> Rule:
        if depth > _DEPTH_MAX:
            raise self.trouble("it is nested too deeply", "use fewer words of not")
        if self._take("not"):
            return Not(self._one(depth + 1))
        if self._take("("):
            inner = self.either(depth + 1)
            if not self._take(")"):
                raise self.trouble("a bracket is not closed", "write ) here")
            return inner
        return self._test()

    def _test(self) -> Asked:
        name = self._field()
        kind = Kind.TEXT if name.startswith(ATTRIBUTE) else FIELDS[name]
        if self._take("is"):
            if not self._take("missing"):
                raise self.trouble("after is comes missing", f"write {name} is missing, or {name} = …")
            op = Op.MISSING
        else:
            op = self._op(kind)
        if op not in OPS[kind]:
            self._at -= 1
            raise self.trouble(f"{name} cannot be asked so", f"it takes {_listed(OPS[kind])}")
        if op is Op.MISSING:
            return Asked(name, op)
        if op is Op.IN:
            return Asked(name, op, self._several(name))
        return Asked(name, op, (self._value(name, kind, op),))

    def _field(self) -> str:
        here = self.here
        if here is None or here.is_quoted or here.text in {"(", ")", ",", "=", "!="}:
            raise self.trouble("here a field is named", f"fields: {', '.join(FIELDS)}, attribute.NAME")
        name = here.text.lower()
        if name.startswith(ATTRIBUTE) and len(name) > len(ATTRIBUTE):
            self._at += 1
            return ATTRIBUTE + here.text[len(ATTRIBUTE) :]
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"fields: {', '.join(FIELDS)}, attribute.NAME"
            raise self.trouble("there is no such field", hint)
        self._at += 1
        return name

    def _op(self, kind: Kind) -> Op:
        for op in Op:
            if op is not Op.MISSING and self._take(op.value):
                return op
        raise self.trouble("here it is said how to compare", f"use {_listed(OPS[kind])}")

    def _several(self, name: str) -> tuple[str, ...]:
        if not self._take("("):
            raise self.trouble("after in comes a list", "write in (one, two)")
        values = [self._text(name)]
        while self._take(","):
            values.append(self._text(name))
        if not self._take(")"):
            raise self.trouble("the list is not closed", "write ) here")
        return tuple(values)

    def _value(self, name: str, kind: Kind, op: Op) -> str | bool | datetime | timedelta:
        if op is Op.WITHIN:
            return self._span()
        if kind is Kind.TEXT:
            return self._text(name, is_part=op is Op.CONTAINS)
        here = self._word()
        try:
            return check_yes(here.text, what=name) if kind is Kind.FLAG else _instant(here.text)
        except ValueError as error:
            self._at -= 1
            raise self.trouble("this is no day", "write it as 2026-11-22") from error
        except BadInput as error:
            self._at -= 1
            raise self.trouble(error.message, error.hint) from error

    def _span(self) -> timedelta:
        here = self._word()
        unit = self._word() if self.here is not None else None
        days = {"day": 1, "days": 1, "week": 7, "weeks": 7}.get(unit.text.lower() if unit else "")
        if days is None or not here.text.isascii() or not here.text.isdigit() or int(here.text[:6]) * days > _DAYS_MAX:
            self._at -= 2 if unit else 1
            raise self.trouble("here a time is named", "write within 30 days, or within 4 weeks")
        return timedelta(days=int(here.text[:6]) * days)

    def _text(self, name: str, *, is_part: bool = False) -> str:
        here = self._word()
        try:
            return here.text if is_part else self._checked(name, here.text)
        except BadInput as error:
            self._at -= 1
            raise self.trouble(error.message, error.hint) from error

    def _word(self) -> _Token:
        here = self.here
        if here is None or (not here.is_quoted and here.text in {"(", ")", ",", "=", "!="}):
            raise self.trouble("here a value is named", 'write it, in double quotes where it has blanks: "New York"')
        self._at += 1
        return here

    def _checked(self, name: str, text: str) -> str:
        if name == "locale":
            return check_locale(text)
        if name == "timezone":
            return check_timezone(text)
        known: dict[str, tuple[str, ...]] = {"state": tuple(SubscriptionState), "format": tuple(Format), **self._known}
        if name in known and text not in known[name]:
            listed = ", ".join(known[name]) or "none yet"
            raise BadInput(f"there is no {name} {text[:40]!r}", hint=f"there are: {listed}")
        return text.lower() if name == "domain" else text


def _tokens(text: str) -> Iterable[_Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            place = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise BadInput(f"the rule cannot be read at character {place}", hint='a " opens there and is not closed')
        quoted, sign, word = match.groups()
        start = match.start(match.lastindex or 0) + 1
        if quoted is not None:
            yield _Token(re.sub(r"\\(.)", r"\1", quoted), start - 1, is_quoted=True)
        else:
            yield _Token(sign or word, start)
        at = match.end()


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _listed(ops: Iterable[Op]) -> str:
    return ", ".join(sorted("is missing" if op is Op.MISSING else op.value for op in ops))
