"""Running a process and accounting for it: CPU and peak memory as the kernel counted them, and nothing guessed.

CPU is user and system time of the process with all its threads and all children it waited for (`wait4`). What is told
for a message is the difference between a run with N readers and one with a single reader, over N - 1: so start-up and
imports are paid by nobody.
"""

from __future__ import annotations

import os
import pty
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_NAMED, _TOLD = 120, 2000  # characters of a failed process's command and output that are worth showing
_PATIENCE_S = 1800


class RunFailed(Exception):
    """A process ended badly, or what it did is not what it was asked for; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took. ``wall_s`` runs from its start to its end; ``output`` is its stdout.

    ``peak_mb`` is resident memory at its highest. The kernel lets a process begin with that of the one that started
    it, which is why this package stays small. ``server_s`` is CPU of the database server, where there is one.
    """

    cpu_s: float
    wall_s: float
    peak_mb: float
    output: str = ""
    server_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Both together, side by side: CPU adds up, and so does memory; the longer one gives the time."""
        return Cost(
            self.cpu_s + other.cpu_s,
            max(self.wall_s, other.wall_s),
            self.peak_mb + other.peak_mb,
            self.output + other.output,
            self.server_s + other.server_s,
        )


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Start processes on one core only; None leaves them all cores."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Running:
    """A process under way. ``on_terminal``: its stderr is a terminal, so that it draws its progress as for a person."""

    def __init__(
        self,
        command: Sequence[object],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        core: int | None = None,
        on_terminal: bool = False,
    ) -> None:
        self._command = [str(word) for word in command]
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `wait`
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._screen: threading.Thread | None = None
        stderr: Any = self._stderr
        if on_terminal:
            reading, stderr = pty.openpty()
            self._screen = threading.Thread(target=self._read_screen, args=(reading,), daemon=True)
            self._screen.start()
        # No setting of the person who measures may get into a run.
        ours = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        environment = {**ours, "TERM": "xterm", **(env or {})}
        self._began = time.perf_counter()
        with pinned(core):
            self._process = subprocess.Popen(
                self._command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=self._stdout, stderr=stderr
            )
        if on_terminal:
            os.close(stderr)

    def _read_screen(self, reading: int) -> None:
        while True:
            try:
                drawn = os.read(reading, 65536)
            except OSError:  # EIO: the last process that held the terminal is gone
                break
            if not drawn:
                break
            self._stderr.write(drawn)
        os.close(reading)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)

    def catches(self, number: int) -> bool:
        """Whether it has got so far as to handle a signal by itself."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (number - 1) & 1)

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself; it still has to be waited for."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, *, accept: Sequence[int] = (0,)) -> Cost:
        """Wait for its end. Raises RunFailed for an exit code that is not in ``accept``; minus a signal's number."""
        overdue = threading.Timer(_PATIENCE_S, self._process.kill)
        overdue.daemon = True
        overdue.start()
        _, status, used = os.wait4(self._process.pid, 0)
        wall_s = time.perf_counter() - self._began
        overdue.cancel()
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._screen is not None:
            self._screen.join()
        output, trouble = (self._read(stream) for stream in (self._stdout, self._stderr))
        if code not in accept:
            # The first line gets onto the page, where no folder of this machine belongs.
            words = " ".join(Path(word).name for word in self._command)
            raise RunFailed(f"exit {code}: {words[:_NAMED]}\n{output[-_TOLD:]}\n{trouble[-_TOLD:]}")
        return Cost(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1024, output)

    @staticmethod
    def _read(stream: Any) -> str:
        with stream:
            stream.seek(0)
            return str(stream.read().decode("utf-8", "replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Never leave it running."""
        if self._process.returncode is None:
            self._process.kill()
            self.wait(accept=range(-64, 256))


def run(
    command: Sequence[object],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    core: int | None = None,
    on_terminal: bool = False,
) -> Cost:
    """Run a process to its end and account for it. Raises RunFailed."""
    with Running(command, cwd=cwd, env=env, core=core, on_terminal=on_terminal) as started:
        return started.wait()
