"""Confirming by the button of a page: the second half of double opt-in, and the same for everybody who has the link.

Looking at the page changes nothing; only `confirm` does, once. A link that is forged, cut, for another purpose or too
old is refused in one and the same way. Whether the address may be mailed is asked again here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.audience.mails import Links, Post, ReaderMail
from digest.audience.networks import network_of
from digest.audience.preferences import find
from digest.audience.signup import LIFTED_BY_OWNER
from digest.audience.subscribe import default_cadence
from digest.config.readers import SignUpSettings
from digest.config.secrets import Keyring, Purpose
from digest.mime.address import parse_address
from digest.model.consent import ConsentAct, Origin, SignUpState
from digest.model.errors import BadInput, NothingToDo
from digest.model.notice import NoticeKind
from digest.model.publication import Publication
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import audit, consents, publications, signups, subscribing, subscriptions, suppressions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Consent, Wish
from digest.store.signups import SignUp


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a confirmation page may show. ``is_done``: it was confirmed, now or before.

    ``preferences`` leads on for who confirmed just now, and for nobody who opens the link again.
    """

    publication: Publication
    digest: bool
    alerts: bool
    is_done: bool
    is_new: bool = False
    preferences: str = ""


def look(store: Store, links: Links, *, token: str, limits: SignUpSettings, now: datetime) -> Confirmation | None:
    """What a link would confirm, changing nothing; None where it is refused."""
    token_id = links.keyring.verify_at(Purpose.CONFIRM, token, now=now)
    if token_id is None:
        return None
    with store.read() as tx:
        request = signups.seen_by_token(tx, token_id)
        if request is None or not _is_good(request, limits, now=now):
            return None
        has = _subscription(tx, request)
        is_done = request.state is SignUpState.CONFIRMED
        return None if has is None else _shown(tx, links, request, has, is_done=is_done, is_new=False)


def confirm(
    store: Store,
    links: Links,
    *,
    token: str,
    post: Post,
    limits: SignUpSettings,
    address: str = "",
    page: str = "",
    now: datetime,
) -> Confirmation | None:
    """Confirm a request; None where the link is refused. Safe to repeat: the second time changes nothing.

    ``address`` is the IP address of who pressed the button.
    """
    token_id = links.keyring.verify_at(Purpose.CONFIRM, token, now=now)
    if token_id is None:
        return None
    with store.write() as tx:
        request = signups.by_token(tx, token_id)
        if request is None or not _is_good(request, limits, now=now):
            return None
        has = _subscription(tx, request)
        if has is None:
            return None
        if request.state is SignUpState.CONFIRMED:
            return _shown(tx, links, request, has, is_done=True, is_new=False)
        email_hash = links.keyring.address_hash(has.subscriber.email_norm)
        barred = suppressions.bars_address(tx, email_hash, publication_id=request.publication_id, now=now)
        if barred - LIFTED_BY_OWNER or not signups.confirm(tx, request.id, now=now):
            return None
        suppressions.lift_all(tx, email_hash, reasons=LIFTED_BY_OWNER)
        origin = Origin(
            "button", page or request.page, network_of(address), request.wording, f"confirm:signup:{request.token_id}"
        )
        made = _start(tx, request, has, email_hash=email_hash, origin=origin, now=now)
        post(tx, _welcome(tx, links, request, made))
        return _shown(tx, links, request, made, is_done=True, is_new=True)


