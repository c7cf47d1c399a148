"""Errors of templates, each planted on a known line: blamed on that file and line, with a guess where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.model.errors import TemplateBroken
from support.planting import BODY, LAYOUT, SHEET, TEXT, Own

CONTENT = "{% block content %}"
COMPONENTS = "email/components.html"
SUBJECT = "email/digest/subject.txt"

#: (template, the line planted, behind what, a word of the message, what is guessed)
PLANTED = [
    (BODY, "{% if lead %}", CONTENT, "endif", None),
    (BODY, "{{ issue.date }", CONTENT, "", None),
    (BODY, "{% endfor %}", CONTENT, "endfor", None),
    (BODY, "{% iff lead %}{% endif %}", CONTENT, "iff", None),
    (BODY, "{{ isue.date }}", CONTENT, "isue", "issue"),
    (BODY, "{{ issue.dat }}", CONTENT, "dat", "date"),
    (BODY, "{{ lead.titel }}", CONTENT, "titel", "title"),
    (BODY, "{{ slots.unsubscribe_link }}", CONTENT, "unsubscribe_link", "unsubscribe_url"),
    (BODY, "{{ issue.date|upperr }}", CONTENT, "upperr", "upper"),
    (BODY, "{% if lead is definde %}{% endif %}", CONTENT, "definde", "defined"),
    (BODY, "{{ ui.storry(lead) }}", CONTENT, "storry", "story"),
    (BODY, '{% include "email/componnents.html" %}', CONTENT, "componnents", "email/components.html"),
    (BODY, '{% import "email/parts.html" as parts %}', CONTENT, "parts", None),
    (BODY, "{{ ui.story() }}", CONTENT, "", None),
    (BODY, "{{ ui.story(lead, 1, 2, 3) }}", CONTENT, "argument", None),
    (BODY, "{{ lead.title + 1 }}", CONTENT, "", None),
    (BODY, "{{ 1 / 0 }}", CONTENT, "zero", None),
    (BODY, '{{ t("unsubscrib") }}', CONTENT, "unsubscrib", "unsubscribe"),
    (COMPONENTS, "{{ nobody }}", "{% macro masthead", "nobody", None),
    (LAYOUT, "{{ subjekt }}", "<body", "subjekt", "subject"),
    (TEXT, "{{ publication.nam }}", "{{", "nam", "name"),
]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def broken(own: Own) -> TemplateBroken:
    with pytest.raises(TemplateBroken) as caught:
        own.mail()
    return caught.value


@pytest.mark.parametrize("row", PLANTED, ids=[f"{row[0]}-{row[1]}" for row in PLANTED])
def test_an_error_is_blamed_on_its_file_and_line(own: Own, row: tuple[str, str, str, str, str | None]):
    template, words, behind, says, meant = row
    line = own.plant(template, words, behind=behind)

    error = broken(own)
    assert (error.template, error.line) == (template, line)
    assert says in error.message
    if meant:
        assert error.meant == meant
        assert meant in error.hint


def test_the_way_to_an_error_in_a_macro_is_told(own: Own):
    own.plant(COMPONENTS, "{{ nobody }}", behind="{% macro masthead")

    error = broken(own)
    assert error.chain[-1] == (COMPONENTS, error.line)
    assert BODY in [template for template, _ in error.chain]


def test_an_error_in_an_included_file_is_blamed_on_that_file(own: Own):
    own.write("email/digest/extra.html", "<tr><td>\n{{ nobody }}\n</td></tr>\n")
    own.plant(BODY, '{% include "email/digest/extra.html" %}', behind=CONTENT)

    error = broken(own)
    assert (error.template, error.line) == ("email/digest/extra.html", 2)


def test_an_unclosed_block_is_blamed_on_the_line_that_opens_it(own: Own):
    line = own.plant(BODY, "{% for story in briefs %}", behind=CONTENT)

    error = broken(own)
    assert (error.template, error.line) == (BODY, line)


def test_an_error_in_the_subject_is_blamed_on_it(own: Own):
    own.write(SUBJECT, "{{ subject }}\n{{ isue.number }}\n")

    error = broken(own)
    assert (error.template, error.line, error.meant) == (SUBJECT, 2, "issue")


def test_an_empty_subject_is_blamed_on_its_template(own: Own):
    own.write(SUBJECT, "{# nothing #}\n")

    error = broken(own)
    assert (error.template, error.line) == (SUBJECT, 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[light]\ncard = "#fff"\nink = #16191d\n', 3),
        ('[light]\ncard = "#fff"\n\nink = "red; } body { display: none"\n', 4),
        ("[light]\n[light]\n", 2),
        ("[light]\ncard = 12\n", 2),
    ],
    ids=["no-quotes", "no-css-value", "table-twice", "number"],
)
def test_an_error_in_the_theme_is_blamed_on_its_line(own: Own, text: str, line: int):
    own.write("email/theme.toml", text)

    error = broken(own)
    assert (error.template, error.line) == ("email/theme.toml", line)


def test_an_error_in_the_style_sheets_jinja_is_blamed_on_the_sheet(own: Own):
    own.write(SHEET, own.source(SHEET) + "p { color: {{ nobody }}; }\n")

    error = broken(own)
    assert (error.template, error.line) == (SHEET, own.source(SHEET).count("\n"))
