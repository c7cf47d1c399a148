"""What the tests of the documents read out of them: code blocks, command lines, links."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from digest.cli.main import build

ROOT = Path(__file__).resolve().parents[2]
#: Blocks in these languages hold what somebody types, or what a supervisor starts.
SHELLS = frozenset({"sh", "console", "ini"})

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s/=])digest (?=\S)")
_INLINE = re.compile(r"`(digest [^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ENDS = {"&&", "||", ";", "|", "&", ">", ">>", "<", "2>"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


def documents() -> list[Path]:
    """Every Markdown file that is ours."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")]
    return sorted(found)


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    return [Block(match[1], match[2]) for match in _FENCE.finditer(text)]


def typed_commands(text: str) -> Iterator[list[str]]:
    """The words after ``digest`` in every command line of a text's blocks, continued lines joined."""
    for block in blocks(text):
        if block.language in SHELLS:
            yield from commands_in(block.text)


def commands_in(script: str) -> Iterator[list[str]]:
    """The words after ``digest`` in every command line of a script."""
    joined = _HEREDOC.sub("", script).replace("\\\n", " ")
    for line in joined.splitlines():
        for match in _COMMAND.finditer(line):
            lexer = shlex.shlex(line[match.end() :], posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            end = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
            if end:
                yield words[:end]


def mentioned_commands(text: str) -> Iterator[list[str]]:
    """The words after ``digest`` in every command that prose mentions in backquotes."""
    for match in _INLINE.finditer(_FENCE.sub("", text)):
        yield match[1].split()[1:]


def links(text: str) -> list[str]:
    """The targets of a document's links and pictures, outside of code."""
    return _LINK.findall(_FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that headings of a document make."""
    titles = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The real command that ``words`` name, and the words left for it. Raises LookupError when there is none."""
    command: Any = typer.main.get_command(build())
    rest = list(words)
    while rest and rest[0] == "--config":
        rest = rest[2:]
    if rest[:1] == ["--version"]:
        return command, rest
    while children := getattr(command, "commands", None):
        if not rest or rest[0] not in children:
            if command.invoke_without_command:  # a group that does something by itself
                break
            raise LookupError(f"there is no command `digest {' '.join(words)}`")
        command = children[rest.pop(0)]
    return command, rest


def parse(words: list[str]) -> None:
    """Read a command line as the program would, without running it. Raises what the program would refuse with."""
    command, rest = leaf(words)
    if "--help" not in rest and "--version" not in rest:
        command.make_context("digest", rest)


def unknown_options(words: list[str]) -> list[str]:
    """The options in a mention that its command does not have; a mention of a group of commands has none to check."""
    try:
        command, rest = leaf(words)
    except LookupError:
        if _is_group(words):
            return []
        raise
    known = {name for item in command.params for name in (*item.opts, *item.secondary_opts)} | {"--help", "-h"}
    return [word for word in rest if word.startswith("-") and word != "-" and word not in known]


def _is_group(words: list[str]) -> bool:
    command: Any = typer.main.get_command(build())
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return False
    return True


def log_calls() -> Iterator[tuple[Path, ast.Call]]:
    """Every call that logs, anywhere in the program."""
    for path in sorted((ROOT / "src" / "digest").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            logger = node.func.value
            is_named = isinstance(logger, ast.Name) and logger.id in {"log", "_log"}
            is_made = isinstance(logger, ast.Call) and ast.unparse(logger.func) == "structlog.get_logger"
            if is_named or is_made:
                yield path, node


def logged_events() -> set[str]:
    """The name of every event the program can log."""
    words = (argument for _, call in log_calls() for argument in call.args if isinstance(argument, ast.Constant))
    return {word.value for word in words if isinstance(word.value, str)}
