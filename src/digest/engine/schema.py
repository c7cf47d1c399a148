"""The tables of Procrastinate in our database: made once, moved on with each version of it that we install.

Procrastinate keeps no version of its own in the database, so the name of the last of its migrations that is in there
is noted as a comment on its table of jobs. Everything happens in one transaction, one process at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from procrastinate.schema import SchemaManager

from digest.model.errors import SchemaMismatch
from digest.store.engine import Store, Tx

#: Serialises upgrades of several processes (any constant of our own will do).
_ADVISORY_LOCK = 0x6469_6765_7375
_MARK = "digest: "


def ensure(store: Store) -> None:
    """Make the tables, or bring them to the installed version. Repeatable.

    Raises SchemaMismatch when tables of that name are there that Digest did not make.
    """
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    newest = files[-1].name
    with store.write() as tx:
        driver: Any = tx.connection.connection.driver_connection
        # No parameters: only then may one text hold many statements.
        driver.execute(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        if not is_installed(tx):
            driver.execute(SchemaManager.get_schema())
        else:
            known = _noted(tx)
            for file in files:
                if file.name > known:
                    driver.execute(file.read_text(encoding="utf-8"))
        driver.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{_MARK}{newest}'")


def is_installed(tx: Tx) -> bool:
    """Whether the tables are there."""
    return tx.connection.exec_driver_sql("SELECT to_regclass('procrastinate_jobs')").scalar() is not None


def _noted(tx: Tx) -> str:
    comment = tx.connection.exec_driver_sql("SELECT obj_description('procrastinate_jobs'::regclass)").scalar()
    if comment is None or not str(comment).startswith(_MARK):
        raise SchemaMismatch(
            "the database has tables of Procrastinate that Digest did not make",
            hint="give Digest a database of its own, or move the other program's tables to another schema",
        )
    return str(comment).removeprefix(_MARK)
