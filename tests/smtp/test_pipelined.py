"""The pipelined path against a real server, beside the plain one: same results, fewer round trips."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from digest.mime.message import build
from digest.model.errors import MessageInvalid
from digest.smtp.connection import Connection, SendResult, tls_context
from digest.smtp.pool import Pool
from digest.smtp.protocol import Fault
from digest.smtp.relay import Pipelining, Relay, Timeouts, Tls
from digest.smtp.replies import Phase, Verdict
from support.certificates import make_certificate
from support.mails import a_message
from support.sink import Sink, sink_beside, start_sink

WIRE = build(a_message())
QUICK = Timeouts(login_s=5, mail_s=5, rcpt_s=5, data_s=5, dot_s=0.3, quit_s=2)
NAMES = ["a@example.org", "b@example.org", "x@example.org", "c@example.org", "d@example.org"]


def relay_to(sink: Sink, **changes: Any) -> Relay:
    return Relay(
        **{"name": "default", "host": sink.host, "port": sink.port, "tls": Tls.NONE, "timeouts": QUICK, **changes}
    )


async def send_all(pool: Pool, names: list[str]) -> list[SendResult]:
    return await asyncio.gather(*(pool.send("bounce@example.com", name, WIRE) for name in names))


MISBEHAVIOURS: list[dict[str, Any]] = [
    {},
    {"defer": {"x@example.org": 1}},
    {"dead": ["x@example.org"]},
    {"dead": ["x@example.org"], "data_anyway": True},
    {"dead": NAMES},
    {"dead": NAMES[:4], "data_anyway": True},
    {"reply": {"mail": "550 5.1.8 no such sender"}},
    {"reply": {"mail": "451 4.3.0 not now"}},
    {"reply": {"mail": "what is this"}},
    {"reply": {"rcpt:x@example.org": "550 5.7.1 relaying denied"}},
    {"reply": {"rcpt:x@example.org": "421 4.3.2 closing"}},
    {"reply": {"rcpt:x@example.org": "503 5.5.1 order"}},
    {"reply": {"rcpt:x@example.org": "354 go on"}},
    {"reply": {"rcpt:a@example.org": "what is this"}},
    {"reply": {"rcpt:x@example.org": "what is this"}},
    {"reply": {"data:x@example.org": "452 4.3.1 no space"}},
    {"reply": {"data:x@example.org": "550 5.7.1 no"}},
    {"reply": {"data:x@example.org": "250 what?"}},
    {"reply": {"dot:x@example.org": "554 5.7.1 spam"}},
    {"reply": {"dot:x@example.org": "451 4.3.0 later"}},
    {"reply": {"dot:x@example.org": "454 4.7.0 throttled"}},
    {"reply": {"dot:x@example.org": "421 4.3.2 closing"}},
    {"reply": {"dot:x@example.org": "354 go on"}},
    {"reply": {"dot:a@example.org": "what is this"}},
    {"reply": {"dot:x@example.org": "what is this"}},
    {"busy_after": 1},
    {"busy_after": 2},
    {"drop_at_rcpt": {"x@example.org": 1}},
    {"drop_at_rcpt": {"a@example.org": 1}},
    {"drop_at_data": {"x@example.org": 1}},
    {"drop_in_body": {"x@example.org": 1}},
    {"drop_after_dot": {"x@example.org": 1}},
    {"drop_after_dot": {"a@example.org": 1, "b@example.org": 1, "d@example.org": 1}},
    {"hang_at_dot": {"x@example.org": 1}},
    {"max_connections": 1},
]


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("modes", MISBEHAVIOURS, ids=json.dumps)
async def test_a_relay_gets_the_same_results_out_of_both_paths(tmp_path: Path, modes: dict[str, Any], connections: int):
    ends: dict[Pipelining, list[SendResult]] = {}
    taken: dict[Pipelining, Counter[str]] = {}
    for pipelining in Pipelining:
        async with (
            sink_beside(tmp_path / pipelining, **modes) as sink,
            Pool(relay_to(sink, pipelining=pipelining, connections=connections)) as pool,
        ):
            ends[pipelining] = await send_all(pool, NAMES)
        taken[pipelining] = sink.recipients()

    assert ends[Pipelining.AUTO] == ends[Pipelining.OFF]
    assert taken[Pipelining.AUTO] == taken[Pipelining.OFF]
    for name, end in zip(NAMES, ends[Pipelining.AUTO], strict=True):
        assert taken[Pipelining.AUTO][name] <= 1
        assert end.verdict in {Verdict.ACCEPTED, Verdict.DOUBT} or taken[Pipelining.AUTO][name] == 0


async def test_one_connection_carries_many_mails_byte_by_byte_in_one_conversation(tmp_path: Path):
    wires = [b"Subject: %d\r\n\r\n.\r\n..\r\n%b" % (at, b"x" * 70 + b"\r\n") * (1 + at * 20) for at in range(60)]
    with start_sink(tmp_path) as sink:
        async with Pool(relay_to(sink, connections=1)) as pool:
            results = await asyncio.gather(
                *(pool.send("", f"r{at}@example.org", wire) for at, wire in enumerate(wires))
            )

    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
    assert sink.messages() == wires
    assert [event["to"] for event in sink.accepted()] == [f"r{at}@example.org" for at in range(60)]
    assert len(sink.events("connected")) == 1
    assert len(sink.events("quit")) == 1
    assert len(sink.events("reset")) <= 59, "only what is written behind a dot brings one"


async def test_the_next_mail_is_announced_before_the_last_one_is_answered(tmp_path: Path):
    with start_sink(tmp_path, hang_at_dot={"a@example.org": 1}) as sink:
        async with Pool(relay_to(sink, connections=1, timeouts=Timeouts(dot_s=0.3))) as pool:
            first = asyncio.create_task(pool.send("", "a@example.org", WIRE))
            second = asyncio.create_task(pool.send("", "b@example.org", WIRE))
            third = asyncio.create_task(pool.send("", "c@example.org", WIRE))
            while not sink.accepted():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.01)
            in_flight = [connection.in_flight for connection in pool._live]
            ends = await asyncio.gather(first, second, third)

    assert in_flight == [2]
    assert [end.verdict for end in ends] == [Verdict.DOUBT, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert sink.recipients() == {"a@example.org": 1, "b@example.org": 1, "c@example.org": 1}


async def test_a_relay_that_does_not_offer_it_is_spoken_to_step_by_step(tmp_path: Path):
    with start_sink(tmp_path, no_pipelining=True, clear_input=True) as sink:
        connection = await Connection.open(relay_to(sink), tls=None)
        window = connection.window
        await connection.quit()
        async with Pool(relay_to(sink)) as pool:
            results = await send_all(pool, NAMES)

    assert window == 1
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}


async def test_it_can_be_turned_off(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        off = await Connection.open(relay_to(sink, pipelining=Pipelining.OFF), tls=None)
        on = await Connection.open(relay_to(sink), tls=None)
        await off.quit()
        await on.quit()

    assert (off.window, on.window) == (1, 2)
    assert len(sink.events("quit")) == 2


async def test_a_relay_that_breaks_the_protocol_is_spoken_to_step_by_step_from_then_on(tmp_path: Path):
    with start_sink(tmp_path, reply={"rcpt:x@example.org": "what is this"}) as sink:
        async with Pool(relay_to(sink, connections=2)) as pool:
            before = await send_all(pool, ["a@example.org"])
            await send_all(pool, ["x@example.org"])
            after = await send_all(pool, ["b@example.org", "c@example.org"])
            windows = {connection.window for connection in pool._live}

    assert windows == {1}
    assert {result.verdict for result in [*before, *after]} == {Verdict.ACCEPTED}


async def test_a_relay_that_forgets_what_it_was_told_ahead_is_found_out_by_its_silence(tmp_path: Path):
    impatient = Timeouts(mail_s=0.3, rcpt_s=0.3, data_s=0.3, dot_s=0.3)
    with start_sink(tmp_path, clear_input=True) as sink:
        async with Pool(relay_to(sink, connections=1, timeouts=impatient)) as pool:
            first = await pool.send("", "a@example.org", WIRE)
            again = await pool.send("", "a@example.org", WIRE)

    assert (first.verdict, first.phase) == (Verdict.LOST, Phase.RCPT)
    assert again.verdict is Verdict.ACCEPTED
    assert sink.recipients() == {"a@example.org": 1}


@pytest.mark.parametrize("mode", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_it_works_inside_tls_after_a_login(tmp_path: Path, mode: Tls):
    certificate = make_certificate(tmp_path)
    big = WIRE + b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 10_000
    with start_sink(tmp_path, auth="desk:s3cret", tls=certificate, implicit_tls=mode is Tls.IMPLICIT) as sink:
        relay = relay_to(
            sink,
            tls=mode,
            ca_file=certificate[0],
            username="desk",
            password="s3cret",
            connections=1,
            timeouts=Timeouts(),
        )
        connection = await Connection.open(relay, tls=tls_context(relay))
        window = connection.window
        await connection.quit()
        async with Pool(relay) as pool:
            results = await asyncio.gather(*(pool.send("", f"r{at}@example.org", big) for at in range(10)))

    assert window == 2
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
    assert sink.messages() == [big] * 10
    assert len(sink.events("connected")) == 2
    assert len(sink.events("quit")) == 2


async def test_a_cancelled_mail_does_not_put_the_one_at_its_dot_in_doubt(tmp_path: Path):
    with start_sink(tmp_path, delay_s=0.2) as sink:
        async with Pool(relay_to(sink, connections=1, timeouts=Timeouts())) as pool:
            at_its_dot = asyncio.create_task(pool.send("", "a@example.org", WIRE))
            behind = asyncio.create_task(pool.send("", "b@example.org", WIRE))
            while not sink.accepted():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.01)
            behind.cancel()
            with pytest.raises(asyncio.CancelledError):
                await behind
            first = await at_its_dot
            after = await pool.send("", "c@example.org", WIRE)

    assert (first.verdict, after.verdict) == (Verdict.ACCEPTED, Verdict.ACCEPTED)
    assert sink.recipients() == {"a@example.org": 1, "c@example.org": 1}


async def test_an_address_that_cannot_be_sent_disturbs_nobody_else(tmp_path: Path):
    with start_sink(tmp_path, delay_s=0.05) as sink:
        async with Pool(relay_to(sink, connections=1)) as pool:
            good = [asyncio.create_task(pool.send("", f"r{at}@example.org", WIRE)) for at in range(3)]
            with pytest.raises(MessageInvalid):
                await pool.send("", "a b@example.org", WIRE)
            ends = await asyncio.gather(*good)

    assert {end.verdict for end in ends} == {Verdict.ACCEPTED}
    assert len(sink.events("connected")) == 1


async def test_cancelled_mails_in_the_line_leave_it_to_the_others(tmp_path: Path):
    with start_sink(tmp_path, delay_s=0.01) as sink:
        async with Pool(relay_to(sink, connections=2, timeouts=Timeouts())) as pool:
            tasks = [asyncio.create_task(pool.send("", f"r{at}@example.org", WIRE)) for at in range(40)]
            await asyncio.sleep(0.05)
            for task in tasks[10:40:2]:
                task.cancel()
            ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)

    finished = [end for end in ends if isinstance(end, SendResult)]
    assert len(finished) >= 25
    assert {end.verdict for end in finished} == {Verdict.ACCEPTED}
    assert max(sink.recipients().values()) == 1


async def test_a_relay_that_stops_reading_is_not_written_to_without_end():
    """The body of the first mail fills every buffer; the second must not even be begun."""
    release = asyncio.Event()
    size = 8 << 20

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-hi\r\n250 PIPELINING\r\n")
        for _ in range(3):
            await reader.readline()
        writer.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await release.wait()
        await reader.readexactly(size + 5)
        writer.write(b"250 taken\r\n")
        while (line := await reader.readline()) and not line.startswith(b"DATA"):
            writer.write(b"250 ok\r\n")
        writer.write(b"354 go\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")
        await reader.readline()
        writer.write(b"221 bye\r\n")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    relay = Relay("default", "127.0.0.1", server.sockets[0].getsockname()[1], tls=Tls.NONE, connections=1)
    connection = await Connection.open(relay, tls=None)
    assert connection._pipelined is not None
    first = asyncio.create_task(connection.send("", "a@example.org", b"x" * size))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(connection.send("", "b@example.org", WIRE))
    await asyncio.sleep(0.1)
    buffered = connection._pipelined._transport.get_write_buffer_size()
    is_full = connection._pipelined._is_full
    release.set()
    ends = await asyncio.wait_for(asyncio.gather(first, second), 10)
    await connection.quit()
    server.close()
    await server.wait_closed()

    assert is_full
    assert buffered <= size + 5
    assert {end.verdict for end in ends} == {Verdict.ACCEPTED}


async def test_an_idle_connection_that_the_relay_closed_is_known_to_be_closed(tmp_path: Path):
    with start_sink(tmp_path) as sink:
        connection = await Connection.open(relay_to(sink), tls=None)
        assert connection.is_usable
    while connection.is_usable:  # noqa: ASYNC110 - it ends with the process
        await asyncio.sleep(0.01)
    result = await connection.send("", "a@example.org", WIRE)
    connection.close()

    assert (result.verdict, result.phase) == (Verdict.LOST, Phase.MAIL)
    assert connection.fault is Fault.NONE
