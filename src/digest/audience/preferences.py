"""The preference centre: what a reader gets, how often and in which form, by a signed link and without a password.

A link names one subscription; it opens all that its reader has, since it proves the same mailbox. Looking changes
nothing. A change is checked as a whole and stored as a whole, in one transaction, and takes effect in issues that are
being sent just then. What a reader agrees to or withdraws goes into the consent ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, time, timedelta

from digest.audience import signup
from digest.audience.application import Request, check
from digest.audience.mails import Links, Post, ReaderMail
from digest.audience.networks import network_of
from digest.audience.subscribe import default_cadence
from digest.config.readers import SignUpSettings
from digest.config.secrets import Keyring, Purpose
from digest.mime.address import Address, parse_address
from digest.model.consent import ConsentAct, Origin
from digest.model.errors import BadInput, NotFound, NothingToDo
from digest.model.notice import NoticeKind
from digest.model.publication import Publication, Topic
from digest.model.subscriber import Format, Subscriber, Subscription, SubscriptionState
from digest.store import asking, audit, consents, publications, subscribers, subscribing, subscriptions, suppressions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Wish

_PAUSE_MAX = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Offer:
    """One publication as its row in the preference centre: what there is, and what this reader has of it."""

    publication: Publication
    topics: tuple[Topic, ...]
    has: Subscription | None


@dataclass(frozen=True, slots=True)
class Preferences:
    """Everything the page shows. ``publication`` is the one whose mail the link came in."""

    reader: Subscriber
    email_masked: str
    publication: Publication
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader wants of one publication; None leaves what is stored. ``is_wanted`` False ends it.

    ``pause_until`` pauses until then, ``is_paused`` False goes on; ``deliver_at`` is HH:MM or empty.
    """

    is_wanted: bool = True
    digest: bool | None = None
    alerts: bool | None = None
    topics: Sequence[str] | None = None
    cadence: str | None = None
    format: Format | None = None
    deliver_at: str | None = None
    is_paused: bool | None = None
    pause_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """All that a reader changes at once: by publication slug, and about themself."""

    choices: Mapping[str, Choice] = field(default_factory=dict)
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None


def look(store: Store, links: Links, *, token: str, now: datetime) -> Preferences | None:
    """What a link opens, changing nothing; None where it is refused."""
    with store.read() as tx:
        mine = owner(tx, links, token=token, now=now)
        return None if mine is None else _preferences(tx, mine)


def change(
    store: Store, links: Links, *, token: str, change: Change, address: str = "", page: str = "", now: datetime
) -> Preferences | None:
    """Store what a reader chose; None where the link is refused. Raises BadInput for what is not on offer."""
    with store.write() as tx:
        mine = owner(tx, links, token=token, now=now)
        if mine is None:
            return None
        _apply(tx, links.keyring, mine, change, origin=Origin("preferences", page, network_of(address)), now=now)
        again = owner(tx, links, token=token, now=now)
        return None if again is None else _preferences(tx, again)


def change_address(
    store: Store, keyring: Keyring, publication_slug: str, *, email: str, change: Change, now: datetime
) -> Subscription:
    """The same for an operator, by address; gives the subscription as it is now.

    Who left or has not confirmed stays so. Raises BadInput, NotFound, and NothingToDo where it changes nothing.
    """
    address = parse_address(email)
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        before = find(tx, publication, address)
        if before.state in {SubscriptionState.UNSUBSCRIBED, SubscriptionState.PENDING}:
            raise BadInput(
                f"{address.email} is {before.state} in {publication.slug!r}",
                hint="`digest subscriber confirm` or `digest subscriber add --resubscribe` come first",
            )
        _apply(tx, keyring, before, change, origin=Origin("operator"), now=now)
        after = find(tx, publication, address)
        if after == before:
            raise NothingToDo(f"{address.email} has it so already", hint="nothing changed")
        detail = f"{publication.slug}: {'; '.join(sorted(_differences(before, after)))}"
        audit.act(tx, subject=keyring.address_hash(address.norm), detail=detail, at=now)
        return after


def find(tx: Tx, publication: Publication, address: Address) -> Subscription:
    """The subscription of an address. Raises NotFound."""
    reader = subscribers.by_norm(tx, address.norm)
    found = reader and subscriptions.get(tx, reader.id, publication_id=publication.id)
    if not found:
        raise NotFound(
            f"{address.email} is not subscribed to {publication.slug!r}", hint="`digest subscriber list` shows who is"
        )
    return found


