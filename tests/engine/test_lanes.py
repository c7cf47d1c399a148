"""Who overtakes whom, on both engines and with real mails: small issues, urgent issues, notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from digest.app.container import Container
from digest.app.notices import post
from digest.app.session import HANDS, TURN_S, Session
from digest.app.work import refs_of
from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.engine.procrastinate import ProcrastinateEngine
from digest.model.issue import IssueState
from digest.model.notice import NewNotice, NoticeKind
from digest.model.publication import Publication
from digest.store import deliveries, issues, renditions
from digest.store.engine import Store, Tx
from support.factories import make_publication
from support.sending import EVERYTHING, add_readers, composed_issue, make_container
from support.sink import Sink, start_sink

pytestmark = pytest.mark.timeout(300)

LARGE, SMALL = "large", "small"


@dataclass
class Site:
    """An installation with one session at work, and who was mailed in which order."""

    store: Store
    container: Container
    engine: Engine
    sink: Sink
    readers: dict[str, range] = field(default_factory=dict)
    seen: list[tuple[int, float]] = field(default_factory=list)
    read_to: int = 0

    def subscribe(self, slug: str, readers: int) -> Publication:
        """A publication with readers of its own."""
        first = 1 + max((numbers.stop - 1 for numbers in self.readers.values()), default=0)
        self.readers[slug] = range(first, first + readers)
        with self.store.write() as tx:
            publication = make_publication(tx, slug)
            add_readers(tx, publication, readers, first=first)
        return publication

    def fan_out(self, publication: Publication, *, chunk_size: int, priority: int = 0) -> float:
        """An issue to be sent, and its wake-ups, in one transaction; gives the time of the commit."""
        with self.store.write() as tx:
            issue = composed_issue(tx, publication)
            issues.prioritise(tx, issue.id, priority=priority)
            made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
            deliveries.fan_out(tx, issue, {EVERYTHING: made[EVERYTHING]}, chunk_size=chunk_size, now=tx.now())
            issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=tx.now())
            ready = deliveries.ready_chunks(tx, issue.id, now=tx.now())
            self.engine.submit(tx, refs_of(issues.get(tx, issue.id), ready))
        return time.time()

    def mailed(self, slug: str, *, until: float = float("inf")) -> list[float]:
        """When this publication's readers were mailed."""
        return [at for number, at in self.arrivals() if number in self.readers[slug] and at <= until]

    def arrivals(self) -> list[tuple[int, float]]:
        """Every mail so far as (reader's number, time), a notice as number 0; reads on where it stopped."""
        with self.sink.log.open() as log:
            log.seek(self.read_to)
            while (line := log.readline()).endswith("\n"):
                self.read_to = log.tell()
                event = json.loads(line)
                if event["event"] == "accepted":
                    digits = event["to"].partition("@")[0].removeprefix("reader")
                    self.seen.append((int(digits) if digits.isdigit() else 0, event["at"]))
        return self.seen

    async def until(self, condition: Callable[[], bool], _what: str) -> None:
        async with asyncio.timeout(90):
            while not condition():  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.05)


@pytest.fixture(params=["local", pytest.param("procrastinate", marks=pytest.mark.postgres)])
def engine_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(engine_kind: str, request: pytest.FixtureRequest) -> Iterator[tuple[Store, Engine]]:
    """Each engine on the database it is the default of."""
    if engine_kind == "procrastinate":
        store = request.getfixturevalue("shared_store")
        yield store, ProcrastinateEngine(store)
        return
    store = Store(request.getfixturevalue("sqlite_database"))
    yield store, LocalEngine(attended=True)
    store.close()


@asynccontextmanager
async def at_work(
    engine: tuple[Store, Engine], folder: Path, *, delay_s: float, connections: int = 4, turn_s: float = TURN_S
) -> AsyncIterator[Site]:
    """A session that works for as long as the block lasts."""
    store, wakes = engine
    with start_sink(folder, keep=False, delay_s=delay_s) as sink:
        relays = {"default": {"host": "127.0.0.1", "port": sink.port, "connections": connections}}
        container = make_container(store, relays=relays)
        stop = asyncio.Event()
        session = Session(container, wakes, stop=stop, concurrency=HANDS, turn_s=turn_s)
        running = asyncio.create_task(session.run(look_around=True))
        try:
            yield Site(store, container, wakes, sink)
        finally:
            stop.set()
            await running
        assert session.trouble is None


async def test_a_small_issue_is_finished_when_a_large_one_has_hardly_begun(
    engine: tuple[Store, Engine], tmp_path: Path
):
    """A hundred chunks are handed over, then two: at most a tenth of the large issue comes before its end."""
    async with at_work(engine, tmp_path, delay_s=0.002) as site:
        large, small = site.subscribe(LARGE, 2000), site.subscribe(SMALL, 40)
        site.fan_out(large, chunk_size=20)
        site.fan_out(small, chunk_size=20)
        await site.until(lambda: len(site.mailed(SMALL)) == 40, "the small issue to arrive")
        share = len(site.mailed(LARGE, until=site.mailed(SMALL)[-1])) / 2000

    print(f"\nfair share: {share:.1%} of the large issue before the end of the small one")  # noqa: T201
    assert share <= 0.10


