"""The sink in C: what everything else is counted by must itself count right."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from bench.sinks import Counts, Sink, SinkOptions, start_sink
from bench.workshop import NotHere, sink_program
from conftest import missing
from support.certificates import make_certificate

Start = Callable[..., AbstractContextManager[Sink]]
ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<%s@example.com>\r\n"
BODY = b"Subject: x\r\n\r\n" + b"a line of the body\r\n" * 300


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sink, compiled without a warning."""
    try:
        return sink_program(tmp_path_factory.mktemp("sink"))
    except NotHere as error:
        missing("the sink", str(error))


@pytest.fixture
def running(program: Path, tmp_path: Path) -> Start:
    @contextmanager
    def start(*, certificate: tuple[Path, Path] | None = None, **options: object) -> Iterator[Sink]:
        with start_sink(program, SinkOptions(is_pinned=False, **options), tmp_path, certificate=certificate) as sink:  # type: ignore[arg-type]
            yield sink

    return start


@contextmanager
def connected(sink: Sink) -> Iterator[tuple[socket.socket, Callable[[int], list[bytes]]]]:
    """A raw connection past the greeting, and a way to read so many reply lines."""
    with socket.create_connection(("127.0.0.1", sink.port), 20) as link, link.makefile("rb") as lines:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert lines.readline().startswith(b"220")
        yield link, lambda count: [lines.readline()[:3] for _ in range(count)]


def counted(sink: Sink) -> Counts:
    assert sink.counts is not None
    return sink.counts


def test_messages_written_in_one_go_are_counted_one_by_one(running: Start):
    with running() as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"one" + b"DATA\r\n")
        assert replies(3) == [b"250", b"250", b"354"]
        link.sendall(BODY + b".\r\n" + ENVELOPE % b"two" + b"DATA\r\n")
        assert replies(4) == [b"250", b"250", b"250", b"354"]
        link.sendall(BODY + b".\r\nQUIT\r\n")
        assert replies(2) == [b"250", b"221"]

    assert (counted(sink).messages, counted(sink).recipients) == (2, 2)
    assert counted(sink).last_at > counted(sink).first_at


@pytest.mark.parametrize("cut", range(1, 8))
def test_the_end_of_a_message_is_found_wherever_the_network_cuts_it(running: Start, cut: int):
    end = b"x\r\n.\r\nNOOP\r\n"
    with running(keep=1) as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"one" + b"DATA\r\n")
        replies(3)
        link.sendall(BODY + end[:cut])
        while sink.ask().bytes < len(BODY) + min(cut, 6):
            pass  # until the sink has read the first part, so that the rest is a read of its own
        link.sendall(end[cut:])
        assert replies(2) == [b"250", b"250"]
        kept = sink.kept()

        assert [file.read_bytes() for file in kept] == [BODY + b"x\r\n"]


def test_an_empty_message_and_doubled_dots_are_kept_as_they_were_meant(running: Start):
    with running(keep=2) as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"one" + b"DATA\r\n")
        replies(3)
        link.sendall(b".\r\n" + ENVELOPE % b"two" + b"DATA\r\n")
        replies(4)
        link.sendall(b"..dot\r\nplain\r\n...\r\n.\r\n")
        replies(1)
        kept = [file.read_bytes() for file in sink.kept()]

    assert kept == [b"", b".dot\r\nplain\r\n..\r\n"]


def test_chunks_make_one_message_and_an_empty_last_chunk_ends_it(running: Start):
    half = len(BODY) // 2
    with running(keep=1) as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"one" + b"BDAT %d\r\n" % half + BODY[:half])
        link.sendall(b"BDAT %d\r\n" % (len(BODY) - half) + BODY[half:] + b"BDAT 0 LAST\r\n")
        assert replies(5) == [b"250"] * 5
        kept = [file.read_bytes() for file in sink.kept()]

    assert kept == [BODY]
    assert (counted(sink).messages, counted(sink).bytes) == (1, len(BODY))


def test_a_chunk_that_holds_a_lone_dot_or_commands_is_only_bytes(running: Start):
    inside = b"QUIT\r\n.\r\nRSET\r\n"
    with running() as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"one" + b"BDAT %d LAST\r\n" % len(inside) + inside + b"NOOP\r\n")
        assert replies(4) == [b"250"] * 4

    assert counted(sink).messages == 1