def confirm_address(
    store: Store, keyring: Keyring, publication_slug: str, *, email: str, why: str, now: datetime
) -> Subscription:
    """Confirm a pending subscription at an operator's word; ``why`` goes into the proof of consent.

    Raises BadInput for who is suppressed or left, NotFound, and NothingToDo where it is confirmed already.
    """
    address = parse_address(email)
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        before = find(tx, publication, address)
        if before.state is SubscriptionState.UNSUBSCRIBED:
            raise BadInput(
                f"{address.email} left {publication.slug!r}",
                hint="`digest subscriber add --resubscribe`, if they asked",
            )
        if before.state is not SubscriptionState.PENDING:
            raise NothingToDo(f"{address.email} is {before.state} already", hint="nothing changed")
        email_hash = keyring.address_hash(address.norm)
        if barred := suppressions.bars_address(tx, email_hash, publication_id=publication.id, now=now):
            raise BadInput(
                f"{address.email} is suppressed ({', '.join(sorted(barred))})",
                hint="`digest subscriber unsuppress` first",
            )
        wish = Wish(state=SubscriptionState.ACTIVE, consent=Consent(now, "operator", why))
        subscribing.subscribe_many(
            tx,
            publication.id,
            wishes={before.subscriber.id: wish},
            default_cadence=before.cadence,
            how="operator",
            now=now,
        )
        consents.record(
            tx,
            ConsentAct.CONFIRMED,
            publication_id=publication.id,
            subscriber_id=before.subscriber.id,
            email_hash=email_hash,
            choices=(before.digest, before.alerts),
            origin=Origin("operator"),
            now=now,
        )
        audit.act(tx, subject=email_hash, detail=f"{publication.slug} confirmed", at=now)
        return find(tx, publication, address)


def _is_good(request: SignUp, limits: SignUpSettings, *, now: datetime) -> bool:
    in_time = now < request.created_at + timedelta(days=limits.keep_unconfirmed_days)
    return in_time and request.state in {SignUpState.MAILED, SignUpState.CONFIRMED}


def _subscription(tx: Tx, request: SignUp) -> Subscription | None:
    if request.subscriber_id is None:
        return None
    return subscriptions.get(tx, request.subscriber_id, publication_id=request.publication_id)


def _start(
    tx: Tx, request: SignUp, has: Subscription, *, email_hash: str, origin: Origin, now: datetime
) -> Subscription:
    wishes, was_active = request.wishes, has.state is SubscriptionState.ACTIVE
    publication = publications.by_id(tx, request.publication_id)
    known = {topic.slug for topic in publications.topics(tx, publication.id)}
    cadences = {rhythm.name for rhythm in publication.cadences}
    topics = tuple(sorted(known.intersection(wishes["topics"])))
    choices = (
        bool(wishes["digest"]) or (was_active and has.digest),
        bool(wishes["alerts"]) or (was_active and has.alerts),
    )
    wish = Wish(
        state=SubscriptionState.ACTIVE,
        cadence=wishes["cadence"] if wishes["cadence"] in cadences else None,
        topics=topics or None,
        digest=choices[0],
        alerts=choices[1],
        consent=Consent(now, origin.how, f"{origin.mail} {origin.network}".strip()),
    )
    subscribing.subscribe_many(
        tx,
        publication.id,
        wishes={has.subscriber.id: wish},
        default_cadence=default_cadence(publication),
        how="confirmed",
        now=now,
        resubscribe=True,
    )
    consents.record(
        tx,
        ConsentAct.CONFIRMED,
        publication_id=publication.id,
        subscriber_id=has.subscriber.id,
        email_hash=email_hash,
        choices=choices,
        origin=origin,
        now=now,
    )
    made = subscriptions.get(tx, has.subscriber.id, publication_id=publication.id)
    if made is None:
        raise AssertionError("a subscription that was just confirmed is not there")
    return made


def _welcome(tx: Tx, links: Links, request: SignUp, made: Subscription) -> ReaderMail:
    publication = publications.by_id(tx, made.publication_id)
    chosen = [name for name in ("digest", "alerts") if getattr(made, name)]
    return ReaderMail(
        kind=NoticeKind.WELCOME,
        publication=publication,
        email=made.subscriber.email,
        email_norm=made.subscriber.email_norm,
        subscriber_id=made.subscriber.id,
        language=made.subscriber.locale or publication.locale,
        dedupe_key=f"welcome:{request.token_id}",
        links={
            "preferences": links.preferences(made.token_id),
            "unsubscribe": links.unsubscribe(made.token_id),
        },
        facts={"choices": " ".join(chosen)},
    )


def _shown(tx: Tx, links: Links, request: SignUp, has: Subscription, *, is_done: bool, is_new: bool) -> Confirmation:
    return Confirmation(
        publication=publications.by_id(tx, request.publication_id),
        digest=bool(request.wishes["digest"]),
        alerts=bool(request.wishes["alerts"]),
        is_done=is_done,
        is_new=is_new,
        preferences=links.preferences(has.token_id) if is_new else "",
    )
