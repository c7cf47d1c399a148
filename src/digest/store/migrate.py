"""Schema versions: bringing a database up or down, and refusing one that does not fit.

Every command asks whether the schema fits; Alembic takes a second to import, so only what migrates imports it.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

import digest
import digest.store.fetch_tables
import digest.store.ledger_tables
import digest.store.reader_tables
from digest.model.errors import SchemaMismatch, StoreUnavailable
from digest.store.engine import Store
from digest.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

#: The schema version this code is written for; a test compares it with the newest migration.
HEAD = "0013"

#: Serialises migrations of several processes on PostgreSQL (any constant of our own will do).
_ADVISORY_LOCK = 0x6469_6765_7374


def scripts_folder() -> Path:
    """The migrations: shipped inside the wheel, or the checkout's own ``alembic/``."""
    package = Path(digest.__file__).parent
    shipped = package / "_alembic"
    return shipped if shipped.is_dir() else package.parents[1] / "alembic"


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def scripts() -> ScriptDirectory:
    """Alembic's view of the migrations."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def current(store: Store) -> str | None:
    """The schema version of the database, or None for an empty one."""
    with store.read() as tx:
        if not inspect(tx.connection).has_table("alembic_version"):
            return None
        version: str | None = tx.connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return version


def upgrade(store: Store, revision: str = "head") -> None:
    """Bring the schema up to ``revision``; all of it or nothing, one process at a time."""
    from alembic import command

    with store.write() as tx:
        if tx.is_postgres:
            tx.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        command.upgrade(_config(tx.connection), revision)


def downgrade(store: Store, revision: str) -> None:
    """Take the schema back to ``revision`` (``-1`` for one step, ``base`` for none)."""
    from alembic import command

    with store.write() as tx:
        command.downgrade(_config(tx.connection), revision)


def drift(store: Store) -> list[str]:
    """Differences between the migrated schema and the tables in code, one line each; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with store.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": True, "include_name": _is_ours})
        return [str(difference) for difference in compare_metadata(context, metadata)]


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a table found in the database is one of this schema; the engine looks after its own."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def require_current(store: Store) -> None:
    """Refuse a database that is missing, empty, older or newer than this code."""
    path = store.sqlite_path
    if path is not None and not path.exists():
        raise StoreUnavailable(f"there is no database at {path}", hint="run `digest init` to make a project here")
    version = current(store)
    if version == HEAD:
        return
    if version is None:
        raise SchemaMismatch("the database has no tables yet", hint="run `digest db upgrade`")
    known = {script.revision for script in scripts().walk_revisions()}
    if version in known:
        raise SchemaMismatch(
            f"the database schema is at {version}, this version of Digest needs {HEAD}",
            hint="make a backup, then run `digest db upgrade`",
        )
    raise SchemaMismatch(
        f"the database schema {version} is newer than this version of Digest ({digest.__version__})",
        hint="install the newer Digest that made it",
    )
