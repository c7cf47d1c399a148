"""Opening a template in an editor: at its line, only templates, and never by a shell."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from digest.model.errors import BadInput, DigestError
from digest.workshop.editor import command_line, open_at


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "templates" / "a b.html"
    path.parent.mkdir()
    path.write_text("<p>")
    return path


@pytest.mark.parametrize(
    ("editor", "words"),
    [
        ("code -w", ["code", "-w", "-g", "/t/a.html:36"]),
        ("/usr/bin/subl", ["/usr/bin/subl", "/t/a.html:36"]),
        ("vim", ["vim", "+36", "/t/a.html"]),
        ("emacsclient -n", ["emacsclient", "-n", "+36", "/t/a.html"]),
        ("kate", ["kate", "-l", "36", "/t/a.html"]),
        ("pycharm", ["pycharm", "--line", "36", "/t/a.html"]),
        ("my-own-editor", ["my-own-editor", "/t/a.html"]),
    ],
)
def test_each_editor_is_told_the_line_its_own_way(editor: str, words: list[str]):
    assert command_line(editor, Path("/t/a.html"), 36) == words


def test_the_editor_is_started_with_the_file_and_line(template: Path, tmp_path: Path):
    program = tmp_path / "code"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said.new && mv {tmp_path}/said.new {tmp_path}/said\n'
    )
    program.chmod(0o755)
    opened = open_at(template, 3, below=[tmp_path / "templates"], environ={"VISUAL": str(program), "PATH": "/bin"})
    until = time.monotonic() + 5
    while not (tmp_path / "said").exists() and time.monotonic() < until:
        time.sleep(0.01)

    assert opened.started
    assert (tmp_path / "said").read_text().splitlines() == ["-g", f"{template}:3"]


def test_an_editor_in_a_terminal_is_a_command_line_to_paste(template: Path):
    opened = open_at(template, 3, below=[template.parent], environ={"EDITOR": "vim"})

    assert not opened.started
    assert opened.command == f"vim +3 '{template}'"


def test_only_files_of_the_template_folders_are_opened(template: Path, tmp_path: Path):
    outside = tmp_path / "secret.html"
    outside.write_text("")
    link = template.parent / "link.html"
    link.symlink_to(outside)
    for path in (outside, link, template.parent / ".." / "secret.html", template.parent / "missing.html"):
        with pytest.raises(BadInput, match="is no template"):
            open_at(path, 1, below=[template.parent], environ={"VISUAL": "code"})


@pytest.mark.parametrize(("environ", "says"), [({}, "no editor is set"), ({"VISUAL": "nope-editor"}, "no program")])
def test_without_an_editor_that_works_it_says_what_to_set(template: Path, environ: dict[str, str], says: str):
    with pytest.raises(DigestError, match=says):
        open_at(template, 1, below=[template.parent], environ={"PATH": "/nowhere", **environ})
