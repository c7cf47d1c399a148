"""A command on a real pseudo-terminal, and everything it wrote there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_COMMAND = "from digest.cli.main import main; main()"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was ever on the screen, without colours and movements of the cursor."""

    text: str
    exit_code: int


def on_terminal(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], columns: int, seconds: float = 90
) -> Seen:
    """Run ``digest ARGUMENTS`` on a terminal of that width to its end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    heard: list[bytes] = []
    variables = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *arguments],
        cwd=folder,
        env={**variables, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)

    def listen() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                return
            if not piece:
                return
            heard.append(piece)

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        code = process.wait(seconds)
    finally:
        process.kill()
        listening.join(10)
        os.close(ours)
    return Seen(_CONTROL.sub("", b"".join(heard).decode("utf-8", "replace")), code)
