"""Everything that is kept about one person, as one document (GDPR art. 15 and 20): for the reader, or an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from enum import Enum
from typing import Any

from digest.audience.mails import Links
from digest.audience.preferences import owner
from digest.audience.suppress import standing
from digest.config.secrets import Keyring
from digest.mime.address import Address, parse_address
from digest.model.subscriber import Subscriber
from digest.store import bounces, consents, departures, events, notices, signups, subscribers, subscriptions
from digest.store.engine import Store, Tx

#: More than anybody gets in the time that rows are kept.
_ALL = 100_000


def by_link(store: Store, links: Links, *, token: str, now: datetime) -> dict[str, Any] | None:
    """All that is kept about the reader of a preferences link; None where it is refused."""
    with store.read() as tx:
        mine = owner(tx, links, token=token, now=now)
        return None if mine is None else everything(tx, links.keyring, mine.subscriber, now=now)


def of_address(store: Store, keyring: Keyring, *, email: str, now: datetime) -> dict[str, Any]:
    """All that is kept about an address, whether it is a reader's or was. Raises BadInput."""
    address = parse_address(email)
    with store.read() as tx:
        reader = subscribers.by_norm(tx, address.norm)
        if reader is not None:
            return everything(tx, keyring, reader, now=now)
        return {"email": address.email, "is_reader": False} | _by_hash(tx, keyring, address, None, now=now)


def everything(tx: Tx, keyring: Keyring, reader: Subscriber, *, now: datetime) -> dict[str, Any]:
    """The document, of plain JSON values."""
    taken = subscriptions.of_subscriber(tx, reader.id)
    proofs = {item.publication_id: subscriptions.consent_proofs(tx, item.publication_id, [reader.id]) for item in taken}
    document = {
        "email": reader.email,
        "is_reader": True,
        "name": reader.name,
        "locale": reader.locale,
        "timezone": reader.timezone,
        "attributes": reader.attributes or {},
        "since": reader.created_at,
        "subscriptions": [
            {
                "publication": item.publication_slug,
                **_plain(item, leave_out={"subscriber", "publication_id", "publication_slug", "token_id"}),
                "consent_proof": proofs[item.publication_id].get(reader.id, ""),
            }
            for item in taken
        ],
        "sign_ups": [
            _plain(item, leave_out={"id", "token_id", "publication_id", "subscriber_id", "email", "email_norm"})
            for item in signups.of_subscriber(tx, reader.id)
        ],
        "departures": [
            _plain(item, leave_out={"id", "token_id", "subscriber_id", "publication_id"})
            for item in departures.of_subscriber(tx, reader.id)
        ],
        "mails": [_plain(item, leave_out={"issue_id"}) for item in subscribers.deliveries(tx, reader.id, limit=_ALL)],
        "notices": [dict(item) for item in notices.of_subscriber(tx, reader.id)],
        "difficulties": [_plain(item, leave_out=set()) for item in bounces.of_subscriber(tx, reader.id)],
        "events": [_plain(item, leave_out={"issue_id"}) for item in events.of_subscriber(tx, reader.id, limit=_ALL)],
    }
    found: dict[str, Any] = _jsonable(document | _by_hash(tx, keyring, parse_address(reader.email), reader.id, now=now))
    return found


def _by_hash(tx: Tx, keyring: Keyring, address: Address, subscriber_id: int | None, *, now: datetime) -> dict[str, Any]:
    lines = consents.of_reader(tx, subscriber_id, email_hash=keyring.address_hash(address.norm))
    barred = standing(tx, keyring, address, now=now)
    found: dict[str, Any] = _jsonable(
        {
            "consents": [_plain(line, leave_out=set()) for line in lines],
            "suppressions": [_plain(item, leave_out=set()) for item in barred],
        }
    )
    return found


def _plain(item: Any, *, leave_out: set[str]) -> dict[str, Any]:
    return {one.name: getattr(item, one.name) for one in fields(item) if one.name not in leave_out}


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = _plain(value, leave_out=set())
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime | time) else _text_or_plain(value)


def _text_or_plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)
