"""Faults of mails, each planted into a template on a line of its own: found, by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.workshop.checks import Severity, check
from digest.workshop.clients import Client, simulate
from support.planting import BODY, LAYOUT, SHEET, TEXT, Own

CONTENT = "{% block content %}"
PICTURE = "https://pictures.example.com/hills.jpg"

#: (a row of the mail, the rule that finds it)
ROWS = [
    ("<tr><td>words</div></td></tr>", "stray-end-tag"),
    ('<tr><td><a href="https://example.com/a">words</td></tr>', "unclosed"),
    ("<tr>words<td>more</td></tr>", "text-in-table"),
    ("<tr><div>words</div></tr>", "element-in-table"),
    (
        '<tr><td><a href="https://example.com/a">one <a href="https://example.com/b">two</a></a></td></tr>',
        "nested-link",
    ),
    ('<tr><td class="px" class="top">words</td></tr>', "attribute-twice"),
    (f'<tr><td><img src="{PICTURE}" height="9" alt="Hills"></td></tr>', "image-width"),
    (f'<tr><td><img src="{PICTURE}" width="9" height="9"></td></tr>', "image-alt"),
    ('<tr><td><img src="/hills.jpg" width="9" height="9" alt="Hills"></td></tr>', "image-address"),
    ('<tr><td><img src="https://example.com/a.webp" width="9" height="9" alt="Hills"></td></tr>', "image-webp"),
    ('<tr><td><img src="data:image/png;base64,AAAA" width="9" height="9" alt="Hills"></td></tr>', "image-base64"),
    ('<tr><td><svg width="9" height="9"></svg></td></tr>', "html-svg"),
    ('<tr><td><div style="display:flex">words</div></td></tr>', "css-display-flex"),
    ('<tr><td><div style="display:grid">words</div></td></tr>', "css-display-grid"),
    ('<tr><td><p style="padding:12px 20px">words</p></td></tr>', "css-padding"),
    (f'<tr><td style="background-image:url({PICTURE})">words</td></tr>', "css-background-image"),
    ('<tr><td><div style="position:absolute;top:0">words</div></td></tr>', "css-position"),
    ('<tr><td><div style="float:left">words</div></td></tr>', "css-float"),
    ('<tr><td><p style="color:var(--nobody)">words</p></td></tr>', "css-variables"),
    ('<tr><td><form action="https://example.com/"><p>words</p></form></td></tr>', "html-form"),
    ('<tr><td><iframe src="https://example.com/"></iframe></td></tr>', "html-iframe"),
    ("<tr><td><script>1</script></td></tr>", "html-script"),
    ('<tr><td><a href="javascript:alert(1)">words</a></td></tr>', "link-scheme"),
    ('<tr><td><a href="/about">words</a></td></tr>', "link-relative"),
    ('<tr><td><a href="http://localhost:8025/x">words</a></td></tr>', "link-private"),
    ('<tr><td><a href="http://10.1.2.3/x">words</a></td></tr>', "link-private"),
    ('<tr><td><a href="">words</a></td></tr>', "link-empty"),
    ('<tr><td><a href="https://example.com/a"></a></td></tr>', "link-without-words"),
    ("<tr><td>Dear %%first_name%%</td></tr>", "leftover"),
    ("<tr><td>Dear {{ '{{ name }}' }}</td></tr>", "leftover"),
    ("<tr><td>{{ none }}</td></tr>", "leftover"),
    ('<tr><td style="color:#dddddd;background-color:#ffffff">words</td></tr>', "contrast-light"),
]
DEGRADING = [
    (f'<tr><td><img src="{PICTURE}" width="9" height="9" alt="hills.jpg"></td></tr>', "image-alt-file"),
    (f'<tr><td><img src="{PICTURE}" width="9px" height="9" alt="Hills"></td></tr>', "image-width-unit"),
    ('<tr><td><img src="http://example.com/a.jpg" width="9" height="9" alt="Hills"></td></tr>', "image-http"),
    ("<tr><td><table><tr><td>words</td></tr></table></td></tr>", "table-role"),
    ("<tr><td><h6>Deep</h6></td></tr>", "heading-order"),
    ('<tr><td><a href="https://example.com/a">Read more</a></td></tr>', "link-words"),
    ('<tr><td style="writing-mode:vertical-rl">words</td></tr>', "css-writing-mode"),
    ('<tr><td style="color:#8a8a8a;background-color:#ffffff">words</td></tr>', "contrast-light"),
    ("{# lint: ignore css-float #}<tr><td>words</td></tr>", "lint-ignore"),
]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


@pytest.mark.parametrize(("row", "rule"), ROWS, ids=[f"{rule}-{number}" for number, (_, rule) in enumerate(ROWS)])
def test_a_row_that_breaks_the_mail_is_found_on_its_line(own: Own, row: str, rule: str):
    line = own.plant(BODY, row, behind=CONTENT)

    found = [one for one in check(own.mail()) if one.rule == rule and one.breaks]
    assert (BODY, line) in [(one.template, one.line) for one in found]


@pytest.mark.parametrize(("row", "rule"), DEGRADING, ids=[rule for _, rule in DEGRADING])
def test_a_row_that_degrades_the_mail_is_found_on_its_line(own: Own, row: str, rule: str):
    line = own.plant(BODY, row, behind=CONTENT)

    found = [one for one in check(own.mail()) if one.rule == rule]
    assert [(one.severity, one.template, one.line) for one in found] == [(Severity.DEGRADES, BODY, line)]


@pytest.mark.parametrize("line", ["p { color red; }", "p { color: ; }", "h3 color: red }"])
def test_a_line_no_browser_can_read_is_found_in_the_style_sheet(own: Own, line: str):
    own.write(SHEET, own.source(SHEET) + line + "\n")

    found = [one for one in check(own.mail()) if one.rule == "css-syntax"]
    assert {(one.template, one.line) for one in found} == {(SHEET, own.source(SHEET).count("\n"))}


def test_a_style_that_breaks_is_found_in_the_style_sheet_it_was_inlined_from(own: Own):
    own.write(SHEET, own.source(SHEET) + "p { display: flex; }\n")

    found = next(one for one in check(own.mail()) if one.rule == "css-display-flex")
    assert (found.template, found.line) == (SHEET, own.source(SHEET).count("\n"))
    assert "outlook.windows" in found.clients


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('<link rel="stylesheet" href="https://example.com/a.css">', "html-link"),
        (f'<style data-css-inline="keep">{".a{color:red}" * 1300}</style>', "style-size"),
        ('<style data-css-inline="keep">@import "https://example.com/a.css";</style>', "css-at-import"),
    ],
)
def test_what_breaks_in_the_head_is_found_on_its_line(own: Own, line: str, rule: str):
    at = own.plant(LAYOUT, line, behind="<title>")

    found = next(one for one in check(own.mail()) if one.rule == rule)
    assert (found.severity, found.template, found.line) == (Severity.BREAKS, LAYOUT, at)


@pytest.mark.parametrize(
    ("gone", "rule"), [(' lang="{{ lang }}"', "html-lang-missing"), (' dir="{{ dir }}"', "html-dir-missing")]
)
def test_a_mail_that_does_not_say_its_language_is_found(own: Own, gone: str, rule: str):
    line = own.replace(LAYOUT, gone, "")

    found = next(one for one in check(own.mail()) if one.rule == rule)
    assert (found.template, found.line) == (LAYOUT, line)


def test_a_mail_without_a_way_out_breaks_in_both_parts(own: Own):
    own.write(
        "email/components.html", own.source("email/components.html").replace("slots.unsubscribe_url", "issue.web_url")
    )
    own.write("email/parts.txt", own.source("email/parts.txt").replace("slots.unsubscribe_url", "issue.web_url"))

    rules = {one.rule for one in check(own.mail()) if one.breaks}
    assert {"unsubscribe", "text-unsubscribe"} <= rules


def test_a_text_part_that_lacks_what_the_html_tells_breaks(own: Own):
    own.write(TEXT, "{{ publication.name }}\n{{ slots.unsubscribe_url }}\n")

    rules = {one.rule for one in check(own.mail()) if one.breaks}
    assert {"text-story", "text-postal-address"} <= rules


def test_a_long_line_of_text_is_found_where_the_template_writes_it(own: Own):
    own.write(TEXT, own.source(TEXT) + "unwrapped words " * 9 + "\n")

    found = next(one for one in check(own.mail()) if one.rule == "text-width")
    assert (found.template, found.line) == (TEXT, own.source(TEXT).count("\n"))


def test_a_public_page_with_a_readers_address_breaks(own: Own):
    own.plant(BODY, "<tr><td>reader@example.com</td></tr>", behind=CONTENT)

    assert "personal-in-public" in {one.rule for one in check(own.mail(personal=False)) if one.breaks}


def test_a_mail_that_gmail_cuts_off_breaks(own: Own):
    own.plant(BODY, f"<tr><td>{'words of no weight ' * 6000}</td></tr>", behind=CONTENT)

    found = next(one for one in check(own.mail()) if one.rule == "size")
    assert found.severity is Severity.BREAKS


def test_a_reason_makes_a_finding_weigh_nothing_and_is_told(own: Own):
    own.plant(BODY, '<tr><td><div style="float:left">words</div></td></tr>', behind=CONTENT)
    own.plant(BODY, '{# lint: ignore css-float "stacked is fine here" #}', behind=CONTENT)

    found = next(one for one in check(own.mail()) if one.rule == "css-float")
    assert not found.breaks
    assert found.ignored_because == "stacked is fine here"


def test_a_reason_in_another_template_excuses_nothing(own: Own):
    own.write(SHEET, own.source(SHEET) + "p { display: flex; }\n")
    own.plant("email/components.html", '{# lint: ignore css-display-flex "not here" #}', behind="{% macro")

    assert next(one for one in check(own.mail()) if one.rule == "css-display-flex").breaks


def test_only_the_clients_asked_for_are_told(own: Own):
    own.plant(BODY, '<tr><td><p style="padding:12px 20px">words</p></td></tr>', behind=CONTENT)

    assert "css-padding" not in {one.rule for one in check(own.mail(), clients=("apple-mail.ios",)) if one.breaks}


def test_a_second_title_is_found_on_its_line(own: Own):
    line = own.plant(BODY, "<tr><td><h1>One more</h1></td></tr>", behind="ui.masthead")

    found = next(one for one in check(own.mail()) if one.rule == "heading-twice")
    assert (found.template, found.line) == (BODY, line)


def test_a_colour_that_is_not_used_as_written_is_told_on_its_line_of_the_theme(own: Own):
    own.write("email/theme.toml", '[dark]\nmuted = "#a4acb6"\n[light]\n# grey\nmuted = "#999999"\n')

    found = {one.rule: one for one in check(own.mail()) if one.template == "email/theme.toml"}
    assert found["theme-colour"].line == 5
    assert found["contrast-forced"].line == 5
    assert found["contrast-forced"].count > 5


@pytest.mark.parametrize("source", ["", "<!-- nothing -->", "{% extends 'email/layout.html' %}"])
def test_a_mail_that_says_nothing_breaks(own: Own, source: str):
    own.write(BODY, source)

    assert {"html-empty"} <= {one.rule for one in check(own.mail()) if one.breaks}


@pytest.mark.parametrize(
    "source",
    [
        "just words",
        "words <",
        "<body style='color:color(display-p3 1 0 0);background:oklch(0.5 0.1 20)'>words",
        "<a href='http://[x'>words</a><img src='http://[x'>",
        "<style data-css-inline='keep'>@media {} p:has( {} ::x{color:red} a:foo(1){b:c}</style>words",
        "<table><td>words",
        "\x01words",
        "<p data-src='words'>words",
    ],
)
def test_no_template_is_too_odd_to_be_checked_and_shown(own: Own, source: str):
    own.write(BODY, source)
    mail = own.mail()

    rules = {one.rule for one in check(mail)}
    assert {"unsubscribe", "html-story"} <= rules
    assert "css-variables" not in rules
    for client in Client:
        assert "words" in simulate(mail.mapped, client)
