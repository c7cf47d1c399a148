"""Leaving, or taking less. What a link or an operator asks for happens at once, once, and is answered the same always.

RFC 8058 §3.2 lets the request come again, and after the subscriber is gone: a genuine token is never an error. Each
departure keeps the terms of before, so that one tap takes it back; only the owner of the mailbox gets that link, and
who left by the button of their mail client gets no further mail about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from digest.audience.mails import Links, Post, ReaderMail
from digest.audience.preferences import check_pause, find, mask, note_choices, weekly_cadence
from digest.config.secrets import Keyring, Purpose
from digest.mime.address import parse_address
from digest.model.consent import ConsentAct, Origin
from digest.model.notice import NoticeKind
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import audit, consents, departures, publications, subscribing, subscriptions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Wish

UNDO_LIVES = timedelta(days=30)
_REASON_MAX = 500
_PAUSE = timedelta(days=30)


class Softer(StrEnum):
    """What a reader may take instead of leaving."""

    WEEKLY = "weekly"
    PAUSE = "pause"
    ALERTS_ONLY = "alerts-only"


@dataclass(frozen=True, slots=True)
class LeaveResult:
    """What a leaving page may show. The texts are empty where the subscription was erased since.

    ``was_active`` is whether there was anything to end: any state but unsubscribed. ``undo_token`` takes back what
    was done just now. ``only_alerts``: the link is that of an alert, and the digest goes on.
    """

    publication_name: str
    publication_slug: str
    was_active: bool
    email_masked: str
    undo_token: str = ""
    softer: tuple[Softer, ...] = ()
    only_alerts: bool = False


def find_by_token(store: Store, keyring: Keyring, *, token: str) -> LeaveResult | None:
    """What a token would end, changing nothing; None for a forged one."""
    if (link := _read(keyring, token)) is None:
        return None
    with store.read() as tx:
        found = subscriptions.by_token_id(tx, link.token_id)
        was_active = found is not None and found.state is not SubscriptionState.UNSUBSCRIBED
        if found is not None and link.of_alerts and found.digest:
            return _of_alerts(_result(tx, found, was_active=was_active and found.alerts))
        return _result(tx, found, was_active=was_active)


@dataclass(frozen=True, slots=True)
class _Link:
    """What a link that leaves names. An alert's leaves the alerts; the digest's leaves both."""

    token_id: str
    of_alerts: bool


def _read(keyring: Keyring, token: str) -> _Link | None:
    for purpose, of_alerts in ((Purpose.UNSUBSCRIBE, False), (Purpose.LEAVE_ALERTS, True)):
        if (token_id := keyring.verify(purpose, token)) is not None:
            return _Link(token_id, of_alerts)
    return None


def _of_alerts(result: LeaveResult) -> LeaveResult:
    return replace(result, only_alerts=True, softer=())


def unsubscribe_by_token(
    store: Store,
    keyring: Keyring,
    token: str,
    *,
    now: datetime,
    how: str,
    reason: str = "",
    links: Links | None = None,
    post: Post | None = None,
) -> LeaveResult | None:
    """End the subscription a token names; None for a forged one. Safe to repeat.

    ``how`` goes into the event: one-click, page, mail. With ``links`` and ``post`` the owner of the address gets a
    mail with the way back, unless it was their mail client's button: a forwarded mail may have let a stranger leave.
    """
    if (link := _read(keyring, token)) is None:
        return None
    with store.write() as tx:
        before = subscriptions.by_token_id(tx, link.token_id)
        if before is None:
            return _result(tx, None, was_active=False)
        if link.of_alerts and before.digest:
            return _stop_alerts(tx, keyring, before, how=how, now=now)
        undo_id = _end(tx, keyring, before, how=how, reason=reason, now=now)
        if undo_id and links and post and how != "one-click" and before.state is not SubscriptionState.PENDING:
            post(tx, _goodbye(tx, links, before, undo_id))
        undo = keyring.sign(Purpose.UNDO, undo_id) if undo_id else ""
        return _result(tx, before, was_active=bool(undo_id), undo_token=undo)


def _stop_alerts(tx: Tx, keyring: Keyring, before: Subscription, *, how: str, now: datetime) -> LeaveResult:
    """End the alerts of somebody who goes on with the digest."""
    if before.state is SubscriptionState.UNSUBSCRIBED or not before.alerts:
        return _of_alerts(_result(tx, before, was_active=False))
    after = _change(tx, keyring, before, Wish(alerts=False), how=f"leaving-alerts:{how}", now=now)
    undo_id = departures.note(tx, before, choice="no-alerts", how=how, reason="", now=now)
    return _of_alerts(_result(tx, after, was_active=True, undo_token=keyring.sign(Purpose.UNDO, undo_id)))


def _change(tx: Tx, keyring: Keyring, before: Subscription, wish: Wish, *, how: str, now: datetime) -> Subscription:
    """Change what somebody gets, with a line in the consent ledger where they agree to something else."""
    subscribing.subscribe_many(
        tx,
        before.publication_id,
        wishes={before.subscriber.id: wish},
        default_cadence=before.cadence,
        how=how,
        now=now,
        resubscribe=True,
    )
    after = subscriptions.by_token_id(tx, before.token_id)
    if after is None:
        raise AssertionError("a subscription that was just changed is not there")
    note_choices(tx, keyring, before, after, origin=Origin("page"), now=now)
    return after


def leave_by_mail(store: Store, keyring: Keyring, token: str, *, now: datetime) -> LeaveResult | None:
    """The mailto way: end what the token in the recipient's address names; who wrote the mail is not asked (D9)."""
    return unsubscribe_by_token(store, keyring, token, now=now, how="mail")