def _differences(before: Subscription, after: Subscription) -> list[str]:
    """Names of what became another, without the values: they may be personal."""
    found = [one.name for one in fields(before) if getattr(before, one.name) != getattr(after, one.name)]
    return [name for name in found if name != "subscriber"] + (["about the reader"] if "subscriber" in found else [])


def _apply(tx: Tx, keyring: Keyring, mine: Subscription, change: Change, *, origin: Origin, now: datetime) -> None:
    by_slug = {item.slug: item for item in publications.list_all(tx)}
    for slug, choice in change.choices.items():
        if slug not in by_slug:
            raise BadInput(f"there is no publication {slug[:64]!r}", hint="it may have been removed; try again")
        _choose(tx, keyring, by_slug[slug], mine, choice, origin=origin, now=now)
    _about(tx, mine, change, now=now)


def owner(tx: Tx, links: Links, *, token: str, now: datetime) -> Subscription | None:
    """The subscription that a preferences link names; None where the link is refused or its reader is gone."""
    token_id = links.keyring.verify_at(Purpose.PREFERENCES, token, now=now)
    return None if token_id is None else subscriptions.by_token_id(tx, token_id)


def _preferences(tx: Tx, mine: Subscription) -> Preferences:
    has = {item.publication_id: item for item in subscriptions.of_subscriber(tx, mine.subscriber.id)}
    offers = [
        Offer(item, tuple(publications.topics(tx, item.id)), has.get(item.id)) for item in publications.list_all(tx)
    ]
    own = publications.by_id(tx, mine.publication_id)
    return Preferences(has[mine.publication_id].subscriber, mask(mine.subscriber.email), own, tuple(offers))


