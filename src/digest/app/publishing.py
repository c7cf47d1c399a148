"""Checking what an operator says about a publication, before anything is stored."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError

from digest.mime.address import parse_address, parse_mailbox
from digest.model.errors import BadInput
from digest.model.publication import Cadence, CadenceRule, CatchUp, NewPublication

_RESERVED = {"u", "p", "c", "static", "healthz", "metrics", "preview", "api", "admin", "images"}


def new_publication(
    slug: str, *, name: str, sender: str, timezone: str, cadence: Cadence, **more: Any
) -> NewPublication:
    """A checked publication. Raises BadInput with the reason and what would be right."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", slug) or slug in _RESERVED:
        raise BadInput(
            f"{slug!r} cannot be a publication's slug",
            hint="use lower-case letters, digits and dashes, such as morning-brief"
            + (f"; {slug!r} is reserved for a web address" if slug in _RESERVED else ""),
        )
    values = changes(name=name, sender=sender, timezone=timezone, **more)
    made = NewPublication(slug=slug, cadence=cadence, **values)
    check_item_limits(made.min_items, made.max_items)
    return made


def changes(*, sender: str | None = None, **values: Any) -> dict[str, Any]:
    """The checked values that are not None, with ``sender`` split into name and address."""
    checked = {key: value for key, value in values.items() if value is not None}
    if sender is not None:
        checked["sender_name"], checked["sender_email"] = parse_mailbox(sender)
        if not checked["sender_name"]:
            raise BadInput(f"the sender {sender!r} has no name", hint="write --from 'The Morning <news@example.com>'")
    if "name" in checked:
        checked["name"] = _line(checked["name"], what="name")
    if "postal_address" in checked:
        checked["postal_address"] = _line(checked["postal_address"], what="postal address")
    if "timezone" in checked:
        zone(checked["timezone"])
    if "locale" in checked:
        _language(checked["locale"])
    if checked.get("reply_to"):
        checked["reply_to"] = parse_address(checked["reply_to"]).email
    for limit in ("max_per_source", "max_per_section"):
        if limit in checked:
            checked[limit] = checked[limit] or None  # 0 takes the limit away
    check_item_limits(checked.get("min_items", 1), checked.get("max_items", 100))
    return checked


def check_item_limits(min_items: int, max_items: int) -> None:
    """Refuse limits that no issue could ever meet."""
    if min_items > max_items:
        raise BadInput(
            f"the fewest items ({min_items}) are more than the most ({max_items})",
            hint="set --min-items to at most --max-items",
        )


def new_cadence(
    rule: CadenceRule, *, send_at: str, catch_up: CatchUp = CatchUp.LATEST, max_lateness: timedelta = timedelta(hours=6)
) -> Cadence:
    """A checked cadence, named after its rule."""
    return Cadence(
        name=rule.value, rule=rule, send_at=_clock_time(send_at), catch_up=catch_up, max_lateness=_late(max_lateness)
    )


def changed_cadence(
    cadence: Cadence, *, send_at: str | None, catch_up: CatchUp | None, max_lateness_h: float | None
) -> Cadence:
    """The cadence with what is not None changed."""
    if send_at is not None:
        cadence = replace(cadence, send_at=_clock_time(send_at))
    if catch_up is not None:
        cadence = replace(cadence, catch_up=catch_up)
    if max_lateness_h is not None:
        cadence = replace(cadence, max_lateness=_late(timedelta(hours=max_lateness_h)))
    return cadence


def zone(name: str) -> ZoneInfo:
    """An IANA time zone. Raises BadInput for a name there is none of."""
    if name not in available_timezones():
        wanted = name.rpartition("/")[2].casefold()
        close = sorted(known for known in available_timezones() if wanted and wanted in known.casefold())[:3]
        hint = f"did you mean {' or '.join(close)}?" if close else "use an IANA name such as Europe/Dublin"
        raise BadInput(f"{name!r} is not a time zone", hint=hint)
    return ZoneInfo(name)


def _clock_time(text: str) -> time:
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", text):
        raise BadInput(f"{text!r} is not a time of day", hint="write HH:MM, such as 07:00")
    hour, _, minute = text.partition(":")
    return time(int(hour), int(minute))


def _late(value: timedelta) -> timedelta:
    if not timedelta() <= value <= timedelta(days=7):
        raise BadInput("--max-lateness must be between 0 and 168 hours", hint="6 is the default")
    return value


def _line(text: str, *, what: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise BadInput(f"the {what} is empty", hint="readers see it in every mail")
    return line


def _language(tag: str) -> None:
    try:
        Locale.parse(tag.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError) as error:
        raise BadInput(f"{tag!r} is not a language tag we know", hint="use one such as en, de or pt-BR") from error
