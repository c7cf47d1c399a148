"""The wire pattern of a Go net/smtp client behind a pool that resets before it gives a connection back (listmonk's).

MAIL, RCPT, DATA, the message, RSET: five replies, each waited for. A connection a thread; the message is ready-made, so
that only the pattern is measured.

    python five_round_trips.py PORT COUNT CONNECTIONS ISSUE
"""

from __future__ import annotations

import json
import quopri
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def expect(replies: BinaryIO, code: bytes) -> None:
    """Read one reply, all its lines. Raises RuntimeError when it is another than ``code``."""
    while True:
        line = replies.readline()
        if line[3:4] != b"-":
            break
    if not line.startswith(code):
        raise RuntimeError(f"{code.decode()} was expected, {line!r} came")


class Numbers:
    """Hands every number out once, to any thread."""

    def __init__(self, count: int) -> None:
        self._numbers: Iterator[int] = iter(range(1, count + 1))
        self._lock = threading.Lock()

    def next(self) -> int | None:
        """The next number, or None."""
        with self._lock:
            return next(self._numbers, None)


def send_all(port: int, numbers: Numbers, message: bytes) -> None:
    """One connection, until nothing is left."""
    with socket.create_connection(("127.0.0.1", port)) as link, link.makefile("rb") as replies:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        expect(replies, b"220")
        link.sendall(b"EHLO client.example.com\r\n")
        expect(replies, b"250")
        while (number := numbers.next()) is not None:
            steps = (
                (b"MAIL FROM:<desk@example.com> BODY=8BITMIME\r\n", b"250"),
                (b"RCPT TO:<reader%d@example.com>\r\n" % number, b"250"),
                (b"DATA\r\n", b"354"),
                (message, b"250"),
                (b"RSET\r\n", b"250"),
            )
            for command, code in steps:
                link.sendall(command)
                expect(replies, code)
        link.sendall(b"QUIT\r\n")
        expect(replies, b"221")


def main() -> None:
    """Send with a thread a connection."""
    port, count, connections = (int(word) for word in sys.argv[1:4])
    issue = json.loads(Path(sys.argv[4]).read_text(encoding="utf-8"))
    body = b"".join(quopri.encodestring(issue[part].encode()) for part in ("text", "html"))
    stuffed = body.replace(b"\r\n", b"\n").replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
    message = b"Subject: five round trips\r\n\r\n" + stuffed + b"\r\n.\r\n"
    numbers = Numbers(count)
    threads = [threading.Thread(target=send_all, args=(port, numbers, message)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
