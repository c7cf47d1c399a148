"""From the rows of a file to what is stored: each column checked by the rules of `application`, at a few µs a row.

What a file says again and again (a cadence, a language, a source of consent) is checked once and remembered; plain
addresses and plain names need no library. Whatever is unusual is left to the very same functions that check the
command line, so an import takes and refuses what `digest subscriber add` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from digest.audience.application import (
    Application,
    check_attributes,
    check_cadence,
    check_choice,
    check_controls,
    check_instant,
    check_locale,
    check_name,
    check_timezone,
    check_topics,
    check_yes,
)
from digest.audience.dialects import ADDRESS_COLUMNS, Dialect, as_attributes
from digest.mime.address import parse_address, read_plain
from digest.model.errors import BadInput
from digest.model.publication import Publication, Topic
from digest.model.subscriber import Format, SubscriptionState
from digest.store.enrolment import Consent, Wish
from digest.store.incoming import Incoming
from digest.store.subscribers import Person

#: The columns of an import and of an export, in the order of the export.
COLUMNS = (
    "email",
    "name",
    "topics",
    "cadence",
    "format",
    "timezone",
    "locale",
    "status",
    "consent_at",
    "consent_source",
    "consent_proof",
    "digest",
    "alerts",
    "attributes",
)
_FIELDS = {"status": "state"}  # what a column is called once it is checked
_REMEMBERED = 4096

Check = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class _Part:
    """One field: where its text is in a row, or how it is made of several, and how that is checked."""

    place: int
    at: int
    indexes: tuple[int, ...]
    read: Callable[[Sequence[str]], str] | None
    check: Check


class Intake:
    """Checks rows of one file for one publication."""

    def __init__(
        self,
        columns: Sequence[str],
        dialect: Dialect | None,
        publication: Publication,
        *,
        topics: Sequence[Topic],
        now: datetime,
    ) -> None:
        checks = _checks(publication, topics, now=now)
        self._address = next(columns.index(name) for name in ADDRESS_COLUMNS if name in columns)
        parts = _own(columns, checks) if dialect is None else _theirs(dialect, columns, checks)
        self._parts = [part for part in parts if part.place > _place("email_norm")]
        used = {columns[index] for part in parts for index in (part.indexes or (part.at,))}
        self.ignored = [name for name in columns if name and name not in used and name != columns[self._address]]

    def address_in(self, cells: Sequence[str]) -> str:
        """The address of a row as it is written."""
        return cells[self._address].strip() if cells else ""

    def check(self, line: int, cells: Sequence[str]) -> Incoming:
        """A checked row. Raises BadInput saying what is wrong with it."""
        written = cells[self._address].strip()
        if not written:
            raise BadInput("the address is missing")
        plain = read_plain(written)
        if plain is None:
            address = parse_address(written)
            plain = address.email, address.norm
        values: list[Any] = [line, *plain, *_NOTHING]
        for part in self._parts:
            text = (
                cells[part.at].strip() if part.read is None else part.read([cells[at].strip() for at in part.indexes])
            )
            if text:
                values[part.place] = part.check(text)
        return Incoming._make(values)


_NOTHING = (None,) * (len(Incoming._fields) - 3)


def _place(field: str) -> int:
    return Incoming._fields.index(field)


def _own(columns: Sequence[str], checks: dict[str, Check]) -> list[_Part]:
    return [
        _Part(_place(_FIELDS.get(name, name)), columns.index(name), (), None, checks[name])
        for name in COLUMNS
        if name in columns and name in checks
    ]


def _theirs(dialect: Dialect, columns: Sequence[str], checks: dict[str, Check]) -> list[_Part]:
    parts = []
    for filling in dialect.fillings:
        indexes = tuple(columns.index(name) for name in filling.sources if name in columns)
        if indexes and filling.column in checks:
            place = _place(_FIELDS.get(filling.column, filling.column))
            parts.append(_Part(place, indexes[0], indexes, filling.read, checks[filling.column]))
    names = tuple(name for name in dialect.attributes if name in columns)
    if names:
        indexes = tuple(columns.index(name) for name in names)
        read: Callable[[Sequence[str]], str] = lambda texts: as_attributes(names, texts)  # noqa: E731 - bound to these names
        parts.append(_Part(_place("attributes"), indexes[0], indexes, read, checks["attributes"]))
    return parts


def _checks(publication: Publication, topics: Sequence[Topic], *, now: datetime) -> dict[str, Check]:
    """How each column is checked; what repeats is checked once."""

    def chosen(text: str) -> tuple[str, ...]:
        return check_topics([slug.strip() for slug in text.split(";") if slug.strip()], topics, publication)

    often: dict[str, Check] = {
        "topics": chosen,
        "cadence": lambda text: check_cadence(text, publication),
        "format": lambda text: check_choice(Format, text, what="format").value,
        "timezone": check_timezone,
        "locale": check_locale,
        "status": lambda text: check_choice(SubscriptionState, text, what="status").value,
        "consent_at": lambda text: check_instant(text, now=now),
        "digest": lambda text: check_yes(text, what="digest"),
        "alerts": lambda text: check_yes(text, what="alerts"),
        "attributes": lambda text: json.dumps(check_attributes(text), ensure_ascii=False),
    }
    return {name: lru_cache(_REMEMBERED)(check) for name, check in often.items()} | {
        "name": _name,
        "consent_source": lambda text: _any_text(text, "consent_source"),
        "consent_proof": lambda text: _any_text(text, "consent_proof"),
    }


def _name(text: str) -> str:
    plain = text.isprintable() and text.isascii() and "  " not in text and len(text) <= 200
    return text if plain else check_name(text)


def _any_text(text: str, what: str) -> str:
    if not text.isprintable():
        check_controls(text, what=what, breaks_allowed=True)
    return text


def as_application(row: Incoming) -> Application:
    """A checked row as what the rule of enrolment takes."""
    said = row.consent_at is not None or row.consent_source or row.consent_proof
    return Application(
        Person(
            row.email,
            row.email_norm,
            name=row.name,
            locale=row.locale,
            timezone=row.timezone,
            attributes=None if row.attributes is None else json.loads(row.attributes),
        ),
        Wish(
            state=None if row.state is None else SubscriptionState(row.state),
            cadence=row.cadence,
            format=None if row.format is None else Format(row.format),
            topics=row.topics,
            consent=Consent(row.consent_at, row.consent_source or "", row.consent_proof or "") if said else None,
            digest=row.digest,
            alerts=row.alerts,
        ),
    )
