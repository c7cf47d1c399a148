"""Another address: asked for in the preference centre, and done only once somebody at the new one has confirmed it.

The new address is told nothing about the old one, the page says the same whether or not anybody has it already, and
the old address gets word when it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.audience.mails import Links, Post, ReaderMail
from digest.audience.networks import network_of
from digest.audience.preferences import mask, owner
from digest.audience.signup import LIFTED_BY_OWNER
from digest.config.readers import SignUpSettings
from digest.config.secrets import Purpose
from digest.mime.address import parse_address
from digest.model.consent import ConsentAct, Origin
from digest.model.notice import NoticeKind
from digest.model.subscriber import Subscription
from digest.store import address_changes, asking, consents, publications, subscribers, subscriptions, suppressions
from digest.store.address_changes import AddressChange
from digest.store.engine import Store, Tx

LIVES = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Readdressed:
    """What a page may show. ``is_done`` False on looking, or where another reader has that address by now."""

    publication_name: str
    email_masked: str
    is_done: bool
    is_taken: bool = False


def ask(
    store: Store, links: Links, *, token: str, email: str, post: Post, limits: SignUpSettings, now: datetime
) -> bool:
    """Mail a button to the new address; False where the preferences link is refused. Raises BadInput for no address.

    True says nothing about whether a mail went out: addresses that must not be mailed, or were asked too often, get
    none.
    """
    address = parse_address(email)
    with store.write() as tx:
        mine = owner(tx, links, token=token, now=now)
        if mine is None:
            return False
        email_hash = links.keyring.address_hash(address.norm)
        barred = suppressions.bars_address(tx, email_hash, publication_id=mine.publication_id, now=now)
        often = asking.ask(tx, f"mail:{email_hash}", hours=24, now=now) > limits.address_per_day
        often |= asking.ask(tx, f"move:{mine.token_id}", hours=24, now=now) > limits.address_per_day
        if often or barred - LIFTED_BY_OWNER or address.norm == mine.subscriber.email_norm:
            return True
        token_id = address_changes.ask(
            tx,
            mine.subscriber.id,
            publication_id=mine.publication_id,
            email=address.email,
            email_norm=address.norm,
            now=now,
        )
        publication = publications.by_id(tx, mine.publication_id)
        mail = ReaderMail(
            kind=NoticeKind.ADDRESS,
            publication=publication,
            email=address.email,
            email_norm=address.norm,
            subscriber_id=mine.subscriber.id,
            language=mine.subscriber.locale or publication.locale,
            dedupe_key=f"address:{token_id}",
            links={"confirm": links.readdress(token_id)},
        )
        post(tx, mail)
    return True


def look(store: Store, links: Links, *, token: str, now: datetime) -> Readdressed | None:
    """What a link would do, changing nothing; None where it is refused or was used."""
    with store.read() as tx:
        change = _wanted(tx, links, token, now=now)
        if change is None:
            return None
        publication = publications.by_id(tx, change.publication_id)
        return Readdressed(publication.name, mask(change.email), is_done=False)


def confirm(
    store: Store, links: Links, *, token: str, post: Post, address: str = "", now: datetime
) -> Readdressed | None:
    """Put the new address in the place of the old one; None where the link is refused or was used."""
    with store.write() as tx:
        change = _wanted(tx, links, token, now=now)
        if change is None or not address_changes.take(tx, change):
            return None
        publication = publications.by_id(tx, change.publication_id)
        email_hash = links.keyring.address_hash(change.email_norm)
        barred = suppressions.bars_address(tx, email_hash, publication_id=change.publication_id, now=now)
        if barred - LIFTED_BY_OWNER:
            return None
        if subscribers.by_norm(tx, change.email_norm) is not None:
            return Readdressed(publication.name, mask(change.email), is_done=False, is_taken=True)
        before = subscribers.by_id(tx, change.subscriber_id)
        if before is None:
            return None
        suppressions.lift_all(tx, email_hash, reasons=LIFTED_BY_OWNER)
        address_changes.move(tx, change.subscriber_id, email=change.email, email_norm=change.email_norm)
        for item in subscriptions.of_subscriber(tx, change.subscriber_id):
            _record(tx, change, item, email_hash, network=network_of(address), now=now)
        moved = ReaderMail(
            kind=NoticeKind.MOVED,
            publication=publication,
            email=before.email,
            email_norm=before.email_norm,
            subscriber_id=before.id,
            language=before.locale or publication.locale,
            dedupe_key=f"moved:{change.token_id}",
            links={},
        )
        post(tx, moved)
        return Readdressed(publication.name, mask(change.email), is_done=True)


def _record(tx: Tx, change: AddressChange, item: Subscription, email_hash: str, *, network: str, now: datetime) -> None:
    consents.record(
        tx,
        ConsentAct.READDRESSED,
        publication_id=item.publication_id,
        subscriber_id=item.subscriber.id,
        email_hash=email_hash,
        choices=(item.digest, item.alerts),
        origin=Origin("button", network=network, mail=f"address:{change.token_id}"),
        now=now,
    )


def _wanted(tx: Tx, links: Links, token: str, *, now: datetime) -> AddressChange | None:
    token_id = links.keyring.verify_at(Purpose.READDRESS, token, now=now)
    change = None if token_id is None else address_changes.by_token(tx, token_id)
    return change if change is not None and now < change.created_at + LIVES else None
