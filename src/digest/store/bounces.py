"""What replies mean for readers' addresses: bounced events, strikes, and suppression when there is no doubt left.

Rules: told in the transaction that records the outcomes. Telling the same outcome twice, as a journal may after a
crash, stores the event once and suppresses once; a strike is counted once for an issue at most a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, delete, select

from digest.model.delivery import Outcome
from digest.model.event import EventKind
from digest.model.mailbox import Hindrance, Strikes, SuppressReason
from digest.store import events, suppressions
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import hindrance


def note(tx: Tx, issue_id: int, outcomes: Sequence[Outcome]) -> None:
    """Note what these outcomes mean for the addresses they are about. Without any such, no statement is run."""
    if over := [outcome.subscriber_id for outcome in outcomes if outcome.is_over]:
        forget(tx, over)
    for outcome in outcomes:
        if outcome.address_is_dead:
            _give_up(tx, issue_id, outcome)
        elif outcome.hindrance is not None:
            strikes = _strike(tx, outcome, outcome.hindrance)
            if strikes.make_dead:
                _give_up(tx, issue_id, outcome)


def forget(tx: Tx, subscriber_ids: Sequence[int]) -> None:
    """These readers were reached, or an operator says that they can be: nothing stands in the way any more."""
    tx.connection.execute(delete(hindrance).where(hindrance.c.subscriber_id.in_(subscriber_ids)))


def of_subscriber(tx: Tx, subscriber_id: int) -> list[Strikes]:
    """What stands in the way of mail to a reader, by kind."""
    query = select(hindrance).where(hindrance.c.subscriber_id == subscriber_id).order_by(hindrance.c.kind)
    return [_strikes(row) for row in tx.connection.execute(query)]


def _strike(tx: Tx, outcome: Outcome, kind: Hindrance) -> Strikes:
    """Count one more, in a row."""
    at = outcome.at
    statement = insert_or_ignore(tx, hindrance).values(
        subscriber_id=outcome.subscriber_id, kind=kind.value, count=1, first_at=at, last_at=at
    )
    is_new = hindrance.c.last_at < at  # the same outcome, told again after a crash, is no second one
    counted = statement.on_conflict_do_update(
        index_elements=["subscriber_id", "kind"],
        set_={
            "count": hindrance.c.count + case((is_new, 1), else_=0),
            "last_at": case((is_new, statement.excluded.last_at), else_=hindrance.c.last_at),
        },
    )
    return _strikes(tx.connection.execute(counted.returning(*hindrance.c)).one())


def _give_up(tx: Tx, issue_id: int, outcome: Outcome) -> None:
    codes = " ".join(str(part) for part in (outcome.reply_code, outcome.enhanced_code) if part)
    events.append(
        tx,
        EventKind.BOUNCED,
        dedupe_key=f"bounced:{issue_id}:{outcome.subscriber_id}",
        at=outcome.at,
        issue_id=issue_id,
        subscriber_id=outcome.subscriber_id,
        detail=f"{codes} {outcome.reply_text}".strip(),
    )
    if outcome.email_hash:
        suppressions.suppress(
            tx,
            outcome.email_hash,
            subscriber_id=outcome.subscriber_id,
            reason=SuppressReason.BOUNCED,
            detail=codes,  # the words may name the address
            now=outcome.at,
        )


def _strikes(row: Any) -> Strikes:
    return Strikes(Hindrance(row.kind), row.count, row.first_at, row.last_at)
