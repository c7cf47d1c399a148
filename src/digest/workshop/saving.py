"""Keeping what is on the stage as a fixture of the project.

Rules: writes one JSON file, only into ``email/fixtures`` of the operator's own templates, whole or not at all, and over
another one only when told to. A fixture that was patched is kept as what it extends and the patch; anything else as all
its fields, mail addresses and tokens replaced (`compose.parsing.to_fixture`).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digest.compose.fixtures import PICTURES, to_fixture
from digest.compose.kinds import MailKind
from digest.model.errors import AlreadyExists, BadInput, DigestError
from digest.workshop.sources import Data
from digest.workshop.states import State

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_DRAWN = re.compile(re.escape(PICTURES) + r"/([\w-]+)\.png")


def folder_of(kind: MailKind, search_path: Sequence[Path]) -> Path:
    """Where a project's fixtures of a kind lie. Raises BadInput without a folder of own templates."""
    if not search_path:
        raise BadInput("there is no folder of own templates", hint="make a project first: digest init")
    folder = search_path[0] / "email" / "fixtures"
    return folder if kind is MailKind.DIGEST else folder / kind.value


def fixture_text(state: State, data: Data) -> str:
    """The JSON of what ``state`` shows."""
    raw: dict[str, Any]
    if state.patch and not state.is_real:
        raw = {"extends": state.source, "patch": json.loads(state.patch)}
    else:
        raw = _named(to_fixture(data.context))
    return json.dumps(raw, ensure_ascii=False, indent=2) + "\n"


def save_fixture(name: str, text: str, *, kind: MailKind, search_path: Sequence[Path], replaces: bool = False) -> Path:
    """Write a fixture and give its path. Raises BadInput for a name that is none, AlreadyExists for a taken one."""
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name of a fixture", hint="use small letters, digits and hyphens")
    folder = folder_of(kind, search_path)
    path = folder / f"{name}.json"
    if path.exists() and not replaces:
        raise AlreadyExists(
            f"there is a fixture {name} already", hint="choose another name, or say that it is replaced"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(path, text)
    except OSError as error:
        raise DigestError(f"cannot write {path}: {error.strerror}", hint="make the folder writable") from error
    return path


def _write_whole(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".", suffix=".new", delete=False
    ) as file:
        file.write(text)
    made = Path(file.name)
    try:
        made.chmod(0o666 & ~_umask())
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _named(value: Any) -> Any:
    """``value`` with the pictures we drew by their names."""
    if isinstance(value, dict):
        return {name: _named(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one) for one in value]
    if isinstance(value, str) and (drawn := _DRAWN.fullmatch(value)):
        return f"picture:{drawn[1]}"
    return value
