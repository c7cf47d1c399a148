"""Write the pages that are made from the program itself: commands, settings and the example configuration.

``python tools/docs_cli.py`` writes them, ``--check`` only says whether they are current (exit code 1 if not).
Rules: a page here is never edited by hand; what it lacks is said in the program's own help.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from generated import ROOT, settle

from digest.cli.main import build
from digest.config.example import example
from digest.config.settings import LISTS, DkimSettings, Settings, documented

_CLI_HEAD = """\
# Commands

Every command of this version, written from the program itself by `make docs`. `digest COMMAND --help` says the
same. Exit codes, errors and the shape of `--json` are on [their own page](exit-codes-and-json.md).

`digest --config FILE COMMAND …` chooses the configuration; without it `DIGEST_CONFIG` is looked at, then
`digest.toml` in the working directory.
"""

_SETTINGS_HEAD = """\
# Settings

Every setting of this version, written from the program itself by `make docs`. The same list, as a file to start
from, is [digest.example.toml](../../digest.example.toml); `digest init` writes it for you.

Where a value comes from, the last one wins:

1. the default below;
2. the configuration file: `--config`, else `DIGEST_CONFIG`, else `digest.toml` in the working directory;
3. the environment: `DIGEST_SECTION__KEY`, two underscores between the parts;
4. a secrets folder, if `DIGEST_SECRETS_DIR` names one: a file `digest_SECTION` that holds the section as JSON, for
   example `digest_database` with `{"url": "postgresql+psycopg://…"}`.

An unknown key is an error that names the nearest known one. Relative paths start at the configuration file's
folder, or at the working directory where there is no file. What changes daily (publications, sources, readers)
is not here but in the database.
"""


def main(arguments: list[str]) -> int:
    """Write the pages, or check them."""
    return settle(pages(), arguments)


def pages() -> Mapping[Path, str]:
    """Every generated page as it should be."""
    reference = ROOT / "docs" / "reference"
    return {
        reference / "cli.md": cli_page(),
        reference / "settings.md": settings_page(),
        ROOT / "digest.example.toml": example(),
    }


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, as (full name, command), in the order of the help."""
    yield from _leaves(typer.main.get_command(build()), "digest")


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    children: Mapping[str, Any] = getattr(command, "commands", {})
    if not children or command.invoke_without_command:  # a group that does something by itself
        yield name, command
    for word, child in children.items():
        if not child.hidden:
            yield from _leaves(child, f"{name} {word}")


def cli_page() -> str:
    """The page of commands."""
    known = list(commands())
    head = [_CLI_HEAD, "| command | what it does |", "| --- | --- |"]
    head += [f"| [`{name}`](#{name.replace(' ', '-')}) | {_first_line(command.help)} |" for name, command in known]
    return "\n".join(head) + "\n" + "".join(f"\n{_section(name, command)}" for name, command in known)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].replace("|", "\\|")


def _section(name: str, command: Any) -> str:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option"]
    usage = [name, *(["[OPTIONS]"] if options else []), *(_placeholder(item) for item in arguments)]
    lines = [f"## {name}", "", command.help.strip(), "", "```text", " ".join(usage), "```"]
    if arguments or options:
        lines += ["", "| argument or option | meaning | default |", "| --- | --- | --- |"]
        lines += [_row(_placeholder(item).strip("[]"), item) for item in arguments]
        lines += [_row(_spelling(item), item) for item in options]
    return "\n".join(lines) + "\n"


def _placeholder(item: Any) -> str:
    name = (item.metavar or item.name.upper()).strip("[]")
    return name if item.required else f"[{name}]"


def _spelling(item: Any) -> str:
    if item.is_flag:
        return str(item.opts[-1])
    kind = item.type_descriptor.annotation
    choices = "|".join(map(_plain, kind)) if isinstance(kind, type) and issubclass(kind, Enum) else ""
    return f"{item.opts[-1]} {choices or item.metavar or item.opts[-1].lstrip('-').upper().replace('-', '_')}"


def _row(spelling: str, item: Any) -> str:
    meaning = (getattr(item, "help", None) or "").replace("|", "\\|")
    return f"| `{spelling.replace('|', chr(92) + '|')}` | {meaning} | {_default(item)} |"


def _default(item: Any) -> str:
    if item.required:
        return "required"
    if item.default in (None, "", False, (), []):
        return ""
    return f"`{_plain(item.default)}`"


def _plain(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def settings_page() -> str:
    """The page of settings, a table for each section."""
    lines, section = [_SETTINGS_HEAD], ""
    for key, description, default in documented():
        table, _, name = key.rpartition(".")
        if table != section:
            section = table
            lines += [f"\n## {table}\n", _about(table), "", "| setting | meaning | default | environment |"]
            lines.append("| --- | --- | --- | --- |")
        shown = "none" if default is None else f"`{_toml_word(default)}`"
        variable = "" if table in LISTS else f"`DIGEST_{key.upper().replace('.', '__')}`"
        lines.append(f"| `{table}.{name}` | {description} | {shown} | {variable} |")
    return "\n".join(lines) + "\n"


def _about(table: str) -> str:
    if table.startswith("relays."):
        return (
            "One SMTP server that mail is handed to. The name `default` is the one that is used. A password is never "
            "written here: `password_file` names the file that holds it."
        )
    model = DkimSettings if table == "dkim" else Settings.model_fields[table].annotation
    about = inspect.getdoc(model) or ""
    more = (
        f"\n\nIn the environment the whole list is one value, as JSON: `DIGEST_{table.upper()}`."
        if table in LISTS
        else ""
    )
    return about + more


def _toml_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _plain(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
