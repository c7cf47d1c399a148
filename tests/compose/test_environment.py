from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as lxml_html

from digest.compose.environment import templates, theme
from digest.compose.fixtures import load_fixture
from digest.compose.render import render
from digest.model.errors import TemplateBroken

SAMPLE = load_fixture()


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / "email" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return folder


def broken(folder: Path) -> TemplateBroken:
    with pytest.raises(TemplateBroken) as caught:
        render(SAMPLE, env=templates([folder]))
    return caught.value


def test_an_operators_file_replaces_ours_and_only_that(tmp_path: Path):
    folder = write(tmp_path, "digest/subject.txt", "Own subject")

    rendered = render(SAMPLE, env=templates([folder]))

    assert rendered.subject == "Own subject"
    assert rendered.html == render(SAMPLE, env=templates()).html


def test_the_first_folder_wins(tmp_path: Path):
    first = write(tmp_path / "a", "digest/subject.txt", "first")
    second = write(tmp_path / "b", "digest/subject.txt", "second")

    assert render(SAMPLE, env=templates([first, second])).subject == "first"


def test_an_operators_theme_needs_only_the_lines_it_changes(tmp_path: Path):
    folder = write(tmp_path, "theme.toml", '[light]\naccent = "#004488"\n')

    rendered = render(SAMPLE, env=templates([folder]))

    assert "#004488" in rendered.html
    assert "#a8321f" not in rendered.html
    assert theme(templates([folder]))["light"]["ink"] == "#16191d"


@pytest.mark.parametrize(
    "content",
    ["[light\n", '[light]\nink = "red}</style>"\n', "[light]\nink = 3\n", '[light]\n"a b" = "red"\n', "ink=1\n"],
)
def test_a_theme_that_is_no_css_is_refused_by_name(tmp_path: Path, content: str):
    error = broken(write(tmp_path, "theme.toml", content))

    assert error.message.startswith("email/theme.toml: ")
    assert str(tmp_path) in error.hint


@pytest.mark.parametrize(
    ("source", "line", "says", "hint"),
    [
        ("one\n{{ lead.titel }}", 2, "Story has no field 'titel'", "Did you mean 'title'?"),
        ("\n\n{{ publicaton.name }}", 3, "'publicaton' is undefined", "Did you mean 'publication'?"),
        ("{{ lead.title|sofd }}", 1, "No filter named 'sofd'", "Did you mean 'soft'?"),
        ("{% if lead is definde %}{% endif %}", 1, "No test named 'definde'", "Did you mean 'defined'?"),
        ("\n{{ t('top-storry') }}", 2, "'top-storry'", "Did you mean 'top-story'?"),
        ("\n{{ t('reason') }}", 2, "no value for 'publication'", ""),
        ("\n{{ slots.emial }}", 2, "emial", "Did you mean 'email'?"),
        ("\n\n{% for x in lead.also_at %}", 3, "Unexpected end of template", ""),
        ("\n{{ lead.title + 1 }}", 2, "", ""),
        ("\n{{ lead.minutes / 0 }}", 2, "division by zero", ""),
        ("\n{{ lead.__class__.__mro__ }}", 2, "unsafe", ""),
    ],
)
def test_a_broken_template_is_named_with_its_line_and_a_guess(
    tmp_path: Path, source: str, line: int, says: str, hint: str
):
    error = broken(write(tmp_path, "digest/body.txt", source))

    assert error.message.startswith(f"email/digest/body.txt, line {line}: ")
    assert says in error.message
    assert hint in error.hint
    assert error.code == "template-broken"


def test_a_fault_inside_a_macro_is_blamed_on_the_macros_file(tmp_path: Path):
    ours = (Path(__file__).parents[2] / "templates/email/components.html").read_text(encoding="utf-8")
    folder = write(tmp_path, "components.html", ours.replace("story.teaser|soft", "story.teasr|soft"))
    line = next(n for n, text in enumerate(ours.split("\n"), start=1) if "story.teaser|soft" in text)

    error = broken(folder)

    assert error.message.startswith("email/components.html, line ")
    assert "Did you mean 'teaser'?" in error.hint
    assert int(error.message.split("line ")[1].split(":")[0]) >= line


def test_where_a_fault_is_can_be_read_from_fields(tmp_path: Path):
    page = "{% import 'email/own.html' as own with context %}\n\n{{ own.line(lead) }}"
    folder = write(tmp_path, "digest/body.html", page)
    write(tmp_path, "own.html", "{% macro line(story) %}\n<p>\n{{ story.titel }}\n{% endmacro %}")
    error = broken(folder)

    assert (error.template, error.line, error.meant) == ("email/own.html", 3, "title")
    assert error.chain == (("email/digest/body.html", 3), ("email/own.html", 3))


