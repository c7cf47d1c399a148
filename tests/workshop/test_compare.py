"""The last commit's templates, from a real git checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from digest.model.errors import DigestError
from digest.workshop.compare import LastCommit, head


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "templates" / "email").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(root))
    (root / "templates" / "email" / "theme.toml").write_text("old\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "First")
    return root


def test_what_was_committed_is_laid_out_and_the_checkout_is_left_alone(checkout: Path, tmp_path: Path):
    (checkout / "templates" / "email" / "theme.toml").write_text("new\n")
    (checkout / "templates" / "email" / "extra.html").write_text("not committed\n")
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    last = LastCommit([checkout / "templates", tmp_path / "elsewhere"])
    made = last.templates()

    assert (made.folders[0] / "email" / "theme.toml").read_text() == "old\n"
    assert not (made.folders[0] / "email" / "extra.html").exists()
    assert list(made.folders[1].iterdir()) == []
    assert made.commit == head(checkout)[:10]
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before
    last.close()
    assert not made.folders[0].exists()


def test_another_commit_is_noticed(checkout: Path):
    last = LastCommit([checkout / "templates"])
    first = last.templates()
    assert last.templates() is first
    (checkout / "templates" / "email" / "theme.toml").write_text("newer\n")
    git(checkout, "commit", "-qam", "Second")

    assert (last.templates().folders[0] / "email" / "theme.toml").read_text() == "newer\n"
    last.close()


def test_a_folder_newer_than_the_commit_is_empty_there(checkout: Path):
    (checkout / "later" / "email").mkdir(parents=True)
    last = LastCommit([checkout / "later"])

    assert list(last.templates().folders[0].iterdir()) == []
    last.close()


def test_outside_of_git_it_says_what_to_do(tmp_path: Path):
    with pytest.raises(DigestError, match="in no git checkout") as caught:
        LastCommit([tmp_path / "templates"]).templates()

    assert "git init" in caught.value.hint
