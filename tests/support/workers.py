"""Real `digest worker` processes against a test database and a sink."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from digest.store.engine import Store
from support.sending import KEY

_COMMAND = "from digest.cli.main import main; main()"


@dataclass
class Crew:
    """Workers of one installation in ``folder``; `start` gives the process, its log is ``folder/N.log``."""

    folder: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run ``digest ARGUMENTS``, by default a worker."""
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, *(arguments or ("worker",))],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def logs(self) -> str:
        """What every process said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("[0-9]*.log")))


@contextlib.contextmanager
def crew(store: Store, folder: Path, relay_port: int, **settings: object) -> Iterator[Crew]:
    """An installation for worker processes; ``settings`` such as ``delivery__lease_s=2``."""
    (folder / "digest.key").write_bytes(KEY)
    given = {
        "database__url": store.url.render_as_string(hide_password=False),
        "site__base_url": "https://news.example.com",
        "relays__default__host": "127.0.0.1",
        "relays__default__port": relay_port,
        **settings,
    }
    environment = {**os.environ, **{f"DIGEST_{name.upper()}": str(value) for name, value in given.items()}}
    started = Crew(folder, environment)
    try:
        yield started
    finally:
        for process in started.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)


def until(condition: Callable[[], bool], what: str, *, seconds: float = 90) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.05)
