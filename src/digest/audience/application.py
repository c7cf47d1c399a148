"""What somebody asks for, as text, and the checked form of it; pure.

One set of rules for the command line and for each row of an imported file. An empty text means "not said": it
leaves what is stored, and gives a new subscription the default. A refused value says why and what would do.
"""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TypeVar
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError

from digest.mime.address import parse_address
from digest.model.errors import BadInput
from digest.model.publication import Publication, Topic
from digest.model.subscriber import Format, SubscriptionState
from digest.store.enrolment import Consent, Wish
from digest.store.subscribers import Person

_Choice = TypeVar("_Choice", bound=StrEnum)
_NAME_MAX = 200
_ATTRIBUTES_MAX, _ATTRIBUTE_NAME_MAX = 4000, 64
_CLOCK_SKEW = timedelta(days=1)  # consent of "today" in a time zone ahead of ours is no mistake


@dataclass(frozen=True, slots=True)
class Request:
    """The texts of an application, column by column of an import file."""

    email: str
    name: str = ""
    topics: tuple[str, ...] = ()
    cadence: str = ""
    format: str = ""
    timezone: str = ""
    locale: str = ""
    status: str = ""
    consent_at: str = ""
    consent_source: str = ""
    consent_proof: str = ""
    digest: str = ""
    alerts: str = ""
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """A checked request: who, and what the subscription should be."""

    person: Person
    wish: Wish


def check(request: Request, publication: Publication, *, topics: Iterable[Topic], now: datetime) -> Application:
    """Check every text. Raises BadInput naming the value, the reason and what is known."""
    address = parse_address(request.email)
    return Application(
        Person(
            email=address.email,
            email_norm=address.norm,
            name=check_name(request.name) or None,
            locale=check_locale(request.locale) if request.locale else None,
            timezone=check_timezone(request.timezone) if request.timezone else None,
            attributes=check_attributes(request.attributes) if request.attributes else None,
        ),
        Wish(
            state=check_choice(SubscriptionState, request.status, what="status") if request.status else None,
            cadence=check_cadence(request.cadence, publication) if request.cadence else None,
            format=check_choice(Format, request.format, what="format") if request.format else None,
            topics=check_topics(request.topics, topics, publication) if request.topics else None,
            digest=check_yes(request.digest, what="digest") if request.digest else None,
            alerts=check_yes(request.alerts, what="alerts") if request.alerts else None,
            consent=_consent(request, now=now),
        ),
    )


def check_timezone(text: str) -> str:
    """An IANA time zone name. Raises BadInput with the nearest one."""
    if text in _timezones():
        return text
    close = difflib.get_close_matches(text, _timezones(), n=1)
    hint = f"did you mean {close[0]}?" if close else "use an IANA name such as Europe/Berlin"
    raise BadInput(f"{_short(text)!r} is not a time zone", hint=hint)


@cache
def check_locale(text: str) -> str:
    """A BCP 47 tag in its usual spelling (``pt_br`` gives ``pt-BR``). Raises BadInput for one nobody speaks."""
    try:
        locale = Locale.parse(text.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError) as error:
        raise BadInput(f"{_short(text)!r} is not a locale", hint="use a tag such as en, de or pt-BR") from error
    return "-".join(part for part in (locale.language, locale.script, locale.territory) if part)


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_name(text: str) -> str:
    """A name on one line. Raises BadInput for one that is none."""
    # A quote that is opened and never closed makes the rows below it part of the name.
    if "@" in text and any(end in text for end in "\r\n"):
        raise BadInput(f"the name {_short(text)!r} holds another row", hint='close the quote (") before it')
    name = " ".join(text.split())
    check_controls(name, what="name")
    if len(name) > _NAME_MAX:
        raise BadInput(f"the name {_short(name)!r} has {len(name)} characters, at most {_NAME_MAX} are allowed")
    return name


def check_cadence(text: str, publication: Publication) -> str:
    """A cadence of the publication. Raises BadInput with those there are."""
    known = [rhythm.name for rhythm in publication.cadences]
    if text not in known:
        raise BadInput(
            f"{publication.slug!r} has no cadence {_short(text)!r}", hint=f"known cadences: {', '.join(known)}"
        )
    return text


def check_topics(slugs: Iterable[str], topics: Iterable[Topic], publication: Publication) -> tuple[str, ...]:
    """Topics of the publication, each once, in order. Raises BadInput with those there are."""
    wanted = sorted(set(slugs))
    known = {topic.slug for topic in topics}
    for slug in wanted:
        if slug not in known:
            hint = f"known topics: {', '.join(sorted(known))}" if known else "this publication has no topics yet"
            raise BadInput(f"{publication.slug!r} has no topic {_short(slug)!r}", hint=hint)
    return tuple(wanted)


def check_choice(choices: type[_Choice], text: str, *, what: str) -> _Choice:
    """One of a closed set, whatever its case. Raises BadInput with all of them."""
    try:
        return choices(text.lower())
    except ValueError as error:
        raise BadInput(f"{_short(text)!r} is not a {what}", hint=f"use {', '.join(choices)}") from error


def _consent(request: Request, *, now: datetime) -> Consent | None:
    if not (request.consent_at or request.consent_source or request.consent_proof):
        return None
    for what in ("consent_source", "consent_proof"):
        check_controls(getattr(request, what), what=what, breaks_allowed=True)
    return Consent(
        check_instant(request.consent_at, now=now) if request.consent_at else None,
        request.consent_source,
        request.consent_proof,
    )


def check_instant(text: str, *, now: datetime) -> datetime:
    """An ISO 8601 instant; without an offset it is UTC, without a time midnight."""
    try:
        instant = datetime.fromisoformat(text)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"consent_at {_short(text)!r} is not an instant", hint="write it as 2026-11-22T07:00:00Z"
        ) from error
    if instant > now + _CLOCK_SKEW:
        raise BadInput(f"consent_at {_short(text)!r} lies in the future", hint="say when the reader agreed")
    return instant


def check_controls(text: str, *, what: str, breaks_allowed: bool = False) -> None:
    """Refuse control characters and lone surrogates: no database and no header can hold all of them."""
    allowed = "\t\r\n" if breaks_allowed else ""
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in allowed for char in text):
        raise BadInput(f"the {what} {_short(text)!r} holds a control character", hint="remove it")


def check_yes(text: str, *, what: str) -> bool:
    """Yes or no, in the words of spreadsheets. Raises BadInput."""
    word = text.strip().lower()
    if word in {"yes", "y", "true", "1", "on"}:
        return True
    if word in {"no", "n", "false", "0", "off"}:
        return False
    raise BadInput(f"{_short(text)!r} is no answer to {what}", hint="use yes or no")


def check_attributes(text: str) -> dict[str, str]:
    """What other systems knew of a reader: a JSON object of names and plain values. Raises BadInput."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadInput(
            f"the attributes {_short(text)!r} are not JSON", hint='write them as {"city": "Rome"}'
        ) from error
    if not isinstance(found, dict) or len(text) > _ATTRIBUTES_MAX:
        raise BadInput(f"the attributes {_short(text)!r} are no short list", hint='write them as {"city": "Rome"}')
    kept = {str(name)[:_ATTRIBUTE_NAME_MAX]: _flat(value) for name, value in found.items() if value is not None}
    for name, value in kept.items():
        check_controls(f"{name} {value}", what="attribute", breaks_allowed=True)
    return {name: value for name, value in kept.items() if value}


def _flat(value: object) -> str:
    """Text of a value: lists separated by ``;``, yes and no as in the other columns."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ";".join(_flat(one) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"
