"""Where troubled providers and relays stand, shared by every worker. Nobody in trouble: no row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from digest.model.pace import Pace
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import pace

_DOMAIN, _RELAY = "domain:", "relay:"
_REMEMBERED = 199  # failures in a row before the latest


@dataclass(frozen=True, slots=True)
class RelayTrouble:
    """A relay's failures in a row, until when it wants to be left alone, and what it said last."""

    failures: tuple[datetime, ...]
    held_until: datetime | None
    said: str


def all_troubled(tx: Tx) -> dict[str, Pace]:
    """Every provider that is watched, by name."""
    query = select(pace).where(pace.c.scope.startswith(_DOMAIN, autoescape=True))
    return {row.scope.removeprefix(_DOMAIN): _pace(row) for row in tx.connection.execute(query)}


def change(tx: Tx, changes: Mapping[str, Callable[[Pace | None], Pace | None]]) -> dict[str, Pace]:
    """Apply changes to providers, one worker after another; gives every one as it is then. None ends watching."""
    # In the order of their names, so that two workers wait for each other instead of deadlocking.
    for provider in sorted(changes):
        scope = f"{_DOMAIN}{provider}"
        if tx.is_postgres:
            # A row that is not there yet cannot be locked: of two workers' first complaints one would be lost.
            tx.connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(scope))))
        row = tx.connection.execute(select(pace).where(pace.c.scope == scope).with_for_update()).one_or_none()
        after = changes[provider](None if row is None else _pace(row))
        if after is None:
            tx.connection.execute(delete(pace).where(pace.c.scope == scope))
        else:
            _put(tx, scope, _columns(after))
    return all_troubled(tx)


def relay_failed(tx: Tx, name: str, *, said: str, held_until: datetime | None, now: datetime) -> list[datetime]:
    """Note that a relay failed once more; gives when it did since it last worked, whichever worker saw it.

    ``held_until``: nobody need try before, because the relay asked for that much patience.
    """
    scope = f"{_RELAY}{name}"
    row = tx.connection.execute(select(pace).where(pace.c.scope == scope).with_for_update()).one_or_none()
    before = [] if row is None else [_instant(text) for text in row.troubles]
    failures = [*before[-_REMEMBERED:], now]
    values = {"window": None, "held_until": held_until, "backoff_s": 0, "troubled_at": now, "said": said[:500]}
    _put(tx, scope, values | {"troubles": [at.isoformat() for at in failures]})
    return failures


def relay_worked(tx: Tx, name: str) -> bool:
    """Forget that a relay failed; False where nothing was known."""
    return tx.connection.execute(delete(pace).where(pace.c.scope == f"{_RELAY}{name}")).rowcount > 0


def troubled_relays(tx: Tx) -> dict[str, RelayTrouble]:
    """Relays that have not worked since they failed, by name."""
    query = select(pace).where(pace.c.scope.startswith(_RELAY, autoescape=True))
    return {
        row.scope.removeprefix(_RELAY): RelayTrouble(
            tuple(_instant(text) for text in row.troubles), row.held_until, row.said
        )
        for row in tx.connection.execute(query)
    }


def _put(tx: Tx, scope: str, values: Mapping[str, Any]) -> None:
    statement = insert_or_ignore(tx, pace).values(scope=scope, **values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["scope"], set_=dict(values)))


def _columns(item: Pace) -> dict[str, Any]:
    return {
        "window": item.window,
        "held_until": item.held_until,
        "backoff_s": int(item.backoff.total_seconds()),
        "troubles": [at.isoformat() for at in item.blocks],
        "troubled_at": item.troubled_at,
        "said": item.said,
    }


def _pace(row: Any) -> Pace:
    return Pace(
        provider=row.scope.removeprefix(_DOMAIN),
        window=row.window,
        held_until=row.held_until,
        backoff=timedelta(seconds=row.backoff_s),
        blocks=tuple(_instant(text) for text in row.troubles),
        troubled_at=row.troubled_at,
        said=row.said,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
