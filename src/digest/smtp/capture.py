"""A mailbox that takes every mail and delivers none: `digest demo` and trying things out.

Rules of this file: a mail is on disk before it is acknowledged; it listens on this machine only, unless told
otherwise; it runs in a thread of its own, so the caller's event loop does not matter.
"""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP

from digest.model.errors import DigestError

_UNSAFE = re.compile(r"[^A-Za-z0-9@._+-]+")


@dataclass(frozen=True, slots=True)
class Captured:
    """One mail taken: its place in the order of arrival (1-based), its envelope, and where it lies."""

    order: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    path: Path

    def read(self) -> bytes:
        """The bytes as they were sent."""
        return self.path.read_bytes()


class CaptureServer:
    """An SMTP server that writes each mail to ``folder``; a context manager. Port 0 takes a free one.

    Files are named by order and first recipient: ``00001-ann@example.com.eml``.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self._messages: list[Captured] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="capture-mailbox", daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def messages(self) -> tuple[Captured, ...]:
        """What was taken so far, in order of arrival."""
        with self._lock:
            return tuple(self._messages)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        try:
            self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except OSError as problem:
            self._stop()
            raise DigestError(
                f"the capture mailbox cannot listen on {self.host}:{self.port}: {problem.strerror or problem}",
                hint="choose another port, or 0 for a free one",
            ) from problem
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._stop()

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Write one mail, then acknowledge it. Called by aiosmtpd, one at a time: all in one thread."""
        order = len(self._messages) + 1
        first = _UNSAFE.sub("_", envelope.rcpt_tos[0])[:100]
        path = self.folder / f"{order:05d}-{first}.eml"
        try:
            path.write_bytes(envelope.original_content)
        except OSError as problem:
            return f"452 4.3.1 cannot store the mail: {problem.strerror}"
        with self._lock:
            self._messages.append(Captured(order, envelope.mail_from or "", tuple(envelope.rcpt_tos), path))
        return f"250 2.0.0 captured as {order}"

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._conversation, self.host, self.port)

    def _conversation(self) -> SMTP:
        return SMTP(self, hostname="capture.localhost", enable_SMTPUTF8=True, loop=self._loop)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # transports report that they are closed in the next turn

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
