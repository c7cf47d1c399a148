"""Nesting of tags: what is wrong is found at its tag, and what HTML allows is left alone."""

from __future__ import annotations

import pytest

from digest.workshop.checks.nesting import misnested


@pytest.mark.parametrize(
    "html",
    [
        "<p>one<p>two</p><ul><li>a<li>b</ul>",
        "<table><tr><td>a<td>b<tr><td>c</table>",
        "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>",
        "<table><tr><td><table><tr><td>deep</td></tr></table></td></tr></table>",
        "<!--[if mso]><table><tr><td><![endif]--><p>x</p><!--[if mso]></td></tr></table><![endif]-->",
        "<p>a<br>b<img src='x' alt=''><hr></p>".replace("<hr>", ""),
        "<a href='x'>a</a><a href='y'>b</a>",
        "<ul><li><p>a</p></li><li><a href='x'>b</a></li></ul>",
        "<style>td > p{color:red}</style><script>if (a < b) {}</script>",
        "<div>a<div>b</div></div>",
    ],
)
def test_sound_html_has_no_fault(html: str):
    assert [one.rule for one in misnested(html)] == []


@pytest.mark.parametrize(
    ("html", "rules"),
    [
        ("<p>x</b></p>", ["stray-end-tag"]),
        ("<p><b>x</p>", ["unclosed"]),
        ("<div><span>x</div>", ["unclosed"]),
        ("<p><table><tr><td>x</td></tr></table></p>", ["stray-end-tag"]),
        ("<table>x<tr><td>y</td></tr></table>", ["text-in-table"]),
        ("<table><tr><p>x</p></tr></table>", ["element-in-table"]),
        ("<div><td>x</td></div>", ["stray-cell"]),
        ("<div><tr><td>x</td></tr></div>", ["stray-row"]),
        ("<table><tr><td><div>x</td></tr></table>", ["unclosed"]),
        ("<table><tr><td>x</div></td></tr></table>", ["stray-end-tag"]),
        ("<a href='x' href='y'>x</a>", ["attribute-twice"]),
        ("<ul><li><b>x<li>y</ul>", ["unclosed"]),
    ],
)
def test_each_fault_is_told_once_by_its_name(html: str, rules: list[str]):
    assert [one.rule for one in misnested(html)] == rules


def test_an_unclosed_tag_is_told_where_it_opens():
    found = misnested('<div data-src="a.html:3">\n<b data-src="a.html:4">x\n</div>')

    assert [(one.rule, one.place) for one in found] == [("unclosed", ("a.html", 4))]


def test_a_stray_end_tag_is_told_so_many_lines_behind_the_last_mark():
    found = misnested('<div data-src="a.html:3">x\n\n</b></div>')

    assert [(one.rule, one.place) for one in found] == [("stray-end-tag", ("a.html", 5))]
