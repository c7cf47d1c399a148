"""Which relay a message takes, against real SMTP servers and a real quota table."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from digest.deliver.routing import Limits, QuotaUsedUp, Router, relay_of_result
from digest.model.errors import RelayUnreachable
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Verdict
from digest.store import quota
from digest.store.engine import Store
from support.sink import Sink, start_sink

WIRE = b"From: desk@example.com\r\nTo: a@example.com\r\nSubject: x\r\n\r\nHello\r\n"
SENDER = "desk@example.com"


@pytest.fixture
def store(sqlite_database: str) -> Store:
    return Store(sqlite_database)


def relay(name: str, sink: Sink | None, *, connections: int = 4) -> Relay:
    port = sink.port if sink else 9
    return Relay(name=name, host="127.0.0.1", port=port, tls=Tls.NONE, connections=connections)


def router(store: Store, *routes: tuple[Relay, Limits], stop: asyncio.Event | None = None) -> Router:
    return Router(routes, store, stop=stop or asyncio.Event())


async def send(carrier: Router, numbers: Sequence[int]) -> Counter[str]:
    """Send that many mails side by side; gives how many each relay took."""
    sent = await asyncio.gather(*(carrier.send(SENDER, f"r{n}@example.com", WIRE) for n in numbers))
    assert {result.verdict for result in sent} == {Verdict.ACCEPTED}
    return Counter(relay_of_result(carrier, result) for result in sent)


def busiest_second(*times: float) -> int:
    ordered = sorted(times)
    return max(bisect_left(ordered, since + 1.0) - at for at, since in enumerate(ordered))


async def test_a_lower_priority_number_goes_first_and_equals_share(store: Store, tmp_path: Path):
    with start_sink(tmp_path / "a") as a, start_sink(tmp_path / "b") as b, start_sink(tmp_path / "c") as c:
        equals = [(relay("a", a), Limits(priority=1)), (relay("b", b), Limits(priority=1))]
        async with router(store, (relay("c", c), Limits(priority=2)), *equals) as carrier:
            took = await send(carrier, range(20))

    assert took == {"a": 10, "b": 10}


async def test_a_relay_at_its_rate_is_waited_for_and_not_passed_over(store: Store, tmp_path: Path):
    with start_sink(tmp_path / "a") as a, start_sink(tmp_path / "b") as b:
        routes = [(relay("a", a), Limits(rate=20, priority=1)), (relay("b", b), Limits(priority=2))]
        async with router(store, *routes) as carrier:
            took = await send(carrier, range(15))

    assert took == {"a": 15}


async def test_a_failed_relay_is_left_alone_and_then_tried_with_one_mail(store: Store, tmp_path: Path):
    with start_sink(tmp_path / "b") as b:
        routes = [(relay("a", None), Limits(priority=1)), (relay("b", b), Limits(priority=2))]
        async with router(store, *routes) as carrier:
            first = await send(carrier, range(6))
            with start_sink(tmp_path / "a") as a:
                carrier._lanes[0].pool.relay = relay("a", a)  # as if it came back on its port
                paused = await send(carrier, range(6))
                await asyncio.sleep(2.1)
                again = await send(carrier, range(6)) + await send(carrier, range(6))

    assert first == paused == {"b": 6}
    assert again["a"] >= 7


async def test_when_every_relay_fails_the_last_error_is_raised(store: Store):
    async with router(store, (relay("a", None), Limits()), (relay("b", None), Limits(priority=11))) as carrier:
        with pytest.raises(RelayUnreachable, match="'b'"):
            await carrier.send(SENDER, "r@example.com", WIRE)
        with pytest.raises(RelayUnreachable, match="'b'"):
            await carrier.send(SENDER, "r@example.com", WIRE)


async def test_a_relay_that_is_too_busy_and_alone_gives_its_own_reply(store: Store, tmp_path: Path):
    with start_sink(tmp_path, reply={"mail": "421 4.7.0 later"}) as sink:
        async with router(store, (relay("a", sink), Limits(rate=50))) as carrier:
            result = await carrier.send(SENDER, "r@example.com", WIRE)

    assert result.verdict is Verdict.RELAY_BUSY
    assert result.relay == "a"


async def test_two_workers_share_one_rate_and_never_pass_it(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        limits = Limits(rate=100)
        async with (
            router(store, (relay("a", sink), limits)) as first,
            router(store, (relay("a", sink), limits)) as second,
        ):
            took = await asyncio.gather(send(first, range(120)), send(second, range(120, 240)))
        times = [event["at"] for event in sink.accepted()]

    assert sum(took, Counter()) == {"a": 240}
    assert busiest_second(*times) <= 100
    assert max(times) - min(times) < 240 / 100 * 1.6


async def test_a_quota_another_worker_used_up_is_known_before_anything_is_claimed(store: Store, tmp_path: Path):
    with store.write() as tx:
        quota.reserve(tx, "relay:a", wanted=5, per_second=None, capacity=5, daily_quota=5, now=tx.now())
    with start_sink(tmp_path) as sink:
        carrier = router(store, (relay("a", sink), Limits(daily_quota=5)))
        with pytest.raises(QuotaUsedUp, match="relay a has used its daily quota of 5 until 00:00 UTC"):
            await carrier.__aenter__()

    assert sink.events("connected") == []


async def test_a_slow_rate_does_not_hold_up_the_end(store: Store, tmp_path: Path):
    stop = asyncio.Event()
    with start_sink(tmp_path) as sink:
        async with router(store, (relay("a", sink), Limits(rate=0.05)), stop=stop) as carrier:
            await send(carrier, [1])
            waiting = asyncio.ensure_future(carrier.send(SENDER, "r@example.com", WIRE))
            await asyncio.sleep(0.05)
            stop.set()
            began = time.monotonic()
            with pytest.raises(QuotaUsedUp, match="stopped"):
                await waiting

    assert time.monotonic() - began < 1
    assert len(sink.accepted()) == 1
