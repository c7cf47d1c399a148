"""What the database alone can tell about the state of things, as numbers: for monitoring and for watching an issue.

Rules: nothing here is asked for by the sending itself. Each function costs at most one pass over the deliveries it
counts; whoever asks often keeps the answer for a while (`app.metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, text

from digest.model.delivery import DeliveryState
from digest.model.issue import CLOSED, IssueState
from digest.store.engine import Tx
from digest.store.tables import NOT_DONE, delivery, issue, notice, publication, quota

_RELAY = "relay:"
#: The condition of `ix_notice_open` in its own words, as in `store.notices`.
_NOTICE_NOT_DONE = text("notice.state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')")
_WAITING = frozenset({DeliveryState.PENDING, DeliveryState.DEFERRED})


@dataclass(frozen=True, slots=True)
class OpenIssue:
    """An issue on which work remains. ``waiting_since`` is the due time of its oldest delivery that waits."""

    publication: str
    cadence: str
    state: IssueState
    due_at: datetime
    audience: int
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts at one moment.

    ``deliveries``: (publication, cadence, state) → deliveries that are not done; those in doubt count also where their
    issue is closed. ``notices``: state → notices that are not done. ``quota_used``: relay → mails of this UTC day.
    """

    issues: dict[IssueState, int]
    open_issues: tuple[OpenIssue, ...]
    deliveries: dict[tuple[str, str, DeliveryState], int]
    notices: dict[DeliveryState, int]
    quota_used: dict[str, int]


def figures(tx: Tx, *, now: datetime) -> Figures:
    """Count. Reads the deliveries that are not done, by their index, and no others."""
    by_state = dict.fromkeys(IssueState, 0)
    for state, count in tx.connection.execute(select(issue.c.state, func.count()).group_by(issue.c.state)):
        by_state[IssueState(state)] = count
    counted = tx.connection.execute(
        select(
            delivery.c.issue_id,
            delivery.c.state,
            func.count().label("number"),
            func.min(delivery.c.due_at, type_=delivery.c.due_at.type).label("oldest"),
        )
        .where(NOT_DONE)
        .group_by(delivery.c.issue_id, delivery.c.state)
    ).all()
    oldest: dict[int, datetime] = {}
    for row in counted:
        if row.state in _WAITING:
            oldest[row.issue_id] = min(row.oldest, oldest.get(row.issue_id, row.oldest))
    closed = [state.value for state in CLOSED]
    issues = tx.connection.execute(
        select(issue.c.id, publication.c.slug, issue.c.cadence, issue.c.state, issue.c.due_at, issue.c.audience)
        .join(publication, publication.c.id == issue.c.publication_id)
        .where(issue.c.state.not_in(closed) | issue.c.id.in_([row.issue_id for row in counted]))
        .order_by(issue.c.id)
    ).all()
    names = {row.id: (row.slug, row.cadence) for row in issues}
    deliveries: dict[tuple[str, str, DeliveryState], int] = {}
    for row in counted:
        key = (*names[row.issue_id], DeliveryState(row.state))
        deliveries[key] = deliveries.get(key, 0) + row.number
    open_issues = tuple(
        OpenIssue(row.slug, row.cadence, IssueState(row.state), row.due_at, row.audience or 0, oldest.get(row.id))
        for row in issues
        if row.state not in closed
    )
    return Figures(by_state, open_issues, deliveries, _notices(tx), quota_used(tx, now=now))


def _notices(tx: Tx) -> dict[DeliveryState, int]:
    rows = tx.connection.execute(select(notice.c.state, func.count()).where(_NOTICE_NOT_DONE).group_by(notice.c.state))
    return {DeliveryState(state): count for state, count in rows}


def quota_used(tx: Tx, *, now: datetime) -> dict[str, int]:
    """How many mails each relay has been charged with this UTC day; only relays with a limit are counted at all."""
    rows = tx.connection.execute(
        select(quota.c.scope, quota.c.used).where(
            quota.c.scope.startswith(_RELAY), quota.c.day == f"{now.astimezone(UTC):%Y-%m-%d}"
        )
    )
    return {scope.removeprefix(_RELAY): used for scope, used in rows}


def lately_a_second(tx: Tx, publication_id: int) -> float | None:
    """How many mails a second the relays took of the last issue that had at least a hundred; None before there is one.

    Counted over the first wave alone: later ones wait for their readers' hours, not for a relay.
    """
    last = tx.connection.execute(
        select(issue.c.id)
        .where(
            issue.c.publication_id == publication_id, issue.c.state == IssueState.SENT.value, issue.c.audience >= 100
        )
        .order_by(issue.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is None:
        return None
    first_wave = select(func.min(delivery.c.due_at)).where(delivery.c.issue_id == last).scalar_subquery()
    instant = delivery.c.sent_at.type
    count, began, ended = tx.connection.execute(
        select(
            func.count(), func.min(delivery.c.sent_at, type_=instant), func.max(delivery.c.sent_at, type_=instant)
        ).where(
            delivery.c.issue_id == last,
            delivery.c.due_at == first_wave,
            delivery.c.state == DeliveryState.SENT.value,
            delivery.c.attempt <= 1,  # what was put off waited for its own time
        )
    ).one()
    if count < 2 or ended <= began:
        return None
    seconds: float = (ended - began).total_seconds()
    return float(count) / seconds


def sent_since(tx: Tx, issue_id: int, *, instant: datetime) -> int:
    """How many mails of an issue the relays have taken since ``instant``. Reads all its deliveries."""
    where = (delivery.c.issue_id == issue_id, delivery.c.sent_at >= instant)
    return int(tx.connection.execute(select(func.count()).select_from(delivery).where(*where)).scalar_one())
