"""Write docs/templates/contract.md and docs/templates/digest-context.schema.json from `digest.compose.context`.

``python tools/docs_contract.py`` writes them, ``--check`` only says whether they are current (exit code 1 if not).
Rules: never edited by hand; what a field means is said under the field.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from generated import ROOT, settle

from digest.compose import context
from digest.compose.environment import templates
from digest.compose.folders import theme_names
from digest.compose.kinds import MailKind, slots_of
from digest.compose.parsing import MAY_BE_MISSING

FOLDER = ROOT / "docs" / "templates"
_JSON = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
_WORDS = {str: "text", int: "number", bool: "yes or no", type(None): "none"}
_SUBSCRIBED = (MailKind.DIGEST, MailKind.ALERT, MailKind.WELCOME)
_SLOTS = {
    "email": "the reader's address",
    "signed_up_on": "the day the reader signed up, written out in the mail's language",
    "unsubscribe_url": "the page to leave on",
    "confirm_url": "the page to confirm a subscription on",
    "preferences_url": "the page of the reader's settings; in digests only where `links.preferences` is set",
    "undo_url": "the page that takes leaving back",
}

_HEAD = """\
# What a template of a mail may use

Every field of this version, written from the program itself by `make docs`. All mails get the same fields, the
digest as well as the mail that asks for a confirmation; what a kind has no use for is empty or none. The same as JSON
Schema, for editors that check fixtures: [digest-context.schema.json](digest-context.schema.json).

Texts are on one line and clean; in `.html` templates everything is escaped by itself. Fields are added in new
versions, and never renamed or taken away. An undefined name is an error with its line, not an empty spot.

A digest that has `lead.image` may have none tomorrow: look at the fixtures `no-images`, `missing-optional` and
`hostile` in `digest preview` before you send.
"""


def main(arguments: list[str]) -> int:
    """Write both files, or check them."""
    return settle(pages(), arguments)


def pages() -> dict[Path, str]:
    """Each file and what should be in it."""
    says = _said()
    return {
        FOLDER / "contract.md": "\n".join(_reference(says)),
        FOLDER / "digest-context.schema.json": json.dumps(schema(says), indent=2, ensure_ascii=False) + "\n",
    }


def schema(says: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """The JSON Schema of a fixture: the context, and how a fixture may lean on another one."""
    root = _object(context.DigestContext, says)
    extra: dict[str, Any] = {
        "$schema": {"type": "string"},
        "extends": {"type": "string", "description": "A fixture this one differs from: default, or digest/default."},
        "patch": {"type": "object", "description": "What differs, as a JSON Merge Patch (RFC 7396): null removes."},
    }
    root["properties"] = {**extra, **root["properties"]}
    required = root.pop("required")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A mail of Digest, as its templates get it",
        **root,
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": required},
        "$defs": {shape.__name__: _object(shape, says) for shape in context.SHAPES[1:]},
    }


def _object(shape: Any, says: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    hints = typing.get_type_hints(shape)
    properties = {
        field.name: {**_type(hints[field.name]), "description": says[shape.__name__, field.name]}
        for field in fields(shape)
    }
    return {
        "description": _summary(shape),
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in fields(shape) if _is_required(field)],
        "properties": properties,
    }


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.name not in MAY_BE_MISSING


def _type(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        parts = [_type(one) for one in arguments]
        names = [part.get("type") for part in parts]
        return {"type": names} if all(isinstance(name, str) for name in names) else {"anyOf": parts}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if is_dataclass(kind):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if issubclass(kind, StrEnum):
        return {"enum": [one.value for one in kind]}
    return {"type": _JSON[kind]}


def _reference(says: Mapping[tuple[str, str], str]) -> Iterator[str]:
    yield _HEAD
    for shape in context.SHAPES:
        yield f"## {_heading(shape)}\n"
        yield f"{_summary(shape)}\n"
        yield "| field | what | |\n| --- | --- | --- |"
        hints = typing.get_type_hints(shape)
        for field in fields(shape):
            yield f"| `{field.name}` | {_words(hints[field.name])} | {_markdown(says[shape.__name__, field.name])} |"
        yield ""
    yield from _reader_values()
    yield from _tools()


def _reader_values() -> Iterator[str]:
    yield "## slots\n"
    yield (
        "What differs by reader: marked places that are filled in at sending. They can stand anywhere, in text and in\n"
        "addresses, but cannot be calculated with or compared. On the public web page there are none: ask `personal`.\n"
    )
    yield "| slot | what | in |\n| --- | --- | --- |"
    for slot, what in _SLOTS.items():
        kinds = [kind.value for kind in MailKind if slot in slots_of(kind, preferences=kind in _SUBSCRIBED)]
        yield f"| `slots.{slot}` | {what} | {', '.join(kinds)} |"
    yield ""


def _tools() -> Iterator[str]:
    env = templates()
    own = sorted(set(env.filters) & {"soft", "wrap", "columns"})
    assert own == ["columns", "soft", "wrap"]  # noqa: S101 - the texts below are about these
    yield "## theme, words and filters\n"
    yield (
        "`theme` has the tables of `email/theme.toml`: `theme.light.accent`, `theme.fonts.serif`,\n"
        "`theme.show.pictures`. "
        f"Themes of this version: {', '.join(theme_names())}.\n"
    )
    yield (
        "`t(id, name=value, …)` says what the mail itself says, in its language; the ids are those of\n"
        "`templates/locale/de.po`. An operator's own `locale/<language>.po` may change texts and add ids.\n"
    )
    yield (
        "`|soft` lets endless words break where a mail program would widen the page (use it on every text from\n"
        "outside, in HTML). `|wrap(72)` breaks lines of the text part and never an address. `|columns` is how wide a\n"
        "text is on a terminal. Beside them: the filters of Jinja.\n"
    )


def _heading(shape: Any) -> str:
    names = {
        context.DigestContext: "The top level",
        context.PublicationFacts: "publication",
        context.IssueFacts: "issue",
        context.Story: "lead, and each of section.stories",
        context.Image: "story.image",
        context.Copy: "each of story.also_at",
        context.Section: "each of sections",
        context.Brief: "each of briefs",
        context.NoticeFacts: "notice",
        context.Rhythm: "each of notice.rhythms",
        context.Links: "links",
    }
    return names[shape]


def _words(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        return " or ".join(_words(one) for one in arguments)
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if is_dataclass(kind):
        return f"[{kind.__name__}](#{_anchor(kind)})"
    if issubclass(kind, StrEnum):
        return ", ".join(f"`{one.value}`" for one in kind)
    return _WORDS[kind]


def _anchor(shape: Any) -> str:
    return "".join(letter for letter in _heading(shape).lower() if letter.isalnum() or letter in " -_").replace(
        " ", "-"
    )


def _summary(shape: Any) -> str:
    return " ".join((inspect.getdoc(shape) or "").split())


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def _said() -> dict[tuple[str, str], str]:
    """What the text under each field says: (class, field) → text. Raises KeyError later for a field without one."""
    found = {}
    for node in ast.parse(inspect.getsource(context)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, said in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                found[node.name, field.target.id] = " ".join(str(said.value.value).split())
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
