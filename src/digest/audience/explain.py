"""Why somebody got an issue, or did not: told from what is stored, never from what usually happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from digest.audience.suppress import Standing, standing
from digest.config.secrets import Keyring
from digest.mime.address import parse_address
from digest.model.consent import ConsentEntry
from digest.model.delivery import DeliveryState, FailReason
from digest.model.errors import NotFound
from digest.model.issue import Issue, IssueState
from digest.model.publication import Publication, is_alert
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import consents, issues, publications, subscribers, subscriptions
from digest.store.engine import Store, Tx
from digest.store.subscribers import PastDelivery

_BEFORE_FAN_OUT = frozenset({IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED})
_WHY_SKIPPED = {
    FailReason.UNSUBSCRIBED.value: "the reader had left, paused or not confirmed by the time their mail was due",
    FailReason.SUPPRESSED.value: "the address was suppressed",
    FailReason.PREFERENCES.value: "the reader had chosen another cadence, or alerts only, while it was being sent",
    FailReason.NO_MATCHING_NEWS.value: "nothing in it was about the topics the reader chose",
    FailReason.CANCELLED.value: "the issue was cancelled before their turn came",
    FailReason.CLOSED.value: "the issue was closed before their turn came",
}


class Answer(StrEnum):
    """The short answer."""

    GOT_IT = "got-it"
    DID_NOT = "did-not"
    WAITS = "waits"
    IN_DOUBT = "in-doubt"
    WILL = "will"
    WILL_NOT = "will-not"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one issue, and the facts it rests on."""

    issue: Issue
    publication_slug: str
    answer: Answer
    sentences: tuple[str, ...]
    subscription: Subscription | None
    delivery: PastDelivery | None
    suppressions: tuple[Standing, ...]


def explain(
    store: Store, keyring: Keyring, *, email: str, issue_id: int | None = None, now: datetime
) -> list[Explanation]:
    """Explain one issue, or the latest of each publication the address ever had to do with.

    Raises BadInput, and NotFound for an unknown issue, or where there is none to explain.
    """
    address = parse_address(email)
    with store.read() as tx:
        barred = standing(tx, keyring, address, now=now)
        reader = subscribers.by_norm(tx, address.norm)
        lines = consents.of_reader(tx, reader.id if reader else None, email_hash=keyring.address_hash(address.norm))
        taken = {item.publication_id: item for item in subscriptions.of_subscriber(tx, reader.id)} if reader else {}
        wanted = [issues.get(tx, issue_id)] if issue_id is not None else _latest(tx, taken, lines)
        if not wanted:
            known = "is a reader" if reader else "is no reader"
            raise NotFound(f"{address.email} {known}, and there is no issue to explain", hint="name one: ADDRESS ISSUE")
        return [_explain(tx, issue, taken.get(issue.publication_id), barred=barred, lines=lines) for issue in wanted]


def _latest(tx: Tx, taken: dict[int, Subscription], lines: list[ConsentEntry]) -> list[Issue]:
    slugs = {line.publication_slug for line in lines}
    keys = [item.id for item in publications.list_all(tx) if item.id in taken or item.slug in slugs]
    found = [issues.list_recent(tx, publication_id=key, limit=1) for key in keys]
    return [one for some in found for one in some]


def _explain(
    tx: Tx, issue: Issue, has: Subscription | None, *, barred: list[Standing], lines: list[ConsentEntry]
) -> Explanation:
    publication = publications.by_id(tx, issue.publication_id)
    mine = [item for item in barred if item.publication in {None, publication.slug}]
    sent = subscribers.delivery_of(tx, has.subscriber.id, issue_id=issue.id) if has else None
    if sent is not None:
        answer, sentences = _by_delivery(sent)
    elif has is None:
        own = [line for line in lines if line.publication_slug == publication.slug]
        answer, sentences = _by_absence(issue, publication, own)
    else:
        answer, sentences = _by_subscription(issue, publication, has, is_barred=bool(mine))
    sentences += [_said(item) for item in mine]
    return Explanation(issue, publication.slug, answer, tuple(sentences), has, sent, tuple(mine))


