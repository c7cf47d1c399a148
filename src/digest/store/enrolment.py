"""The rule by which a wish changes a subscription; pure, so that it can be read as a table.

Nobody who unsubscribed, and nobody who paused, is mailed again because a list was imported once more: that takes
``resubscribe=True``, which only an operator's explicit word sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from digest.model.subscriber import Format, SubscriptionState

_S = SubscriptionState


class Enrolment(StrEnum):
    """What subscribing somebody came to."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT_UNSUBSCRIBED = "kept_unsubscribed"


@dataclass(frozen=True, slots=True)
class Consent:
    """When, how and by what proof a reader agreed (GDPR art. 7(1)). An empty ``source`` is not known."""

    at: datetime | None
    source: str = ""
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscription should be. None leaves what is stored; a new one gets the defaults.

    ``topics`` are slugs, empty for every topic. Consent on record is kept: a wish's consent counts where there
    is no instant yet, and where it starts the mail (again). ``deliver_at`` is HH:MM, empty for the publication's
    time; ``paused_until`` counts with a state of paused only.
    """

    state: SubscriptionState | None = None
    cadence: str | None = None
    format: Format | None = None
    topics: tuple[str, ...] | None = None
    consent: Consent | None = None
    digest: bool | None = None
    alerts: bool | None = None
    deliver_at: str | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The columns of a subscription that a wish can change."""

    state: SubscriptionState
    cadence: str
    format: Format
    consent_at: datetime | None
    consent_source: str
    consent_proof: str
    unsubscribed_at: datetime | None
    digest: bool = True
    alerts: bool = False
    deliver_at: str | None = None
    paused_until: datetime | None = None


def first_terms(wish: Wish, *, default_cadence: str, how: str, now: datetime) -> Terms:
    """The terms of a new subscription; ``how`` is its consent source where the wish brings none."""
    state = wish.state or _S.ACTIVE
    consent = wish.consent or Consent(None)
    return Terms(
        state=state,
        cadence=wish.cadence or default_cadence,
        format=wish.format or Format.HTML,
        consent_at=consent.at,
        consent_source=consent.source or how,
        consent_proof=consent.proof,
        unsubscribed_at=now if state is _S.UNSUBSCRIBED else None,
        digest=wish.digest is not False,
        alerts=wish.alerts is True,
        deliver_at=wish.deliver_at or None,
        paused_until=wish.paused_until if state is _S.PAUSED else None,
    )


def merge(stored: Terms, wish: Wish, *, resubscribe: bool, now: datetime) -> Terms | None:
    """The terms a wish leads to, or None where somebody who left stays gone."""
    state = _next_state(stored.state, wish.state, resubscribe=resubscribe)
    if state is None:
        return None
    terms = replace(
        stored,
        state=state,
        cadence=wish.cadence or stored.cadence,
        format=wish.format or stored.format,
        digest=stored.digest if wish.digest is None else wish.digest,
        alerts=stored.alerts if wish.alerts is None else wish.alerts,
        deliver_at=stored.deliver_at if wish.deliver_at is None else wish.deliver_at or None,
        paused_until=(wish.paused_until if wish.state is _S.PAUSED else stored.paused_until)
        if state is _S.PAUSED
        else None,
    )
    starts = state is _S.ACTIVE and stored.state is not _S.ACTIVE
    if wish.consent and (stored.consent_at is None or starts):
        terms = replace(
            terms,
            consent_at=wish.consent.at or stored.consent_at,
            consent_source=wish.consent.source or stored.consent_source,
            consent_proof=wish.consent.proof or stored.consent_proof,
        )
    if (state is _S.UNSUBSCRIBED) is not (stored.state is _S.UNSUBSCRIBED):
        terms = replace(terms, unsubscribed_at=now if state is _S.UNSUBSCRIBED else None)
    return terms


def _next_state(
    stored: SubscriptionState, asked: SubscriptionState | None, *, resubscribe: bool
) -> SubscriptionState | None:
    if asked is _S.UNSUBSCRIBED:
        return asked
    if stored is _S.UNSUBSCRIBED:
        return (asked or _S.ACTIVE) if resubscribe else None
    if stored is _S.PAUSED and not resubscribe:
        return stored
    if stored is _S.ACTIVE and asked is _S.PENDING:
        return stored  # confirmed once is confirmed
    return asked or stored
