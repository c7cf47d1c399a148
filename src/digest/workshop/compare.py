"""The templates as they were in the last commit, to compare those on disk with.

Rules: git is asked, never told: nothing in the checkout changes. What a commit holds is laid out once in a folder of
our own, which goes when the process does. Folders that are in no checkout have no last commit, and that is an answer.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from digest.model.errors import DigestError

_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Committed:
    """Folders of templates as of a commit, in the order of those they stand for; ``commit`` names them briefly."""

    folders: tuple[Path, ...]
    commit: str


class LastCommit:
    """The last commit's templates, laid out again only when there was another commit."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._made: Committed | None = None
        self._of: tuple[str, ...] = ()

    def templates(self) -> Committed:
        """The folders as they were committed. Raises DigestError where none of them is in a checkout with a commit."""
        heads = tuple(head(folder) for folder in self._folders)
        if not any(heads):
            raise DigestError(
                "these templates are in no git checkout with a commit",
                hint="put the project folder under git: git init && git add -A && git commit",
            )
        if self._made is None or heads != self._of:
            self._lay_out(heads)
        assert self._made is not None  # noqa: S101 - narrows the type: just made
        return self._made

    def close(self) -> None:
        """Remove what was laid out."""
        if self._place is not None:
            self._place.cleanup()
            self._place, self._made = None, None

    def _lay_out(self, heads: tuple[str, ...]) -> None:
        self.close()
        self._place = tempfile.TemporaryDirectory(prefix="digest-head-")
        made = []
        for number, (folder, commit) in enumerate(zip(self._folders, heads, strict=True)):
            target = Path(self._place.name) / str(number)
            target.mkdir()
            if commit:
                _extract(folder, commit, target)
            made.append(target)
        self._made = Committed(tuple(made), next(commit for commit in heads if commit)[:10])
        self._of = heads


def head(folder: Path) -> str:
    """The last commit of the checkout that ``folder`` is in; ``""`` where it is in none, or git is not there."""
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), folder)
    said = _git(there, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return said.decode("ascii", "replace").strip() if said is not None else ""


def _extract(folder: Path, commit: str, target: Path) -> None:
    """Put what ``commit`` holds of ``folder`` into ``target``; nothing where it does not hold the folder."""
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), folder)
    top = _git(there, "rev-parse", "--show-toplevel")
    if top is None:
        return
    root = Path(top.decode().rstrip("\n"))
    inside = folder.resolve().relative_to(root.resolve()).as_posix()
    packed = _git(root, "archive", "--format=tar", commit if inside == "." else f"{commit}:{inside}")
    if packed is None:
        return  # the folder is newer than the commit
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="data")


def _git(folder: Path, *arguments: str) -> bytes | None:
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run(
        [git, "-C", str(folder), "--no-optional-locks", *arguments],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=_PATIENCE_S,
    )
    return done.stdout if done.returncode == 0 else None
