"""Spam filters as they answer on the wire: rspamd over HTTP, spamd by its own protocol."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from digest.workshop.findings import Severity
from digest.workshop.spam import SpamFilterUnavailable, SpamScore, Symbol, spam_findings, spam_score

MAIL = b"From: a@example.com\r\nSubject: x\r\n\r\nwords\r\n"
REPORT = """SPAMD/1.1 0 EX_OK\r
Content-length: 300\r
Spam: False ; 1.2 / 5.0\r
\r
 pts rule name              description
---- ---------------------- --------------------------------------------------
 0.0 HTML_MESSAGE           BODY: HTML included in message
-1.0 MAILING_LIST_MULTI     Multiple indicators imply a widely-seen list
 2.2 MISSING_HEADERS        Missing To: header
"""


@contextmanager
def answering(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A filter on a loopback port that takes one request and answers it so."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                while not b"".join(heard).endswith(b"words\r\n"):
                    heard.append(connection.recv(65536))
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(timeout=10)
        assert not thread.is_alive()


def http(status: str, document: object) -> bytes:
    raw = json.dumps(document).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status.encode(), len(raw), raw)


def test_rspamd_gets_the_mail_and_its_verdict_is_read():
    symbols = {"GOOD": {"score": -0.1}, "BAD": {"score": 2.5, "description": "Bad words"}}
    reply = http("200 OK", {"score": 3.25, "required_score": 15, "symbols": symbols})
    with answering(reply) as (port, heard):
        found = spam_score(MAIL, f"http://127.0.0.1:{port}")

    assert b"".join(heard).startswith(b"POST /checkv2 HTTP/1.1\r\n")
    assert b"".join(heard).endswith(MAIL)
    assert found == SpamScore("rspamd", 3.25, 15.0, (Symbol("BAD", 2.5, "Bad words"), Symbol("GOOD", -0.1)))


def test_spamd_gets_the_mail_and_its_report_is_read():
    with answering(REPORT.encode()) as (port, heard):
        found = spam_score(MAIL, f"spamd://127.0.0.1:{port}")

    assert b"".join(heard) == b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n%b" % (len(MAIL), MAIL)
    assert (found.program, found.score, found.threshold) == ("SpamAssassin", 1.2, 5.0)
    assert found.symbols[0] == Symbol("MISSING_HEADERS", 2.2, "Missing To: header")


@pytest.mark.parametrize(
    "reply", [http("500 No", {}), http("200 OK", {"error": "busy"}), b"", b"HTTP/1.1 200 OK\r\n\r\nno json"]
)
def test_a_filter_that_gives_no_score_is_said_with_a_remedy(reply: bytes):
    with answering(reply) as (port, _), pytest.raises(SpamFilterUnavailable) as caught:
        spam_score(MAIL, f"http://127.0.0.1:{port}")

    assert "preview.spam_url" in caught.value.hint


@pytest.mark.parametrize(
    "reply", [b"", b"SPAMD/1.1 76 Bad header line\r\n\r\n", b"SPAMD/1.1 0 EX_OK\r\n\r\n", b"220 mail\r\n"]
)
def test_a_spamd_that_gives_no_verdict_is_said_with_a_remedy(reply: bytes):
    with answering(reply) as (port, _), pytest.raises(SpamFilterUnavailable):
        spam_score(MAIL, f"spamd://127.0.0.1:{port}")


def test_nobody_there_is_said_with_a_remedy():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SpamFilterUnavailable):
        spam_score(MAIL, f"http://127.0.0.1:{port}", timeout_s=2)


@pytest.mark.parametrize(
    ("score", "severity"), [(0.5, Severity.NOTE), (2.0, Severity.DEGRADES), (5.0, Severity.BREAKS)]
)
def test_a_score_weighs_by_its_distance_to_the_threshold(score: float, severity: Severity):
    found = spam_findings(
        SpamScore("SpamAssassin", score, 5.0, (Symbol("BAD_WORDS", 0.5, "Bad"), Symbol("GOOD", -1.0)))
    )

    assert found[0].severity is severity
    assert [one.rule for one in found[1:]] == ["spam-bad-words"]
