"""What an owner may set without touching a template: ``email/theme.toml``.

Rules: a theme's file is laid over ours, an operator's over both, table by table; each need only name what it changes.
Colours and fonts are checked to be CSS values, so none can end its declaration; text colours that nobody could read
are put right (`compose.colours`), and the preview says so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment

from digest.compose.colours import Note, Tables, adjusted
from digest.compose.folders import layers_of
from digest.model.errors import TemplateBroken

THEME = "email/theme.toml"
# What may stand in a CSS value: nothing that could end the declaration, the block or the style element.
_CSS_VALUE = re.compile(r"[^{}<>;\\\x00-\x1f]+")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TOML_LINE = re.compile(r"at line (\d+)")
_TABLE = re.compile(r"\s*\[\s*[\"']?([\w-]+)[\"']?\s*\]")
_PIXELS = re.compile(r"[1-9]\d{0,3}")
_PICTURES = ("all", "lead", "none")
#: Tables that are no CSS: each key with what its value must be.
_KEYS: Mapping[str, Mapping[str, tuple[Callable[[str], object], str]]] = {
    "logo": {
        "src": (re.compile(r"https://[^\s\"'<>]+").fullmatch, "an https address"),
        "width": (_PIXELS.fullmatch, "a number of pixels"),
        "height": (_PIXELS.fullmatch, "a number of pixels"),
    },
    "footer": {"line": (re.compile(r"[^\x00-\x1f\ue000\ue001]*").fullmatch, "one line of text")},
    "show": {"pictures": (_PICTURES.__contains__, f"one of {', '.join(_PICTURES)}")},
}


def theme(env: Environment) -> dict[str, dict[str, str]]:
    """The tables of the environment's theme, its text colours readable.

    Raises TemplateBroken for a file that is no TOML or holds something that may not stand in it.
    """
    return adjusted(_merged(env))[0]


def theme_notes(env: Environment) -> tuple[Note, ...]:
    """Which colours `theme` had to change, and which it could not check."""
    return adjusted(_merged(env))[1]


def _merged(env: Environment) -> Tables:
    merged: dict[str, dict[str, str]] = {"logo": {}, "footer": {}}
    for path in reversed(layers_of(env).paths_of(THEME)):
        for table, values in _read(path, path.stat().st_mtime_ns).items():
            merged.setdefault(table, {}).update(values)
    return merged


@lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int) -> dict[str, dict[str, str]]:
    """Read a theme's file; its time of change is part of the key."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = int(found[1]) if (found := _TOML_LINE.search(str(error))) else None
        raise TemplateBroken(f"{THEME}: {error}", hint=f"Correct {path}.", template=THEME, line=line) from error
    for table, values in tables.items():
        for name, value in values.items() if isinstance(values, dict) else [("", values)]:
            _check(path, table, name, value)
    return tables


def _check(path: Path, table: str, name: str, value: object) -> None:
    keys = _KEYS.get(table)
    if keys is not None and name not in keys:
        raise _wrong(path, f"{table}.{name} is not known", f"Known in [{table}] are {', '.join(keys)}: correct {path}.")
    is_fit, what = keys[name] if keys else (_CSS_VALUE.fullmatch, "a CSS value")
    if isinstance(value, str) and _NAME.fullmatch(name) and is_fit(value):
        return
    place = f"{table}.{name}" if name else table
    hint = f'Write it as text, for example accent = "#a8321f", in a table of {path}.'
    raise _wrong(path, f"{place} = {value!r} is not {what}", hint)


def _wrong(path: Path, message: str, hint: str) -> TemplateBroken:
    table, _, key = message.partition(" ")[0].rpartition(".")
    return TemplateBroken(f"{THEME}: {message}", hint=hint, template=THEME, line=_line_of(path, table, key))


def _line_of(path: Path, table: str, key: str) -> int | None:
    """The line of ``key`` in ``[table]``, as far as it is written the usual way."""
    inside = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        header = _TABLE.match(line)
        inside = header[1] if header else inside
        if inside == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return None
