"""A thousand sources in one run, and the day of a newsroom: time, memory, and manners by the servers' own log.

The product is the command, in a process of its own whose memory the system reports; the servers are another process.
Every loopback address is a host of its own: 410 of them carry 1,000 feeds, 50 of which have faults. A silent one has a
host of its own: feeds of one host wait for each other, which is what is wanted and not what is measured here.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.collect.publisher import publishing
from bench.collect.rows import Row

NAME = "sources"
SOURCES, HOSTS = 1000, 400
#: Of each hundred sources: gone, missing, busy, and silent ones; and ten that ask not to be asked for an hour.
_FAULTS = {0: "g", 1: "m", 2: "m", 3: "b", 4: "s"}
_NEWSROOM = (
    "alpha-herald/rss.xml", "alpha-herald/world.xml", "bay-courier/atom.xml", "cable-wire/feed.rdf",
    "delta-post/feed.json", "echo-times/feed.xml", "fjord-quotidien/rss.xml", "gazette-north/rss.xml",
    "harbor-news/index.xml", "iron-mail/091.xml", "kestrel-online/sitemap_index.xml", "lumen-local/index.html",
)  # fmt: skip
_NEWSROOM_PORT = 8808  # the pages' links say so


@dataclass(frozen=True)
class Run:
    """One `digest collect`: seconds, the most memory it held (MB), and its reports."""

    took_s: float
    memory_mb: float
    items: list[dict[str, object]]


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    host: str
    path: str
    began: float
    ended: float
    status: int
    bytes_in: int
    bytes_out: int


def measure(data: Path) -> list[Row]:
    """Both; the newsroom where the data is there."""
    rows = asyncio.run(_thousand())
    site = data / "newsroom-day" / "site"
    return rows + (asyncio.run(_newsroom(site)) if site.is_dir() else [])


async def _thousand() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "requests.tsv"
        async with publishing(log) as port:
            project = await _project(folder)
            await _import(project, [_address(number, port) for number in range(SOURCES)])
            cold = await _collect(project)
            first = _read(log)
            unchanged = await _collect(project, "--all")
            second = _read(log)[len(first) :]
    good = sum(item["outcome"] == "fetched" for item in cold.items)
    not_modified = [one for one in second if one.status == 304]
    per_feed = max(one.bytes_in + one.bytes_out for one in not_modified)
    asked_to_wait = {one.path for one in first if one.path[1] in "bgc"}
    early = sum(one.path in asked_to_wait for one in second)
    return [
        _row("1,000 sources cold, 50 with faults (10 of them silent for 10 s)", cold.took_s, 60, "s"),
        _row("of them read", good, SOURCES - SOURCES * len(_FAULTS) // 100, "", at_least=True),
        _row("1,000 sources unchanged", unchanged.took_s, 30, "s"),
        _row("memory of the process", max(cold.memory_mb, unchanged.memory_mb), 300, "MB"),
        _row("requests to one host at once", max(_at_once(first), _at_once(second)), 1, ""),
        _row("requests before max-age or Retry-After were over, or to feeds that are gone", early, 0, ""),
        _row("bytes on an unchanged day, the most of any feed", per_feed, 1000, "bytes"),
    ]


async def _newsroom(site: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "requests.tsv"
        async with publishing(log, port=_NEWSROOM_PORT, folder=site) as port:
            project = await _project(folder, pause_s=0)
            for path in _NEWSROOM:
                await _digest(project, "source", "add", "day", f"http://127.0.0.1:{port}/{path}", "--json")
            cold = await _collect(project)
            unchanged = await _collect(project, "--all")
            idle = await _collect(project)
    told = {str(item["outcome"]) for item in unchanged.items}
    if told != {"unchanged"}:
        raise RuntimeError(f"the unchanged newsroom was {', '.join(sorted(told))}")
    new, pages = (sum(int(str(item[key])) for item in cold.items) for key in ("new", "pages"))
    return [
        _row(f"newsroom-day cold: {new} articles, {pages} pages", cold.took_s, 12, "s"),
        _row(
            f"newsroom-day unchanged, beside the {idle.took_s:.2f} s of a command with nothing to do",
            unchanged.took_s - idle.took_s,
            1,
            "s",
        ),
        _row("newsroom-day, memory of the process", max(cold.memory_mb, unchanged.memory_mb), 300, "MB"),
    ]


def _address(number: int, port: int) -> str:
    """Feeds lie on the hosts round about, two or three on each."""
    how = _FAULTS.get(number % 100, "c" if number % 100 < 15 else "f")
    host = HOSTS + number // 100 if how == "s" else number % HOSTS
    return f"http://127.1.{host // 200}.{host % 200 + 1}:{port}/{how}{number}.xml"


async def _project(folder: Path, *, pause_s: float = 1.0) -> Path:
    project = folder / "project"
    await _digest(folder, "init", str(project), "--json")
    settings = project / "digest.toml"
    collect = f'[collect]\nallow_networks = ["127.0.0.0/8"]\npage_delay_s = {pause_s}\nwebsub = "off"\n'
    settings.write_text(settings.read_text().replace("[collect]\n", collect, 1))
    sender = ("--from", "Bench <bench@example.com>", "--postal-address", "1 Example Street")
    cadence = ("--timezone", "UTC", "--send-at", "07:00", "--cadence", "daily")
    await _digest(project, "publication", "add", "day", "--name", "Day", *sender, *cadence)
    return project


async def _import(project: Path, addresses: list[str]) -> None:
    listed = "".join(f'<outline type="rss" text="Source {at}" xmlUrl="{one}"/>' for at, one in enumerate(addresses))
    (project / "list.opml").write_text(f'<?xml version="1.0"?><opml version="2.0"><body>{listed}</body></opml>')
    await _digest(project, "source", "import", "day", "list.opml", "--json")


async def _collect(project: Path, *options: str) -> Run:
    began = time.perf_counter()
    out, memory_mb = await _digest(project, "collect", "day", *options, "--json")
    return Run(time.perf_counter() - began, memory_mb, json.loads(out)["items"])


async def _digest(folder: Path, *arguments: str) -> tuple[bytes, float]:
    """The command's output, and the most memory it held, in MB. Exit codes 0 and 3 are both an answer."""
    return await asyncio.to_thread(_run, folder, arguments)


def _run(folder: Path, arguments: Sequence[str]) -> tuple[bytes, float]:
    code = "from digest.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 3}:
        raise RuntimeError(f"digest {' '.join(arguments)} failed: {out.decode()[-2000:]}")
    return out, used.ru_maxrss / 1024


def _read(log: Path) -> list[Asked]:
    lines = (line.split("\t") for line in log.read_text(encoding="utf-8").splitlines())
    return [
        Asked(host, path, float(began), float(ended), int(status), int(bytes_in), int(bytes_out))
        for host, path, began, ended, status, bytes_in, bytes_out in lines
    ]


def _at_once(asked: list[Asked]) -> int:
    """The most requests that one host was answering at a moment; those we had given up do not count any more."""
    most = 0
    hosts: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for one in asked:
        if one.path[1] != "s":
            hosts[one.host] += [(one.began, 1), (one.ended, -1)]
    for moments in hosts.values():
        open_now = 0
        for _, step in sorted(moments):
            open_now += step
            most = max(most, open_now)
    return most


def _row(what: str, measured: float, target: float, unit: str, *, at_least: bool = False) -> Row:
    return Row(NAME, what, measured, target, unit, at_least, {})
