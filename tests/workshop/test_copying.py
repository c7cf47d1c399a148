"""Taking shipped templates into one's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.compose.folders import package_templates
from digest.model.errors import AlreadyExists, NotFound
from digest.workshop.copying import copy


def test_a_file_is_copied_byte_for_byte_under_the_same_name(tmp_path: Path):
    (made,) = copy(["theme.toml"], tmp_path)

    assert made == tmp_path / "email" / "theme.toml"
    assert made.read_bytes() == (package_templates() / "email" / "theme.toml").read_bytes()


def test_a_folder_copies_all_that_is_in_it(tmp_path: Path):
    made = copy(["email/digest"], tmp_path)

    assert [path.name for path in made] == ["body.html", "body.txt", "subject.txt"]


def test_what_is_there_is_never_overwritten_and_then_nothing_is_copied(tmp_path: Path):
    (tmp_path / "email" / "digest").mkdir(parents=True)
    own = tmp_path / "email" / "digest" / "body.txt"
    own.write_text("mine")
    with pytest.raises(AlreadyExists, match=r"email/digest/body\.txt"):
        copy(["digest", "theme.css"], tmp_path)

    assert own.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [own]


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "", "."])
def test_nothing_outside_of_the_templates_can_be_named(tmp_path: Path, name: str):
    with pytest.raises(NotFound):
        copy([name], tmp_path)


def test_a_slip_is_met_with_what_was_meant(tmp_path: Path):
    with pytest.raises(NotFound) as caught:
        copy(["thme.css"], tmp_path)

    assert "theme.css" in caught.value.hint
