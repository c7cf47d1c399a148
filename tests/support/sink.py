"""A real SMTP server in a process of its own, for tests: it keeps what it accepts and misbehaves on request.

Run as ``python -m support.sink --port-file F --log F``; `start_sink` does it. One JSON line an event goes to the log,
written before the reply is sent, so the log never knows less than the client does. Shares no code with Digest.

Modes (the JSON of ``--fail``; addresses are recipients):
  defer           {address: n}   451 4.7.1 at RCPT, the first n times
  dead            [address]      550 5.1.1 at RCPT
  reply           {"mail" | "rcpt:ADDRESS" | "data:ADDRESS" | "dot:ADDRESS": "550 5.7.1 …"}
  provider        {domain: [n, "rcpt" | "dot", "451 …"]}   that reply for its addresses, the first n times
  mail_first      [n, "421 …"]   that reply to MAIL, the first n times in all; after a 421 hangs up
  busy_after      k              421 at the MAIL after k mails, on each connection
  drop_at_rcpt, drop_at_data, drop_in_body, drop_after_dot   {address: n}   hang up, the first n times;
                                 after the dot the mail is kept and logged with "answered": false
  hang_at_dot     {address: n}   no answer to the dot
  hang            {"greeting" | "ehlo" | "starttls" | "auth" | "mail" | "rcpt:ADDRESS" | "data:ADDRESS" | "quit": n}
                                 no answer there, the first n times
  max_connections k              421 in the greeting of the next one
  gone_after      [k, "busy" | "drop"]   after k mails in all: 421 to everything, or hang up on everybody
  delay_s         seconds        before each answer to the dot
  no_smtputf8, no_pipelining, size, chunking   what EHLO offers; chunking only when it is set
  stays_open      true           503 to MAIL after a refusal at the dot, until RSET, as some Postfix do
  data_anyway     true           354 to DATA although every RCPT was refused; 554 to the dot
  chaos           {kind: odds}   bad luck by chance, see `misfortunes`; "seed" says which. Each is an event "chaos" with
                                 its kind and the address
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

from support.misfortunes import Misfortunes

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
        chaos = self.plan.get("chaos", {})
        self.luck = Misfortunes(
            {key: value for key, value in chaos.items() if key != "seed"}, seed=str(chaos.get("seed"))
        )
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
        self.misfortune = ""
        self.mails = 0

    async def run(self) -> None:
        limit = self.server.plan.get("max_connections")
        if limit is not None and self.server.live > limit:
            self.say("421 4.7.0 too many connections")
            return
        await self.stay()
        await self.hang("greeting")
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

    async def hang(self, at: str) -> None:
        """Say nothing any more, if it is time to, until the client gives up."""
        if self.server.due("hang", at):
            await self.writer.drain()
            self.server.write(event="hanging", at=at)
            await self.reader.read()
            raise _HangUp

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

    def provider_says(self, at: str, address: str) -> bool:
        """Whether the reader's provider has something to say at this step."""
        domain = address.rpartition("@")[2]
        times, step, line = self.server.plan.get("provider", {}).get(domain, (0, "", ""))
        key = f"provider {domain}"
        if step != at or self.server.done[key] >= times:
            return False
        self.server.done[key] += 1
        self.server.write(event="refused", at=f"{at}:{address}", reply=line, time=time.time())
        self.say(line)
        return True

    async def has_enough(self) -> bool:
        """Whether it answers MAIL with no, for now."""
        times, line = self.server.plan.get("mail_first", (0, ""))
        if self.server.done["mail_first"] >= times:
            return False
        self.server.done["mail_first"] += 1
        self.server.write(event="refused", at="mail", reply=line, time=time.time())
        self.say(line)
        if line.startswith("421"):
            await self.writer.drain()
            raise _HangUp
        return True

    async def do_ehlo(self, rest: bytes) -> None:
        await self.hang("ehlo")
        plan = self.server.plan
        offers = ["sink.example.com", "8BITMIME", "ENHANCEDSTATUSCODES", f"SIZE {plan.get('size', 0)}"]
        if not plan.get("no_pipelining"):
            offers.append("PIPELINING")
        if plan.get("chunking"):
            offers.append("CHUNKING")
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
        await self.hang("starttls")
        self.say("220 2.0.0 go on")
        await self.writer.start_tls(self.server.tls)
        self.is_secure = True

    async def do_auth(self, rest: bytes) -> None:
        await self.hang("auth")
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
        await self.hang("mail")
        limit = self.server.plan.get("busy_after")
        found = _PATH.match(rest)
        if self.server.auth and not self.is_logged_in:
            self.say("530 5.7.0 log in first")
        elif self.sender is not None and self.server.plan.get("stays_open"):
            self.say("503 5.5.1 nested MAIL command")
        elif limit is not None and self.mails >= limit:
            await self.busy("421 4.7.0 enough on this connection")
        elif self.mails and self.server.luck.at_mail(self.server.accepted):
            self.server.write(event="chaos", kind="busy", to="")
            await self.busy("421 4.3.2 not now")
        elif found is None:
            self.say("501 5.5.4 bad sender")
        elif not await self.has_enough() and not self.planned("mail"):
            self.sender, self.recipient = found[1].decode(), None
            self.server.write(event="mail", options=rest[found.end() :].decode().split())
            self.say("250 2.1.0 ok")

    async def do_rcpt(self, rest: bytes) -> None:
        found = _PATH.match(rest)
        if self.sender is None or found is None:
            self.say("503 5.5.1 MAIL first")
            return
        address = found[1].decode()
        await self.hang(f"rcpt:{address}")
        if self.server.due("drop_at_rcpt", address):
            raise _HangUp
        self.misfortune = await self.fate(address)
        if self.server.due("defer", address) or self.misfortune == "defer":
            self.server.write(event="deferred", to=address)
            self.say("451 4.7.1 greylisted, try again later")
        elif address in self.server.plan.get("dead", ()) or self.misfortune == "refuse":
            self.server.write(event="rejected", to=address)
            self.say("550 5.1.1 no such user here")
        elif not self.provider_says("rcpt", address) and not self.planned(f"rcpt:{address}"):
            self.recipient = address
            self.say("250 2.1.5 ok")

    async def busy(self, line: str) -> None:
        self.say(line)
        await self.writer.drain()
        raise _HangUp

    async def fate(self, address: str) -> str:
        """What is to befall this attempt; what concerns RCPT and says nothing befalls it here."""
        luck = self.server.luck
        kind = "refuse" if luck.is_refused(address) else luck.at_rcpt(address, self.server.accepted)
        if kind:
            self.server.write(event="chaos", kind=kind, to=address)
        if kind == "busy_at_rcpt":
            await self.busy("421 4.3.2 not now")
        if kind == "hang_at_rcpt":
            await self.reader.read()  # until the client gives up
        if kind in {"hang_at_rcpt", "drop_at_rcpt"}:
            raise _HangUp
        return kind

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
        await self.hang(f"data:{address}")
        if self.server.due("drop_at_data", address):
            raise _HangUp
        if self.planned(f"data:{address}"):
            return
        self.say("354 go on")
        await self.writer.drain()
        if self.server.due("drop_in_body", address) or self.misfortune == "drop_in_body":
            await self.reader.read(1)
            self.server.write(event="dropped", to=address)
            raise _HangUp
        # the CRLF after DATA counts, so that an empty message ends, too
        raw = b"\r\n" + await self.reader.readuntil(b".\r\n")
        while not raw.endswith(b"\r\n.\r\n"):
            raw += await self.reader.readuntil(b".\r\n")
        await self.end_of_message(address, raw[:-3].replace(b"\r\n.", b"\r\n")[2:])

    async def do_bdat(self, rest: bytes) -> None:
        """RFC 3030 §2: the chunk is read whatever the answer; only whole messages are understood here."""
        if not self.server.plan.get("chunking"):
            self.say("500 5.5.1 what?")
            return
        size, last = rest.split()
        assert last == b"LAST", "one chunk, the last"
        address = self.recipient
        if address and self.server.due("drop_at_data", address):
            raise _HangUp
        if address and self.server.due("drop_in_body", address):
            await self.reader.read(1)
            self.server.write(event="dropped", to=address)
            raise _HangUp
        raw = await self.reader.readexactly(int(size))
        if address is None:
            self.say("503 5.5.1 RCPT first")
        elif not self.planned(f"data:{address}"):
            await self.end_of_message(address, raw)

    async def end_of_message(self, address: str, wire: bytes) -> None:
        if self.provider_says("dot", address) or self.planned(f"dot:{address}"):
            return
        server = self.server
        drop = server.due("drop_after_dot", address) or self.misfortune == "drop_after_dot"
        hang = server.due("hang_at_dot", address) or self.misfortune == "hang_at_dot"
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
        await self.hang("quit")
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
        whole, _, _ = self.log.read_text().rpartition("\n")  # the last line may be on its way into the file
        found = [json.loads(line) for line in whole.splitlines()]
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
