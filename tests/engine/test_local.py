"""Wake-ups in this process: in order of lanes and chunks, once, and only when they are committed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from digest.engine.local import LocalEngine
from digest.engine.port import Lane, Ref, lane_of
from digest.model.delivery import ChunkRef
from digest.model.notice import NoticeRef
from digest.store.engine import Store


class _ChangedMyMindError(Exception):
    pass


def submit(store: Store, engine: LocalEngine, *refs: Ref) -> None:
    with store.write() as tx:
        engine.submit(tx, refs)


def work(engine: LocalEngine, *, concurrency: int = 1, stop_after: int = 99) -> list[Ref]:
    """Let a worker work until nothing waits, or until it has seen enough."""
    done: list[Ref] = []

    async def all_of_it() -> None:
        stop = asyncio.Event()

        async def handler(ref: Ref) -> None:
            done.append(ref)
            if len(done) == stop_after:
                stop.set()
            await asyncio.sleep(0)

        running = asyncio.create_task(engine.run_worker(handler, concurrency=concurrency, stop=stop))
        if stop_after == 99:
            await engine.settled(lambda _ref: True)
            stop.set()
        await running

    asyncio.run(all_of_it())
    return done


async def until(condition: Callable[[], bool]) -> None:
    """Let the hands come to it."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is told by nothing but the hands
            await asyncio.sleep(0)


def test_what_was_submitted_is_worked_on_once_however_often_it_was_submitted(store: Store):
    engine = LocalEngine()
    refs = [ChunkRef(1, chunk) for chunk in range(5)]
    submit(store, engine, *refs)
    submit(store, engine, *refs[2:])

    assert engine.health().waiting == 5
    assert work(engine, concurrency=2) == refs
    assert engine.health().waiting == 0


def test_a_transaction_that_is_rolled_back_wakes_nobody_up(store: Store):
    engine = LocalEngine()
    with contextlib.suppress(_ChangedMyMindError), store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0)])
        raise _ChangedMyMindError

    assert engine.health().waiting == 0


def test_nobody_is_woken_up_before_the_commit(store: Store):
    engine = LocalEngine()
    with store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0)])
        before = engine.health().waiting

    assert (before, engine.health().waiting) == (0, 1)


def test_stopping_leaves_the_rest_waiting(store: Store):
    engine = LocalEngine()
    submit(store, engine, *(ChunkRef(1, chunk) for chunk in range(5)))

    assert len(work(engine, stop_after=2)) == 2
    assert engine.health().waiting == 3


def test_cancelling_forgets_one_issue_only(store: Store):
    engine = LocalEngine()
    with store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0), ChunkRef(2, 0), NoticeRef(), ChunkRef(1, 1)])
        engine.cancel(tx, 1)

    assert set(work(engine)) == {NoticeRef(), ChunkRef(2, 0)}


def test_chunk_n_of_every_issue_comes_before_chunk_n_plus_1_of_any(store: Store):
    engine = LocalEngine()
    submit(store, engine, *(ChunkRef(1, chunk) for chunk in range(20)))
    submit(store, engine, *(ChunkRef(2, chunk) for chunk in range(2)))
    done = work(engine)

    assert done[:4] == [ChunkRef(1, 0), ChunkRef(2, 0), ChunkRef(1, 1), ChunkRef(2, 1)]


def test_notices_come_first_then_issues_by_priority(store: Store):
    """The hands that are reserved are busy with the first two, so the order is that of the one hand for everything."""
    engine = LocalEngine()
    seen: list[Ref] = []
    release = asyncio.Event()

    async def handler(ref: Ref) -> None:
        seen.append(ref)
        if len(seen) <= 4:
            await release.wait()

    async def go() -> None:
        stop = asyncio.Event()
        submit(store, engine, ChunkRef(9, 0, priority=1), ChunkRef(9, 1, priority=1))
        running = asyncio.create_task(engine.run_worker(handler, concurrency=1, stop=stop))
        await until(lambda: len(seen) == 2)
        submit(store, engine, ChunkRef(1, 0), ChunkRef(2, 5, priority=1), ChunkRef(3, 7, priority=2), NoticeRef())
        await until(lambda: len(seen) == 3)
        release.set()
        await engine.settled(lambda _ref: True)
        stop.set()
        await running

    asyncio.run(go())

    assert seen[2] == NoticeRef(), "a hand of its own takes it while all others are busy"
    assert seen[3:] == [ChunkRef(3, 7), ChunkRef(2, 5), ChunkRef(1, 0)]


def test_hands_are_kept_free_for_what_may_overtake(store: Store):
    """With every hand for bulk busy for ever, an urgent chunk and two notices are still taken at once."""
    engine = LocalEngine()
    at_work: list[Ref] = []

    async def go() -> None:
        stop = asyncio.Event()

        async def handler(ref: Ref) -> None:
            at_work.append(ref)
            await stop.wait()

        submit(store, engine, *(ChunkRef(1, chunk) for chunk in range(9)))
        running = asyncio.create_task(engine.run_worker(handler, concurrency=2, stop=stop))
        await until(lambda: len(at_work) == 2)
        assert [lane_of(ref) for ref in at_work] == [Lane.BULK] * 2
        submit(store, engine, ChunkRef(2, 0, priority=1))
        for count in (4, 5):
            submit(store, engine, NoticeRef())
            await until(lambda wanted=count: len(at_work) == wanted)
        stop.set()
        await running

    asyncio.run(go())

    assert at_work[:2] == [ChunkRef(1, 0), ChunkRef(1, 1)]
    assert set(at_work[2:4]) == {ChunkRef(2, 0), NoticeRef()}
    assert at_work[4:] == [NoticeRef()]


def test_another_thread_may_submit_while_everybody_waits(store: Store):
    engine = LocalEngine()

    async def go() -> list[Ref]:
        stop = asyncio.Event()
        done: list[Ref] = []

        async def handler(ref: Ref) -> None:
            done.append(ref)
            stop.set()

        running = asyncio.create_task(engine.run_worker(handler, concurrency=1, stop=stop))
        await asyncio.sleep(0.05)
        other = threading.Thread(target=submit, args=(store, engine, ChunkRef(1, 0)))
        other.start()
        async with asyncio.timeout(10):
            await running
        other.join()
        return done

    assert asyncio.run(go()) == [ChunkRef(1, 0)]
