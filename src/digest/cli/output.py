"""What every command prints, and how: one JSON document on stdout with ``--json``, tables for people otherwise.

Rules: instants are ISO 8601 in UTC with ``Z``, ids are opaque strings, listings are ``{"items": [...]}``;
progress and logs go to stderr. Errors are one line on stderr, or one JSON document on stdout.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from digest.model.errors import DigestError

# emoji=False: a title with ":warning:" in it is printed as it is
stdout = Console(highlight=False, soft_wrap=True, emoji=False)
stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

#: Every command that prints a result takes this.
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
#: Every destructive command takes this.
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with Z, seconds precision unless there are microseconds."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def jsonable(value: Any) -> Any:
    """Plain JSON data of dataclasses, enums, instants and paths; keys ``id`` and ``*_id`` become strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _opaque(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    return _scalar(value)


def _opaque(key: str, item: Any) -> Any:
    is_id = key == "id" or key.endswith("_id")
    return str(item) if is_id and isinstance(item, int) else jsonable(item)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, date | time | Path) else value


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(jsonable(document), ensure_ascii=False, indent=2) + "\n")


def emit(document: Any, *, as_json: bool, human: Callable[[], None]) -> None:
    """Print the document for scripts, or call ``human`` for people."""
    if as_json:
        print_json(document)
    else:
        human()


def emit_list(
    items: Iterable[Any], *, as_json: bool, columns: Mapping[str, Callable[[Any], object]], empty: str
) -> None:
    """Print a listing: ``{"items": [...]}`` or a table with ``columns``, or ``empty`` where there is nothing."""
    rows = list(items)
    if as_json:
        print_json({"items": rows})
    elif not rows:
        stdout.print(empty, markup=False)
    else:
        stdout.print(table(columns, rows))


def table(columns: Mapping[str, Callable[[Any], object]], rows: Sequence[Any]) -> Table:
    """A quiet table: a head, no lines."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        grid.add_column(title, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(getter(row)) for getter in columns.values()))
    return grid


def _cell(value: object) -> Text:
    # Text, not str: no markup is read into what a feed or a reader wrote.
    if value is None:
        return Text("–")
    if isinstance(value, datetime):
        return Text(value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    return Text(str(value))


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 reader``, ``5 readers``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def say(line: str) -> None:
    """A line for people, on stdout, with no markup read into it."""
    stdout.print(line, markup=False)


def note(line: str) -> None:
    """A line for people beside the result, on stderr."""
    stderr.print(line, markup=False)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before a destructive step; without a terminal ``--yes`` is required. Declining ends with exit code 1."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise DigestError(f"{question} needs an answer, and there is no terminal to ask on", hint="add --yes")
    typer.confirm(question, abort=True, err=True)


def print_error(error: DigestError, *, as_json: bool) -> None:
    """One line on stderr, or one JSON document on stdout."""
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        return
    line = f"error: {error.message}" + (f"; {error.hint}" if error.hint else "")
    stderr.print(" ".join(line.split()), markup=False)
