"""Deleting a reader for good: by their own link, or by an operator. A keyed hash stays, so that nobody comes back.

The hash is an HMAC under a key that is not in the database: a copy of the database names nobody. The owner of the
address may sign up again, and confirm; no import and no restored file can do that for them.
"""

from __future__ import annotations

from datetime import datetime

from digest.audience.mails import Links
from digest.audience.preferences import owner
from digest.config.secrets import Keyring
from digest.mime.address import parse_address
from digest.model.errors import NotFound
from digest.model.subscriber import Subscriber
from digest.store import audit, erasing, subscribers
from digest.store.engine import Store, Tx


def erase_by_link(store: Store, links: Links, *, token: str, now: datetime) -> bool:
    """Erase the reader of a preferences link; False where it is refused, or they are gone already."""
    with store.write() as tx:
        mine = owner(tx, links, token=token, now=now)
        if mine is None:
            return False
        _erase(tx, links.keyring, mine.subscriber, how="preferences", now=now)
        return True


def erase_address(store: Store, keyring: Keyring, *, email: str, now: datetime) -> None:
    """Erase the reader with that address. Raises BadInput, and NotFound where nobody has it."""
    address = parse_address(email)
    with store.write() as tx:
        reader = subscribers.by_norm(tx, address.norm)
        if reader is None:
            raise NotFound(
                f"there is no reader {address.email}",
                hint="`digest subscriber suppress` keeps an address out that was never there",
            )
        _erase(tx, keyring, reader, how="operator", now=now)
        audit.act(tx, subject=keyring.address_hash(address.norm), detail="erased", at=now)


def _erase(tx: Tx, keyring: Keyring, reader: Subscriber, *, how: str, now: datetime) -> None:
    email_hash = keyring.address_hash(reader.email_norm)
    erasing.erase(tx, reader.id, email_norm=reader.email_norm, email_hash=email_hash, how=how, now=now)
