"""Wake-ups for many machines: Procrastinate on the PostgreSQL that holds the deliveries anyway.

Rules: a job says "look at this chunk" and no more. It is inserted on the connection of the transaction that made or
freed the deliveries, so it exists exactly when they do. Jobs carry no lock (one that waits would hold up its queue),
are never retried and always deleted: what is left to do is read from the deliveries, by the sweep. Procrastinate does
not fence off a worker that was presumed dead; the leases of `store.deliveries` do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.worker import Worker

from digest.engine.port import EngineHealth, Handler
from digest.engine.schema import is_installed
from digest.model.delivery import ChunkRef
from digest.model.errors import SchemaMismatch, StoreUnavailable
from digest.store.engine import Store, Tx

_QUEUE = "digest"
_TASK = "deliver"
#: Seconds between looks for jobs should a notification get lost.
_POLL_S = 5.0
_HEARTBEAT_S = 10.0
#: A worker that gave no sign of life for so many seconds is gone; its jobs are dropped.
_STALLED_S = 30.0
_CONNECT_TIMEOUT_S = 10.0


class ProcrastinateEngine:
    """Wake-ups as jobs in PostgreSQL; any number of processes submit, any number work."""

    is_local = False

    def __init__(self, store: Store) -> None:
        if store.is_sqlite:
            raise ValueError("Procrastinate needs PostgreSQL")
        self._store = store
        self._submitting = self._app(connections=1)

    def submit(self, tx: Tx, refs: Sequence[ChunkRef]) -> None:
        """Insert a job for each chunk that has none waiting, on the caller's own connection.

        Chunk n of every issue comes before chunk n + 1 of any: a large issue cannot hold up a small one. Priorities
        above 0 are kept for what may overtake every issue.
        """
        known = {ref for issue_id in {ref.issue_id for ref in refs} for ref in _waiting(tx, issue_id)}
        jobs = [
            Job(
                id=None,
                queue=_QUEUE,
                task_name=_TASK,
                task_kwargs={"issue_id": ref.issue_id, "chunk": ref.chunk},
                priority=-ref.chunk,
                lock=None,
                queueing_lock=None,
            )
            for ref in refs
            if ref not in known
        ]
        if jobs:
            connection = tx.connection.connection.driver_connection
            self._submitting.job_manager.batch_defer_jobs(jobs, connection=connection)

    async def run_worker(self, handler: Handler, *, concurrency: int, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then finish what is being worked on.

        What ``handler`` raises ends its job and nothing else. Raises StoreUnavailable when the database goes away.
        """
        app = self._app(connections=concurrency + 2)

        async def deliver(issue_id: int, chunk: int) -> None:
            await handler(ChunkRef(issue_id, chunk))

        app.task(name=_TASK, queue=_QUEUE)(deliver)
        try:
            async with app.open_async():
                await _drop_stalled(app)
                await _run(app, concurrency=concurrency, stop=stop)
        except (ConnectorException, psycopg.Error) as error:
            raise StoreUnavailable(
                f"the database went away while this worker waited for work ({error.__cause__ or error})",
                hint="start PostgreSQL, or check database.url; the worker tries again by itself",
            ) from error

    def cancel(self, tx: Tx, issue_id: int) -> None:
        """Delete the waiting jobs of an issue. Those being worked on find nothing more to claim."""
        if is_installed(tx):
            tx.connection.exec_driver_sql(
                "DELETE FROM procrastinate_jobs WHERE queue_name = %s AND status = 'todo'"
                " AND (args ->> 'issue_id')::bigint = %s",
                (_QUEUE, issue_id),
            )

    def health(self) -> EngineHealth:
        """Jobs and workers as the database knows them. Raises SchemaMismatch when its tables are missing."""
        with self._store.read() as tx:
            if not is_installed(tx):
                raise SchemaMismatch(
                    "the database has no tables for workers yet", hint="make a backup, then run `digest db upgrade`"
                )
            row = tx.connection.exec_driver_sql(
                "SELECT count(*) FILTER (WHERE status = 'todo'), count(*) FILTER (WHERE status = 'doing'),"
                " (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s))"
                " FROM procrastinate_jobs WHERE queue_name = %s",
                (_STALLED_S, _QUEUE),
            ).one()
        return EngineHealth(waiting=row[0], running=row[1], workers=row[2])

    def _app(self, *, connections: int) -> App:
        address = self._store.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return App(
            connector=PsycopgConnector(
                conninfo=address, min_size=1, max_size=connections, timeout=_CONNECT_TIMEOUT_S, name="digest-worker"
            )
        )


def _waiting(tx: Tx, issue_id: int) -> list[ChunkRef]:
    rows = tx.connection.exec_driver_sql(
        "SELECT (args ->> 'chunk')::bigint FROM procrastinate_jobs"
        " WHERE queue_name = %s AND status = 'todo' AND (args ->> 'issue_id')::bigint = %s",
        (_QUEUE, issue_id),
    )
    return [ChunkRef(issue_id, chunk) for chunk in rows.scalars()]


async def _drop_stalled(app: App) -> None:
    """Close what dead workers left as being worked on; the sweep asks for those chunks again."""
    for job in await app.job_manager.get_stalled_jobs(queue=_QUEUE, seconds_since_heartbeat=_STALLED_S):
        with contextlib.suppress(ConnectorException):  # another worker has just done it
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)


async def _run(app: App, *, concurrency: int, stop: asyncio.Event) -> None:
    worker = Worker(
        app,
        queues=[_QUEUE],
        concurrency=concurrency,
        delete_jobs=DeleteJobCondition.ALWAYS,
        fetch_job_polling_interval=_POLL_S,
        update_heartbeat_interval=_HEARTBEAT_S,
        stalled_worker_timeout=_STALLED_S,
        install_signal_handlers=False,
    )
    running: asyncio.Task[None] = asyncio.create_task(worker.run(), name="wake-ups")  # type: ignore[no-untyped-call]  # Procrastinate left it so
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            worker.stop()  # type: ignore[no-untyped-call]  # Procrastinate left it so
        await running
    finally:
        stopping.cancel()
        running.cancel()
    if not stop.is_set():
        raise ConnectorException("the worker ended by itself")
