"""Processes that do for us what a hostile document could turn against us: reading pages and pictures.

Rules: a job has a time limit and a memory limit and can take nothing with it but its own process; a process that was
killed, or died, is replaced by a fresh one; none outlives the pool, not even when this process is killed (each reads
its jobs from a pipe and ends with it; the kernel ends one that computes for too long). Processes are started when
first needed, by running a module, so neither threads nor an event loop in this process matter.

Frames on the pipes, both ways: two lengths of four bytes (big-endian), a header as JSON, a body of bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

LENGTHS = struct.Struct(">II")
MODULE = "digest.collect.sandboxed"

#: Starting one takes about a second of an idle core; a loaded machine may need far longer.
_START_S = 60.0
_GOODBYE_S = 2.0
_PATIENCE = 3.0
#: More than this at once would only fight for memory: each holds about 150 MB.
_MOST_WORKERS = 4
#: Bytes. What reads hostile documents is not believed to be in its right mind, either.
_LARGEST_ANSWER = 64 * 1024 * 1024


class Trouble(StrEnum):
    """Why a job gave no answer."""

    TIME = "time"
    MEMORY = "memory"
    CRASH = "crash"
    START = "start"


class JobFailed(Exception):
    """A job gave no answer; ``trouble`` says why. The pool is as good as before."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        self.trouble = trouble
        super().__init__(f"{trouble}: {detail}" if detail else trouble.value)


class JobRefused(Exception):
    """The job looked at its document and has nothing to give: the message and the hint are for people."""

    def __init__(self, message: str, hint: str) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


class Sandbox:
    """A pool of worker processes. Enter it with ``async with``; they start with the first jobs.

    ``jobs`` are those it is for: what they need is imported at the start. ``workers``: how many at most (default: one
    for each core this process may use, at most 4). ``memory_bytes`` is what a job may take beyond what its process
    needs to stand there; ``module`` is what the processes run. Belongs to one event loop.
    """

    def __init__(
        self,
        *,
        jobs: tuple[str, ...] = ("article", "image"),
        workers: int | None = None,
        memory_bytes: int = 512 * 1024 * 1024,
        module: str = MODULE,
    ) -> None:
        self._gate = asyncio.Semaphore(max(1, workers or min(_MOST_WORKERS, _cores())))
        self._command = (module, str(memory_bytes), *jobs)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        workers, self._idle = list(self._all), []
        self._all.clear()
        await asyncio.gather(*(worker.end() for worker in workers))

    async def run(self, job: str, options: dict[str, Any], raw: bytes, *, limit_s: float) -> tuple[Any, bytes]:
        """Do ``job`` (a name in `collect.sandboxed`) on ``raw`` within ``limit_s`` seconds of processor time.

        On a machine that is busy with other things it may take longer, three times as long at most.
        Gives what the job returned: a JSON value and bytes. Raises JobFailed and JobRefused.
        """
        async with self._gate:
            worker = self._idle.pop() if self._idle else await self._start()
            is_fit = False
            try:
                async with asyncio.timeout(limit_s * _PATIENCE):
                    header, body = await worker.ask({"job": job, "options": options, "limit_s": limit_s}, raw)
                is_fit = not header.get("retire", False)
            except TimeoutError as error:
                raise JobFailed(Trouble.TIME, f"{limit_s:g} s") from error
            except (OSError, EOFError, ValueError) as error:  # it died, was ended by the kernel's clock, or babbles
                raise JobFailed(await worker.cause()) from error
            finally:
                # Whatever ended the job early, a cancellation too: its process may be in the middle of anything.
                await self._give_back(worker, is_fit=is_fit)
        if "refused" in header:
            raise JobRefused(header["refused"], header.get("hint", ""))
        if "failed" in header:
            raise JobFailed(Trouble(header["failed"]), header.get("detail", ""))
        return header["answer"], body

    async def _start(self) -> _Worker:
        worker = _Worker(self._command)
        self._all.add(worker)
        try:
            async with asyncio.timeout(_START_S):
                await worker.start()
        except (OSError, EOFError, TimeoutError) as error:
            await self._give_back(worker, is_fit=False)
            raise JobFailed(Trouble.START, str(error) or type(error).__name__) from error
        except BaseException:
            await self._give_back(worker, is_fit=False)
            raise
        return worker

    async def _give_back(self, worker: _Worker, *, is_fit: bool) -> None:
        if is_fit and worker in self._all:
            self._idle.append(worker)
            return
        self._all.discard(worker)
        worker.kill()
        await asyncio.shield(worker.buried())


class _Worker:
    """One process and the two pipes to it."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises OSError and EOFError."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for us to answer; they end with us
        )
        await self._receive()

    async def ask(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a frame and wait for the answer. Raises OSError and EOFError when the process is gone."""
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018 - it was started
        head = json.dumps(header).encode()
        self._process.stdin.write(LENGTHS.pack(len(head), len(body)) + head)
        self._process.stdin.write(body)
        await self._process.stdin.drain()
        return await self._receive()

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018 - the same
        head, body = LENGTHS.unpack(await self._process.stdout.readexactly(LENGTHS.size))
        if head + body > _LARGEST_ANSWER:
            raise EOFError("the answer is out of all proportion")
        header: dict[str, Any] = json.loads(await self._process.stdout.readexactly(head))
        return header, await self._process.stdout.readexactly(body)

    async def cause(self) -> Trouble:
        """Why it died, by its exit status."""
        assert self._process is not None  # noqa: S101 - the same
        self.kill()
        code = await self._process.wait()
        return Trouble.TIME if code == -signal.SIGPROF else Trouble.CRASH

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            # Not Process.kill(): it looks first whether the process is gone, takes its exit status from asyncio's
            # watcher in doing so (python/cpython#87744), and a death by the kernel's clock reads as 255.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def buried(self) -> None:
        """Wait until a killed process and its pipes are gone."""
        if self._process is not None:
            await self._process.communicate()

    async def end(self) -> None:
        """Let it end by closing its pipe; kill it when it does not."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self.buried()


def _environment() -> dict[str, str]:
    """Ours without our settings, which hold passwords, and with the places we import from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _cores() -> int:
    """Processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
