"""CHUNKING (RFC 3030): several mails on their way over one connection, with the same results as the plain path."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mime.message import build
from digest.smtp.connection import SendResult
from digest.smtp.envelope import Formed
from digest.smtp.pool import Pool
from digest.smtp.protocol import Fault, Finished, Pipeline, Transaction
from digest.smtp.relay import Chunking, Pipelining, Relay, Timeouts, Tls
from digest.smtp.replies import Phase, Verdict
from support.mails import a_message
from support.sink import Sink, sink_beside, start_sink

WIRE = build(a_message())
QUICK = Timeouts(login_s=5, mail_s=5, rcpt_s=5, data_s=5, dot_s=0.3, quit_s=2)
NAMES = [f"{letter}@example.org" for letter in "abcxdefghijk"]
X = "x@example.org"


def relay_to(sink: Sink, **changes: Any) -> Relay:
    given = {"name": "default", "host": sink.host, "port": sink.port, "tls": Tls.NONE, "timeouts": QUICK}
    return Relay(**{**given, "connections": 1, "chunking": Chunking.AUTO, **changes})


async def send_all(pool: Pool, names: list[str]) -> list[SendResult]:
    return await asyncio.gather(*(pool.send("bounce@example.com", name, WIRE) for name in names))


def a_mail(name: str) -> Transaction:
    return Transaction(b"MAIL FROM:<>\r\n", b"RCPT TO:<%b>\r\n" % name.encode(), (b"BDAT 1 LAST\r\n", name.encode()))


def envelope(name: str) -> bytes:
    return b"MAIL FROM:<>\r\nRCPT TO:<%b>\r\n" % name.encode()


def whole(name: str) -> bytes:
    return b"RSET\r\n" + envelope(name) + b"BDAT 1 LAST\r\n" + name.encode()


def told(finished: list[Finished]) -> list[tuple[str, Verdict, Phase]]:
    return [(done.rcpt[9:-3].decode(), result.verdict, result.phase) for done, result in finished]


def pipeline_with(*names: str, window: int = 3) -> Pipeline:
    pipeline = Pipeline(is_chunking=True, window=window)
    for name in names:
        pipeline.submit(a_mail(name))
    return pipeline


def warm_pipeline(*names: str, window: int = 3) -> Pipeline:
    """One chunk was taken, ``names`` are on their way as far as the window goes."""
    pipeline = pipeline_with("first", *names, window=window)
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n")
    pipeline.to_write()
    pipeline.receive(b"250 taken\r\n")
    return pipeline


def test_the_first_body_waits_for_its_envelope_and_the_others_for_the_first_chunk_to_be_taken():
    pipeline = pipeline_with("a", "b", "c", "d")

    assert pipeline.to_write() == envelope("a")
    pipeline.receive(b"250 ok\r\n250 ok\r\n")
    assert pipeline.to_write() == b"BDAT 1 LAST\r\na"
    assert told(pipeline.receive(b"250 taken\r\n")) == [("a", Verdict.ACCEPTED, Phase.DOT)]
    assert pipeline.to_write() == envelope("b")
    pipeline.receive(b"250 ok\r\n250 ok\r\n")
    assert pipeline.to_write() == b"BDAT 1 LAST\r\nb" + whole("c") + whole("d")


def test_no_more_than_the_window_are_on_their_way():
    pipeline = warm_pipeline("a", "b", "c", "d", "e")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n")

    assert pipeline.to_write() == b"BDAT 1 LAST\r\na" + whole("b") + whole("c")
    assert told(pipeline.receive(b"250 taken\r\n")) == [("a", Verdict.ACCEPTED, Phase.DOT)]
    assert pipeline.to_write() == whole("d")


def test_a_refused_recipient_on_a_quiet_conversation_costs_no_body():
    pipeline = pipeline_with("a", "b")
    pipeline.to_write()

    assert told(pipeline.receive(b"250 ok\r\n550 5.1.1 no\r\n")) == [("a", Verdict.REJECTED, Phase.RCPT)]
    assert pipeline.to_write() == b"RSET\r\n" + envelope("b")


def in_flight(*names: str) -> Pipeline:
    pipeline = warm_pipeline(*names)
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n")
    pipeline.to_write()
    return pipeline


def test_each_of_those_on_their_way_gets_its_own_answer():
    pipeline = in_flight("a", "b", "c")
    finished = pipeline.receive(
        b"250 a\r\n"
        b"250 reset\r\n250 ok\r\n550 5.1.1 no\r\n503 no recipient\r\n"
        b"250 reset\r\n250 ok\r\n250 ok\r\n454 4.7.0 throttled\r\n"
    )

    assert told(finished) == [
        ("a", Verdict.ACCEPTED, Phase.DOT),
        ("b", Verdict.REJECTED, Phase.RCPT),
        ("c", Verdict.RELAY_BUSY, Phase.DOT),
    ]
    assert not pipeline.is_over


def test_when_the_connection_is_lost_what_was_written_is_in_doubt_and_the_rest_is_not():
    pipeline = in_flight("a", "b", "c", "d")

    assert told(pipeline.lose()) == [
        *((name, Verdict.DOUBT, Phase.DOT) for name in "abc"),
        ("d", Verdict.LOST, Phase.MAIL),
    ]


def test_nothing_behind_a_421_was_looked_at_once_the_relay_has_hung_up():
    pipeline = in_flight("a", "b", "c", "d")

    finished = pipeline.receive(b"250 a\r\n250 reset\r\n421 4.3.2 closing\r\n")
    assert told(finished) == [("a", Verdict.ACCEPTED, Phase.DOT)]
    assert not pipeline.is_open
    assert pipeline.to_write() == b""
    assert told(pipeline.lose()) == [
        ("b", Verdict.RELAY_BUSY, Phase.MAIL),
        ("c", Verdict.LOST, Phase.MAIL),
        ("d", Verdict.LOST, Phase.MAIL),
    ]


def test_after_a_421_without_a_hang_up_answers_still_count_and_silence_is_doubt():
    pipeline = in_flight("a", "b", "c")

    finished = pipeline.receive(b"421 4.7.0 slow down\r\n250 reset\r\n250 ok\r\n250 ok\r\n250 b\r\n")
    assert told(finished) == [("a", Verdict.RELAY_BUSY, Phase.DOT), ("b", Verdict.ACCEPTED, Phase.DOT)]
    assert told(pipeline.time_out()) == [("c", Verdict.DOUBT, Phase.DOT)]


def test_a_relay_that_does_not_know_the_command_it_offered_is_a_fault_and_nothing_was_taken():
    pipeline = pipeline_with("a", "b")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n")
    pipeline.to_write()

    assert told(pipeline.receive(b"500 5.5.1 what?\r\n")) == [
        ("a", Verdict.LOST, Phase.DOT),
        ("b", Verdict.LOST, Phase.MAIL),
    ]
    assert pipeline.fault is Fault.VIOLATION


def test_a_conversation_that_dies_over_its_first_chunk_makes_pipelining_suspect():
    pipeline = pipeline_with("a")
    pipeline.to_write()
    pipeline.receive(b"250 ok\r\n250 ok\r\n")
    pipeline.to_write()

    assert told(pipeline.lose()) == [("a", Verdict.DOUBT, Phase.DOT)]
    assert pipeline.fault is Fault.SUSPECT


_LINES = st.sampled_from(
    (
        *("250 ok", "250 ok", "250-more\r\n250 ok", "354 go", "221 bye", "what", ""),
        *("421 bye", "451 4.7.1 later", "454 4.7.0 slow", "500 5.5.1 what", "550 5.1.1 no", "554 5.7.1 spam"),
    )
)


@given(
    replies=st.lists(_LINES, max_size=40).map(lambda lines: "".join(f"{line}\r\n" for line in lines).encode()),
    cuts=st.lists(st.integers(1, 60), max_size=40),
    count=st.integers(1, 8),
    given_up=st.sampled_from(["", *"abcd"]),
    when=st.integers(0, 10),
)
def test_whatever_a_relay_says_every_mail_ends_once_and_nothing_unwritten_is_taken_or_in_doubt(
    *, replies: bytes, cuts: list[int], count: int, given_up: str, when: int
):
    mails = {name: a_mail(name) for name in "abcdefgh"[:count]}
    pipeline = Pipeline(is_chunking=True, window=4)
    for mail in mails.values():
        pipeline.submit(mail)
    results, withdrawn = list[Finished](), set[str]()
    for turn, size in enumerate([*cuts, len(replies)]):
        pipeline.to_write()
        results += pipeline.receive(replies[:size])
        replies = replies[size:]
        if turn == when and given_up in mails and not any(done is mails[given_up] for done, _ in results):
            before = len(results)
            results += pipeline.abandon(mails[given_up])
            if not mails[given_up].is_abandoned and before == len(results):
                withdrawn.add(given_up)
    results += pipeline.lose()

    assert sorted([*(done.rcpt[9:-3].decode() for done, _ in results), *withdrawn]) == sorted(mails)
    for done, result in results:
        if not done.is_written:
            assert result.verdict not in {Verdict.ACCEPTED, Verdict.DOUBT}
        elif result.verdict is Verdict.LOST:
            assert pipeline.is_over  # by a 421, or by a no to the command itself


# Where the relay answers, both ways give the same; where it hangs up, chunks put more in doubt, never less.
ANSWERED: list[dict[str, Any]] = [
    {},
    {"defer": {X: 1}},
    {"dead": [X]},
    {"dead": NAMES},
    {"reply": {"mail": "550 5.1.8 no such sender"}},
    {"reply": {f"rcpt:{X}": "550 5.7.1 relaying denied"}},
    {"reply": {f"data:{X}": "550 5.7.1 no"}},
    {"reply": {f"dot:{X}": "554 5.7.1 spam"}},
    {"reply": {f"dot:{X}": "451 4.3.0 later"}},
    {"reply": {f"dot:{X}": "454 4.7.0 throttled"}},
    {"reply": {f"dot:{NAMES[0]}": "552 5.3.4 too big"}},
    {"reply": {f"rcpt:{X}": "452 4.5.3 too many"}},
]
INTERRUPTED: list[dict[str, Any]] = [
    {"reply": {"mail": "what is this"}},
    {"reply": {f"rcpt:{X}": "421 4.3.2 closing"}},
    {"reply": {f"rcpt:{X}": "503 5.5.1 order"}},
    {"reply": {f"dot:{X}": "421 4.3.2 closing"}},
    {"reply": {f"dot:{X}": "what is this"}},
    {"reply": {f"dot:{NAMES[0]}": "502 5.5.1 not here"}},
    {"busy_after": 2},
    {"drop_at_rcpt": {X: 1}},
    {"drop_in_body": {X: 1}},
    {"drop_after_dot": {X: 1}},
    {"drop_after_dot": {NAMES[0]: 1}},
    {"hang_at_dot": {X: 1}},
    {"max_connections": 1},
]


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("modes", ANSWERED, ids=json.dumps)
async def test_where_the_relay_answers_the_results_are_those_of_the_plain_path(
    tmp_path: Path, modes: dict[str, Any], connections: int
):
    ends: dict[Pipelining, list[SendResult]] = {}
    taken: dict[Pipelining, Counter[str]] = {}
    for pipelining in Pipelining:
        async with (
            sink_beside(tmp_path / pipelining, chunking=True, **modes) as sink,
            Pool(relay_to(sink, pipelining=pipelining, connections=connections)) as pool,
        ):
            ends[pipelining] = await send_all(pool, NAMES)
        taken[pipelining] = sink.recipients()

    assert [(end.verdict, end.reply) for end in ends[Pipelining.AUTO]] == [
        (end.verdict, end.reply) for end in ends[Pipelining.OFF]
    ]
    assert taken[Pipelining.AUTO] == taken[Pipelining.OFF]


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("modes", INTERRUPTED, ids=json.dumps)
async def test_where_the_relay_breaks_off_nobody_is_called_unsent_who_was_reached(
    tmp_path: Path, modes: dict[str, Any], connections: int
):
    async with (
        sink_beside(tmp_path / "sink", chunking=True, **modes) as sink,
        Pool(relay_to(sink, connections=connections)) as pool,
    ):
        ends = await send_all(pool, NAMES)
    taken = sink.recipients()

    for name, end in zip(NAMES, ends, strict=True):
        assert taken[name] <= 1
        assert end.verdict is not Verdict.ACCEPTED or taken[name] == 1
        assert end.verdict in {Verdict.ACCEPTED, Verdict.DOUBT} or taken[name] == 0


async def test_mails_arrive_byte_for_byte_with_lines_that_start_with_dots(tmp_path: Path):
    wires = [b"Subject: %d\r\n\r\n.\r\n..\r\n%b" % (at, b"x" * 70 + b"\r\n") * (1 + at * 20) for at in range(40)]
    forms = [wire if at % 2 else Formed((wire[:9], wire[9:]), len(wire)) for at, wire in enumerate(wires)]
    with start_sink(tmp_path, chunking=True) as sink:
        async with Pool(relay_to(sink)) as pool:
            results = await asyncio.gather(
                *(pool.send("", f"r{at}@example.org", form) for at, form in enumerate(forms))
            )

    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
    assert sink.messages() == wires
    assert len(sink.events("connected")) == 1


async def test_it_is_used_only_where_it_is_wanted_and_offered(tmp_path: Path):
    for offered, wanted, window in ((True, Chunking.AUTO, 8), (True, Chunking.OFF, 2), (False, Chunking.AUTO, 2)):
        folder = tmp_path / f"{offered}-{wanted}"
        async with sink_beside(folder, chunking=offered) as sink, Pool(relay_to(sink, chunking=wanted)) as pool:
            await pool.send("", "a@example.org", WIRE)

            assert pool._live[0].window == window


async def test_nothing_is_written_any_more_once_it_may_not_go(tmp_path: Path):
    """A process that was stopped for longer than its lease wakes up with a mail half said."""
    for chunking in Chunking:
        answers = iter([True, False])
        stale = Formed((WIRE,), len(WIRE), lambda answers=answers: next(answers, False))
        async with (
            sink_beside(tmp_path / chunking, chunking=True) as sink,
            Pool(relay_to(sink, chunking=chunking)) as pool,
        ):
            result = await pool.send("", "a@example.org", stale)

        assert result.verdict is Verdict.LOST
        assert sink.accepted() == []
