"""From JSON to the data contract and back. Pure.

Rules: what is wrong is named by a path people can read (``lead.image.alt: expected text``). Texts are cleaned as
`compose.build` cleans those of feeds, and links that are no web addresses become none, so a fixture shows what a mail
would. Numbers of stories that are left out are counted in reading order.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from digest.compose.context import DigestContext, Image
from digest.model.errors import BadInput
from digest.text.wording import one_line

_NAMES = {str: "text", int: "a whole number", bool: "true or false", type(None): "null"}
_WEB = ("https://", "http://")
_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
# In a link: what only its owner should have, by where it stands or by how it looks.
_PRIVATE_PATH = re.compile(r"(/(?:u|c|p|confirm|preferences|unsubscribe|undo)/)[^/?#]+")
_SECRET = re.compile(r"(?<==)[\w~.-]{24,}(?=$|[&#])")
_PRIVATE_QUERY = re.compile(
    r"(?<=[?&])([\w.-]*(?:token|key|sig|auth|email|user|sid|session)[\w.-]*)=[^&#]*", re.IGNORECASE
)


class FixtureInvalid(BadInput):
    """A fixture does not fit the data contract."""

    code = "fixture-invalid"


def parse_context(raw: Mapping[str, Any]) -> DigestContext:
    """The context that ``raw`` describes. Raises FixtureInvalid with the path of what is wrong."""
    found = _value(DigestContext, _numbered(raw), "")
    assert isinstance(found, DigestContext)  # noqa: S101 - what it was asked for
    return found


def to_fixture(context: DigestContext) -> dict[str, Any]:
    """``context`` as JSON: what is as by default is left out, mail addresses and tokens are replaced."""
    plain = _plain(context)
    assert isinstance(plain, dict)  # noqa: S101 - a dataclass gives one
    return {"kind": context.kind.value, **plain}


def _numbered(raw: Mapping[str, Any]) -> dict[str, Any]:
    """``raw`` with a number in each story and brief that has none."""
    count = iter(range(1, 10_000))

    def counted(one: Any) -> Any:
        number = next(count)
        return {"number": number, **one} if isinstance(one, Mapping) else one

    made = dict(raw)
    if made.get("lead") is not None:
        made["lead"] = counted(made["lead"])
    for name, within in (("sections", "stories"), ("briefs", None)):
        listed = made.get(name)
        if not isinstance(listed, list):
            continue
        if within is None:
            made[name] = [counted(one) for one in listed]
            continue
        made[name] = [
            {**one, within: [counted(story) for story in one[within]]}
            if isinstance(one, Mapping) and isinstance(one.get(within), list)
            else one
            for one in listed
        ]
    return made


def _value(kind: Any, raw: Any, path: str) -> Any:
    """``raw`` as ``kind``, a type of `compose.context`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        if raw is None:
            return None
        kind = next(one for one in arguments if one is not type(None))
        return _value(kind, raw, path)
    if origin is tuple:
        if not isinstance(raw, list):
            raise _wrong(path, "expected a list")
        return tuple(_value(arguments[0], one, f"{path}[{index}]") for index, one in enumerate(raw))
    if is_dataclass(kind) and isinstance(kind, type):
        return _object(kind, raw, path)
    return _scalar(kind, raw, path)


def _scalar(kind: type, raw: Any, path: str) -> Any:
    if issubclass(kind, StrEnum):
        if raw not in list(kind):
            raise _wrong(path, f"expected one of {', '.join(kind)}")
        return kind(raw)
    if type(raw) is not kind:
        raise _wrong(path, f"expected {_NAMES[kind]}")
    if isinstance(raw, str):
        return _clean(raw, path)
    return raw


def _object(kind: Any, raw: Any, path: str) -> Any:
    if not isinstance(raw, Mapping):
        raise _wrong(path, "expected an object")
    known = {field.name: field for field in fields(kind)}
    for name in raw:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
            raise _wrong(_below(path, str(name)), "there is no such field", hint=hint)
    hints = typing.get_type_hints(kind)
    values = {name: _value(hints[name], raw[name], _below(path, name)) for name in known if name in raw}
    missing = [field for field in known.values() if field.name not in raw and _is_required(field)]
    for field in missing:
        if field.name not in MAY_BE_MISSING:
            raise _wrong(_below(path, field.name), "is missing")
        values[field.name] = MAY_BE_MISSING[field.name]
    if kind is not Image and "title" in values and "url" in values and not values["title"]:
        raise _wrong(_below(path, "title"), "must not be empty")
    return kind(**values)


#: What may be left out although templates always have it.
MAY_BE_MISSING: Mapping[str, Any] = {
    "number": None,  # of an issue; stories are numbered
    "teaser": "",
    "source": "",
    "minutes": None,
    "day": "",
    "image": None,
    "also_at": (),
    "issue": None,
    "lead": None,
    "sections": (),
    "briefs": (),
    "personal": True,
}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _clean(text: str, path: str) -> str:
    text = one_line(text)
    if path.rpartition(".")[2] in {"url", "web_url", "home_url"}:
        return text.replace(" ", "%20") if text.lower().startswith(_WEB) else ""
    return text


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, message: str, *, hint: str = "") -> FixtureInvalid:
    return FixtureInvalid(
        f"{path or 'the fixture'}: {message}", hint=hint or "The fields are in docs/templates/contract.md."
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return dict(_kept(value))
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, StrEnum):
        return value.value
    return _discreet(value) if isinstance(value, str) else value


def _kept(value: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        one = getattr(value, field.name)
        default = MAY_BE_MISSING.get(field.name, MISSING) if _is_required(field) else field.default
        if one != default or field.name == "image":
            yield field.name, _plain(one)


def _discreet(text: str) -> str:
    """``text`` without what is somebody's: mail addresses, and what in a link only its owner should have."""
    text = _ADDRESS.sub("reader@example.com", text)
    if not text.lower().startswith(_WEB):
        return text
    text = _PRIVATE_QUERY.sub(r"\1=EXAMPLE", _PRIVATE_PATH.sub(r"\1EXAMPLE", text))
    return _SECRET.sub("EXAMPLE", text)
