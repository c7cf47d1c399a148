"""Who sends: the product with its settings, and the rivals. Each sends ``count`` messages, and that costs something.

The product is the whole command `digest run` (or two of them, or two `digest worker`s on PostgreSQL) in a project
folder of its own: database, leases, journal, fence file, relay settings and the progress bar on a terminal. It begins
with an issue that is composed: freezing the audience is part of what is measured, composing is not.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench import HERE, ROOT, workshop
from bench.databases import CONFIG, Project
from bench.lab import Lab
from bench.runs import Cost, RunFailed, Running, run
from bench.sinks import Sink
from bench.workshop import DIGEST, NotHere

#: As `bench.stock` has them, which this package must not import.
SLUG, AT = "bench", "2026-11-22T07:00:00Z"
CONNECTIONS = 10
_LOOK_S = 0.02


class Relay(Protocol):
    """Where mail can be sent to: a sink, or a Postfix."""

    port: int
    certificate: Path | None


class Sender(Protocol):
    """Something that sends the corpus to readers 1 to ``count``."""

    def send(self, lab: Lab, sink: Sink, count: int, *, core: int | None) -> Cost:
        """Send them all and give what it took. Raises RunFailed, and NotHere when something is missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The product. ``signs`` is "", "rsa" or "both" (RSA and Ed25519); ``processes`` share one database.

    ``mixed``: the audience has readers whom the sink refuses or defers.
    """

    signs: str = ""
    chunking: bool = False
    pipelining: bool = True
    tls: bool = False
    database: str = "sqlite"
    processes: int = 1
    state: str = "composed"
    mixed: bool = False
    on_doubt: str = "resend"

    def send(self, lab: Lab, sink: Sink, count: int, *, core: int | None) -> Cost:
        """`digest run`, from a composed issue to a sent one."""
        with self.project(lab, count) as project:
            return self.deliver(lab, project, sink, count=count, core=core)

    def project(self, lab: Lab, readers: int) -> AbstractContextManager[Project]:
        """A fresh project as this sender wants it."""
        # Two runs that both begin by freezing the audience would race for it, and the loser goes home.
        state = self.state if self.processes == 1 else "sending"
        return lab.databases.project(readers, database=self.database, state=state, mixed=self.mixed)

    def deliver(self, lab: Lab, project: Project, sink: Relay, *, count: int, core: int | None) -> Cost:
        """Send the issue of a project, which stays to be looked at. Raises RunFailed and NotHere."""
        self.configure(project, sink)
        if self.database == "sqlite":
            return self._run(project, core=core)
        before = lab.databases.server_cpu_s()
        if self.processes > 1:
            assert isinstance(sink, Sink)
            cost = _until_all_are_sent(project, sink, count, processes=self.processes, core=core)
        else:
            cost = self._run(project, core=core)
        return replace(cost, server_s=lab.databases.server_cpu_s() - before)

    def _run(self, project: Project, *, core: int | None) -> Cost:
        with ExitStack() as stack:
            started = [stack.enter_context(self.start(project, core=core)) for _ in range(self.processes)]
            # Who comes when the other has finished has nothing to do, and says so by exit code 3.
            costs = [process.wait(accept=(0,) if self.processes == 1 else (0, 3)) for process in started]
        return sum(costs[1:], costs[0])

    def start(self, project: Project, *, core: int | None = None) -> Running:
        """Start `digest run`; it goes on from wherever the issue is."""
        command = [DIGEST, "run", SLUG, "--at", AT]
        return Running(command, cwd=project.folder, core=core, on_terminal=True)

    def configure(self, project: Project, sink: Relay) -> None:
        """Write the project's digest.toml. Raises NotHere when this version of the product cannot do it."""
        relay: dict[str, object] = {"host": "127.0.0.1", "port": sink.port, "connections": CONNECTIONS}
        if self.tls:
            relay |= {"tls": "starttls", "ca_file": str(sink.certificate)}
        if not self.pipelining:
            relay["pipelining"] = "off"
        if "chunking" in workshop.relay_settings():
            relay["chunking"] = "auto" if self.chunking else "off"
        elif self.chunking:
            raise NotHere("this version of Digest has no setting for CHUNKING")
        write_config(project, {"default": relay}, signs=self.signs, on_doubt=self.on_doubt)


