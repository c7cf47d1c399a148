from __future__ import annotations

import pytest

from digest.text import html


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<p>One <b>bo</b>ld.</p><p>Two</p>", ("One bold.", "Two")),
        ("One<br>still one<br><br>two", ("One still one", "two")),
        ("plain & simple < 3", ("plain & simple < 3",)),
        ("a<script>x()</script><style>y</style>b", ("ab",)),
        ("<ul><li>x</li><li>y</li></ul>tail", ("x", "y", "tail")),
        ("a&nbsp;&amp;&eacute;", ("a &é",)),
        ("<!-- nothing -->", ()),
        ("", ()),
        ("a\x00b\ud800c", ("abc",)),
    ],
)
def test_paragraphs_of_a_fragment(given: str, expected: tuple[str, ...]):
    assert html.paragraphs(given) == expected


def test_deep_nesting_is_no_problem():
    assert html.paragraphs("<div>" * 5000 + "deep")[-1:] in {("deep",), ()}


def test_text_has_an_empty_line_between_paragraphs():
    assert html.to_text("<p>a</p><p>b</p>") == "a\n\nb"


def test_a_title_without_markup_is_left_alone():
    assert html.to_line("  5 < 6 &  AT&T ") == "5 < 6 & AT&T"
    assert html.to_line("AT&amp;T <em>up</em>") == "AT&T up"
