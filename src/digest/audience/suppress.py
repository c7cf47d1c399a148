"""Suppressing an address by hand, and letting it go: for a publication, or for everything that is ever mailed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.config.secrets import Keyring
from digest.mime.address import Address, parse_address
from digest.model.mailbox import SuppressReason
from digest.store import audit, bounces, publications, subscribers, suppressions
from digest.store.engine import Store, Tx


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What suppressing an address came to. ``is_reader``: whether anybody has it now."""

    email: str
    scope: str
    is_new: bool
    is_reader: bool


def suppress(
    store: Store,
    keyring: Keyring,
    *,
    email: str,
    publication_slug: str | None,
    why: str,
    until: datetime | None,
    now: datetime,
) -> Suppressed:
    """Mail nothing more to an address, until then or for good. Raises BadInput and NotFound."""
    address = parse_address(email)
    with store.write() as tx:
        scope = _scope(tx, publication_slug)
        reader = subscribers.by_norm(tx, address.norm)
        is_new = suppressions.suppress(
            tx,
            keyring.address_hash(address.norm),
            scope=scope,
            subscriber_id=reader.id if reader else None,
            reason=SuppressReason.OPERATOR,
            detail=why,
            until=until,
            now=now,
        )
        if is_new:
            detail = f"suppressed in {scope}{f' until {until.isoformat()}' if until else ''}"
            audit.act(tx, subject=keyring.address_hash(address.norm), detail=detail, at=now)
    return Suppressed(address.email, scope, is_new, is_reader=reader is not None)


def unsuppress(
    store: Store, keyring: Keyring, *, email: str, publication_slug: str | None, now: datetime
) -> tuple[Address, bool]:
    """Let an address be mailed again, and forget what stood in its way; the second says whether that changed anything.

    ``publication_slug`` None lifts every scope. Raises BadInput and NotFound.
    """
    address = parse_address(email)
    with store.write() as tx:
        scope = None if publication_slug is None else _scope(tx, publication_slug)
        lifted = suppressions.lift(tx, keyring.address_hash(address.norm), scope=scope)
        reader = subscribers.by_norm(tx, address.norm)
        if reader is not None and scope is None:
            bounces.forget(tx, [reader.id])
        if lifted:
            detail = f"unsuppressed in {scope or 'every scope'}"
            audit.act(tx, subject=keyring.address_hash(address.norm), detail=detail, at=now)
    return address, bool(lifted)


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing that bars an address now. ``publication`` None means all of them, ``until`` None for good."""

    publication: str | None
    reason: SuppressReason
    detail: str
    created_at: datetime
    until: datetime | None


def standing(tx: Tx, keyring: Keyring, address: Address, *, now: datetime) -> list[Standing]:
    """What bars an address, whether anybody has it or not."""
    slugs = {suppressions.scope_of(item.id): item.slug for item in publications.list_all(tx)}
    return [
        Standing(slugs.get(item.scope), item.reason, item.detail, item.created_at, item.until)
        for item in suppressions.of_address(tx, keyring.address_hash(address.norm), now=now)
    ]


def _scope(tx: Tx, publication_slug: str | None) -> str:
    return suppressions.scope_of(None if publication_slug is None else publications.get(tx, publication_slug).id)