def write_config(
    project: Project, relays: dict[str, dict[str, object]], *, signs: str = "", on_doubt: str = "resend"
) -> None:
    """The digest.toml of a project: its database, these relays, and keys to sign with."""
    lines = ["[database]", f'url = "{project.url}"', "[site]", 'base_url = "https://news.example.com"']
    lines += ["[delivery]", f'on_doubt = "{on_doubt}"']
    for name, relay in relays.items():
        lines += [f"[relays.{name}]", *(f"{key} = {_toml(value)}" for key, value in relay.items())]
    names = {"": (), "rsa": ("rsa",), "both": ("rsa", "ed25519")}[signs]
    for key in (key for key in (workshop.keys() if names else ()) if key.stem in names):
        lines += ["[[dkim]]", 'domain = "example.com"', f'selector = "{key.stem}"', f'key_file = "{key}"']
    (project.folder / CONFIG).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _until_all_are_sent(project: Project, sink: Sink, count: int, *, processes: int, core: int | None) -> Cost:
    """`digest worker`s never end by themselves: when the sink has everything, they are told to stop."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Running([DIGEST, "worker"], cwd=project.folder, core=core)) for _ in range(processes)
        ]
        # A worker that is still starting would die of the signal instead of ending its work.
        while sink.ask().messages < count or not all(worker.catches(signal.SIGTERM) for worker in workers):
            if any(worker.is_over for worker in workers):
                raise RunFailed("a worker ended before everything was sent")
            time.sleep(_LOOK_S)
        for worker in workers:
            worker.signal(signal.SIGTERM)
        costs = [worker.wait() for worker in workers]
    return sum(costs[1:], costs[0])


@dataclass(frozen=True, slots=True)
class Rival:
    """A program that is told port and count; ``command`` gives its words, ``env`` what it needs around it."""

    command: Callable[[Sink, int], Sequence[object]]
    env: Callable[[], dict[str, str]] = dict

    def send(self, lab: Lab, sink: Sink, count: int, *, core: int | None) -> Cost:
        """Run it."""
        with lab.folder("rival") as folder:
            return run(self.command(sink, count), cwd=folder, env=self.env() | {"PYTHONPATH": str(ROOT)}, core=core)


def plain_loop(*, signs: bool) -> Rival:
    """aiosmtplib, EmailMessage, Jinja2, dkimpy and a commit a message, as their documentation shows them."""

    def command(sink: Sink, count: int) -> Sequence[object]:
        words = [sys.executable, _script("plain_loop.py"), "--port", sink.port, "--count", count]
        words += ["--connections", CONNECTIONS, "--issue", workshop.issue()]
        return [*words, *(["--key", workshop.keys()[0]] if signs else [])]

    return Rival(command)


def nodemailer(*, encoding: str = "quoted-printable", tls: bool = False) -> Rival:
    """Nodemailer's pool with its own DKIM signer."""

    def command(sink: Sink, count: int) -> Sequence[object]:
        node = workshop.node_modules()
        words = ["node", _script("nodemailer.mjs"), node, sink.port, count, CONNECTIONS, workshop.issue()]
        words += [workshop.keys()[0], encoding]
        return [*words, *([sink.certificate] if tls else [])]

    return Rival(command)


def five_round_trips() -> Rival:
    """MAIL, RCPT, DATA, message, RSET, each waited for: what listmonk's pool puts on the wire."""

    def command(sink: Sink, count: int) -> Sequence[object]:
        return [sys.executable, _script("five_round_trips.py"), sink.port, count, CONNECTIONS, workshop.issue()]

    return Rival(command)


def smtp_source() -> Rival:
    """Postfix's smtp-source: C, one command at a time, persistent connections, a message of the corpus' size."""

    def command(sink: Sink, count: int) -> Sequence[object]:
        program = workshop.postfix() / "usr" / "sbin" / "smtp-source"
        size = ["-l", WIRE_BYTES]
        return [program, "-d", "-s", min(CONNECTIONS, count), *size, "-m", count, f"127.0.0.1:{sink.port}"]

    return Rival(command, workshop.postfix_environment)


def floor() -> Rival:
    """SHA-256 of the body and one bare RSA-2048 signature a message, and nothing else; the sink gets nothing."""

    def command(_sink: Sink, count: int) -> Sequence[object]:
        return [sys.executable, _script("floor.py"), count, workshop.issue(), workshop.keys()[0]]

    return Rival(command)


#: What one message of the corpus is on the wire, for senders that cannot send the corpus itself.
WIRE_BYTES = 64_000


def _script(name: str) -> Path:
    return HERE / "baselines" / name
