"""Wake-ups for many machines: Procrastinate on the PostgreSQL that holds the deliveries anyway.

Rules: a job says "look at this chunk", or "look at the notices", and no more. It is inserted on the connection of the
transaction that made or freed the rows, so it exists exactly when they do. Jobs carry no lock (one that waits would
hold up its queue), are never retried and always deleted: what is left to do is read from the rows, by the sweep.
Procrastinate does not fence off a worker that was presumed dead; the leases of the rows do.

Each lane has a queue, and each process a worker for each lane: that of bulk takes from all of them, the others from
their own, so that their hands are reserved. Which job comes first is said by its priority.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.types import JSONValue
from procrastinate.worker import Worker

from digest.engine.port import RESERVED, EngineHealth, Handler, Lane, Ref, lane_of
from digest.engine.schema import is_installed
from digest.model.delivery import ChunkRef
from digest.model.errors import SchemaMismatch, StoreUnavailable
from digest.model.notice import NoticeRef
from digest.store.engine import Store, Tx

_QUEUES = {Lane.BULK: "digest", Lane.URGENT: "digest-urgent", Lane.NOTICE: "digest-notice"}
_ALL = list(_QUEUES.values())
_DELIVER, _NOTIFY = "deliver", "notify"
#: Priorities are 32-bit. More chunks than this no issue has: they are of 1000 readers.
_STEP = 1_000_000
_ABOVE_ALL = 2_000_000_000
#: Seconds between looks for jobs should a notification get lost.
_POLL_S = 5.0
_HEARTBEAT_S = 10.0
#: A worker that gave no sign of life for so many seconds is gone; its jobs are dropped.
_STALLED_S = 30.0
_CONNECT_TIMEOUT_S = 10.0


class ProcrastinateEngine:
    """Wake-ups as jobs in PostgreSQL; any number of processes submit, any number work."""

    is_attended = True
    hears_others = True

    def __init__(self, store: Store) -> None:
        if store.is_sqlite:
            raise ValueError("Procrastinate needs PostgreSQL")
        self._store = store
        self._submitting = self._app(connections=1)

    def submit(self, tx: Tx, refs: Sequence[Ref]) -> None:
        """Insert a job for each chunk that has none waiting, and one for notices, on the caller's own connection.

        For notices no waiting job is good enough: it may be taken before the new notice is committed. Where there are
        no tables for workers, notices are found by whoever delivers.
        """
        chunks = [ref for ref in refs if isinstance(ref, ChunkRef)]
        if not chunks and not is_installed(tx):
            return
        known = {ref for issue_id in {ref.issue_id for ref in chunks} for ref in _waiting(tx, issue_id)}
        jobs = [_job(ref) for ref in refs if ref not in known]
        if jobs:
            connection = tx.connection.connection.driver_connection
            self._submitting.job_manager.batch_defer_jobs(jobs, connection=connection)

    async def run_worker(self, handler: Handler, *, concurrency: int, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then finish what is being worked on.

        What ``handler`` raises ends its job and nothing else. Raises StoreUnavailable when the database goes away.
        """
        hands = {**RESERVED, Lane.BULK: concurrency}
        # A listener for each lane, and one for each hand that fetches or finishes.
        app = self._app(connections=len(hands) + sum(hands.values()) + 1)

        async def deliver(issue_id: int, chunk: int, priority: int = 0) -> None:
            await handler(ChunkRef(issue_id, chunk, priority=priority))

        async def notify() -> None:
            await handler(NoticeRef())

        app.task(name=_DELIVER)(deliver)
        app.task(name=_NOTIFY)(notify)
        try:
            async with app.open_async():
                await _drop_stalled(app)
                await _run(app, hands, stop=stop)
        except (ConnectorException, psycopg.Error) as error:
            raise StoreUnavailable(
                f"the database went away while this worker waited for work ({error.__cause__ or error})",
                hint="start PostgreSQL, or check database.url; the worker tries again by itself",
            ) from error

    def cancel(self, tx: Tx, issue_id: int) -> None:
        """Delete the waiting jobs of an issue. Those being worked on find nothing more to claim."""
        if is_installed(tx):
            tx.connection.exec_driver_sql(
                "DELETE FROM procrastinate_jobs WHERE queue_name = ANY(%s) AND status = 'todo'"
                " AND (args ->> 'issue_id')::bigint = %s",
                (_ALL, issue_id),
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
                " FROM procrastinate_jobs WHERE queue_name = ANY(%s)",
                (_STALLED_S, _ALL),
            ).one()
        return EngineHealth(waiting=row[0], running=row[1], workers=-(-row[2] // len(_QUEUES)))

    def _app(self, *, connections: int) -> App:
        address = self._store.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return App(
            connector=PsycopgConnector(
                conninfo=address, min_size=1, max_size=connections, timeout=_CONNECT_TIMEOUT_S, name="digest-worker"
            )
        )


def _job(ref: Ref) -> Job:
    if isinstance(ref, ChunkRef):
        task, priority = _DELIVER, ref.priority * _STEP - ref.chunk
        arguments: dict[str, JSONValue] = {"issue_id": ref.issue_id, "chunk": ref.chunk}
        if ref.priority:  # workers of an older version, which take bulk only, do not know it
            arguments["priority"] = ref.priority
    else:
        task, priority, arguments = _NOTIFY, _ABOVE_ALL, {}
    return Job(
        id=None,
        queue=_QUEUES[lane_of(ref)],
        task_name=task,
        task_kwargs=arguments,
        priority=priority,
        lock=None,
        queueing_lock=None,
    )


def _waiting(tx: Tx, issue_id: int) -> list[ChunkRef]:
    rows = tx.connection.exec_driver_sql(
        "SELECT (args ->> 'chunk')::bigint FROM procrastinate_jobs"
        " WHERE queue_name = ANY(%s) AND status = 'todo' AND (args ->> 'issue_id')::bigint = %s",
        (_ALL, issue_id),
    )
    return [ChunkRef(issue_id, chunk) for chunk in rows.scalars()]


async def _drop_stalled(app: App) -> None:
    """Close what dead workers left as being worked on; the sweep asks for those chunks again."""
    for queue in _ALL:
        for job in await app.job_manager.get_stalled_jobs(queue=queue, seconds_since_heartbeat=_STALLED_S):
            with contextlib.suppress(ConnectorException):  # another worker has just done it
                await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)


async def _run(app: App, hands: Mapping[Lane, int], *, stop: asyncio.Event) -> None:
    workers = [
        Worker(
            app,
            queues=_ALL if lane is Lane.BULK else [_QUEUES[lane]],
            concurrency=count,
            delete_jobs=DeleteJobCondition.ALWAYS,
            fetch_job_polling_interval=_POLL_S,
            update_heartbeat_interval=_HEARTBEAT_S,
            stalled_worker_timeout=_STALLED_S,
            install_signal_handlers=False,
        )
        for lane, count in hands.items()
    ]
    running: list[asyncio.Task[None]] = [
        asyncio.create_task(worker.run(), name="wake-ups")  # type: ignore[no-untyped-call]  # Procrastinate left it so
        for worker in workers
    ]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]  # Procrastinate left it so
        await asyncio.wait(running)
        for ended in running:
            ended.result()
    finally:
        for task in (stopping, *running):
            task.cancel()
    if not stop.is_set():
        raise ConnectorException("the worker ended by itself")
