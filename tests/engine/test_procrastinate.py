"""Wake-ups through PostgreSQL: in the caller's transaction, once, fairly, and never a second truth."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from digest.app import engines
from digest.app import line as steps
from digest.app.work import hand_over
from digest.engine import schema
from digest.engine.procrastinate import ProcrastinateEngine
from digest.model.delivery import ChunkRef
from digest.model.errors import BadInput, SchemaMismatch
from digest.model.issue import IssueState
from digest.store import deliveries, migrate
from digest.store.engine import Store, Tx
from support.factories import make_publication
from support.sending import add_readers, composed_issue, line_of, make_container, sending_issue

pytestmark = pytest.mark.postgres


class _ChangedMyMindError(Exception):
    pass


class _BreaksAfterSubmitting(ProcrastinateEngine):
    def submit(self, tx: Tx, refs: Sequence[ChunkRef]) -> None:
        super().submit(tx, refs)
        raise _ChangedMyMindError


def _work(engine: ProcrastinateEngine, count: int, *, concurrency: int = 1) -> list[ChunkRef]:
    """Let a worker work until it has seen ``count`` chunks."""
    done: list[ChunkRef] = []

    async def work() -> None:
        stop = asyncio.Event()

        async def handler(ref: ChunkRef) -> None:
            done.append(ref)
            if len(done) == count:
                stop.set()

        async with asyncio.timeout(20):
            await engine.run_worker(handler, concurrency=concurrency, stop=stop)

    asyncio.run(work())
    return done


def test_a_transaction_that_is_rolled_back_leaves_no_wake_up(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with contextlib.suppress(_ChangedMyMindError), shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, chunk) for chunk in range(50)])
        raise _ChangedMyMindError

    assert engine.health().waiting == 0


def test_a_transaction_that_is_committed_leaves_one_wake_up_a_chunk(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, chunk) for chunk in range(50)])
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, chunk) for chunk in range(51)])

    assert engine.health().waiting == 51, "what waits already is not asked for twice"


def test_the_fan_out_and_its_wake_ups_are_one_transaction(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        publication = make_publication(tx)
        add_readers(tx, publication, 3)
        issue = composed_issue(tx, publication)
    line = line_of(make_container(shared_store))
    with pytest.raises(_ChangedMyMindError):
        steps.fan_out(replace(line, engine=_BreaksAfterSubmitting(shared_store)), issue)
    after_a_break = engine.health().waiting, line.read_again(issue).state
    steps.fan_out(replace(line, engine=engine), issue)

    assert after_a_break == (0, IssueState.COMPOSED)
    assert (engine.health().waiting, line.read_again(issue).state) == (1, IssueState.SENDING)


def test_every_idle_chunk_is_handed_over_and_again_without_doubles(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    issue = sending_issue(shared_store, 120, chunk_size=50)
    container = make_container(shared_store)

    assert hand_over(container, engine, issue) == 3
    assert hand_over(container, engine, issue) == 3
    assert engine.health().waiting == 3


def test_workers_get_every_chunk_once_and_delete_its_wake_up(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, chunk) for chunk in range(5)])
    done = _work(engine, 5, concurrency=2)
    with shared_store.read() as tx:
        left = tx.connection.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar_one()

    assert sorted(ref.chunk for ref in done) == [0, 1, 2, 3, 4]
    assert left == 0
    assert engine.health().workers == 0


def test_a_large_issue_does_not_hold_up_a_small_one(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, chunk) for chunk in range(20)])
        engine.submit(tx, [ChunkRef(2, chunk) for chunk in range(2)])
    done = _work(engine, 22)

    assert {ref for ref in done[:4] if ref.issue_id == 2} == {ChunkRef(2, 0), ChunkRef(2, 1)}


def test_a_handler_that_fails_ends_its_own_chunk_only(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0), ChunkRef(1, 1)])
    seen: list[int] = []

    async def work() -> None:
        stop = asyncio.Event()

        async def handler(ref: ChunkRef) -> None:
            seen.append(ref.chunk)
            if ref.chunk == 0:
                raise _ChangedMyMindError
            stop.set()

        async with asyncio.timeout(20):
            await engine.run_worker(handler, concurrency=1, stop=stop)

    asyncio.run(work())

    assert seen == [0, 1]
    assert engine.health().waiting == engine.health().running == 0


def test_what_a_dead_worker_left_as_running_is_dropped_by_the_next(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0), ChunkRef(1, 1)])
        tx.connection.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing' WHERE (args ->> 'chunk')::int = 0")
        )  # its worker has been pruned: no worker id
    done = _work(engine, 1)

    assert done == [ChunkRef(1, 1)]
    assert engine.health().running == 0


def test_cancelling_deletes_the_waiting_wake_ups_of_one_issue(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    with shared_store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0), ChunkRef(1, 1), ChunkRef(2, 0)])
        engine.cancel(tx, 1)

    assert _work(engine, 1) == [ChunkRef(2, 0)]


def test_a_chunk_somebody_works_on_is_not_asked_for_until_its_lease_ends(shared_store: Store):
    engine = ProcrastinateEngine(shared_store)
    issue = sending_issue(shared_store, 100, chunk_size=50)
    container = make_container(shared_store)
    with shared_store.write() as tx:
        lease_for = timedelta(seconds=1)
        deliveries.claim(tx, issue.id, chunk=0, lease="a", lease_for=lease_for, limit=10, now=tx.now())
    while_it_lives = hand_over(container, engine, issue)
    time.sleep(1.1)

    assert while_it_lives == 1
    assert hand_over(container, engine, issue) == 2


def test_an_upgrade_may_be_repeated_and_is_no_drift(shared_store: Store):
    engines.upgrade(shared_store)

    assert migrate.drift(shared_store) == []


def test_newer_migrations_of_procrastinate_are_applied_once(
    shared_store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "99.00.00_01_pre_more.sql").write_text("CREATE TABLE procrastinate_more (id int); SELECT 1")
    monkeypatch.setattr(schema.SchemaManager, "get_migrations_path", staticmethod(lambda: str(tmp_path)))
    schema.ensure(shared_store)
    schema.ensure(shared_store)
    with shared_store.read() as tx:
        made = tx.connection.execute(text("SELECT to_regclass('procrastinate_more')")).scalar()

    assert made is not None


def test_tables_of_another_program_are_left_alone(shared_store: Store):
    with shared_store.write() as tx:
        tx.connection.execute(text("COMMENT ON TABLE procrastinate_jobs IS NULL"))

    with pytest.raises(SchemaMismatch, match="did not make"):
        schema.ensure(shared_store)


def test_workers_ask_for_an_upgrade_where_their_tables_are_missing(postgres_database: str):
    store = Store(postgres_database)

    with pytest.raises(SchemaMismatch) as caught:
        engines.shared_engine(store)

    store.close()

    assert "digest db upgrade" in caught.value.hint


def test_sqlite_has_no_workers(sqlite_database: str):
    with pytest.raises(BadInput, match="SQLite is for one process"):
        engines.shared_engine(Store(sqlite_database))
