"""Which relay a message takes, against real SMTP servers and a real quota table."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from digest.deliver.routing import Limits, QuotaUsedUp, Router, relay_of_result
from digest.deliver.warmup import WarmUp
from digest.model.errors import RelayUnreachable
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Verdict
from digest.store import paces, quota
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


async def send_in_turn(carrier: Router, count: int) -> None:
    """Send that many mails one after the other."""
    async with carrier:
        for n in range(count):
            await send(carrier, [n])


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
        asked = [event["at"] for event in sink.events("refused")]

    assert len(asked) >= 3  # waited for twice, then given back

    assert result.verdict is Verdict.RELAY_BUSY
    assert result.relay == "a"
    assert result.retry_at is not None
    assert result.retry_at > datetime.now(UTC)


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


async def test_urgent_mail_has_the_next_place_in_a_relays_rate(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        async with router(store, (relay("a", sink), Limits(rate=20))) as carrier:
            bulk = [asyncio.create_task(carrier.send(SENDER, f"bulk{n}@example.com", WIRE)) for n in range(60)]
            while len(sink.accepted()) < 5:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.01)
            urgent = [carrier.send(SENDER, f"urgent{n}@example.com", WIRE, urgent=True) for n in range(5)]
            await asyncio.gather(*urgent)
            ahead = len(sink.accepted())
            await asyncio.gather(*bulk)
        times = [event["at"] for event in sink.accepted()]

    assert ahead <= 16, "the sixty that came first wait"
    assert busiest_second(*times) <= 20


async def test_a_relay_that_asks_for_patience_is_waited_for_and_gets_less_for_a_while(store: Store, tmp_path: Path):
    told: list[str] = []
    with start_sink(tmp_path, mail_first=[5, "421 4.3.2 too busy"]) as sink:
        routes = [(relay("a", sink, connections=8), Limits())]
        async with Router(routes, store, stop=asyncio.Event(), waiting=told.append) as carrier:
            took = await send(carrier, range(40))
            lane = carrier._lanes[0]
            room = lane._room(time.monotonic())
            later = lane._room(time.monotonic() + 300)
            await asyncio.sleep(1.1)
            await send(carrier, [40])

    assert took == {"a": 40}
    assert sink.recipients() == Counter({f"r{n}@example.com": 1 for n in range(41)})
    assert told[0].startswith("relay a throttled until ")
    assert told[-1] == ""
    assert room < 8  # of eight connections half or less
    assert later == float("inf")


async def test_a_relay_that_throttles_is_asked_less_and_less_often(store: Store, tmp_path: Path):
    with start_sink(tmp_path, mail_first=[3, "454 Throttling failure: Maximum sending rate exceeded."]) as sink:
        async with router(store, (relay("a", sink), Limits(rate=100))) as carrier:
            began = time.monotonic()
            result = await carrier.send(SENDER, "r@example.com", WIRE)
            first_wait = time.monotonic() - began
            again = await carrier.send(SENDER, "r@example.com", WIRE)
            share = carrier._lanes[0].allowance.share

    assert [event["reply"][:3] for event in sink.events("refused")] == ["454"] * 3
    assert result.verdict is Verdict.RELAY_BUSY  # the third no in a row
    assert first_wait >= 6  # two seconds, then four
    assert again.verdict is Verdict.ACCEPTED
    assert share < 0.5


async def test_a_relay_whose_day_is_over_is_left_alone_for_ten_minutes_by_every_worker(store: Store, tmp_path: Path):
    with start_sink(tmp_path, reply={"mail": "454 Throttling failure: Daily message quota exceeded."}) as sink:
        async with router(store, (relay("ses", sink), Limits())) as carrier:
            result = await carrier.send(SENDER, "r@example.com", WIRE)
            with pytest.raises(QuotaUsedUp, match=r"relay ses throttled until \d\d:\d\d") as caught:
                await carrier.send(SENDER, "other@example.com", WIRE)
        with pytest.raises(QuotaUsedUp, match="relay ses throttled until"):
            await router(store, (relay("ses", sink), Limits())).__aenter__()

    in_ten_minutes = datetime.now(UTC) + timedelta(minutes=10)
    assert result.retry_at is not None
    assert caught.value.until is not None
    assert abs(result.retry_at - in_ten_minutes) < timedelta(seconds=20)
    assert abs(caught.value.until - in_ten_minutes) < timedelta(seconds=20)
    assert len(sink.events("refused")) == 1


async def test_a_person_is_told_of_the_third_failure_in_a_row_whoever_saw_it(store: Store, tmp_path: Path):
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            async with router(store, (relay("a", None), Limits())) as carrier:
                with pytest.raises(RelayUnreachable):
                    await carrier.send(SENDER, "r@example.com", WIRE)
    alerts = [line for line in logs if line["event"] == "relay.alert"]
    with start_sink(tmp_path) as sink:
        async with router(store, (relay("a", sink), Limits())) as carrier:
            await send(carrier, [1])
    with store.read() as tx:
        forgotten = paces.troubled_relays(tx) == {}

    assert [(line["relay"], line["failures"], line["log_level"]) for line in alerts] == [("a", 3, "error")]
    assert "cannot reach relay 'a'" in alerts[0]["said"]
    assert "check relays.a.host" in alerts[0]["hint"]
    assert forgotten


async def test_a_provider_that_complains_does_no_harm_to_the_relay(store: Store, tmp_path: Path):
    said = "421 4.7.28 unusual rate of mail - gsmtp"
    with start_sink(tmp_path / "a", provider={"gmail.com": [99, "rcpt", said]}) as a, start_sink(tmp_path / "b") as b:
        routes = [(relay("a", a), Limits(priority=1)), (relay("b", b), Limits(priority=2))]
        async with router(store, *routes) as carrier:
            result = await carrier.send(SENDER, "ann@gmail.com", WIRE)
            took = await send(carrier, range(5))

    assert (result.verdict, result.relay) == (Verdict.PROVIDER_BUSY, "a")
    assert took == {"a": 5}
    assert b.events("connected") == []


TODAY = datetime.now(UTC).date()


def warm(first_day: date, start: int) -> WarmUp:
    return WarmUp(first_day, start=start, factor=1.5, until=50_000)


async def test_what_is_over_the_ceiling_of_a_warm_up_goes_through_other_relays(store: Store, tmp_path: Path):
    with start_sink(tmp_path / "new") as new, start_sink(tmp_path / "old") as old:
        routes = [
            (relay("new", new), Limits(priority=1, warm_up=warm(TODAY, 20))),
            (relay("old", old), Limits(priority=2)),
        ]
        async with router(store, *routes) as carrier:
            took = await send(carrier, range(50))

    assert took == {"new": 20, "old": 30}


@pytest.mark.parametrize(
    ("began", "quota_", "reason"),
    [
        (0, None, "relay new is warming up: 20 today, the rest after 00:00 UTC"),
        (2, None, "relay new is warming up: 45 today, the rest after 00:00 UTC"),
        (2, 30, "relay new has used its daily quota of 30 until 00:00 UTC"),
        (-5, None, f"relay new begins to warm up on {TODAY + timedelta(days=5)}"),
    ],
)
async def test_a_warm_up_says_why_nothing_more_goes_today(
    store: Store, tmp_path: Path, began: int, quota_: int | None, reason: str
):
    limits = Limits(daily_quota=quota_, warm_up=warm(TODAY - timedelta(days=began), 20))
    with start_sink(tmp_path) as sink:
        with pytest.raises(QuotaUsedUp, match=f"^{reason}$"):
            await send_in_turn(router(store, (relay("new", sink), limits)), 60)
        sent = len(sink.accepted())

    assert sent == {0: 20, 2: quota_ or 45, -5: 0}[began]


async def test_a_warm_up_that_is_over_limits_nothing(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        long_ago = warm(TODAY - timedelta(days=60), 20)
        async with router(store, (relay("new", sink), Limits(warm_up=long_ago))) as carrier:
            took = await send(carrier, range(60))

    assert took == {"new": 60}


async def test_a_worker_that_comes_later_never_makes_the_sum_pass_the_rate(store: Store, tmp_path: Path):
    """The first has the timetable to itself and uses all of the rate; then another comes, and it leaves again."""
    with start_sink(tmp_path) as sink:
        limits = Limits(rate=100)
        async with router(store, (relay("a", sink), limits)) as first:
            whole = asyncio.ensure_future(send(first, range(600)))
            await asyncio.sleep(2.2)
            alone = len(sink.accepted())
            async with router(store, (relay("a", sink), limits)) as second:
                await send(second, range(600, 700))
            await whole
        times = [event["at"] for event in sink.accepted()]

    assert alone > 100
    assert busiest_second(*times) <= 100
    assert max(times) - min(times) < 700 / 100 * 1.4


async def test_slow_answers_take_nothing_from_the_rate(store: Store, tmp_path: Path):
    """Each answer takes 0.2 s: that long a message is neither counted nor known to be."""
    with start_sink(tmp_path, delay_s=0.2) as sink:
        async with router(store, (relay("a", sink, connections=20), Limits(rate=40))) as carrier:
            await send(carrier, range(160))
        times = [event["at"] for event in sink.accepted()]

    assert busiest_second(*times) <= 40
    assert max(times) - min(times) < 160 / 40 * 1.4
