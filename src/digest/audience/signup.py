"""The sign-up box: `take` checks a form and stores the request, `answer` decides afterwards which mail it is worth.

Rules: what `take` does and says depends on the form and on counts by network alone, never on whether an address is
known, so neither words nor time tell anybody who reads us. `answer` runs behind it, in a transaction of its own: a
known reader gets the way to their preferences, everybody else a button to confirm with, and who must not be mailed
gets nothing. At most three such mails an address and day (mail-standards E1), whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from digest.audience import domains, proofofwork, typos
from digest.audience.application import Request, check
from digest.audience.mails import Links, Post, ReaderMail
from digest.audience.networks import network_of
from digest.audience.subscribe import default_cadence
from digest.config.readers import SignUpSettings
from digest.config.secrets import Keyring, Purpose, new_id
from digest.mime.address import parse_address
from digest.model.consent import ConsentAct, Origin, SignUpState
from digest.model.errors import BadInput
from digest.model.mailbox import DomainVerdict, SuppressReason
from digest.model.notice import NoticeKind
from digest.model.publication import Publication
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import asking, consents, publications, signups, subscribers, subscribing, subscriptions, suppressions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Wish
from digest.store.signups import SignUp

_FORM_LIVES = timedelta(hours=24)
_PAGE_MAX, _WORDING_MAX = 300, 64
#: The owner of the address may come back from these by confirming; the others are an operator's or a complaint.
LIFTED_BY_OWNER = frozenset({SuppressReason.ERASED, SuppressReason.BOUNCED})


class Taken(StrEnum):
    """What a form came to; the same for every address."""

    CHECK_INBOX = "check-inbox"
    INVALID = "invalid"
    DOUBTFUL = "doubtful"
    FORM_EXPIRED = "form-expired"
    TOO_FAST = "too-fast"
    TOO_MANY = "too-many"
    WORK_NEEDED = "work-needed"


@dataclass(frozen=True, slots=True)
class SignUpForm:
    """What the box sent, as text. ``trap`` is the field that people do not see; ``address`` is the IP address.

    ``as_written``: the address is right although it looks like a slip.
    """

    email: str
    digest: bool
    alerts: bool
    topics: tuple[str, ...] = ()
    cadence: str = ""
    locale: str = ""
    timezone: str = ""
    form_token: str = ""
    trap: str = ""
    work: str = ""
    page: str = ""
    address: str = ""
    wording: str = ""
    as_written: bool = False


@dataclass(frozen=True, slots=True)
class SignUpResult:
    """``problem`` says what to mend, ``suggestion`` which address may be meant, ``signup_id`` what to `answer`."""

    taken: Taken
    problem: str = ""
    suggestion: str = ""
    signup_id: int | None = None


def form_token(keyring: Keyring, *, now: datetime) -> str:
    """A token for the hidden field of a form that is shown now; it names nobody."""
    return keyring.sign_until(Purpose.SIGNUP_FORM, new_id(), expires_at=now + _FORM_LIVES)


def take(
    store: Store, keyring: Keyring, publication_slug: str, *, form: SignUpForm, limits: SignUpSettings, now: datetime
) -> SignUpResult:
    """Check a form and store what it asks for. Raises NotFound for an unknown publication."""
    with store.read() as tx:
        publication = publications.get(tx, publication_slug)
        topics = publications.topics(tx, publication.id)
    if refusal := _refusal(keyring, form, min_seconds=limits.min_seconds, now=now):
        return refusal
    try:
        wishes = _wishes(form, publication, topics=topics, now=now)
    except BadInput as error:
        return SignUpResult(Taken.INVALID, problem=f"{error.message}; {error.hint}" if error.hint else error.message)
    address = parse_address(form.email)
    if suggestion := None if form.as_written else typos.suggest(address.email):
        return SignUpResult(Taken.DOUBTFUL, suggestion=suggestion)
    proof = proofofwork.check(keyring, answer=form.work, now=now) if limits.proof_of_work else None
    origin = Origin("form", form.page[:_PAGE_MAX], network_of(form.address), form.wording[:_WORDING_MAX])
    with store.write() as tx:
        if asking.ask(tx, network_scope(keyring, origin.network), hours=1, now=now) > limits.network_per_hour:
            return SignUpResult(Taken.TOO_MANY)
        is_proven = proof is not None and asking.spend(tx, proof.digest, until=proof.until)
        if limits.proof_of_work and not is_proven:
            return SignUpResult(Taken.WORK_NEEDED)
        made = signups.ask(
            tx,
            publication.id,
            email=address.email,
            email_norm=address.norm,
            wishes=wishes,
            origin=origin,
            now=now,
        )
    return SignUpResult(Taken.CHECK_INBOX, signup_id=made)


def network_scope(keyring: Keyring, network: str) -> str:
    """What requests of a network are counted under: nothing that says which network it is."""
    return f"net:{keyring.address_hash(network)}"


def _refusal(keyring: Keyring, form: SignUpForm, *, min_seconds: float, now: datetime) -> SignUpResult | None:
    """What is said to a form that no person filled in, or too fast, or long ago."""
    if form.trap:
        return SignUpResult(Taken.CHECK_INBOX)  # who fills in the trap learns nothing from the answer
    if keyring.verify_at(Purpose.SIGNUP_FORM, form.form_token, now=now) is None:
        return SignUpResult(Taken.FORM_EXPIRED)
    # The token holds its end, and with it when it was made: one of this moment is good for all of `_FORM_LIVES`.
    almost_over = now + _FORM_LIVES - timedelta(seconds=min_seconds)
    is_old_enough = keyring.verify_at(Purpose.SIGNUP_FORM, form.form_token, now=almost_over) is None
    return None if is_old_enough else SignUpResult(Taken.TOO_FAST)


def _wishes(form: SignUpForm, publication: Publication, *, topics: Any, now: datetime) -> dict[str, Any]:
    if not (form.digest or form.alerts):
        raise BadInput("nothing is chosen", hint="choose the digest, breaking news, or both")
    request = Request(email=form.email, topics=form.topics, cadence=form.cadence)
    check(request, publication, topics=topics, now=now)
    wishes: dict[str, Any] = {
        "digest": form.digest,
        "alerts": form.alerts,
        "topics": list(form.topics),
        "cadence": form.cadence,
        "locale": "",
        "timezone": "",
    }
    for name in ("locale", "timezone"):
        # The browser's guess, not the reader's word: what is nothing we know is no reason to refuse anybody.
        guess = replace(Request(email=form.email), **{name: getattr(form, name)})
        try:
            checked = check(guess, publication, topics=(), now=now).person
        except BadInput:
            continue
        wishes[name] = getattr(checked, name) or ""
    return wishes


def answer(
    store: Store,
    links: Links,
    signup_id: int,
    *,
    post: Post,
    limits: SignUpSettings,
    ask: domains.Ask = domains.ask_dns,
    now: datetime,
) -> SignUpState | None:
    """Decide which mail a request is worth and post it; None when somebody did before. Asks the DNS first."""
    verdict = weigh(store, signup_id, limits=limits, ask=ask, now=now)
    return answer_many(store, links, {signup_id: verdict}, post=post, limits=limits, now=now)[signup_id]


def weigh(
    store: Store, signup_id: int, *, limits: SignUpSettings, ask: domains.Ask = domains.ask_dns, now: datetime
) -> DomainVerdict:
    """Whether the domain of a waiting request takes mail, asking the DNS where nobody has; before `answer_many`."""
    if not limits.check_domains:
        return DomainVerdict.UNKNOWN
    with store.read() as tx:
        waiting = signups.seen(tx, signup_id)
    if waiting is None or waiting.state is not SignUpState.ASKED:
        return DomainVerdict.UNKNOWN
    return domains.check(store, waiting.email_norm.rpartition("@")[2], ask=ask, now=now)


def answer_many(
    store: Store,
    links: Links,
    verdicts: Mapping[int, DomainVerdict],
    *,
    post: Post,
    limits: SignUpSettings,
    now: datetime,
) -> dict[int, SignUpState | None]:
    """Answer some requests, each with what is known of its domain, in one transaction."""
    done: dict[int, SignUpState | None] = {}
    with store.write() as tx:
        for signup_id, verdict in verdicts.items():
            request = signups.held(tx, signup_id)
            if request is None or request.state is not SignUpState.ASKED:
                done[signup_id] = None
            else:
                done[signup_id] = _answer(tx, links, request, verdict, post=post, limits=limits, now=now)
    return done


def _answer(
    tx: Tx,
    links: Links,
    request: SignUp,
    verdict: DomainVerdict,
    *,
    post: Post,
    limits: SignUpSettings,
    now: datetime,
) -> SignUpState:
    email_hash = links.keyring.address_hash(request.email_norm)
    asked = asking.ask(tx, f"mail:{email_hash}", hours=24, now=now)
    barred = suppressions.bars_address(tx, email_hash, publication_id=request.publication_id, now=now)
    if asked > limits.address_per_day or verdict is DomainVerdict.NO_MAIL or barred - LIFTED_BY_OWNER:
        signups.answer(tx, request.id, state=SignUpState.REFUSED, subscriber_id=None)
        return SignUpState.REFUSED
    publication = publications.by_id(tx, request.publication_id)
    reader = subscribers.by_norm(tx, request.email_norm)
    has = subscriptions.get(tx, reader.id, publication_id=publication.id) if reader else None
    if has and _has_all(has, request):
        signups.answer(tx, request.id, state=SignUpState.KNOWN, subscriber_id=has.subscriber.id)
        post(tx, _mail(links, NoticeKind.PREFERENCES, publication, request, has, now=now))
        return SignUpState.KNOWN
    has = has or _make_pending(tx, publication, request, now=now)
    signups.answer(tx, request.id, state=SignUpState.MAILED, subscriber_id=has.subscriber.id)
    origin = Origin("form", request.page, request.network, request.wording)
    consents.record(
        tx,
        ConsentAct.ASKED,
        publication_id=publication.id,
        subscriber_id=has.subscriber.id,
        email_hash=email_hash,
        choices=(bool(request.wishes["digest"]), bool(request.wishes["alerts"])),
        origin=origin,
        now=request.created_at,
    )
    post(tx, _mail(links, NoticeKind.CONFIRM, publication, request, has, now=now))
    return SignUpState.MAILED


def _has_all(has: Subscription, request: SignUp) -> bool:
    if has.state is SubscriptionState.PAUSED:
        return True
    has_them = (has.digest or not request.wishes["digest"]) and (has.alerts or not request.wishes["alerts"])
    return has.state is SubscriptionState.ACTIVE and has_them


def _make_pending(tx: Tx, publication: Publication, request: SignUp, *, now: datetime) -> Subscription:
    wishes = request.wishes
    is_new = subscribers.by_norm(tx, request.email_norm) is None
    person = subscribers.Person(
        request.email,
        request.email_norm,
        locale=wishes["locale"] or None if is_new else None,
        timezone=wishes["timezone"] or None if is_new else None,
    )
    key = subscribers.upsert_many(tx, [person], now=now)[request.email_norm].id
    wish = Wish(
        state=SubscriptionState.PENDING,
        cadence=wishes["cadence"] or None,
        topics=_existing(tx, publication, wishes["topics"]),
        digest=bool(wishes["digest"]),
        alerts=bool(wishes["alerts"]),
    )
    subscribing.subscribe_many(
        tx, publication.id, wishes={key: wish}, default_cadence=default_cadence(publication), how="form", now=now
    )
    made = subscriptions.get(tx, key, publication_id=publication.id)
    if made is None:
        raise AssertionError("a subscription that was just stored is not there")
    return made


def _existing(tx: Tx, publication: Publication, slugs: list[str]) -> tuple[str, ...] | None:
    """Chosen topics that are still there; None (every topic) where none is."""
    known = {topic.slug for topic in publications.topics(tx, publication.id)}
    return tuple(sorted(known.intersection(slugs))) or None


def remind(tx: Tx, links: Links, signup_id: int, *, post: Post, now: datetime) -> bool:
    """Post the one reminder of a request that waits; False when it waits no more, or must not be mailed."""
    request = signups.held(tx, signup_id)
    if request is None or request.subscriber_id is None or not signups.note_reminded(tx, signup_id, now=now):
        return False
    has = subscriptions.get(tx, request.subscriber_id, publication_id=request.publication_id)
    if has is None:
        return False
    email_hash = links.keyring.address_hash(has.subscriber.email_norm)
    if suppressions.bars_address(tx, email_hash, publication_id=request.publication_id, now=now):
        return False
    publication = publications.by_id(tx, request.publication_id)
    post(tx, _mail(links, NoticeKind.REMINDER, publication, request, has, now=now))
    return True


def _mail(
    links: Links, kind: NoticeKind, publication: Publication, request: SignUp, has: Subscription, *, now: datetime
) -> ReaderMail:
    confirms = kind in {NoticeKind.CONFIRM, NoticeKind.REMINDER}
    ways = {"confirm": links.confirm(request.token_id)} if confirms else {}
    if kind is NoticeKind.PREFERENCES:
        ways = {
            "preferences": links.preferences_for_a_day(has.token_id, now=now),
            "unsubscribe": links.unsubscribe(has.token_id),
        }
    chosen = [name for name in ("digest", "alerts") if request.wishes[name]]
    return ReaderMail(
        kind=kind,
        publication=publication,
        email=has.subscriber.email,
        email_norm=has.subscriber.email_norm,
        subscriber_id=has.subscriber.id,
        language=has.subscriber.locale or publication.locale,
        dedupe_key=f"{kind}:signup:{request.token_id}",
        links=ways,
        facts={"choices": " ".join(chosen)},
    )