def unsubscribe_address(
    store: Store, keyring: Keyring, publication_slug: str, *, email: str, now: datetime, how: str
) -> LeaveResult:
    """End the subscription of an address, for an operator. Raises BadInput, and NotFound for one never subscribed."""
    address = parse_address(email)
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        found = find(tx, publication, address)
        undo_id = _end(tx, keyring, found, how=how, reason="", now=now)
        if undo_id:
            detail = f"{publication.slug} unsubscribed"
            audit.act(tx, subject=keyring.address_hash(address.norm), detail=detail, at=now)
        return _result(tx, found, was_active=bool(undo_id))


def take_less(
    store: Store,
    keyring: Keyring,
    *,
    token: str,
    instead: Softer,
    until: datetime | None = None,
    reason: str = "",
    now: datetime,
) -> LeaveResult | None:
    """Take less instead of leaving; None for a forged token. A pause is of 30 days unless ``until`` says otherwise.

    Raises BadInput for a pause that has no good end, NotFound where there is no weekly issue. Somebody who left
    already stays gone.
    """
    token_id = keyring.verify(Purpose.UNSUBSCRIBE, token)
    if token_id is None:
        return None
    with store.write() as tx:
        before = subscriptions.by_token_id(tx, token_id)
        if before is None or before.state is SubscriptionState.UNSUBSCRIBED:
            return _result(tx, before, was_active=False)
        wish = _softer(tx, before, instead, until=until, now=now)
        after = _change(tx, keyring, before, wish, how=f"leaving-page:{instead}", now=now)
        undo_id = departures.note(tx, before, choice=instead, how="page", reason=_reason(reason), now=now)
        return _result(tx, after, was_active=True, undo_token=keyring.sign(Purpose.UNDO, undo_id))