def mask(email: str) -> str:
    """An address its owner recognises and nobody else learns: ``r•••@example.com``."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def _choose(
    tx: Tx,
    keyring: Keyring,
    publication: Publication,
    mine: Subscription,
    choice: Choice,
    *,
    origin: Origin,
    now: datetime,
) -> None:
    reader = mine.subscriber
    has = subscriptions.get(tx, reader.id, publication_id=publication.id)
    if has is None and not choice.is_wanted:
        return
    wish = _wish(tx, publication, has, choice, now=now)
    subscribing.subscribe_many(
        tx,
        publication.id,
        wishes={reader.id: wish},
        default_cadence=default_cadence(publication),
        how=origin.how,
        now=now,
        resubscribe=True,
    )
    after = subscriptions.get(tx, reader.id, publication_id=publication.id)
    if after is None:
        raise AssertionError("a subscription that was just stored is not there")
    note_choices(tx, keyring, has, after, origin=origin, now=now)


def note_choices(
    tx: Tx, keyring: Keyring, before: Subscription | None, after: Subscription, *, origin: Origin, now: datetime
) -> None:
    """Add a line to the consent ledger where what is agreed to became another."""
    had, has = _agreed(before), _agreed(after)
    if had == has:
        return
    withdrew = (
        not any(has) or (had[0] and not has[0] and has[1] == had[1]) or (had[1] and not has[1] and has[0] == had[0])
    )
    consents.record(
        tx,
        ConsentAct.WITHDRAWN if withdrew else ConsentAct.CHANGED,
        publication_id=after.publication_id,
        subscriber_id=after.subscriber.id,
        email_hash=keyring.address_hash(after.subscriber.email_norm),
        choices=has,
        origin=origin,
        now=now,
    )


def _agreed(item: Subscription | None) -> tuple[bool, bool]:
    stands = item is not None and item.state in {SubscriptionState.ACTIVE, SubscriptionState.PAUSED}
    return (stands and item.digest, stands and item.alerts) if item else (False, False)


def _wish(tx: Tx, publication: Publication, has: Subscription | None, choice: Choice, *, now: datetime) -> Wish:
    request = Request(email="nobody@example.com", cadence=choice.cadence or "", topics=tuple(choice.topics or ()))
    check(request, publication, topics=publications.topics(tx, publication.id), now=now)
    digest = choice.digest if choice.digest is not None else (has.digest if has else True)
    alerts = choice.alerts if choice.alerts is not None else (has.alerts if has else False)
    return Wish(
        state=_state(has, choice, wants_something=digest or alerts),
        cadence=choice.cadence or None,
        format=choice.format,
        topics=None if choice.topics is None else tuple(sorted(set(choice.topics))),
        digest=digest if digest or alerts else None,
        alerts=alerts if digest or alerts else None,
        deliver_at=None if choice.deliver_at is None else check_time(choice.deliver_at),
        paused_until=check_pause(choice.pause_until, now=now),
    )


def _state(has: Subscription | None, choice: Choice, *, wants_something: bool) -> SubscriptionState | None:
    if not choice.is_wanted or not wants_something:
        return SubscriptionState.UNSUBSCRIBED
    if choice.is_paused or choice.pause_until is not None:
        return SubscriptionState.PAUSED
    if choice.is_paused is None and has is not None and has.state is SubscriptionState.PAUSED:
        return None
    return SubscriptionState.ACTIVE


def check_time(text: str) -> str:
    """A wall-clock time as HH:MM, or empty. Raises BadInput."""
    if not text:
        return ""
    try:
        return time.fromisoformat(text).strftime("%H:%M")
    except ValueError as error:
        raise BadInput(f"{text[:20]!r} is not a time of day", hint="write it as 07:30") from error


def check_pause(until: datetime | None, *, now: datetime) -> datetime | None:
    """The end of a pause: in the future, and within a year. Raises BadInput."""
    if until is not None and not now < until <= now + _PAUSE_MAX:
        raise BadInput("a pause ends after today and within a year", hint="choose another day")
    return until


def _about(tx: Tx, mine: Subscription, change: Change, *, now: datetime) -> None:
    request = Request(
        email=mine.subscriber.email,
        name=change.name or "",
        locale=change.locale or "",
        timezone=change.timezone or "",
    )
    own = publications.by_id(tx, mine.publication_id)
    person = check(request, own, topics=(), now=now).person
    if change.name == "":
        person = replace(person, name="")
    subscribers.upsert_many(tx, [replace(person, email_norm=mine.subscriber.email_norm)], now=now)


def send_lost_link(
    store: Store,
    links: Links,
    publication_slug: str,
    *,
    email: str,
    post: Post,
    limits: SignUpSettings,
    address: str = "",
    now: datetime,
) -> bool:
    """Mail a link to the preference centre that works for a day; False when this network asked too often.

    The answer is the same whether or not anybody has the address. Raises BadInput for what is no address, NotFound
    for an unknown publication.
    """
    parsed = parse_address(email)
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        scope = signup.network_scope(links.keyring, network_of(address))
        if asking.ask(tx, scope, hours=1, now=now) > limits.network_per_hour:
            return False
        email_hash = links.keyring.address_hash(parsed.norm)
        asked = asking.ask(tx, f"mail:{email_hash}", hours=24, now=now)
        has = _reachable(tx, parsed, publication, email_hash=email_hash, now=now)
        if has is None or asked > limits.address_per_day:
            return True
        post(tx, _lost_link(links, publication, has, now=now))
    return True


def _reachable(
    tx: Tx, address: Address, publication: Publication, *, email_hash: str, now: datetime
) -> Subscription | None:
    reader = subscribers.by_norm(tx, address.norm)
    if reader is None:
        return None
    barred = suppressions.bars_address(tx, email_hash, publication_id=publication.id, now=now)
    if barred - signup.LIFTED_BY_OWNER:
        return None
    taken = subscriptions.of_subscriber(tx, reader.id)
    stands = [item for item in taken if item.state is not SubscriptionState.PENDING]
    return next((item for item in stands if item.publication_id == publication.id), stands[0] if stands else None)


def _lost_link(links: Links, publication: Publication, has: Subscription, *, now: datetime) -> ReaderMail:
    return ReaderMail(
        kind=NoticeKind.PREFERENCES,
        publication=publication,
        email=has.subscriber.email,
        email_norm=has.subscriber.email_norm,
        subscriber_id=has.subscriber.id,
        language=has.subscriber.locale or publication.locale,
        dedupe_key=f"lost-link:{has.token_id}:{int(now.timestamp())}",
        links={
            "preferences": links.preferences_for_a_day(has.token_id, now=now),
            "unsubscribe": links.unsubscribe(has.token_id),
        },
    )


def weekly_cadence(publication: Publication) -> str:
    """The weekly cadence of a publication. Raises NotFound where it has none."""
    for rhythm in publication.cadences:
        if rhythm.rule == "weekly":
            return rhythm.name
    raise NotFound(f"{publication.slug!r} has no weekly issue", hint="choose a pause instead")
