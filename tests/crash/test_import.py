"""An import that is killed has whole chunks in, and repeated it ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from digest.audience.importing import import_csv
from digest.config.secrets import Keyring
from digest.store import migrate
from digest.store.engine import Store
from digest.store.tables import event, subscriber, subscription
from support.factories import make_publication
from support.sending import KEY

ROWS, CHUNK = 50_000, 5_000
_COMMAND = "from digest.cli.main import main; main()"
_IMPORT = ("subscriber", "import", "readers.csv", "--publication", "morning", "--json")


def write_readers(folder: Path) -> None:
    lines = [f"reader{number}@example.com,Reader {number},2025-01-01,form\n" for number in range(ROWS)]
    lines[50] = "no address,Nobody,,\n"
    (folder / "readers.csv").write_text("email,name,consent_at,consent_source\n" + "".join(lines))


def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"DIGEST_DATABASE__URL": url}
    return subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *_IMPORT], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )


def stored(store: Store) -> int:
    with store.read() as tx:
        return int(tx.connection.execute(select(func.count()).select_from(subscriber)).scalar_one())


def end_state(store: Store) -> tuple[list[tuple], int, int]:
    """All that is not drawn at random."""
    with store.read() as tx:
        query = select(subscriber.c.email, subscriber.c.name, subscription.c.state, subscription.c.consent_at)
        query = query.join(subscription, subscription.c.subscriber_id == subscriber.c.id)
        rows = tx.connection.execute(query.order_by(subscriber.c.email_norm)).all()
        happened = tx.connection.execute(select(func.count()).select_from(event)).scalar_one()
        owned = tx.connection.execute(select(func.count(event.c.subscriber_id.distinct()))).scalar_one()
    return [tuple(row) for row in rows], happened, owned


@pytest.mark.crash
@pytest.mark.timeout(120)
def test_an_import_killed_in_the_middle_and_repeated_ends_as_one_that_was_not(
    place: Path, database_url: str, sqlite_template: Path
):
    write_readers(place)
    (place / "digest.key").write_bytes(KEY)
    store = Store(database_url)
    with store.write() as tx:
        make_publication(tx)
    process = start(place, database_url)
    while stored(store) < CHUNK and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cut_short = stored(store)
    last = start(place, database_url).wait()
    killed = end_state(store)
    store.close()

    path = place / "unharmed.db"
    path.write_bytes(sqlite_template.read_bytes())
    other = Store(f"sqlite:///{path}")
    assert migrate.current(other) == migrate.HEAD
    with other.write() as tx:
        make_publication(tx)
    with (place / "readers.csv").open("rb") as file:
        import_csv(other, "morning", file=file, keyring=Keyring([KEY]), now=datetime.now(UTC))
    unharmed = end_state(other)
    other.close()

    assert CHUNK <= cut_short < ROWS - 1
    assert cut_short % CHUNK == 0  # whole chunks
    assert last == 2  # a row was refused, and said
    assert killed == unharmed
    assert killed[1:] == (ROWS - 1, ROWS - 1)
