"""Segments and bulk edits: a rule is checked against its publication, then counted, listed, stored or acted upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from digest.audience.application import check_cadence, check_choice, check_locale, check_timezone
from digest.audience.preferences import check_time
from digest.audience.rules import parse
from digest.model.errors import BadInput, NothingToDo
from digest.model.publication import Publication
from digest.model.segment import Rule
from digest.model.subscriber import Format, Subscription, SubscriptionState
from digest.store import audit, publications, segments, subscriptions
from digest.store.engine import Store, Tx
from digest.store.segments import Segment

#: What a bulk edit can set, and where.
_OF_SUBSCRIPTION = frozenset({"cadence", "format", "deliver_at", "state"})
_OF_READER = frozenset({"locale", "timezone"})
_NAME_MAX = 64


@dataclass(frozen=True, slots=True)
class Members:
    """Whom a rule chooses: how many by state, and the first of them."""

    counts: Mapping[SubscriptionState, int]
    first: tuple[Subscription, ...]

    @property
    def total(self) -> int:
        """All of them, whatever their state."""
        return sum(self.counts.values())


def add(store: Store, publication_slug: str, *, name: str, rule: str, now: datetime) -> tuple[Segment, Members]:
    """Store a rule under a name, and say whom it chooses now. Raises BadInput with the place, AlreadyExists."""
    if not name or len(name) > _NAME_MAX or not name.isprintable():
        raise BadInput(f"{name[:80]!r} is no name for a segment", hint=f"use 1 to {_NAME_MAX} letters")
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        parsed = read(tx, publication, rule)
        made = segments.add(tx, publication.id, name=name, rule=rule, now=now)
        audit.act(tx, subject=f"segment:{made.id}", detail=f"{publication.slug} {name}: {rule}", at=now)
        return made, _members(tx, publication, parsed, now=now, limit=0)


def members(
    store: Store, publication_slug: str, *, name: str = "", rule: str = "", now: datetime, limit: int
) -> tuple[str, Members]:
    """The rule of a segment, or the rule given, and whom it chooses. Raises BadInput and NotFound."""
    with store.read() as tx:
        publication = publications.get(tx, publication_slug)
        text = rule or segments.get(tx, publication.id, name=name).rule
        return text, _members(tx, publication, read(tx, publication, text), now=now, limit=limit)


def remove(store: Store, publication_slug: str, *, name: str, now: datetime) -> Segment:
    """Forget a segment; nobody's subscription changes. Raises NotFound."""
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        found = segments.get(tx, publication.id, name=name)
        segments.remove(tx, found.id)
        audit.act(tx, subject=f"segment:{found.id}", detail=f"{publication.slug} {name} removed", at=now)
        return found


def edit(
    store: Store,
    publication_slug: str,
    *,
    name: str = "",
    rule: str = "",
    settings: Mapping[str, str],
    now: datetime,
    dry_run: bool,
) -> Members:
    """Set the same of every reader that a segment or rule chooses; with ``dry_run`` only say who those are.

    Nobody who left or has not confirmed is brought back: a state can only be set to paused, or to active for those who
    are paused. Raises BadInput for what cannot be set, NothingToDo where nobody is chosen.
    """
    with store.write() as tx:
        publication = publications.get(tx, publication_slug)
        text = rule or segments.get(tx, publication.id, name=name).rule
        parsed = read(tx, publication, text)
        values, about = _checked(publication, settings)
        if "state" in values:
            came_from = "active" if values["state"] == SubscriptionState.PAUSED.value else "paused"
            parsed = read(tx, publication, f"({text}) and state = {came_from}")
            values["paused_until"] = None
        found = _members(tx, publication, parsed, now=now, limit=20)
        if not found.total:
            raise NothingToDo("the rule chooses nobody", hint="`digest segment count` tries a rule")
        if not dry_run:
            changed = segments.edit(tx, publication.id, parsed, values=values, about=about, now=now)
            said = ", ".join(f"{key}={value}" for key, value in settings.items())
            detail = f"{changed} readers where {text}: {said}"
            audit.act(tx, subject=f"publication:{publication.id}", detail=detail, at=now)
        return found


def read(tx: Tx, publication: Publication, text: str) -> Rule:
    """A rule against what the publication has. Raises BadInput with the place."""
    known = [topic.slug for topic in publications.topics(tx, publication.id)]
    return parse(text, cadences=[rhythm.name for rhythm in publication.cadences], topics=known)


def _members(tx: Tx, publication: Publication, rule: Rule, *, now: datetime, limit: int) -> Members:
    counts = segments.count(tx, publication.id, rule, now=now)
    keys = segments.members(tx, publication.id, rule, now=now, limit=limit) if limit else []
    taken = subscriptions.of_subscribers(tx, keys)
    first = [item for key in keys for item in taken[key] if item.publication_id == publication.id]
    return Members(counts, tuple(first))


def _checked(publication: Publication, settings: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is set of subscriptions, and of readers."""
    if not settings:
        raise BadInput("nothing is set", hint="add --set cadence=weekly, or another")
    values: dict[str, Any] = {}
    about: dict[str, Any] = {}
    for name, text in settings.items():
        if name in _OF_SUBSCRIPTION:
            values[name] = _subscription_value(publication, name, text)
        elif name in _OF_READER:
            about[name] = check_locale(text) if name == "locale" else check_timezone(text)
        else:
            listed = ", ".join(sorted(_OF_SUBSCRIPTION | _OF_READER))
            raise BadInput(f"{name[:40]!r} cannot be set for many", hint=f"these can: {listed}")
    return values, about


def _subscription_value(publication: Publication, name: str, text: str) -> str | None:
    if name == "cadence":
        return check_cadence(text, publication)
    if name == "format":
        return check_choice(Format, text, what="format").value
    if name == "deliver_at":
        return check_time(text) or None
    state = check_choice(SubscriptionState, text, what="state")
    if state not in {SubscriptionState.ACTIVE, SubscriptionState.PAUSED}:
        raise BadInput(
            f"a state of {state} cannot be set for many", hint="use paused, or active for those who are paused"
        )
    return state.value
