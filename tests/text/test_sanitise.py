from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from lxml import html as lxml_html

from digest.text.sanitise import clean_line, clean_text, sanitise

_SLOT = "\ue001"


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='java\tscript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>'>x</a>",
        "<svg><script>alert(1)</script></svg>",
        "<iframe src=https://example.com></iframe>",
        "<form action=/x><input name=p></form>",
        "<style>body{display:none}</style>",
        "<p style='position:fixed' class=x id=y>t</p>",
        "<object data=x></object><embed src=x>",
        "<math><mtext><script>alert(1)</script>",
    ],
)
def test_nothing_active_survives(attack: str):
    clean = sanitise(attack, base="https://example.com/").lower()

    for word in (
        "script",
        "onerror",
        "data:",
        "<iframe",
        "<form",
        "<input",
        "style",
        "class=",
        "<object",
        "<embed",
        "<svg",
    ):
        assert word not in clean


def test_links_become_absolute_and_text_stays():
    clean = sanitise('<p>See <a href="../a?b=1&amp;c=2">this</a></p>', base="https://example.com/d/e")

    assert clean == '<p>See <a href="https://example.com/a?b=1&amp;c=2" rel="noopener noreferrer">this</a></p>'


@pytest.mark.parametrize(
    "pixel",
    [
        '<img src="https://example.com/t.gif" width="1" height="1">',
        '<img src="https://example.com/t.gif" style="width:1px;height:1px">',
        '<img src="https://example.com/t.gif" style="display: none">',
        '<img src="https://stats.example.org/pixel.gif?u=7">',
        '<img src="https://feeds.feedburner.com/~r/x/~4/abc">',
        "<img>",
        '<img src="data:image/gif;base64,R0lGOD">',
    ],
)
def test_tracking_pixels_are_dropped(pixel: str):
    assert sanitise(f"<p>a{pixel}b</p>", base="https://example.com/") == "<p>ab</p>"


def test_real_pictures_stay():
    clean = sanitise('<img src="/p.jpg" alt="A > B" width="600" style="width:600px">', base="https://example.com/")

    assert clean == '<img src="https://example.com/p.jpg" alt="A &gt; B" width="600">'


def test_slot_marks_cannot_be_smuggled_in():
    smuggled = f"<p title='{_SLOT}'>a{_SLOT}b&#xE001;c<a href='https://example.com/{_SLOT}'>d</a></p>"

    clean = sanitise(smuggled, base="https://example.com/")

    assert _SLOT not in clean
    assert "abc" in clean


def test_a_line_has_no_controls_overrides_or_breaks():
    assert clean_line(" a\x00b\r\n c\u202ed\u2066e\x9ff\ue000g\ufeff\t h ") == "ab cdefg h"


def test_emoji_and_right_to_left_text_stay():
    line = "👩‍👩‍👧 שלום\u200f é"

    assert clean_line(line) == line


def test_clean_text_keeps_line_breaks():
    assert clean_text("a\r\nb\rc\x07") == "a\nb\nc"


def test_sanitising_twice_changes_nothing():
    once = sanitise("<p>a &amp;lt; b<img src='/x.png'><a href='/y'>z</a></p>", base="https://example.com/")

    assert sanitise(once, base="https://example.com/") == once


def _is_dangerous(fragment: str) -> bool:
    tree = lxml_html.fragment_fromstring(fragment, create_parent="div")
    return any(
        node.tag in {"script", "style", "iframe", "object", "embed", "form", "svg", "math", "meta", "link", "base"}
        or any(name.startswith("on") or name == "style" for name in node.attrib)
        or any(not (node.get(name) or "https:").startswith(("http:", "https:", "mailto:")) for name in ("href", "src"))
        for node in tree.iter("*")
    )


def test_no_attack_of_the_parsers_suites_survives(shared_data: Path):
    folder = shared_data / "articles/feeds/micro/feedparser"
    files = sorted(file for file in folder.rglob("*") if "sanitize" in str(file) and file.is_file())
    fragments = [unescape(re.sub(r"<!--.*?-->|<!\[CDATA\[|\]\]>", "", file.read_text("latin-1"))) for file in files]

    survivors = [
        file.name
        for file, fragment in zip(files, fragments, strict=True)
        if _is_dangerous(sanitise(fragment, base="https://example.com/"))
    ]

    assert sum(_is_dangerous(fragment) for fragment in fragments) > 20
    assert survivors == []
