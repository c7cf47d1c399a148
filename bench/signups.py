"""Sign-ups by the hundred a second: `digest serve` takes forms, answers them and mails the confirmations meanwhile.

python -m bench.signups [--seconds 60] [--rate 100] [--database sqlite|postgres]

The load is open: requests begin when it is their time, whether or not earlier ones were answered, and what a request
waited for its turn counts. Everything runs on this machine, the load and the mail server included. Told are the times
of the answers and, from the press of the button to the relay's having it, those of the confirmation mails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from bench.sinks import Sink, SinkOptions, start_sink
from bench.workshop import DIGEST, sink_program
from support import postgres

_SLUG = "morning"
_PATIENCE_S = 60.0
_IDLE_S = 2.0


@dataclass
class Told:
    """What happened to the requests: seconds of each answer, when each address was sent, and other answers."""

    took: list[float] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="digest-signups-") as work:
        folder = Path(work)
        told, arrived, sink = _measure(folder, options)
        waits = sorted(at - told.sent_at[to] for at, code, to in sink.events() if code == 250 and to in told.sent_at)
    print(json.dumps(_figures(told, waits, options, arrived), indent=1))


def _measure(folder: Path, options: argparse.Namespace) -> tuple[Told, int, Sink]:
    with ExitStack() as stack:
        url = "sqlite:///digest.db"
        if options.database == "postgres":
            (folder / "postgres").mkdir()
            url = postgres.shared_cluster(folder / "postgres")
            stack.callback(postgres.stop_shared, folder / "postgres")
        (folder / "sink").mkdir()
        behaviour = SinkOptions(log=True, is_pinned=False)
        sink = stack.enter_context(start_sink(sink_program(), behaviour, folder / "sink"))
        port = _free_port()
        _set_up(folder, url=url, port=port, relay=sink.port)
        log = stack.enter_context((folder / "log").open("w"))
        server = subprocess.Popen([DIGEST, "serve", "--port", str(port)], cwd=folder, stderr=log)
        stack.callback(_end, server)
        _await(port)
        with urlopen(f"http://127.0.0.1:{port}/{_SLUG}/form-token", timeout=10) as answer:
            token = json.load(answer)["form_token"]
        told = asyncio.run(_load(port, token, seconds=options.seconds, rate=options.rate))
        return told, _all_mails(sink, expected=len(told.sent_at)), sink


def _set_up(folder: Path, *, url: str, port: int, relay: int) -> None:
    """A project as `digest init` makes it, with limits that let one machine play a crowd."""
    _run(folder, "init", ".")
    config = f"""
[database]
url = "{url}"
[site]
base_url = "http://127.0.0.1:{port}"
[relays.default]
host = "127.0.0.1"
port = {relay}
tls = "none"
[signup]
network_per_hour = 10000000
min_seconds = 0
check_domains = false
"""
    (folder / "digest.toml").write_text(config, encoding="utf-8")
    _run(folder, "db", "upgrade")
    _run(
        folder, "publication", "add", _SLUG, "--name", "The Morning", "--from", "Desk <desk@example.com>",
        "--timezone", "UTC", "--send-at", "07:00", "--cadence", "daily", "--postal-address", "1 Example Street",
    )  # fmt: skip


def _run(folder: Path, *words: str) -> None:
    done = subprocess.run([DIGEST, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"digest {' '.join(words)}: {done.stderr.strip()}")


async def _load(port: int, token: str, *, seconds: float, rate: float) -> Told:
    told = Told()
    free: asyncio.LifoQueue[Any] = asyncio.LifoQueue()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * rate)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(_sign_up(port, f"reader{number}@example.net", token, told, free=free, due=due))
    return told


async def _sign_up(port: int, email: str, token: str, told: Told, *, free: asyncio.LifoQueue[Any], due: float) -> None:
    fields = {"email": email, "digest": "1", "form_token": token, "page": "/news/harbour"}
    body = urlencode(fields).encode()
    head = (
        f"POST /{_SLUG} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Language: en\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    told.sent_at[email] = time.time()
    try:
        reader, writer = await _connection(port, free)
        writer.write(head.encode() + body)
        start = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in start.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        page = await reader.readexactly(length)
    except (OSError, asyncio.IncompleteReadError) as error:
        told.wrong[type(error).__name__] += 1
        return
    told.took.append(time.perf_counter() - due)
    if b" 200 " not in start[:20] or b"Check your inbox" not in page:
        told.wrong[start.split(b"\r\n")[0].decode()] += 1
    free.put_nowait((reader, writer, time.monotonic()))


async def _connection(port: int, free: asyncio.LifoQueue[Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One that was used a moment ago, or a new one: the server closes those that are idle for five seconds."""
    while not free.empty():
        reader, writer, since = free.get_nowait()
        if time.monotonic() - since < _IDLE_S:
            return reader, writer
        writer.close()
    return await asyncio.open_connection("127.0.0.1", port)


def _all_mails(sink: Sink, *, expected: int) -> int:
    """How many mails arrived, waiting for all of them but not for ever."""
    end = time.monotonic() + _PATIENCE_S
    while (arrived := sink.ask().messages) < expected and time.monotonic() < end:
        time.sleep(0.1)
    return int(arrived)


def _figures(told: Told, waits: list[float], options: argparse.Namespace, arrived: int) -> dict[str, Any]:
    took = sorted(told.took)
    return {
        "database": options.database,
        "requests": len(told.sent_at),
        "a_second": options.rate,
        "errors": sum(told.wrong.values()),
        "wrong": dict(told.wrong),
        "answer_ms": {"p50": _ms(median(took)), "p99": _ms(took[int(len(took) * 0.99)]), "worst": _ms(took[-1])},
        "mails": arrived,
        "mail_s": {"p50": round(median(waits), 2), "p99": round(waits[int(len(waits) * 0.99)], 2)} if waits else {},
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(60)


if __name__ == "__main__":
    sys.exit(main())
