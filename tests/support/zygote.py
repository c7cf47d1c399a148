"""Real `digest` processes that start at once: this process imports everything, then forks one for each line it reads.

A line is JSON: ``arguments`` of the command, ``folder`` to work in, ``environment`` to add, ``log`` for what it says.
The answer is the process id. When the lines end, all of them are killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


class Actor:
    """A forked `digest` process. Signals go to it and nothing else, also when its number has been given away again."""

    def __init__(self, pid: int, arguments: Sequence[str]) -> None:
        self.pid = pid
        self.arguments = arguments
        self.is_stopped = False
        self._handle: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it ended before we looked
            self._handle = os.pidfd_open(pid)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended; a stopped one is alive."""
        if self._handle is not None and select.select([self._handle], [], [], 0)[0]:
            os.close(self._handle)
            self._handle = None
        return self._handle is not None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False when it had ended."""
        if not self.is_alive:
            return False
        assert self._handle is not None
        try:
            signal.pidfd_send_signal(self._handle, number)
        except ProcessLookupError:
            return False
        self.is_stopped = number == signal.SIGSTOP or (self.is_stopped and number != signal.SIGCONT)
        return True


class Zygote:
    """Forks actors on request."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, *arguments: str, folder: Path, log: Path, environment: Mapping[str, str] | None = None) -> Actor:
        """Run ``digest ARGUMENTS`` in ``folder``; its log is appended to."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "arguments": arguments,
            "folder": str(folder),
            "log": str(log),
            "environment": dict(environment or {}),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Actor(int(self._process.stdout.readline()), arguments)


@contextmanager
def zygote() -> Iterator[Zygote]:
    """A process that has imported all there is to import."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.zygote"],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield Zygote(process)
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def main() -> None:
    """Fork for each line."""
    from digest.app import engines  # noqa: F401, PLC0415 - imported for the forks, not by who imports this module
    from digest.cli import main as command  # noqa: PLC0415 - the same
    from digest.engine import procrastinate, schema  # noqa: F401, PLC0415 - the same

    command.build(command.COMMANDS)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the dead
    print("ready", flush=True)  # noqa: T201 - the other side waits for it
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 70
            try:
                _become(order)
                status = command.run(order["arguments"])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)  # noqa: T201 - the same
    os.killpg(0, signal.SIGKILL)  # a session of our own: us and whoever is left of our children


def _become(order: dict[str, object]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(str(order["folder"]))
    environment = order["environment"]
    assert isinstance(environment, dict)
    os.environ.update(environment)
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["digest", *order["arguments"]]  # type: ignore[misc]


if __name__ == "__main__":
    main()
