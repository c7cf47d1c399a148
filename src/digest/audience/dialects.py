"""How other newsletter systems write their readers down, and which of our columns each of theirs fills.

A dialect is known by its header. Its columns are mapped, never guessed at: what has no place of its own becomes an
attribute where it may be wanted for segments, and is named as passed over otherwise. Headers as exported in 2026.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from digest.model.errors import BadInput

#: Gives the text of one of our columns from the texts of theirs.
Read = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Filling:
    """One of our columns, the columns it is read from, and how."""

    column: str
    sources: tuple[str, ...]
    read: Read


@dataclass(frozen=True, slots=True)
class Dialect:
    """A system's export. All of ``signature`` must be in the header; ``fillings`` use the columns that are there."""

    name: str
    signature: frozenset[str]
    fillings: tuple[Filling, ...]
    attributes: tuple[str, ...] = ()

    def speaks(self, columns: Sequence[str]) -> bool:
        """Whether a header is this system's."""
        return self.signature.issubset(columns)


def _first(texts: Sequence[str]) -> str:
    return next((text for text in texts if text), "")


def _full_name(texts: Sequence[str]) -> str:
    return " ".join(text for text in texts if text)


def _utc(texts: Sequence[str]) -> str:
    """``2024-03-14 09:12:31`` or ISO 8601, whatever is there first; UTC where no zone is named."""
    text = _first(texts)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text  # is refused with its row, as any other column's
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()


def _mailchimp_status(texts: Sequence[str]) -> str:
    """A row of the file of those who left, or whose addresses were cleaned, says when."""
    return "unsubscribed" if any(texts) else ""


def _mailchimp_tags(texts: Sequence[str]) -> str:
    """``"vip","berlin"`` as one cell."""
    tags = [tag.strip().strip('"').strip() for tag in texts[0].split(",")]
    return ";".join(tag for tag in tags if tag)


def _listmonk_status(texts: Sequence[str]) -> str:
    return {"enabled": "", "disabled": "paused", "blocklisted": "unsubscribed"}.get(texts[0].lower(), texts[0])


def _unless_subscribed(texts: Sequence[str]) -> str:
    """Ghost: ``subscribed_to_emails`` is true or false; who has gone has a ``deleted_at``."""
    return "unsubscribed" if texts[0].lower() == "false" or (len(texts) > 1 and texts[1]) else ""


def _if_disabled(texts: Sequence[str]) -> str:
    """Substack: who switched mail off has ``email_disabled`` true."""
    return "unsubscribed" if texts[0].lower() == "true" else ""


def _constant(text: str) -> Read:
    return lambda _texts: text


MAILCHIMP = Dialect(
    "mailchimp",
    frozenset({"email address", "optin_time", "leid"}),
    (
        Filling("email", ("email address",), _first),
        Filling("name", ("first name", "last name"), _full_name),
        Filling("consent_at", ("confirm_time", "optin_time"), _utc),
        Filling("consent_source", ("email address",), _constant("mailchimp")),
        Filling("status", ("unsub_time", "clean_time"), _mailchimp_status),
    ),
    ("tags", "cc", "region", "member_rating"),
)
LISTMONK = Dialect(
    "listmonk",
    frozenset({"uuid", "email", "status", "attributes"}),
    (
        Filling("email", ("email",), _first),
        Filling("name", ("name",), _first),
        Filling("status", ("status",), _listmonk_status),
        Filling("consent_at", ("created_at",), _utc),
        Filling("consent_source", ("email",), _constant("listmonk")),
        Filling("attributes", ("attributes",), _first),
    ),
)
GHOST = Dialect(
    "ghost",
    frozenset({"email", "subscribed_to_emails", "complimentary_plan"}),
    (
        Filling("email", ("email",), _first),
        Filling("name", ("name",), _first),
        Filling("status", ("subscribed_to_emails", "deleted_at"), _unless_subscribed),
        Filling("consent_at", ("created_at",), _utc),
        Filling("consent_source", ("email",), _constant("ghost")),
    ),
    ("labels", "tiers", "products", "note"),
)
SUBSTACK = Dialect(
    "substack",
    frozenset({"email", "active_subscription", "expiry"}),
    (
        Filling("email", ("email",), _first),
        Filling("name", ("name",), _first),
        Filling("status", ("email_disabled",), _if_disabled),
        Filling("consent_at", ("created_at",), _utc),
        Filling("consent_source", ("email",), _constant("substack")),
    ),
    ("plan", "active_subscription", "expiry"),
)
ALL = {one.name: one for one in (MAILCHIMP, LISTMONK, GHOST, SUBSTACK)}
#: Columns that hold an address, in the order in which they are looked for.
ADDRESS_COLUMNS = ("email", "email address")


def recognise(columns: Sequence[str], *, named: str = "") -> Dialect | None:
    """Whose export this is; None for our own columns. ``named`` is what the operator says. Raises BadInput."""
    if named in {"", "auto"}:
        return next((one for one in ALL.values() if one.speaks(columns)), None)
    if named == "digest":
        return None
    if named not in ALL:
        raise BadInput(f"{named!r} is no system we know", hint=f"use auto, digest, {', '.join(ALL)}")
    missing = sorted(ALL[named].signature.difference(columns))
    if missing:
        raise BadInput(
            f"this is no export of {named}: the column {missing[0]!r} is missing",
            hint="leave --from out, or export the file again with every column",
        )
    return ALL[named]


def tags_of(name: str, text: str) -> str:
    """The value of an attribute: lists separated by ``;``."""
    return _mailchimp_tags([text]) if name in {"tags", "labels"} else text


def as_attributes(names: Sequence[str], texts: Sequence[str]) -> str:
    """Texts that are there as the JSON of the column ``attributes``."""
    kept = {name: tags_of(name, text) for name, text in zip(names, texts, strict=True) if text}
    return json.dumps(kept, ensure_ascii=False) if kept else ""
