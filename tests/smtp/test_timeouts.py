"""A relay that falls silent: each phase has its own limit (RFC 5321 §4.5.3.2), and what its end means.

Before the message is written nothing can have been accepted, so the mail is free to be tried again. From then on
nobody can know (RFC 1047). The limit under test is short, all others are long: a test that ends in time has met its
own.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import pytest

from digest.mime.message import build
from digest.model.errors import RelayUnreachable
from digest.smtp.connection import Connection, tls_context
from digest.smtp.envelope import Formed
from digest.smtp.pool import Pool
from digest.smtp.relay import Chunking, Pipelining, Relay, Timeouts, Tls
from digest.smtp.replies import Phase, Verdict
from support.certificates import make_certificate
from support.documents import ROOT
from support.mails import a_message
from support.sink import Sink, start_sink

WIRE = build(a_message())
SHORT_S, LONG_S = 0.3, 100.0
LONG = Timeouts(login_s=LONG_S, mail_s=LONG_S, rcpt_s=LONG_S, data_s=LONG_S, dot_s=LONG_S, quit_s=LONG_S)
WAYS: dict[str, dict[str, Any]] = {
    "step by step": {"pipelining": Pipelining.OFF},
    "pipelined": {},
    "in chunks": {"chunking": Chunking.AUTO},
}
ANN, BOB = "ann@example.org", "bob@example.org"


def only(phase: str) -> Timeouts:
    """Short for one phase, long for all others."""
    return replace(LONG, **{f"{phase}_s": SHORT_S})


def relay_to(sink: Sink, way: str, **changes: Any) -> Relay:
    given = {"name": "default", "host": sink.host, "port": sink.port, "tls": Tls.NONE, "connections": 1}
    return Relay(**{**given, **WAYS[way], **changes})


class Stopwatch:
    """Whether something took the short limit and not a long one."""

    def __enter__(self) -> Self:
        self.began_at = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.took_s = time.monotonic() - self.began_at

    def assert_short(self) -> None:
        assert SHORT_S * 0.9 <= self.took_s < LONG_S / 4


PHASES = [(way, phase) for way in WAYS for phase in ("mail", "rcpt", "data") if (way, phase) != ("in chunks", "data")]


@pytest.mark.parametrize(("way", "phase"), PHASES)
async def test_silence_before_the_message_is_lost_and_the_mail_is_free_to_go_again(
    tmp_path: Path, way: str, phase: str
):
    at = phase if phase == "mail" else f"{phase}:{ANN}"
    with start_sink(tmp_path, hang={at: 1}, chunking=True) as sink:
        async with Pool(relay_to(sink, way, timeouts=only(phase))) as pool:
            with Stopwatch() as watch:
                first = await pool.send("", ANN, WIRE)
            nothing_yet = sink.accepted()
            again = await pool.send("", ANN, WIRE)

    assert (first.verdict, first.reply, first.phase) == (Verdict.LOST, None, Phase(phase))
    watch.assert_short()
    assert nothing_yet == []
    assert again.verdict is Verdict.ACCEPTED
    assert sink.recipients() == {ANN: 1}
    assert len(sink.events("connected")) == 2, "the silent connection is not used again"


@pytest.mark.parametrize("way", WAYS)
async def test_silence_at_the_dot_is_doubt_and_nobody_here_sends_again(tmp_path: Path, way: str):
    with start_sink(tmp_path, hang_at_dot={ANN: 1}, chunking=True) as sink:
        async with Pool(relay_to(sink, way, timeouts=only("dot"))) as pool:
            with Stopwatch() as watch:
                first = await pool.send("", ANN, WIRE)
            other = await pool.send("", BOB, WIRE)

    assert (first.verdict, first.reply, first.phase) == (Verdict.DOUBT, None, Phase.DOT)
    watch.assert_short()
    assert other.verdict is Verdict.ACCEPTED
    assert [(event["to"], event["answered"]) for event in sink.accepted()] == [(ANN, False), (BOB, True)]


@pytest.mark.parametrize("way", WAYS)
async def test_a_slow_answer_to_the_dot_is_waited_for_when_every_other_limit_is_over(tmp_path: Path, way: str):
    hurried = Timeouts(login_s=SHORT_S, mail_s=SHORT_S, rcpt_s=SHORT_S, data_s=SHORT_S, dot_s=LONG_S, quit_s=SHORT_S)
    with start_sink(tmp_path, delay_s=SHORT_S * 4, chunking=True) as sink:
        async with Pool(relay_to(sink, way, timeouts=hurried)) as pool:
            result = await pool.send("", ANN, WIRE)

    assert result.verdict is Verdict.ACCEPTED
    assert sink.recipients() == {ANN: 1}


async def warmed_up(pool: Pool) -> None:
    """Until a chunk was taken no second one is on its way."""
    assert (await pool.send("", "first@example.org", WIRE)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("way", WAYS)
async def test_silence_at_the_recipient_behind_others_is_lost_unless_its_message_is_on_the_way_already(
    tmp_path: Path, way: str
):
    """With chunks the message is written behind its envelope, unasked: a relay that wakes up may take it."""
    with start_sink(tmp_path, hang={f"rcpt:{BOB}": 1}, chunking=True, delay_s=0.1) as sink:
        async with Pool(relay_to(sink, way, timeouts=only("rcpt"))) as pool:
            await warmed_up(pool)
            ann, bob = await asyncio.gather(pool.send("", ANN, WIRE), pool.send("", BOB, WIRE))

    assert ann.verdict is Verdict.ACCEPTED
    assert bob.verdict is (Verdict.DOUBT if way == "in chunks" else Verdict.LOST)
    assert sink.recipients()[ANN] == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_relay_that_stops_reading_in_the_middle_of_a_message_is_given_up_and_the_mail_in_doubt(way: str):
    size = 16 << 20  # more than all buffers between us
    release = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        for answer in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            if (await reader.readline()).startswith(b"BDAT"):
                break
            writer.write(answer)
        writer.transport.pause_reading()
        await release.wait()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, limit=1 << 16)
    sink = Sink("127.0.0.1", server.sockets[0].getsockname()[1], None, Path(), Path())
    connection = await Connection.open(relay_to(sink, way, timeouts=only("dot")), tls=None)
    with Stopwatch() as watch:
        result = await connection.send("", ANN, Formed((b"x" * size,), size))
    connection.close()
    release.set()
    server.close()
    await server.wait_closed()

    assert (result.verdict, result.phase) == (Verdict.DOUBT, Phase.DOT)
    watch.assert_short()


@pytest.mark.parametrize("at", ["greeting", "ehlo", "starttls"])
async def test_silence_while_connecting_is_a_relay_out_of_reach(tmp_path: Path, at: str):
    certificate = make_certificate(tmp_path)
    with start_sink(tmp_path, hang={at: 99}, tls=certificate) as sink:
        relay = relay_to(
            sink, "pipelined", timeouts=LONG, connect_timeout_s=SHORT_S, tls=Tls.STARTTLS, ca_file=certificate[0]
        )
        with Stopwatch() as watch, pytest.raises(RelayUnreachable, match="no answer in time"):
            await Connection.open(relay, tls=tls_context(relay))

    watch.assert_short()


async def test_silence_at_the_login_is_a_relay_out_of_reach(tmp_path: Path):
    with start_sink(tmp_path, hang={"auth": 1}, auth="desk:s3cret") as sink:
        relay = relay_to(sink, "pipelined", timeouts=only("login"), username="desk", password="s3cret")
        with Stopwatch() as watch, pytest.raises(RelayUnreachable, match="no answer in time"):
            await Connection.open(relay, tls=None)

    watch.assert_short()


@pytest.mark.parametrize("way", WAYS)
async def test_silence_at_the_farewell_costs_no_mail_and_little_time(tmp_path: Path, way: str):
    with start_sink(tmp_path, hang={"quit": 1}, chunking=True) as sink, Stopwatch() as watch:
        async with Pool(relay_to(sink, way, timeouts=only("quit"))) as pool:
            result = await pool.send("", ANN, WIRE)

    assert result.verdict is Verdict.ACCEPTED
    watch.assert_short()


def test_the_limits_are_the_standard_s_and_those_in_the_document():
    """RFC 5321 §4.5.3.2 gives them in minutes; shorter ones turn slow answers into doubts, and doubts into doubles."""
    page = (ROOT / "docs" / "how-to" / "several-relays.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (connecting|login|`\w+`|final dot|farewell)[^|]*\| (\d+) s\b", page, re.MULTILINE)
    told = {name.strip("`").lower(): float(seconds) for name, seconds in rows}
    limits = asdict(Timeouts())

    assert (limits["mail_s"], limits["rcpt_s"], limits["data_s"], limits["dot_s"]) == (300, 300, 120, 600)
    assert told == {
        "connecting": Relay("default", "127.0.0.1", 25).connect_timeout_s,
        "login": limits["login_s"],
        "mail": limits["mail_s"],
        "rcpt": limits["rcpt_s"],
        "data": limits["data_s"],
        "final dot": limits["dot_s"],
        "farewell": limits["quit_s"],
    }
