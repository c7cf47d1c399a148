"""`digest preview check`: in an empty folder, in a project, and in a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.planting import BODY, Own
from support.project import call

ONE = ("preview", "check", "--kind", "digest", "--fixture", "default", "--theme", "meridian")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """A folder without a project, with own templates where a project would have them."""
    monkeypatch.chdir(tmp_path)
    return Own(tmp_path / "templates")


def test_without_a_project_the_built_in_templates_are_checked(own: Own, capsys: pytest.CaptureFixture[str]):
    said = call(capsys, *ONE)

    assert said.code == 0
    assert said.out.startswith("1 mail checked: nothing breaks, nothing degrades, ")
    assert not list(own.folder.parent.iterdir())


def test_what_breaks_is_told_with_its_place_and_remedy_and_fails_the_build(
    own: Own, capsys: pytest.CaptureFixture[str]
):
    line = own.plant(
        BODY, '<tr><td><img src="https://example.com/a.png" height="9" alt=""></td></tr>', behind="content %}"
    )
    said = call(capsys, *ONE)

    assert said.code == 1
    assert "Breaks: some readers cannot read, reach or trust it\n" in said.out
    assert f"  templates/{BODY}:{line}  A picture without a width attribute" in said.out
    assert '      → Add width="…" in pixels' in said.out
    assert "      Outlook Windows · in digest/default (meridian)\n" in said.out
    assert "1 mail checked: 1 breaks, nothing degrades" in said.out


def test_a_template_that_cannot_be_rendered_is_a_finding_like_any_other(own: Own, capsys: pytest.CaptureFixture[str]):
    line = own.plant(BODY, "{{ isue.date }}", behind="content %}")
    said = call(capsys, *ONE)

    assert said.code == 1
    assert f"  templates/{BODY}:{line}  'isue' is undefined [template-broken]" in said.out
    assert "      → Did you mean 'issue'?" in said.out


def test_programs_get_one_document(own: Own, capsys: pytest.CaptureFixture[str]):
    line = own.plant(BODY, '<tr><td><div style="float:left">x</div></td></tr>', behind="content %}")
    said = call(capsys, *ONE, "--format", "json")

    found = next(one for one in said.json["findings"] if one["severity"] == "breaks")
    assert said.code == 1
    assert (said.json["mails"], said.json["breaks"]) == (1, 1)
    assert (found["rule"], found["file"], found["line"]) == ("css-float", f"templates/{BODY}", line)
    assert found["tested_on"] > "2018"
    assert found["mails"] == ["digest/default (meridian)"]


def test_github_gets_annotations_on_the_lines_of_the_change(own: Own, capsys: pytest.CaptureFixture[str]):
    line = own.plant(BODY, "<tr><td><h6>100% deep</h6></td></tr>", behind="ui.masthead")
    said = call(capsys, *ONE, "--format", "github")

    assert said.code == 0
    place = f"file=templates/{BODY},line={line},title=accessibility%3A heading-order"
    words = "<h6> follows <h1>: a level is skipped. Make it <h2> (in digest/default (meridian))"
    assert said.out.splitlines() == [f"::warning {place}::{words}"]


def test_notes_are_told_when_asked_for_and_reasons_with_them(own: Own, capsys: pytest.CaptureFixture[str]):
    own.plant(BODY, '<tr><td><div style="float:left">x</div></td></tr>', behind="content %}")
    own.plant(BODY, '{# lint: ignore css-float "stacked is fine" #}', behind="content %}")
    said = call(capsys, *ONE, "--notes")

    assert said.code == 0
    assert "Worth knowing\n" in said.out
    assert "because: stacked is fine" in said.out
    assert "1 ignored with a reason" in said.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--fixture", "fourty"), "there is no such mail"),
        (("--theme", "meridiam"), "there is no theme 'meridiam'"),
        (("--kind", "digests"), "digests"),
        (("--spam",), "--spam needs a filter"),
    ],
)
def test_what_there_is_not_is_said(own: Own, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str):
    said = call(capsys, "preview", "check", *words)

    assert said.code == 2
    assert says in said.err
    assert said.out == ""


def test_an_unknown_mail_client_in_the_settings_is_named(own: Own, capsys: pytest.CaptureFixture[str]):
    (own.folder.parent / "digest.toml").write_text('[preview]\nclients = ["gmail.androit"]\n', encoding="utf-8")
    said = call(capsys, *ONE)

    assert said.code == 2
    assert "did you mean gmail.android?" in said.err


@pytest.mark.browser
def test_axe_is_asked_when_wanted(
    own: Own, capsys: pytest.CaptureFixture[str], chromium_path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHROMIUM", chromium_path)
    line = own.plant(BODY, '<tr><td><p role="button" aria-checked="maybe">x</p></td></tr>', behind="content %}")
    said = call(capsys, *ONE, "--axe")

    assert said.code == 1
    assert f"templates/{BODY}:{line}" in said.out
    assert "[axe-" in said.out


def test_a_template_of_ones_own_is_checked_beside_the_kinds(own: Own, capsys: pytest.CaptureFixture[str]):
    for part in ("body.html", "body.txt", "subject.txt"):
        own.write(f"email/morning/{part}", own.source(f"email/digest/{part}"))
    line = own.plant("email/morning/body.html", "{{ isue.date }}", behind="content %}")
    said = call(capsys, *ONE)

    assert said.code == 1
    assert f"templates/email/morning/body.html:{line}" in said.out
    assert "in morning/default (meridian)" in said.out
    assert "2 mails checked" in said.out
