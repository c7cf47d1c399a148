"""A very small shell for the examples in our documents: they run as written, with the real command line in process.

Knows what the examples use and refuses anything else: ``digest …``, ``cd``, ``mkdir -p``, ``cat > FILE <<'EOF'``, lines
continued by a backslash, ``&&``, ``export``, and ``$PWD``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEREDOC = re.compile(r"^cat > (\S+) <<'(\w+)'$")


@dataclass(slots=True)
class Shell:
    """Runs scripts in ``folder``; ``digest`` gives the exit code of a command line. ``ran`` keeps (words, code)."""

    folder: Path
    digest: Callable[[list[str]], int]
    chdir: Callable[[Path], None]
    setenv: Callable[[str, str], None]
    ran: list[tuple[list[str], int]] = field(default_factory=list)

    def run(self, script: str) -> None:
        """Run every line. Raises AssertionError at the first command that fails."""
        for words, body in _statements(script):
            self._one([word.replace("$PWD", str(self.folder)) for word in words], body)

    def _one(self, words: list[str], body: str | None) -> None:
        match words:
            case ["digest", *rest]:
                code = self.digest(rest)
                self.ran.append((rest, code))
                assert code == 0, f"digest {shlex.join(rest)} exited {code}"
            case ["cd", where]:
                self.folder = self.folder / where
                self.chdir(self.folder)
            case ["mkdir", "-p", where]:
                (self.folder / where).mkdir(parents=True, exist_ok=True)
            case ["export", assignment]:
                self.setenv(*assignment.split("=", 1))
            case ["cat", name] if body is not None:
                (self.folder / name).write_text(body, encoding="utf-8")
            case _:
                raise AssertionError(f"the examples' shell does not know {shlex.join(words)!r}")


def _statements(script: str) -> Iterator[tuple[list[str], str | None]]:
    lines = iter(script.replace("\\\n", " ").splitlines())
    for line in lines:
        if match := _HEREDOC.match(line):
            body = "".join(f"{inner}\n" for inner in iter(lines.__next__, match[2]))
            yield ["cat", match[1]], body
            continue
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            if words:
                yield words, None
