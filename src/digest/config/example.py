"""The commented configuration file, made from the settings themselves so that it can never lag behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum

from digest.config.settings import LISTS, documented

_HEAD = """\
# Digest configuration. Every setting there is, with its default; remove the # to change one.
# Order: defaults < this file < environment DIGEST_SECTION__KEY < files in DIGEST_SECRETS_DIR.
# Relative paths start at this file's folder. An unknown key is an error.
"""


def example(chosen: Mapping[str, object] | None = None) -> str:
    """The file's text. Settings in ``chosen`` (dotted key → value) are set, the others are shown as comments."""
    chosen = chosen or {}
    lines, section = [_HEAD], ""
    for key, description, default in documented():
        table, _, name = key.rpartition(".")
        if table != section:
            section = table
            lines.append(f"\n{_header(table, chosen)}")
        lines.append(f"# {description}")
        value = chosen.get(key, default)
        comment = "" if key in chosen else "# "
        lines.append(f"{comment}{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _header(table: str, chosen: Mapping[str, object]) -> str:
    """A table's line. One that would be a member of a list is a comment unless the member is there."""
    if table not in LISTS:
        return f"[{table}]"
    return f"[[{table}]]" if any(key.startswith(f"{table}.") for key in chosen) else f"# [[{table}]]"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Enum):
        value = value.value
    text = "" if value is None else str(value)
    # JSON's escapes are TOML's, but TOML wants DEL escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