def test_a_fault_of_syntax_says_where_it_was_included_from(tmp_path: Path):
    folder = write(tmp_path, "digest/body.html", "\n{% include 'email/own.html' %}")
    write(tmp_path, "own.html", "<p>\n{% if %}")
    error = broken(folder)

    assert (error.template, error.line, error.meant) == ("email/own.html", 2, None)
    assert error.chain == (("email/digest/body.html", 2), ("email/own.html", 2))


def test_a_slot_of_another_kind_of_mail_is_refused_while_composing(tmp_path: Path):
    folder = write(tmp_path, "digest/body.txt", "\n{{ slots.confirm_url }}")
    preferences = write(tmp_path / "b", "digest/body.txt", "{{ slots.preferences_url }}")
    error = broken(folder)

    assert (error.template, error.line) == ("email/digest/body.txt", 2)
    assert "confirm_url" in error.message
    assert "preferences_url" in broken(preferences).message
    linked = load_fixture(patch={"links": {"preferences": True}})
    assert "preferences_url" in render(linked, env=templates([preferences])).text


def test_every_part_of_a_mail_can_be_used_alone(tmp_path: Path):
    page = """{% extends "email/layout.html" %}{% import "email/components.html" as ui with context %}
    {% block content %}
    {{ ui.masthead(publication, none) }}{{ ui.intro("Words") }}{{ ui.lead(lead) }}{{ ui.quote("Said", "She") }}
    {{ ui.number("28 min", "from door to door") }}{{ ui.ad_slot("Shop", "Buy", "https://example.com/ad", "Now") }}
    {{ ui.button("Go", "https://example.com/go") }}{{ ui.divider() }}{{ ui.spacer(24) }}
    {{ ui.share_row(subject, issue.web_url) }}
    {% call ui.outlook_only() %}<tr><td>word</td></tr>{% endcall %}
    {% call ui.not_outlook() %}<tr><td>others</td></tr>{% endcall %}
    {% endblock %}"""
    rendered = render(load_fixture(), env=templates([write(tmp_path, "digest/body.html", page)]))
    root = lxml_html.document_fromstring(rendered.html)
    shown = " ".join(root.text_content().split())

    for words in ("Words", "Said", "She", "28 min", "from door to door", "Advertisement · Shop", "Buy", "Go", "others"):
        assert words in shown, words
    assert "word" not in shown.split()
    assert "<!--[if mso]><tr><td>word</td></tr><![endif]-->" in rendered.html
    assert 'v:roundrect xmlns:w="urn:schemas-microsoft-com:office:word" href="https://example.com/go"' in rendered.html
    assert {table.get("role") for table in root.iter("table")} == {"presentation"}
    share = root.xpath("//a[starts-with(@href,'mailto:')]")[0].get("href")
    assert share.endswith("&body=https%3A//news.example.com/meridian/412")
    assert root.xpath("//td[@height='24']")


def test_a_missing_template_is_named_with_the_nearest_name(tmp_path: Path):
    error = broken(write(tmp_path, "digest/body.txt", "{% include 'email/digest/subjekt.txt' %}"))

    assert "email/digest/subjekt.txt" in error.message
    assert "Did you mean 'email/digest/subject.txt'?" in error.hint


def test_an_unknown_template_folder_is_an_error_with_its_name():
    with pytest.raises(TemplateBroken, match=r"email/daily/subject\.txt"):
        render(SAMPLE, env=templates(), template="daily")


def test_an_empty_subject_is_refused(tmp_path: Path):
    assert "empty subject" in broken(write(tmp_path, "digest/subject.txt", " \n")).message


def test_a_template_cannot_leave_its_folders(tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret")
    folder = write(tmp_path / "templates", "digest/body.txt", "{% include '../secret.txt' %}")

    assert "../secret.txt" in broken(folder).message


def test_a_changed_template_is_read_again(tmp_path: Path):
    folder = write(tmp_path, "digest/subject.txt", "before")
    env = templates([folder])
    before = render(SAMPLE, env=env).subject
    write(tmp_path, "digest/subject.txt", "after it changed")

    assert (before, render(SAMPLE, env=env).subject) == ("before", "after it changed")


def test_a_fault_of_the_program_is_not_blamed_on_a_template():
    class Odd:
        def __getattr__(self, name: str) -> str:
            raise RuntimeError(name)

    with pytest.raises(RuntimeError):
        render(
            type(SAMPLE)(**{name: getattr(SAMPLE, name) for name in SAMPLE.__slots__} | {"publication": Odd()}),  # type: ignore[arg-type] # a wrong type on purpose
            env=templates(),
        )
