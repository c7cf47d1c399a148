"""An operator's hand on deliveries: try the failed again, settle doubts, close an issue, and why it waits.

Rules: one transaction each, so that workers see all of it or nothing. What sends again moves the issue back to
sending and gives it the full time once more; a paused issue stays paused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.app.engines import engine_of
from digest.app.work import refs_of
from digest.mime.address import parse_address
from digest.model.delivery import DeliveryState, FailReason, OnDoubt, Tally
from digest.model.errors import IllegalTransition, NotFound, NothingToDo
from digest.model.issue import Issue, IssueState
from digest.store import deliveries, endings, issues, rulings, standing
from digest.store.engine import Store, Tx

_RESENDABLE = frozenset({IssueState.SENDING, IssueState.PAUSED, IssueState.SENT})


def retry_failed(store: Store, issue_id: int, *, dead_too: bool, expire_after: timedelta) -> tuple[int, Issue]:
    """Let failed deliveries be tried again; returns how many, and the issue as it is now.

    Raises NothingToDo when there is none, IllegalTransition when the issue cannot be sent any more.
    """
    with store.write() as tx:
        issue = _resendable(tx, issue_id)
        again = rulings.retry_failed(tx, issue_id, dead_too=dead_too)
        if not again:
            dead = rulings.dead_addresses(tx, issue_id)
            raise NothingToDo(
                f"no delivery of issue {issue_id} is to be tried again",
                hint=f"{dead} failed because the address is dead; --all tries them too" if dead else "none failed",
            )
        return again, _send_on(store, tx, issue, expire_after=expire_after)


def settle(
    store: Store, issue_id: int, *, arrived: bool, addresses: Sequence[str], expire_after: timedelta
) -> tuple[int, Issue]:
    """Decide doubts by hand: they ``arrived``, or are sent once more; returns how many, and the issue now.

    ``addresses``: these only; none means all. Raises NotFound for one that is not in doubt, NothingToDo for none.
    """
    with store.write() as tx:
        issue = issues.get(tx, issue_id) if arrived else _resendable(tx, issue_id)
        chosen = _chosen(tx, issue_id, addresses)
        if arrived:
            return rulings.settle_as_sent(tx, issue_id, chosen, now=tx.now()), issue
        again = rulings.resend_doubts(tx, issue_id, chosen)
        return again, _send_on(store, tx, issue, expire_after=expire_after)


def _chosen(tx: Tx, issue_id: int, addresses: Sequence[str]) -> Collection[int]:
    doubtful = {parse_address(address).norm: key for key, address in standing.in_doubt(tx, issue_id)}
    if not doubtful:
        raise NothingToDo(f"nothing of issue {issue_id} is in doubt", hint=f"see `digest issue audit {issue_id}`")
    if not addresses:
        return doubtful.values()
    wanted = {parse_address(address).norm: address for address in addresses}
    for norm, address in wanted.items():
        if norm not in doubtful:
            raise NotFound(
                f"the delivery of issue {issue_id} to {address} is not in doubt",
                hint=f"`digest issue audit {issue_id}` names those that are",
            )
    return [doubtful[norm] for norm in wanted]


def _resendable(tx: Tx, issue_id: int) -> Issue:
    issue = issues.held(tx, issue_id)
    if issue.state not in _RESENDABLE:
        raise IllegalTransition(
            f"issue {issue_id} is {issue.state}", hint="only an issue that was or is being sent can be sent again"
        )
    return issue


def _send_on(store: Store, tx: Tx, issue: Issue, *, expire_after: timedelta) -> Issue:
    now = tx.now()
    if issue.state is IssueState.SENT:
        issues.move(tx, issue.id, expected=IssueState.SENT, to=IssueState.SENDING, now=now)
    issues.expire_at(tx, issue.id, instant=now + expire_after)
    _wake_up(store, tx, issue)
    return issues.get(tx, issue.id)


def _wake_up(store: Store, tx: Tx, issue: Issue) -> None:
    """Let workers of other processes begin at once, not when they next look around."""
    engine = engine_of(store)
    if not engine.hears_others:
        return
    from digest.engine.schema import is_installed  # noqa: PLC0415 - Procrastinate takes half a second to import

    if is_installed(tx):
        engine.submit(tx, refs_of(issue, deliveries.ready_chunks(tx, issue.id, now=tx.now())))


def resume(store: Store, issue_id: int, *, expire_after: timedelta) -> None:
    """Go on with a paused issue; it has the full time again. Raises IllegalTransition for any other state."""
    with store.write() as tx:
        issue, now = issues.held(tx, issue_id), tx.now()
        if not (
            issue.state is IssueState.PAUSED
            and issues.move(tx, issue_id, expected=IssueState.PAUSED, to=IssueState.SENDING, now=now)
        ):
            raise IllegalTransition(f"issue {issue_id} is {issue.state}", hint="only a paused issue can be resumed")
        issues.expire_at(tx, issue_id, instant=now + expire_after)
        _wake_up(store, tx, issue)


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing did. ``on_wire`` deliveries are being sent: with the last of their replies the issue is sent."""

    issue: Issue
    given_up: int
    on_wire: int


