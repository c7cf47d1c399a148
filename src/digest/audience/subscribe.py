"""Subscribing: one person, or a chunk of them, by the same steps in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digest.audience.application import Application, Request, check
from digest.config.secrets import Keyring
from digest.model.errors import BadInput
from digest.model.mailbox import SuppressReason
from digest.model.publication import Publication
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import audit, publications, subscribers, subscribing, subscriptions, suppressions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Consent, Enrolment


@dataclass(frozen=True, slots=True)
class Added:
    """A subscription as it is now, and what adding it came to."""

    subscription: Subscription
    outcome: Enrolment


def add(
    store: Store,
    publication_slug: str,
    *,
    request: Request,
    keyring: Keyring,
    how: str,
    now: datetime,
    resubscribe: bool = False,
) -> Added:
    """Subscribe one person, with consent given ``now`` unless the request says when or waits for a confirmation.

    Somebody who unsubscribed stays so unless ``resubscribe``; somebody who was erased stays so in any case. Raises
    BadInput and NotFound.
    """
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        known = publications.topics(tx, publication.id)
        application = check(request, publication, topics=known, now=now)
        email_hash = keyring.address_hash(application.person.email_norm)
        if SuppressReason.ERASED in suppressions.bars_address(tx, email_hash, publication_id=publication.id, now=now):
            raise BadInput(
                f"{application.person.email} was erased at the reader's wish",
                hint="let them sign up themselves; or, if they asked you to, `digest subscriber unsuppress` first",
            )
        consent = application.wish.consent or Consent(None)
        given_at = None if application.wish.state is SubscriptionState.PENDING else now
        consent = replace(consent, at=consent.at or given_at, source=consent.source or how)
        application = replace(application, wish=replace(application.wish, consent=consent))
        outcome = enrol(tx, publication, applications=[application], how=how, now=now, resubscribe=resubscribe)[0]
        subscriber = subscribers.by_norm(tx, application.person.email_norm)
        made = subscriber and subscriptions.get(tx, subscriber.id, publication_id=publication.id)
        if not made:
            raise AssertionError("a subscription that was just stored is not there")
        detail = f"{publication.slug} {outcome}, {made.state}"
        audit.act(tx, subject=email_hash, detail=detail, at=now)
        return Added(made, outcome)


def enrol(
    tx: Tx,
    publication: Publication,
    *,
    applications: Sequence[Application],
    how: str,
    now: datetime,
    resubscribe: bool = False,
) -> list[Enrolment]:
    """Subscribe up to a chunk of people, each once; what each came to, in the order given."""
    people = subscribers.upsert_many(tx, [item.person for item in applications], now=now)
    done = subscribing.subscribe_many(
        tx,
        publication.id,
        wishes={people[item.person.email_norm].id: item.wish for item in applications},
        default_cadence=default_cadence(publication),
        how=how,
        now=now,
        resubscribe=resubscribe,
    )
    outcomes = []
    for item in applications:
        person = people[item.person.email_norm]
        outcome = done[person.id]
        outcomes.append(Enrolment.UPDATED if outcome is Enrolment.UNCHANGED and person.changed else outcome)
    return outcomes


def default_cadence(publication: Publication) -> str:
    """The cadence of those who name none: the first by name. Raises BadInput where there is none at all."""
    if not publication.cadences:
        raise BadInput(f"{publication.slug!r} has no cadence", hint="give it one with `digest publication set`")
    return publication.cadences[0].name
