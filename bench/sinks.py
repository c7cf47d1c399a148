"""The sinks that mail goes to: our own in C, which is fast and counts, and Postfix's smtp-sink, which others quote.

A sink lives for one run: its counts start at zero and are read when it has ended. Sinks must be started from the main
thread, because they end with the thread that started them.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.runs import RunFailed, pinned

SINK_CORE, SENDER_CORE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """How the sink behaves. ``log`` and ``keep`` need a folder when it is started; ``postfix`` means smtp-sink."""

    rtt_ms: float = 0
    tls: bool = False
    refuses: str = ""
    defers: str = ""
    keep: int = 0
    log: bool = False
    chunking: bool = True
    pipelining: bool = True
    postfix: bool = False
    is_pinned: bool = True


PLAIN_SINK = SinkOptions()


@dataclass(frozen=True, slots=True)
class Counts:
    """What the sink saw, in its own words; instants are seconds of a clock of this machine."""

    messages: int
    bytes: int
    connections: int
    recipients: int
    refused: int
    deferred: int
    cpu_s: float
    first_at: float
    last_at: float

    @property
    def per_s(self) -> float:
        """Messages a second, from the first MAIL to the last message taken."""
        return self.messages / (self.last_at - self.first_at)


class Sink:
    """A running sink. ``counts`` is set once it has been stopped; smtp-sink gives none."""

    def __init__(self, process: subprocess.Popen[str], port: int, folder: Path, certificate: Path | None) -> None:
        self.process = process
        self.port = port
        self.folder = folder
        self.certificate = certificate
        self.counts: Counts | None = None

    def ask(self) -> Counts:
        """The counts so far, asked over a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as link, link.makefile("rb") as replies:
            replies.readline()
            link.sendall(b"XSTAT\r\n")
            return Counts(**json.loads(replies.readline()[4:]))

    def events(self) -> list[tuple[float, int, str]]:
        """(instant, reply code, address) of every recipient, once the sink has been stopped."""
        lines = (self.folder / "sink.log").read_text(encoding="utf-8").splitlines()
        return [(float(at), int(code), address) for at, code, address in (line.split(" ", 2) for line in lines)]

    def kept(self) -> list[Path]:
        """The files of the kept messages, in the order of their end."""
        return sorted(self.folder.glob("*.eml"))

    def _stop(self) -> None:
        self.process.terminate()
        told, _ = self.process.communicate(timeout=30)
        if told.strip():
            self.counts = Counts(**json.loads(told.splitlines()[-1]))


@contextmanager
def start_sink(
    program: Path, options: SinkOptions, folder: Path, *, certificate: tuple[Path, Path] | None = None
) -> Iterator[Sink]:
    """Run our own sink, its files in ``folder``. ``certificate`` is (certificate, key). Raises RunFailed."""
    command: list[Any] = [program]
    command += ["--rtt", options.rtt_ms] if options.rtt_ms else []
    command += ["--refuse", options.refuses] if options.refuses else []
    command += ["--defer", options.defers] if options.defers else []
    command += ["--keep", options.keep, "--folder", folder] if options.keep else []
    command += ["--log", folder / "sink.log"] if options.log else []
    command += [] if options.chunking else ["--no-chunking"]
    command += [] if options.pipelining else ["--no-pipelining"]
    if options.tls:
        if certificate is None:
            raise ValueError("a sink with TLS needs a certificate")
        command += ["--cert", certificate[0], "--key", certificate[1]]
    process = _start(command, is_pinned=options.is_pinned)
    assert process.stdout is not None
    told = process.stdout.readline().split()
    if len(told) != 2:
        raise RunFailed(f"the sink did not start: exit {process.wait(10)}")
    sink = Sink(process, int(told[1]), folder, certificate[0] if options.tls and certificate else None)
    try:
        yield sink
    finally:
        sink._stop()  # noqa: SLF001 - a sink ends here and nowhere else


@contextmanager
def start_smtp_sink(postfix: Path, folder: Path, *, is_pinned: bool) -> Iterator[Sink]:
    """Run Postfix's smtp-sink, unpacked below ``postfix``. Raises RunFailed."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program = postfix / "usr" / "sbin" / "smtp-sink"
    libraries = {"LD_LIBRARY_PATH": str(postfix / "usr" / "lib" / "postfix")}
    process = _start([program, "-u", "nobody", f"127.0.0.1:{port}", "1000"], is_pinned=is_pinned, env=libraries)
    sink = Sink(process, port, folder, None)
    try:
        _await_port(port, process)
        yield sink
    finally:
        sink._stop()  # noqa: SLF001


def _start(command: list[Any], *, is_pinned: bool, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    with pinned(SINK_CORE if is_pinned else None):
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=env)


def _await_port(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise RunFailed(f"smtp-sink does not listen on port {port}") from error
            time.sleep(0.02)  # a foreign program: nothing tells when it listens
        else:
            return