async def test_no_issue_keeps_all_hands_while_another_waits(engine: tuple[Store, Engine], tmp_path: Path):
    """Two chunks that would take all day hold both hands; after a turn the small issue has one."""
    async with at_work(engine, tmp_path, delay_s=0.05, turn_s=0.5) as site:
        large, small = site.subscribe(LARGE, 4000), site.subscribe(SMALL, 20)
        site.fan_out(large, chunk_size=2000)
        await site.until(lambda: len(site.mailed(LARGE)) >= 60, "both hands to be busy")
        began = site.fan_out(small, chunk_size=20)
        await site.until(lambda: len(site.mailed(SMALL)) == 20, "the small issue to arrive")
        ended = site.mailed(SMALL)[-1]
        left = 4000 - len(site.mailed(LARGE, until=ended))

    print(f"\nturns: the small issue took {ended - began:.1f} s, {left} of 4000 of the large one were left")  # noqa: T201
    assert left >= 3000


async def test_an_urgent_issue_overtakes_one_that_is_being_sent(engine: tuple[Store, Engine], tmp_path: Path):
    """Twenty thousand readers, and two hundred that overtake: bulk gives way at once, not at the end of its chunk."""
    async with at_work(engine, tmp_path, delay_s=0.02) as site:
        large, small = site.subscribe(LARGE, 20_000), site.subscribe(SMALL, 200)
        site.fan_out(large, chunk_size=1000)
        await site.until(lambda: len(site.mailed(LARGE)) >= 200, "the large issue to be under way")
        began = site.fan_out(small, chunk_size=1000, priority=1)
        await site.until(lambda: len(site.mailed(SMALL)) == 200, "the urgent issue to arrive")
        first, last = site.mailed(SMALL)[0] - began, site.mailed(SMALL)[-1] - began
        meanwhile = len(site.mailed(LARGE, until=began + last)) - len(site.mailed(LARGE, until=began + first))

    print(f"\nurgent: first after {first:.2f} s, last after {last:.2f} s, {meanwhile} bulk mails in between")  # noqa: T201
    assert meanwhile <= 200, "bulk has what urgent mail leaves over, no more"
    assert last <= 20


def a_notice(site: Site, tx: Tx, *, key: str = "confirm:1") -> NewNotice:
    publication = issues.list_recent(tx)[0].publication_id
    return NewNotice(
        kind=NoticeKind.CONFIRM,
        dedupe_key=key,
        publication_id=publication,
        email="ann@example.org",
        email_norm="ann@example.org",
        language="en",
        subject="Please confirm",
        text="Follow this link.\n",
        html=None,
    )


async def test_a_notice_goes_out_within_seconds_while_bulk_is_being_sent(
    engine: tuple[Store, Engine], engine_kind: str, tmp_path: Path
):
    """Ten in a row, woken up by the engine. On PostgreSQL by notification: looking around would take 15 s."""
    async with at_work(engine, tmp_path, delay_s=0.02) as site:
        site.fan_out(site.subscribe(LARGE, 20_000), chunk_size=1000)
        await site.until(lambda: len(site.mailed(LARGE)) >= 200, "bulk to be under way")
        waits = [await _seconds_to_arrive(site, f"confirm:{number}", site.engine) for number in range(10)]
        is_busy = len(site.mailed(LARGE)) < 20_000

    print(f"\nnotices ({engine_kind}): {min(waits):.2f} to {max(waits):.2f} s")  # noqa: T201
    assert is_busy
    assert max(waits) <= 5


async def test_a_notice_of_another_process_is_found_within_seconds_on_sqlite(sqlite_database: str, tmp_path: Path):
    store = Store(sqlite_database)
    async with at_work((store, LocalEngine(attended=True)), tmp_path, delay_s=0.02) as site:
        site.fan_out(site.subscribe(LARGE, 20_000), chunk_size=1000)
        await site.until(lambda: len(site.mailed(LARGE)) >= 200, "bulk to be under way")
        elsewhere = LocalEngine()
        waits = [await _seconds_to_arrive(site, f"confirm:{number}", elsewhere) for number in range(5)]
    store.close()

    print(f"\nnotices of another process: {min(waits):.2f} to {max(waits):.2f} s")  # noqa: T201
    assert max(waits) <= 5


async def test_an_urgent_issue_does_not_hold_up_a_notice(engine: tuple[Store, Engine], tmp_path: Path):
    """Every hand but those for notices is busy with an issue that overtakes all others."""
    async with at_work(engine, tmp_path, delay_s=0.02) as site:
        site.fan_out(site.subscribe(LARGE, 8000), chunk_size=1000, priority=9)
        await site.until(lambda: len(site.mailed(LARGE)) >= 200, "it to be under way")
        wait = await _seconds_to_arrive(site, "confirm:1", site.engine)

    assert wait <= 5


async def _seconds_to_arrive(site: Site, key: str, engine: Engine) -> float:
    """Post a notice and wait for it at the sink; gives the seconds from the commit."""

    def arrived() -> list[float]:
        return [at for number, at in site.arrivals() if not number]

    before = len(arrived())

    def put_in_line() -> float:
        with site.store.write() as tx:
            assert post(tx, engine, a_notice(site, tx, key=key), now=tx.now()) is not None
        return time.time()

    began = await asyncio.to_thread(put_in_line)

    await site.until(lambda: len(arrived()) == before + 1, "the notice to arrive")
    return arrived()[-1] - began
