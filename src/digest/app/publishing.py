"""Checking what an operator says about a publication, before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError

from digest.app.rhythms import days_off
from digest.compose.folders import layers
from digest.mime.address import parse_address, parse_mailbox
from digest.model.errors import BadInput
from digest.model.publication import Cadence, NewPublication

RESERVED = {"a", "b", "c", "p", "u", "static", "healthz", "metrics", "preview", "api", "admin", "images"}


def new_publication(
    slug: str, *, name: str, sender: str, timezone: str, cadence: Cadence, **more: Any
) -> NewPublication:
    """A checked publication. Raises BadInput with the reason and what would be right."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", slug) or slug in RESERVED:
        raise BadInput(
            f"{slug!r} cannot be a publication's slug",
            hint="use lower-case letters, digits and dashes, such as morning-brief"
            + (f"; {slug!r} is reserved for a web address" if slug in RESERVED else ""),
        )
    values = changes(name=name, sender=sender, timezone=timezone, **more)
    values["days_off"] = tuple(values.get("days_off", "").split())
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
    for key in checked.keys() & _CHECKS.keys():
        checked[key] = _CHECKS[key](checked[key])
    check_item_limits(checked.get("min_items", 1), checked.get("max_items", 100))
    return checked


def check_theme(name: str | None, template_path: Sequence[Path]) -> None:
    """Refuse a theme that there is not; raises NotFound with the ones there are. None is as it was."""
    if name is not None:
        layers(template_path, name)


def check_item_limits(min_items: int, max_items: int) -> None:
    """Refuse limits that no issue could ever meet."""
    if min_items > max_items:
        raise BadInput(
            f"the fewest items ({min_items}) are more than the most ({max_items})",
            hint="set --min-items to at most --max-items",
        )


def zone(name: str) -> ZoneInfo:
    """An IANA time zone. Raises BadInput for a name there is none of."""
    if name not in available_timezones():
        wanted = name.rpartition("/")[2].casefold()
        close = sorted(known for known in available_timezones() if wanted and wanted in known.casefold())[:3]
        hint = f"did you mean {' or '.join(close)}?" if close else "use an IANA name such as Europe/Dublin"
        raise BadInput(f"{name!r} is not a time zone", hint=hint)
    return ZoneInfo(name)


def _line(text: str, *, what: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise BadInput(f"the {what} is empty", hint="readers see it in every mail")
    return line


def _language(tag: str) -> str:
    try:
        Locale.parse(tag.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError) as error:
        raise BadInput(f"{tag!r} is not a language tag we know", hint="use one such as en, de or pt-BR") from error
    return tag


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": lambda text: _line(text, what="name"),
    "postal_address": lambda text: _line(text, what="postal address"),
    "timezone": lambda name: zone(name).key,
    "locale": _language,
    "reply_to": lambda address: parse_address(address).email if address else address,
    "max_per_source": lambda limit: limit or None,  # 0 takes the limit away
    "max_per_section": lambda limit: limit or None,
    "days_off": days_off,
}