def close(store: Store, issue_id: int) -> Closed:
    """Give up what waits, so that the issue comes to its end. Raises IllegalTransition unless sending or paused."""
    with store.write() as tx:
        issue, now = issues.held(tx, issue_id), tx.now()
        if issue.state not in {IssueState.SENDING, IssueState.PAUSED}:
            raise IllegalTransition(
                f"issue {issue_id} is {issue.state}",
                hint="only an issue that is being sent or paused can be closed; `digest issue cancel` ends others",
            )
        deliveries.sweep(tx, issue_id, on_doubt=OnDoubt.HOLD, now=now)
        given_up = endings.give_up(tx, issue_id, reason=FailReason.CLOSED)
        on_wire = rulings.on_the_wire(tx, issue_id)
        # Whatever those on the wire are told, nothing is tried again.
        issues.expire_at(tx, issue_id, instant=now, reason=FailReason.CLOSED)
        if issue.state is IssueState.PAUSED:
            issues.move(tx, issue_id, expected=IssueState.PAUSED, to=IssueState.SENDING, now=now)
        if not on_wire:
            issues.move(tx, issue_id, expected=IssueState.SENDING, to=IssueState.SENT, now=now)
        return Closed(issues.get(tx, issue_id), given_up, on_wire)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why an issue is not finished, in words, and when its next delivery is tried; None: at any moment, or never."""

    reason: str
    next_try_at: datetime | None


def waiting(tx: Tx, issue: Issue, *, on_doubt: OnDoubt, now: datetime) -> Waiting | None:
    """What a sending or paused issue waits for; None for any other."""
    if issue.state is IssueState.PAUSED:
        return Waiting(f"paused by an operator: `digest issue resume {issue.id}`", None)
    if issue.state is not IssueState.SENDING:
        return None
    tally = standing.tally(tx, issue.id)
    if reason := _not_waiting(tx, issue, tally, now=now):
        return Waiting(reason, None)
    return Waiting(_reason(tx, issue, tally), standing.next_wake(tx, issue.id, on_doubt=on_doubt))


def _not_waiting(tx: Tx, issue: Issue, tally: Tally, *, now: datetime) -> str:
    """Why it is not finished although nothing has to be waited for."""
    at_work = tally.counts[DeliveryState.LEASED] + tally.counts[DeliveryState.SENDING]
    if issue.expires_at is not None and issue.expires_at <= now:
        return "its time is up: the next turn of the clock closes it"
    if at_work:
        return f"{at_work} in the hands of a worker"
    if deliveries.ready_chunks(tx, issue.id, now=now):
        return "nobody is delivering: `digest serve`, `tick` or `run` does it"
    if not tally.open_count and not tally.counts[DeliveryState.UNKNOWN]:
        return "everything is settled: the next turn of the clock closes it"
    return ""


def _reason(tx: Tx, issue: Issue, tally: Tally) -> str:
    if put_off := rulings.put_off(tx, issue.id):
        who = f"relay {put_off.relay}" if put_off.relay else "the relay"
        return f"{put_off.count} put off by {who}: {put_off.reply or 'the connection was lost'}"
    if later := standing.later(tx, issue.id):
        return f"{later} wait for the hour their readers chose"
    return f"{tally.counts[DeliveryState.UNKNOWN]} in doubt"
