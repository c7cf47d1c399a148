"""Taking a shipped template, or a theme's, into one's own folder to change it.

Rules: what is there is never overwritten: either all files are copied or none. Names are those of templates, relative
to the folder; a folder's name copies all that is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from digest.compose.folders import package_templates
from digest.model.errors import AlreadyExists, DigestError, NotFound


def shipped() -> list[str]:
    """The names of what there is to copy, sorted; fixtures are not among them, since those are extended."""
    root = package_templates()
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not path.is_relative_to(root / "email" / "fixtures") and path.name != "AUTHORS"
    )


def copy(names: Sequence[str], into: Path) -> list[Path]:
    """Copy templates and folders by name, with or without ``email/``; gives the new files.

    Raises NotFound for a name of nothing and AlreadyExists when one of the files is there; then nothing is copied.
    """
    wanted = sorted({found for name in names for found in _found(name)})
    there = [name for name in wanted if (into / name).exists()]
    if there:
        raise AlreadyExists(f"{there[0]} is in {into} already", hint="edit it there, or move it away first")
    made = []
    try:
        for name in wanted:
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((package_templates() / name).read_bytes())
            made.append(target)
    except OSError as error:
        for path in made:
            path.unlink()
        raise DigestError(f"cannot write to {into}: {error.strerror}", hint="make the folder writable") from error
    return made


def _found(name: str) -> list[str]:
    known, plain = shipped(), name.strip("/")
    for start in (plain, f"email/{plain}"):
        found = [one for one in known if one == start or one.startswith(f"{start}/")]
        if found:
            return found
    near = get_close_matches(plain, [*known, *(one.removeprefix("email/") for one in known)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known[:12])} …"
    raise NotFound(f"there is no template {name!r} to copy", hint=hint)
