"""A worker process whose jobs do what a hostile document could make a reader do; run by `collect.sandbox`."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from digest.collect import sandboxed


def _echo(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    return {"pid": os.getpid(), "settings": sorted(name for name in os.environ if name.startswith("DIGEST_"))}, raw


def _sleep(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    time.sleep(600)
    return None, b""


def _spin(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    while True:
        pass


def _eat(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    return len([bytes(1024 * 1024) for _ in range(100_000)]), b""


def _die(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return None, b""


def _raise(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    raise RecursionError("too deep")


def _babble(options: dict[str, Any], raw: bytes) -> tuple[Any, bytes]:
    for descriptor in range(3, 10):  # our end of the pipe is among them
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    return None, b""


if __name__ == "__main__":
    sandboxed.JOBS.update(
        {
            "echo": _echo, "sleep": _sleep, "spin": _spin, "eat": _eat, "die": _die, "raise": _raise, "babble": _babble,
        }
    )  # fmt: skip
    sandboxed.main()
