"""Leaving. What a link or an operator asks for happens at once, once, and is answered the same every time.

RFC 8058 §3.2 lets the request come again, and after the subscriber is gone: a genuine token is never an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.config.secrets import Keyring, Purpose
from digest.mime.address import parse_address
from digest.model.errors import NotFound
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import publications, subscribers, subscriptions
from digest.store.engine import Store, Tx


@dataclass(frozen=True, slots=True)
class LeaveResult:
    """What a leaving page may show. The texts are empty where the subscription was erased since.

    ``was_active`` is whether there was anything to end: any state but unsubscribed.
    """

    publication_name: str
    publication_slug: str
    was_active: bool
    email_masked: str


def find_by_token(store: Store, keyring: Keyring, *, token: str) -> LeaveResult | None:
    """What a token would end, changing nothing; None for a forged one."""
    token_id = keyring.verify(Purpose.UNSUBSCRIBE, token)
    if token_id is None:
        return None
    with store.read() as tx:
        found = subscriptions.by_token_id(tx, token_id)
        was_active = found is not None and found.state is not SubscriptionState.UNSUBSCRIBED
        return _result(tx, found, was_active=was_active)


def unsubscribe_by_token(store: Store, keyring: Keyring, token: str, *, now: datetime, how: str) -> LeaveResult | None:
    """End the subscription a token names; None for a forged one. Safe to repeat.

    ``how`` goes into the event: one-click, page, mail.
    """
    token_id = keyring.verify(Purpose.UNSUBSCRIBE, token)
    if token_id is None:
        return None
    with store.write() as tx:
        ended = subscriptions.unsubscribe(tx, token_id=token_id, now=now, how=how)
        return _result(tx, subscriptions.by_token_id(tx, token_id), was_active=ended)


def unsubscribe_address(store: Store, publication_slug: str, *, email: str, now: datetime, how: str) -> LeaveResult:
    """End the subscription of an address, for an operator. Raises BadInput, and NotFound for one never subscribed."""
    address = parse_address(email)
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        subscriber = subscribers.by_norm(tx, address.norm)
        found = subscriber and subscriptions.get(tx, subscriber.id, publication_id=publication.id)
        if not found:
            raise NotFound(
                f"{address.email} is not subscribed to {publication.slug!r}",
                hint="`digest subscriber list` shows who is",
            )
        ended = subscriptions.unsubscribe(tx, token_id=found.token_id, now=now, how=how)
        return _result(tx, found, was_active=ended)


def mask(email: str) -> str:
    """An address its owner recognises and nobody else learns: ``r•••@example.com``."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def _result(tx: Tx, found: Subscription | None, *, was_active: bool) -> LeaveResult:
    if found is None:
        return LeaveResult("", "", was_active=False, email_masked="")
    return LeaveResult(
        publication_name=publications.by_id(tx, found.publication_id).name,
        publication_slug=found.publication_slug,
        was_active=was_active,
        email_masked=mask(found.subscriber.email),
    )
