"""Instants as operators write them."""

from __future__ import annotations

from datetime import UTC, datetime

from digest.model.errors import BadInput


def instant_of(text: str | None) -> datetime | None:
    """The instant an operator names, UTC where it names no zone; None stays None. Raises BadInput."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"--at {text!r} is not an instant", hint="write ISO 8601, such as 2026-11-22T07:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
