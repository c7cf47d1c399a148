from __future__ import annotations

from pathlib import Path

import pytest

from digest.collect.local import read_files
from digest.model.errors import SourceUnreachable


def test_a_folder_gives_every_article_file_below_it(tmp_path: Path):
    for name in ("b.txt", "a.md", "sub/c.html", "x.pdf", ".hidden.txt", ".git/d.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)

    found = read_files(tmp_path, max_bytes=100)

    assert [(Path(name).name, raw) for name, raw in found] == [
        ("a.md", b"a.md"),
        ("b.txt", b"b.txt"),
        ("c.html", b"sub/c.html"),
    ]


@pytest.mark.parametrize("name", ["missing.txt", "empty", "large.txt"])
def test_local_trouble_is_said_in_words(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "large.txt").write_bytes(b"x" * 200)

    with pytest.raises(SourceUnreachable) as caught:
        read_files(tmp_path / name, max_bytes=100)

    assert caught.value.hint
