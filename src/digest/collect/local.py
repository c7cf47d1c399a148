"""Local sources: files and folders of this machine's disk, read whole each time, and watched by `digest serve`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from digest import feeds
from digest.feeds.localfile import SUFFIXES
from digest.model.article import Oddity, ParsedArticle, ParsedFeed
from digest.model.errors import FeedMalformed, SourceUnreachable

MAX_FILES = 2000


def read_files(path: Path, *, max_bytes: int) -> list[tuple[str, bytes]]:
    """(absolute path, content) of a file, or of every article file below a folder, by name.

    Hidden files and folders are left out. Raises SourceUnreachable when there is nothing to read.
    """
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file() and not _is_hidden(file.relative_to(path))
        )[:MAX_FILES]
        if not files:
            raise SourceUnreachable(f"there are no articles in {path}", hint=f"put files there: {', '.join(SUFFIXES)}")
    elif path.exists():
        files = [path]
    else:
        raise SourceUnreachable(f"there is no file or folder {path}", hint="check the path; relative paths start here")
    return [(str(file.absolute()), _read_file(file, max_bytes)) for file in files]


def parse_files(files: list[tuple[str, bytes]]) -> ParsedFeed:
    """Local files as one feed; a file that is no article becomes a warning, unless it is the only one."""
    entries: list[ParsedArticle] = []
    odd: list[Oddity] = []
    title, home, language = "", None, None
    for name, raw in files:
        try:
            parsed = feeds.parse_file(raw, name=name)
        except FeedMalformed as error:
            if len(files) == 1:
                raise
            odd.append(Oddity("file-skipped", str(error)))
            continue
        entries += parsed.entries
        title, home, language = parsed.title, parsed.home_url, parsed.language
    if not entries:
        raise FeedMalformed(f"none of the {len(files)} files is an article", hint=odd[0].message if odd else "")
    if len(files) > 1:  # what one file says of its site does not hold for a folder
        title, home, language = "", None, None
    return ParsedFeed("article", title, home, language, tuple(entries), tuple(odd))


def files_hash(files: list[tuple[str, bytes]]) -> str:
    """Hex SHA-256 over names and contents."""
    whole = hashlib.sha256()
    for name, raw in files:
        whole.update(hashlib.sha256(name.encode("utf-8", "replace")).digest())
        whole.update(hashlib.sha256(raw).digest())
    return whole.hexdigest()


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _read_file(file: Path, max_bytes: int) -> bytes:
    try:
        if file.stat().st_size > max_bytes:
            raise SourceUnreachable(
                f"{file} is larger than {max_bytes:,} bytes", hint="raise collect.max_bytes, or split the file"
            )
        return file.read_bytes()
    except OSError as error:
        raise SourceUnreachable(f"{file} cannot be read ({error.strerror})", hint="check its permissions") from error
