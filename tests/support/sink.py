"""A real SMTP server in a process of its own, for tests: it keeps what it accepts and misbehaves on request.

Run as ``python -m support.sink --port-file F --log F``; `start_sink` does it. One JSON line an event goes to the log,
written before the reply is sent, so the log never knows less than the client does. Shares no code with Digest.

Modes (the JSON of ``--fail``; addresses are recipients):
  defer           {address: n}   451 4.7.1 at RCPT, the first n times
  dead            [address]      550 5.1.1 at RCPT
  reply           {"mail" | "rcpt:ADDRESS" | "data:ADDRESS" | "dot:ADDRESS": "550 5.7.1 …"}
  busy_after      k              421 at the MAIL after k mails, on each connection
  drop_at_rcpt, drop_at_data, drop_in_body, drop_after_dot   {address: n}   hang up, the first n times;
                                 after the dot the mail is kept and logged with "answered": false
  hang_at_dot     {address: n}   no answer to the dot
  max_connections k              421 in the greeting of the next one
  gone_after      [k, "busy" | "drop"]   after k mails in all: 421 to everything, or hang up on everybody
  delay_s         seconds        before each answer to the dot
  no_smtputf8, no_pipelining, size   what EHLO offers
  data_anyway     true           354 to DATA although every RCPT was refused; 554 to the dot
  clear_input     true           throws away what follows a command in the same write, as relays that cannot pipeline do
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATH = re.compile(rb"(?:FROM|TO):\s*<([^>]*)>", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)


class _HangUp(Exception):
    pass


class _Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.auth: str | None = options.auth
        self.plan: dict[str, Any] = json.loads(options.fail)
        self.store = Path(options.store) if options.store else None
        self.log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.tls: ssl.SSLContext | None = None
        if options.tls_cert:
            self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.tls.load_cert_chain(options.tls_cert, options.tls_key)
        self.starttls = bool(self.tls) and not options.implicit_tls
        self.done: Counter[str] = Counter()
        self.accepted = 0
        self.live = 0

    def write(self, **event: object) -> None:
        os.write(self.log, json.dumps(event).encode() + b"\n")  # one write: readers see whole lines

    def due(self, mode: str, address: str) -> bool:
        """Whether a counted mode still applies to this address; counts this time."""
        times = self.plan.get(mode, {}).get(address, 0)
        self.done[f"{mode} {address}"] += bool(times)
        return bool(times) and self.done[f"{mode} {address}"] <= times

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.live += 1
        self.write(event="connected")
        try:
            await _Conversation(self, reader, writer).run()
        except (_HangUp, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.live -= 1
            writer.close()


class _Conversation:
    def __init__(self, server: _Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.is_secure = False
        self.is_logged_in = False
        self.sender: str | None = None
        self.recipient: str | None = None
        self.mails = 0

    async def run(self) -> None:
        limit = self.server.plan.get("max_connections")
        if limit is not None and self.server.live > limit:
            self.say("421 4.7.0 too many connections")
            return
        await self.stay()
        self.say("220 sink.example.com ESMTP")
        while True:
            line = (await self.reader.readuntil(b"\r\n"))[:-2]
            if self.server.plan.get("clear_input"):
                self.forget_input()
            verb, _, rest = line.partition(b" ")
            name = verb.decode("ascii", "replace").lower()
            step = getattr(self, f"do_{name}", None)
            if step is None:
                self.say("500 5.5.1 what?")
            else:
                await step(rest)
            await self.writer.drain()

    def say(self, line: str) -> None:
        self.writer.write(line.encode() + b"\r\n")

    def forget_input(self) -> None:
        self.reader._buffer.clear()  # type: ignore[attr-defined] - asyncio has no public way, and a test needs none

    async def stay(self) -> None:
        """Hang up if this relay has had enough for good."""
        count, how = self.server.plan.get("gone_after", (None, ""))
        if count is not None and self.server.accepted >= count:
            self.server.write(event="gone", how=how)
            if how == "busy":
                self.say("421 4.7.0 try another day")
                await self.writer.drain()
            raise _HangUp

    def planned(self, key: str) -> bool:
        line = self.server.plan.get("reply", {}).get(key)
        if line is None:
            return False
        self.server.write(event="refused", at=key, reply=line)
        self.say(line)
        return True

    async def do_ehlo(self, rest: bytes) -> None:
        plan = self.server.plan
        offers = ["sink.example.com", "8BITMIME", "ENHANCEDSTATUSCODES", f"SIZE {plan.get('size', 0)}"]
        if not plan.get("no_pipelining"):
            offers.append("PIPELINING")
        if not plan.get("no_smtputf8"):
            offers.append("SMTPUTF8")
        if self.server.starttls and not self.is_secure:
            offers.append("STARTTLS")
        if self.server.auth:
            offers.append("AUTH PLAIN LOGIN")
        self.server.write(event="ehlo", name=rest.decode())
        for at, offer in enumerate(offers):
            self.say(f"250{' ' if at == len(offers) - 1 else '-'}{offer}")

    async def do_starttls(self, _rest: bytes) -> None:
        assert self.server.tls is not None
        self.say("220 2.0.0 go on")
        await self.writer.start_tls(self.server.tls)
        self.is_secure = True

    async def do_auth(self, rest: bytes) -> None:
        method, _, first = rest.partition(b" ")
        if method.upper() == b"PLAIN":
            given = base64.b64decode(first).split(b"\0")[1:]
        else:
            given = [base64.b64decode(first)] if first else [await self.ask(b"Username:")]
            given.append(await self.ask(b"Password:"))
        self.is_logged_in = b":".join(given).decode() == self.server.auth
        self.server.write(event="login", user=given[0].decode(), ok=self.is_logged_in, secure=self.is_secure)
        self.say("235 2.7.0 welcome" if self.is_logged_in else "535 5.7.8 authentication failed")

    async def ask(self, question: bytes) -> bytes:
        self.say(f"334 {base64.b64encode(question).decode()}")
        return base64.b64decode((await self.reader.readuntil(b"\r\n"))[:-2])

    async def do_mail(self, rest: bytes) -> None:
        await self.stay()
        limit = self.server.plan.get("busy_after")
        found = _PATH.match(rest)
        if self.server.auth and not self.is_logged_in:
            self.say("530 5.7.0 log in first")
        elif limit is not None and self.mails >= limit:
            self.say("421 4.7.0 enough on this connection")
            await self.writer.drain()
            raise _HangUp
        elif found is None:
            self.say("501 5.5.4 bad sender")
        elif not self.planned("mail"):
            self.sender, self.recipient = found[1].decode(), None
            self.server.write(event="mail", options=rest[found.end() :].decode().split())
            self.say("250 2.1.0 ok")

    async def do_rcpt(self, rest: bytes) -> None:
        found = _PATH.match(rest)
        if self.sender is None or found is None:
            self.say("503 5.5.1 MAIL first")
            return
        address = found[1].decode()
        if self.server.due("drop_at_rcpt", address):
            raise _HangUp
        if self.server.due("defer", address):
            self.server.write(event="deferred", to=address)
            self.say("451 4.7.1 greylisted, try again later")
        elif address in self.server.plan.get("dead", ()):
            self.server.write(event="rejected", to=address)
            self.say("550 5.1.1 no such user here")
        elif not self.planned(f"rcpt:{address}"):
            self.recipient = address
            self.say("250 2.1.5 ok")

    async def do_data(self, _rest: bytes) -> None:
        if self.recipient is None and self.sender is not None and self.server.plan.get("data_anyway"):
            self.say("354 go on")
            await self.writer.drain()
            assert await self.reader.readuntil(b".\r\n") == b".\r\n", "the dot alone was expected"
            self.server.write(event="empty")
            self.sender = None
            self.say("554 5.5.1 no valid recipients")
            return
        if self.recipient is None:
            self.say("503 5.5.1 RCPT first")
            return
        address = self.recipient
        if self.server.due("drop_at_data", address):
            raise _HangUp
        if self.planned(f"data:{address}"):
            return
        self.say("354 go on")
        await self.writer.drain()
        if self.server.due("drop_in_body", address):
            await self.reader.read(1)
            self.server.write(event="dropped", to=address)
            raise _HangUp
        # the CRLF after DATA counts, so that an empty message ends, too
        raw = b"\r\n" + await self.reader.readuntil(b".\r\n")
        while not raw.endswith(b"\r\n.\r\n"):
            raw += await self.reader.readuntil(b".\r\n")
        await self.end_of_message(address, raw[2:-3].replace(b"\r\n..", b"\r\n."))

    async def end_of_message(self, address: str, wire: bytes) -> None:
        if wire.startswith(b".."):
            wire = wire[1:]
        if self.planned(f"dot:{address}"):
            return
        server = self.server
        drop, hang = server.due("drop_after_dot", address), server.due("hang_at_dot", address)
        server.accepted += 1
        self.mails += 1
        if server.store:
            (server.store / f"{server.accepted:06d}.eml").write_bytes(wire)
        found = _MESSAGE_ID.search(wire)
        server.write(
            event="accepted",
            order=server.accepted,
            to=address,
            sender=self.sender,
            message_id=found[1].decode() if found else None,
            sha256=hashlib.sha256(wire).hexdigest(),
            answered=not (drop or hang),
            at=time.time(),
        )
        if drop:
            raise _HangUp
        if hang:
            await self.reader.read()  # until the client gives up
            raise _HangUp
        if server.plan.get("delay_s"):
            await asyncio.sleep(server.plan["delay_s"])
        self.sender = self.recipient = None
        self.say("250 2.0.0 taken")

    async def do_rset(self, _rest: bytes) -> None:
        self.sender = self.recipient = None
        self.server.write(event="reset")
        self.say("250 2.0.0 ok")

    async def do_quit(self, _rest: bytes) -> None:
        self.server.write(event="quit")
        self.say("221 2.0.0 bye")
        await self.writer.drain()
        raise _HangUp


async def _main(options: argparse.Namespace) -> None:
    server = _Server(options)
    implicit = server.tls if options.implicit_tls else None
    listener = await asyncio.start_server(server.serve, "127.0.0.1", options.port, limit=64 << 20, ssl=implicit)
    port_file = Path(options.port_file)
    port_file.with_suffix(".new").write_text(str(listener.sockets[0].getsockname()[1]))
    port_file.with_suffix(".new").rename(port_file)
    await listener.serve_forever()


@dataclass
class Sink:
    """A running sink. ``host`` and ``port`` to connect to; the rest reads what it saw."""

    host: str
    port: int
    process: subprocess.Popen[bytes] | None
    log: Path
    store: Path

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Everything that happened, or one kind of it, in order."""
        if not self.log.exists():
            return []
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [event for event in found if kind is None or event["event"] == kind]

    def accepted(self) -> list[dict[str, Any]]:
        """Mails that were taken, answered or not."""
        return self.events("accepted")

    def recipients(self) -> Counter[str]:
        """How often each address was reached."""
        return Counter(event["to"] for event in self.accepted())

    def messages(self) -> list[bytes]:
        """The bytes of all mails in order of arrival, dot-stuffing undone."""
        return [path.read_bytes() for path in sorted(self.store.glob("*.eml"))]

    def stop(self) -> None:
        """End the process."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10)


@contextlib.asynccontextmanager
async def sink_beside(folder: Path, **modes: Any) -> AsyncIterator[Sink]:
    """The same sink in this event loop: for tests that need very many of them. Plain, without login."""
    folder.mkdir(parents=True)  # noqa: ASYNC240 - quick, and before anything is served
    sink = Sink("127.0.0.1", 0, None, folder / "sink.log", folder)
    options = argparse.Namespace(
        auth=None, fail=json.dumps(modes), store=folder, log=sink.log, tls_cert=None, implicit_tls=False
    )
    server = _Server(options)
    listener = await asyncio.start_server(server.serve, sink.host, 0, limit=64 << 20)
    sink.port = listener.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        listener.close()
        while server.live:  # noqa: ASYNC110 - the sink has no event for it
            await asyncio.sleep(0.001)
        os.close(server.log)


@contextlib.contextmanager
def start_sink(
    folder: Path,
    *,
    auth: str | None = None,
    tls: tuple[Path, Path] | None = None,
    implicit_tls: bool = False,
    port: int = 0,
    keep: bool = True,
    **modes: Any,
) -> Iterator[Sink]:
    """Run a sink with its files in ``folder``. ``tls`` is (certificate, key); ``modes`` as in the module's text.

    Started again in the same folder it goes on with the same log.
    """
    store, log, port_file = folder / "sink-mails", folder / "sink.log", folder / "sink.port"
    store.mkdir(parents=True, exist_ok=True)
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "support.sink", "--port-file", port_file, "--log", log]
    command += ["--store", store] if keep else []
    command += ["--port", str(port), "--fail", json.dumps(modes)]
    command += ["--auth", auth] if auth else []
    command += ["--tls-cert", tls[0], "--tls-key", tls[1]] if tls else []
    command += ["--implicit-tls"] if implicit_tls else []
    process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1])
    sink = Sink("127.0.0.1", 0, process, log, store)
    try:
        end = time.monotonic() + 20
        while not port_file.exists():
            assert process.poll() is None, "the sink ended at once"
            assert time.monotonic() < end, "the sink does not come up"
            time.sleep(0.01)
        sink.port = int(port_file.read_text())
        yield sink
    finally:
        sink.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--port-file", "--log"):
        parser.add_argument(name, required=True)
    for name in ("--store", "--auth", "--tls-cert", "--tls-key"):
        parser.add_argument(name)
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fail", default="{}")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
