"""Which engine an installation has: PostgreSQL can wake workers of other processes up, SQLite is for one process.

Procrastinate takes half a second to import, so only what needs it does.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.model.errors import BadInput
from digest.store import migrate
from digest.store.engine import Store


def engine_of(store: Store) -> Engine:
    """The engine that reaches every worker of this installation."""
    if store.is_sqlite:
        return LocalEngine()
    from digest.engine.procrastinate import ProcrastinateEngine

    return ProcrastinateEngine(store)


def shared_engine(store: Store) -> Engine:
    """An engine for workers in other processes, with its tables in place.

    Raises BadInput on SQLite and SchemaMismatch where `digest db upgrade` is due.
    """
    engine = engine_of(store)
    if not engine.hears_others:
        raise BadInput(
            "SQLite is for one process: workers need PostgreSQL",
            hint="`digest serve` delivers by itself; for more machines set database.url to a PostgreSQL database",
        )
    engine.health()
    return engine


def upgrade(store: Store, revision: str = "head") -> None:
    """Bring the schema up to ``revision``; at the newest also the engine's own tables on PostgreSQL."""
    migrate.upgrade(store, revision)
    if revision == "head" and not store.is_sqlite:
        from digest.engine import schema

        schema.ensure(store)
