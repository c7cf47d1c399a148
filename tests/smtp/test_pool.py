from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from digest.mime.message import build
from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.pool import Pool
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Verdict
from support.mails import a_message
from support.sink import Sink, start_sink

WIRE = build(a_message())


def relay_to(sink: Sink, **changes: Any) -> Relay:
    return Relay(**{"name": "default", "host": sink.host, "port": sink.port, "tls": Tls.NONE, **changes})


async def send_to_many(pool: Pool, count: int) -> list[Verdict]:
    results = await asyncio.gather(*(pool.send("", f"r{at}@example.org", WIRE) for at in range(count)))
    return [result.verdict for result in results]


async def test_one_connection_carries_many_mails(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        async with Pool(relay_to(sink, connections=1)) as pool:
            verdicts = await send_to_many(pool, 50)

    assert verdicts == [Verdict.ACCEPTED] * 50
    assert set(sink.recipients().values()) == {1}
    assert len(sink.recipients()) == 50
    assert len(sink.events("connected")) == 1
    assert len(sink.events("quit")) == 1
    assert len(sink.events("reset")) <= 49, "only what is written behind a dot brings one"


async def test_connections_are_opened_only_up_to_the_limit(tmp_path: Path):
    with start_sink(tmp_path, delay_s=0.01) as sink:
        async with Pool(relay_to(sink, connections=3)) as pool:
            verdicts = await send_to_many(pool, 30)

    assert verdicts == [Verdict.ACCEPTED] * 30
    assert len(sink.events("connected")) == 3


async def test_no_connection_is_opened_before_it_is_needed(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        async with Pool(relay_to(sink)) as pool:
            assert sink.events("connected") == []
            await send_to_many(pool, 1)

    assert len(sink.events("connected")) == 1


async def test_a_connection_is_replaced_after_its_number_of_mails(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        async with Pool(relay_to(sink, connections=1, max_messages_per_connection=4)) as pool:
            await send_to_many(pool, 10)

    assert len(sink.accepted()) == 10
    assert len(sink.events("connected")) == 3
    assert len(sink.events("quit")) == 3


async def test_a_connection_is_replaced_when_it_is_old(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        async with Pool(relay_to(sink, connections=1, max_connection_age_s=0.0)) as pool:
            await send_to_many(pool, 3)

    assert len(sink.events("connected")) == 3


async def test_a_relay_that_ends_connections_early_costs_no_mail(tmp_path: Path):
    with start_sink(tmp_path, busy_after=3) as sink:
        async with Pool(relay_to(sink, connections=2)) as pool:
            verdicts = await send_to_many(pool, 20)

    assert verdicts == [Verdict.ACCEPTED] * 20
    assert set(sink.recipients().values()) == {1}


async def test_a_lost_idle_connection_is_reopened_without_a_word(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        pool = Pool(relay_to(sink, connections=1))
        await pool.send("", "first@example.org", WIRE)
    with start_sink(tmp_path, port=sink.port) as again:
        async with pool:
            result = await pool.send("", "second@example.org", WIRE)

    assert result.verdict is Verdict.ACCEPTED
    assert again.recipients() == {"first@example.org": 1, "second@example.org": 1}


async def test_a_refused_login_is_asked_once_for_fifty_mails(tmp_path: Path):
    with start_sink(tmp_path, auth="desk:right") as sink:
        async with Pool(relay_to(sink, username="desk", password="wrong")) as pool:
            results = await asyncio.gather(
                *(pool.send("", f"r{at}@example.org", WIRE) for at in range(50)), return_exceptions=True
            )

    assert all(isinstance(result, RelayRefused) for result in results)
    assert len(sink.events("login")) == 1
    assert sink.accepted() == []


async def test_a_relay_that_is_down_is_not_hammered_and_then_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("digest.smtp.pool._LEAVE_ALONE_S", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        pool = Pool(Relay("default", "127.0.0.1", port, tls=Tls.NONE))
        results = await asyncio.gather(
            *(pool.send("", f"r{at}@example.org", WIRE) for at in range(20)), return_exceptions=True
        )
    with start_sink(tmp_path, port=port) as sink:
        await asyncio.sleep(0.25)
        async with pool:
            later = await pool.send("", "ann@example.org", WIRE)

    assert all(isinstance(result, RelayUnreachable) for result in results)
    assert f"127.0.0.1:{port}" in str(results[0])
    assert later.verdict is Verdict.ACCEPTED
    assert len(sink.events("connected")) == 1


async def test_a_relay_that_wants_fewer_connections_gets_fewer(tmp_path: Path):
    with start_sink(tmp_path, max_connections=1, delay_s=0.005) as sink:
        async with Pool(relay_to(sink, connections=4)) as pool:
            verdicts = await send_to_many(pool, 20)

    assert verdicts == [Verdict.ACCEPTED] * 20
    assert set(sink.recipients().values()) == {1}


async def test_a_cancelled_mail_does_not_spoil_the_next(tmp_path: Path):
    with start_sink(tmp_path, hang_at_dot={"slow@example.org": 1}) as sink:
        async with Pool(relay_to(sink, connections=1)) as pool:
            slow = asyncio.create_task(pool.send("", "slow@example.org", WIRE))
            while not sink.accepted():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.01)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            result = await pool.send("", "ann@example.org", WIRE)

    assert result.verdict is Verdict.ACCEPTED
    assert len(sink.events("connected")) == 2


async def test_a_dropped_connection_after_the_dot_is_not_repeated_by_the_pool(tmp_path: Path):
    with start_sink(tmp_path, drop_after_dot={"b@example.org": 1}) as sink:
        async with Pool(relay_to(sink, connections=1)) as pool:
            await pool.send("", "a@example.org", WIRE)
            doubt = await pool.send("", "b@example.org", WIRE)
            after = await pool.send("", "c@example.org", WIRE)

    assert doubt.verdict is Verdict.DOUBT
    assert after.verdict is Verdict.ACCEPTED
    assert sink.recipients() == {"a@example.org": 1, "b@example.org": 1, "c@example.org": 1}


def test_a_pool_without_connections_is_a_programming_fault():
    with pytest.raises(ValueError, match="at least one"):
        Pool(Relay("default", "127.0.0.1", 25, connections=0))


async def test_urgent_mail_has_the_next_connection_however_many_wait(tmp_path: Path):
    with start_sink(tmp_path, delay_s=0.02, no_pipelining=True) as sink:
        async with Pool(relay_to(sink, connections=1)) as pool:
            bulk = [asyncio.create_task(pool.send("", f"bulk{at}@example.org", WIRE)) for at in range(30)]
            while not sink.accepted():  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.005)
            before = len(sink.accepted())
            urgent = [pool.send("", f"urgent{at}@example.org", WIRE, urgent=True) for at in range(3)]
            verdicts = [result.verdict for result in await asyncio.gather(*urgent, *bulk)]
    order = [mail["to"] for mail in sink.accepted()]

    assert verdicts == [Verdict.ACCEPTED] * 33
    assert max(order.index(f"urgent{at}@example.org") for at in range(3)) <= before + 4, order


async def test_bulk_that_never_pauses_gives_way_to_urgent_mail(tmp_path: Path):
    """Senders that ask again at once are never seen waiting, and must not pass by who waits."""
    with start_sink(tmp_path, delay_s=0.01) as sink:
        async with Pool(relay_to(sink, connections=2)) as pool:
            is_over = asyncio.Event()

            async def bulk() -> None:
                while not is_over.is_set():
                    await pool.send("", "bulk@example.org", WIRE)

            senders = [asyncio.create_task(bulk()) for _ in range(8)]
            while len(sink.accepted()) < 20:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.005)

            async def urgent() -> None:
                for _ in range(10):
                    await pool.send("", "urgent@example.org", WIRE, urgent=True)

            await asyncio.gather(*(urgent() for _ in range(4)))
            is_over.set()
            await asyncio.gather(*senders)
    order = [mail["to"].partition("@")[0] for mail in sink.accepted()]
    first, last = order.index("urgent"), len(order) - 1 - order[::-1].index("urgent")

    assert order.count("urgent") == 40
    assert order[first:last].count("bulk") <= 20, "bulk has at most a third while urgent mail waits"