def test_refusals_are_counted_and_logged_with_their_addresses(running: Start):
    with running(refuses="gone", defers="later", log=True) as sink, connected(sink) as (link, replies):
        for name in (b"gone1", b"later2", b"reader3"):
            link.sendall(b"RSET\r\n" + ENVELOPE % name + b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        assert replies(12) == [*(b"250 250 550 554".split()), *(b"250 250 451 554".split()), *([b"250"] * 4)]

    told = [(code, address) for _, code, address in sink.events()]
    assert told == [(550, "gone1@example.com"), (451, "later2@example.com"), (250, "reader3@example.com")]
    seen = counted(sink)
    assert (seen.messages, seen.recipients, seen.refused, seen.deferred) == (1, 3, 1, 1)


def test_a_refused_recipient_leaves_the_transaction_open_as_with_postfix(running: Start):
    with running(refuses="gone") as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"gone" + b"DATA\r\n" + ENVELOPE % b"reader" + b"RSET\r\nMAIL FROM:<a@example.com>\r\n")

        assert replies(7) == [b"250", b"550", b"554", b"503", b"250", b"250", b"250"]


def test_what_is_not_offered_is_not_there(running: Start):
    with running(chunking=False, pipelining=False) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.ehlo()

        assert not client.has_extn("chunking")
        assert not client.has_extn("pipelining")
        assert client.has_extn("size")
        assert client.docmd("BDAT 0 LAST")[0] == 500


def test_a_message_beyond_the_size_on_offer_is_refused(running: Start):
    with running() as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.ehlo()
        limit = int(client.esmtp_features["size"])

        assert client.docmd(f"MAIL FROM:<a@example.com> SIZE={limit + 1}")[0] == 552
        assert client.docmd(f"MAIL FROM:<a@example.com> SIZE={limit}")[0] == 250


def test_every_reply_comes_late_but_pipelined_ones_come_together(running: Start):
    commands = [b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.com>\r\n", b"RSET\r\n"]
    with running(rtt_ms=60) as sink, connected(sink) as (link, replies):
        began = time.monotonic()
        for command in commands:
            link.sendall(command)
            replies(1)
        one_by_one = time.monotonic() - began
        link.sendall(b"".join(commands))
        replies(3)
        together = time.monotonic() - began - one_by_one

    assert one_by_one >= 0.18
    assert 0.06 <= together < one_by_one


def test_over_tls_it_keeps_what_was_sent_and_does_not_count_the_connection_twice(running: Start, tmp_path: Path):
    pair = make_certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(pair[0]))
    with running(tls=True, keep=1, certificate=pair) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.starttls(context=trusted)
        client.sendmail("a@example.com", ["b@example.com"], BODY)
        kept = [file.read_bytes() for file in sink.kept()]

    assert kept == [BODY]
    assert (counted(sink).messages, counted(sink).connections) == (1, 1)


def test_commands_behind_starttls_in_the_clear_are_thrown_away(running: Start, tmp_path: Path):
    with running(tls=True, certificate=make_certificate(tmp_path)) as sink, connected(sink) as (link, replies):
        link.sendall(b"EHLO x\r\n")
        replies(7)
        link.sendall(b"STARTTLS\r\nMAIL FROM:<a@example.com>\r\n")
        assert replies(1) == [b"220"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(link) as secure:
            secure.sendall(b"RCPT TO:<b@example.com>\r\n")

            assert secure.recv(3) == b"503"


def test_a_reset_in_the_middle_of_chunks_forgets_what_it_had_begun_to_keep(running: Start):
    with running(keep=1) as sink, connected(sink) as (link, replies):
        link.sendall(ENVELOPE % b"one" + b"BDAT 3\r\nabc" + b"RSET\r\n")
        link.sendall(ENVELOPE % b"two" + b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        assert replies(7) == [b"250"] * 7
        kept = [file.read_bytes() for file in sink.kept()]

    assert kept == [BODY]
    assert counted(sink).messages == 1
