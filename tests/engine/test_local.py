"""Wake-ups in this process."""

import asyncio

from digest.engine.local import LocalEngine
from digest.model.delivery import ChunkRef
from digest.store.engine import Store


def _work(engine: LocalEngine, *, concurrency: int = 1, stop_after: int = 99) -> list[ChunkRef]:
    done: list[ChunkRef] = []

    async def work() -> None:
        stop = asyncio.Event()

        async def handler(ref: ChunkRef) -> None:
            done.append(ref)
            if len(done) == stop_after:
                stop.set()
            await asyncio.sleep(0)

        await engine.run_worker(handler, concurrency=concurrency, stop=stop)

    asyncio.run(work())
    return done


def test_what_was_submitted_is_worked_on_once_however_often_it_was_submitted(store: Store):
    engine = LocalEngine()
    refs = [ChunkRef(1, chunk) for chunk in range(5)]
    with store.write() as tx:
        engine.submit(tx, refs)
        engine.submit(tx, refs[2:])

    assert engine.health().waiting == 5
    assert _work(engine, concurrency=2) == refs
    assert engine.health().waiting == 0


def test_stopping_leaves_the_rest_waiting(store: Store):
    engine = LocalEngine()
    with store.write() as tx:
        engine.submit(tx, [ChunkRef(1, chunk) for chunk in range(5)])

    assert len(_work(engine, stop_after=2)) == 2
    assert engine.health().waiting == 3


def test_cancelling_forgets_one_issue_only(store: Store):
    engine = LocalEngine()
    with store.write() as tx:
        engine.submit(tx, [ChunkRef(1, 0), ChunkRef(2, 0), ChunkRef(1, 1)])
        engine.cancel(tx, 1)

    assert _work(engine) == [ChunkRef(2, 0)]
