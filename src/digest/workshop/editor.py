"""Opening a template in the editor of whoever sits at this machine, at its line.

Rules: only files below the folders that are given, which are those of the templates. The editor is what ``VISUAL`` or
``EDITOR`` names, started with a list of arguments and without a shell. One that needs a terminal is not started, since
there is none to give it: its command line is handed back to be pasted into one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digest.model.errors import BadInput, DigestError

#: How editors are told a line; ``{file}`` and ``{line}`` are put in. The first word of a command decides.
_COLON = ("{file}:{line}",)
_PLUS = ("+{line}", "{file}")
_SYNTAX: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("code", "code-insiders", "codium", "cursor", "windsurf"), ("-g", "{file}:{line}")),
    **dict.fromkeys(("subl", "zed", "hx", "helix", "micro"), _COLON),
    **dict.fromkeys(("vi", "vim", "nvim", "gvim", "nano", "emacs", "emacsclient", "gedit", "joe", "ne"), _PLUS),
    **dict.fromkeys(("kate", "mate", "geany"), ("-l", "{line}", "{file}")),
    **dict.fromkeys(("idea", "pycharm", "webstorm", "phpstorm", "rider"), ("--line", "{line}", "{file}")),
}
_IN_A_TERMINAL = frozenset({"vi", "vim", "nvim", "nano", "hx", "helix", "micro", "joe", "ne"})


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of it. ``command`` is to be pasted into a terminal where the editor was not ``started``."""

    started: bool
    command: str


def command_line(editor: str, path: Path, line: int) -> list[str]:
    """The words that open ``path`` at ``line`` in ``editor``, which may have arguments of its own."""
    words = shlex.split(editor)
    syntax = _SYNTAX.get(_name(words), ("{file}",))
    return [*words, *(part.format(file=path, line=line) for part in syntax)]


def open_at(path: Path, line: int, *, below: Sequence[Path], environ: Mapping[str, str] | None = None) -> Opened:
    """Open a template. Raises BadInput for a file that is none, and DigestError without an editor that works."""
    real = path.resolve()
    if not real.is_file() or not any(real.is_relative_to(folder.resolve()) for folder in below):
        raise BadInput(f"{path.name} is no template", hint="choose an element of the mail")
    known = os.environ if environ is None else environ
    editor = known.get("VISUAL") or known.get("EDITOR") or ""
    if not editor.strip():
        raise DigestError("no editor is set", hint='set VISUAL or EDITOR, for example VISUAL="code -w"')
    words = command_line(editor, real, max(1, line))
    if _needs_terminal(words):
        return Opened(started=False, command=shlex.join(words))
    if shutil.which(words[0], path=known.get("PATH")) is None:
        raise DigestError(f"there is no program {words[0]}", hint="correct VISUAL or EDITOR")
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise DigestError(f"{words[0]} did not start: {error.strerror}", hint="correct VISUAL or EDITOR") from error
    threading.Thread(target=process.wait, name="editor", daemon=True).start()  # so that it leaves no zombie
    return Opened(started=True, command=shlex.join(words))


def _needs_terminal(words: Sequence[str]) -> bool:
    name = _name(words)
    return name in _IN_A_TERMINAL or (name in {"emacs", "emacsclient"} and not {"-nw", "-t", "-tty"}.isdisjoint(words))


def _name(words: Sequence[str]) -> str:
    return Path(words[0]).name.removesuffix(".exe") if words else ""