def _softer(tx: Tx, before: Subscription, instead: Softer, *, until: datetime | None, now: datetime) -> Wish:
    if instead is Softer.WEEKLY:
        return Wish(cadence=weekly_cadence(publications.by_id(tx, before.publication_id)), digest=True)
    if instead is Softer.PAUSE:
        return Wish(state=SubscriptionState.PAUSED, paused_until=check_pause(until or now + _PAUSE, now=now))
    return Wish(digest=False, alerts=True)


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking a departure back came to. ``is_done`` False: on looking, or where it was done or overtaken."""

    publication_name: str
    publication_slug: str
    email_masked: str
    is_done: bool


def find_departure(store: Store, keyring: Keyring, *, token: str, now: datetime) -> Undone | None:
    """What an undo link would take back, changing nothing; None where it is refused, too old or was used."""
    with store.read() as tx:
        found = _departure(tx, keyring, token, now=now)
        if found is None or found.undone_at is not None:
            return None
        return _undone(tx, found, is_done=False)


def undo(store: Store, keyring: Keyring, *, token: str, now: datetime) -> Undone | None:
    """Give a reader back what they had; None where the link is refused or too old. The second time does nothing."""
    with store.write() as tx:
        found = _departure(tx, keyring, token, now=now)
        if found is None:
            return None
        if not departures.undo(tx, found, now=now):
            return _undone(tx, found, is_done=False)
        mine = subscriptions.get(tx, found.subscriber_id, publication_id=found.publication_id)
        if mine is None:
            return None
        consents.record(
            tx,
            ConsentAct.UNDONE,
            publication_id=mine.publication_id,
            subscriber_id=mine.subscriber.id,
            email_hash=keyring.address_hash(mine.subscriber.email_norm),
            choices=(mine.digest, mine.alerts),
            origin=Origin("undo", mail=f"goodbye:{found.token_id}"),
            now=now,
        )
        return _undone(tx, found, is_done=True)


def say_why(store: Store, keyring: Keyring, *, token: str, reason: str, now: datetime) -> bool:
    """Add a reason after leaving, by the undo token of the page; False where it is refused or there is one."""
    with store.write() as tx:
        found = _departure(tx, keyring, token, now=now)
        return found is not None and departures.say_why(tx, found.token_id, reason=_reason(reason))


def _departure(tx: Tx, keyring: Keyring, token: str, *, now: datetime) -> departures.Departure | None:
    token_id = keyring.verify_at(Purpose.UNDO, token, now=now)
    found = None if token_id is None else departures.by_token(tx, token_id)
    return found if found is not None and now < found.at + UNDO_LIVES else None


def _undone(tx: Tx, found: departures.Departure, *, is_done: bool) -> Undone | None:
    mine = subscriptions.get(tx, found.subscriber_id, publication_id=found.publication_id)
    if mine is None:
        return None
    publication = publications.by_id(tx, mine.publication_id)
    return Undone(publication.name, publication.slug, mask(mine.subscriber.email), is_done=is_done)


def _end(tx: Tx, keyring: Keyring, before: Subscription, *, how: str, reason: str, now: datetime) -> str:
    """End a subscription and keep the way back; gives the id of the departure, or "" where it was over."""
    if not subscriptions.unsubscribe(tx, token_id=before.token_id, now=now, how=how):
        return ""
    consents.record(
        tx,
        ConsentAct.WITHDRAWN,
        publication_id=before.publication_id,
        subscriber_id=before.subscriber.id,
        email_hash=keyring.address_hash(before.subscriber.email_norm),
        choices=(False, False),
        origin=Origin(how),
        now=now,
    )
    return departures.note(tx, before, choice="leave", how=how, reason=_reason(reason), now=now)


def _reason(text: str) -> str:
    return " ".join(text.split())[:_REASON_MAX]


def _goodbye(tx: Tx, links: Links, before: Subscription, undo_id: str) -> ReaderMail:
    publication = publications.by_id(tx, before.publication_id)
    return ReaderMail(
        kind=NoticeKind.GOODBYE,
        publication=publication,
        email=before.subscriber.email,
        email_norm=before.subscriber.email_norm,
        subscriber_id=before.subscriber.id,
        language=before.subscriber.locale or publication.locale,
        dedupe_key=f"goodbye:{undo_id}",
        links={"undo": links.undo(undo_id)},
    )


def _result(tx: Tx, found: Subscription | None, *, was_active: bool, undo_token: str = "") -> LeaveResult:
    if found is None:
        return LeaveResult("", "", was_active=False, email_masked="")
    publication = publications.by_id(tx, found.publication_id)
    softer = []
    if found.digest and any(
        rhythm.rule == "weekly" and rhythm.name != found.cadence for rhythm in publication.cadences
    ):
        softer.append(Softer.WEEKLY)
    if found.state is SubscriptionState.ACTIVE:
        softer.append(Softer.PAUSE)
    if found.digest:
        softer.append(Softer.ALERTS_ONLY)
    return LeaveResult(
        publication_name=publication.name,
        publication_slug=found.publication_slug,
        was_active=was_active,
        email_masked=mask(found.subscriber.email),
        undo_token=undo_token,
        softer=tuple(softer) if was_active else (),
    )