def _by_delivery(sent: PastDelivery) -> tuple[Answer, list[str]]:
    reply = " ".join(str(part) for part in (sent.reply_code, sent.enhanced_code, sent.reply_text) if part)
    if sent.state is DeliveryState.SENT:
        at = f" at {_instant(sent.sent_at)}" if sent.sent_at else ""
        return Answer.GOT_IT, [f"The relay took the mail{at}{f', saying {reply!r}' if reply else ''}."]
    if sent.state is DeliveryState.SKIPPED:
        why = _WHY_SKIPPED.get(sent.reason or "", f"the reason on record is {sent.reason}")
        return Answer.DID_NOT, [f"The delivery was skipped: {why}."]
    if sent.state is DeliveryState.FAILED:
        said = f" The relay said {reply!r}." if reply else ""
        return Answer.DID_NOT, [f"The delivery failed after {sent.attempt} attempts ({sent.reason}).{said}"]
    if sent.state is DeliveryState.UNKNOWN:
        return Answer.IN_DOUBT, ["The connection was lost before the relay answered: the mail may have arrived or not."]
    said = f" The relay said last: {reply!r}." if reply else ""
    return Answer.WAITS, [f"The mail is in line ({sent.state}), due {_instant(sent.due_at)}.{said}"]


def _by_absence(issue: Issue, publication: Publication, lines: list[ConsentEntry]) -> tuple[Answer, list[str]]:
    told = [f"Nobody with this address is subscribed to {publication.slug}."]
    if lines:
        told += [f"The consent ledger's last word is {lines[-1].act} on {_instant(lines[-1].at)}."]
    return (Answer.WILL_NOT if issue.state in _BEFORE_FAN_OUT else Answer.DID_NOT), told


def _by_subscription(
    issue: Issue, publication: Publication, has: Subscription, *, is_barred: bool
) -> tuple[Answer, list[str]]:
    """No delivery: either the audience is not chosen yet, or the reader was not in it."""
    if issue.state in _BEFORE_FAN_OUT:
        against = _against(issue, has)
        if against or is_barred:
            return Answer.WILL_NOT, [f"The issue is {issue.state}. As things stand the reader is left out.", *against]
        return Answer.WILL, [f"The issue is {issue.state}. As things stand the reader is in its audience."]
    if issue.sending_at is None:
        reason = f": {issue.reason}" if issue.reason else ""
        return Answer.DID_NOT, [f"The issue went to nobody: it was {issue.state}{reason}."]
    when = _instant(issue.sending_at)
    if has.created_at > issue.sending_at:
        return Answer.DID_NOT, [
            f"The audience was chosen at {when}; the reader came to {publication.slug} at {_instant(has.created_at)}."
        ]
    told = [f"The reader was not in the audience, which was chosen at {when}."]
    if has.consent_at and has.consent_at > issue.sending_at:
        return Answer.DID_NOT, [*told, f"They agreed to be mailed at {_instant(has.consent_at)}, after that."]
    against = _against(issue, has)
    return Answer.DID_NOT, told + (against or ["They have changed their subscription since, so that it would fit now."])


def _against(issue: Issue, has: Subscription) -> list[str]:
    """What keeps such an issue from a reader, as the subscription is now."""
    stands = {
        SubscriptionState.UNSUBSCRIBED: f"They left at {_instant(has.unsubscribed_at)}.",
        SubscriptionState.PENDING: "They have not confirmed their address.",
        SubscriptionState.PAUSED: f"They paused{f' until {_instant(has.paused_until)}' if has.paused_until else ''}.",
    }
    if has.state in stands:
        return [stands[has.state]]
    if is_alert(issue.cadence):
        return [] if has.alerts else ["They did not ask for alerts."]
    if not has.digest:
        return ["They want alerts only, not the digest."]
    is_theirs = has.cadence == issue.cadence
    return [] if is_theirs else [f"They take the cadence {has.cadence}; this issue is {issue.cadence}."]


def _said(item: Standing) -> str:
    where = f"for {item.publication}" if item.publication else "for everything"
    until = f" until {_instant(item.until)}" if item.until else ""
    return f"The address is suppressed {where} since {_instant(item.created_at)}{until} ({item.reason})."


def _instant(at: datetime | None) -> str:
    return "an unknown time" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
