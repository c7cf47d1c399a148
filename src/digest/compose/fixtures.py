"""Invented mails to look at templates with: edge cases of our own, and a project's own.

Rules: a fixture is JSON in ``email/fixtures`` of a templates folder, in a folder of its kind unless that is a digest:
the fields of `compose.context`, or ``extends`` another one and says what differs, as a JSON Merge Patch (RFC 7396).
Every name, address and event of ours is made up. ``picture:<what>`` is a picture that `compose.pictures` draws.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from digest.compose.context import DigestContext
from digest.compose.folders import package_templates
from digest.compose.kinds import MailKind
from digest.compose.parsing import FixtureInvalid, parse_context, to_fixture
from digest.model.errors import NotFound

__all__ = ["PICTURES", "FixtureInvalid", "fixture_names", "load_fixture", "merge_patch", "parse_context", "to_fixture"]

#: Where the pictures of fixtures are said to be.
PICTURES = "https://pictures.example.com"
_FOLDER = Path("email") / "fixtures"
_PICTURE = "picture:"
_DEEPEST = 8
_NOT_CONTEXT = frozenset({"$schema", "extends", "patch"})


def fixture_names(kind: MailKind | None = None, *, search_path: Sequence[Path] = ()) -> list[str]:
    """The names `load_fixture` knows for ``kind``; without one, every name of any kind. ``default`` comes first."""
    kinds = [kind] if kind else list(MailKind)
    found = {path.stem for one in kinds for folder in _folders(one, search_path) for path in folder.glob("*.json")}
    return sorted(found, key=lambda name: (name != "default", name))


def load_fixture(
    name: str = "default",
    *,
    kind: MailKind = MailKind.DIGEST,
    search_path: Sequence[Path] = (),
    pictures: str = PICTURES,
    patch: Mapping[str, Any] | None = None,
    personal: bool = True,
) -> DigestContext:
    """The fixture ``name``, its drawn pictures at ``<pictures>/<what>.png``, with ``patch`` merged into it.

    ``personal`` False gives it as the public web page shows it. Raises NotFound for an unknown name, FixtureInvalid
    with the path of what does not fit.
    """
    raw = _merged(kind, name, search_path, depth=0)
    raw.setdefault("kind", kind.value)
    raw = merge_patch(raw, patch or {}) if patch else raw
    if not personal:
        raw = {**raw, "personal": False}
    try:
        return parse_context(_drawn(raw, pictures))
    except FixtureInvalid as error:
        raise FixtureInvalid(f"fixture {name}: {error.message}", hint=error.hint) from error


def merge_patch(target: Any, patch: Any) -> Any:
    """``target`` with ``patch`` merged in as RFC 7396 has it: null removes, objects merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _folders(kind: MailKind, search_path: Sequence[Path]) -> Iterator[Path]:
    for root in (*search_path, package_templates()):
        yield root / _FOLDER if kind is MailKind.DIGEST else root / _FOLDER / kind.value


def _merged(kind: MailKind, name: str, search_path: Sequence[Path], *, depth: int) -> dict[str, Any]:
    """The JSON of a fixture with what it extends and what it says of itself."""
    if depth > _DEEPEST:
        raise FixtureInvalid(f"fixture {name} extends itself", hint="Let one of them stand alone.")
    raw = _read(kind, name, search_path)
    base: dict[str, Any] = {}
    if (extended := raw.get("extends")) is not None:
        of_kind, other = _named(extended, kind, name)
        base = _merged(of_kind, other, search_path, depth=depth + 1)
    own = {field: value for field, value in raw.items() if field not in _NOT_CONTEXT}
    made: dict[str, Any] = merge_patch(merge_patch(base, own), raw.get("patch", {}))
    return made


def _named(extended: object, kind: MailKind, name: str) -> tuple[MailKind, str]:
    """The kind and name that ``extends`` means: ``default``, or ``digest/default`` of another kind."""
    if not isinstance(extended, str):
        raise FixtureInvalid(f"fixture {name}: extends: expected text", hint="Name one fixture, such as default.")
    folder, slash, other = extended.rpartition("/")
    if not slash:
        return kind, extended
    if folder not in list(MailKind):
        raise FixtureInvalid(f"fixture {name}: extends: there is no kind {folder!r}", hint=f"Kinds are {_kinds()}.")
    return MailKind(folder), other


def _read(kind: MailKind, name: str, search_path: Sequence[Path]) -> dict[str, Any]:
    known = fixture_names(kind, search_path=search_path)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise NotFound(f"there is no fixture {name!r} of a {kind}", hint=f"{hint}Known are {', '.join(known)}.")
    path = next(path for folder in _folders(kind, search_path) if (path := folder / f"{name}.json").is_file())
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FixtureInvalid(f"fixture {name}: {error}", hint=f"Correct {path}.") from error
    if not isinstance(raw, dict):
        raise FixtureInvalid(f"fixture {name}: expected an object", hint=f"Correct {path}.")
    return raw


def _kinds() -> str:
    return ", ".join(MailKind)


def _drawn(value: Any, pictures: str) -> Any:
    """``value`` with ``picture:<what>`` as the address of that picture."""
    if isinstance(value, Mapping):
        return {name: _drawn(one, pictures) for name, one in value.items()}
    if isinstance(value, list):
        return [_drawn(one, pictures) for one in value]
    if isinstance(value, str) and value.startswith(_PICTURE):
        return f"{pictures}/{value.removeprefix(_PICTURE)}.png"
    return value
