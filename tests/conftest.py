"""Fixtures of every room: real databases, real data, a real browser; what is missing is skipped loudly."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import create_engine, make_url, text

from digest.store import migrate
from digest.store.engine import Store
from support import postgres
from support.missing import missing

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """A command run in this process sets logging up; the next test must not inherit it."""
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    yield
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party test data that lives beside the checkout, never in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        missing("shared test data", "put it into ../shared/data beside the checkout")
    return folder


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """A real browser."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        missing("Chromium", "apt-get install chromium, or set CHROMIUM to a browser's path")
    return found


@pytest.fixture(scope="session")
def postgres_binaries() -> Path:
    """PostgreSQL's own programs, for a server that a test may ill-treat."""
    found = postgres.find_binaries()
    return found or missing("PostgreSQL", "apt-get install postgresql")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The maintenance database of a PostgreSQL server this run may use; one server for all test processes."""
    given = os.environ.get("DIGEST_TEST_PG")
    if given:
        return given
    if postgres.find_binaries() is None:
        missing("PostgreSQL", "apt-get install postgresql, or set DIGEST_TEST_PG to a server's address")
    return postgres.shared_cluster(_shared_folder())


def _shared_folder() -> Path:
    """One folder for all processes of this run; not below pytest's own, which another run may clear away."""
    controller = os.getppid() if os.environ.get("PYTEST_XDIST_WORKER") else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"digest-tests-{controller}"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many processes again as cores: a third of the time a test waits for a server, a relay or a lease."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Only the process that outlives all others ends the shared server."""
    if not hasattr(config, "workerinput"):
        folder = _shared_folder()
        postgres.stop_shared(folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database that tests clone: 50 ms instead of a migration each."""
    name = f"digest_template_{uuid4().hex[:8]}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    store = Store(make_url(postgres_url).set(database=name).render_as_string(hide_password=False))
    migrate.upgrade(store)
    store.close()
    yield name
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def postgres_database(postgres_url: str, postgres_template: str) -> Iterator[str]:
    """The address of a fresh, migrated PostgreSQL database."""
    with postgres.copied(postgres_url, postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that tests copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    store = Store(f"sqlite:///{path}")
    migrate.upgrade(store)
    store.close()
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite database."""
    path = tmp_path / "digest.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Both databases, one after the other."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open store on each database."""
    opened = Store(database_url)
    yield opened
    opened.close()
