# ruff: noqa: E501 - documents read best as they are written

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.feeds import opml
from digest.model.article import Outline
from digest.model.errors import FeedMalformed

_LIST = b"""<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head><title>Mine</title></head><body>
<outline text="World"><outline text="Europe"><outline type="rss" text="A" title="The A" xmlUrl="https://a.example/f?x=1&amp;y=2"
 htmlUrl="https://a.example/"/></outline><outline type="rss" text="B" xmlUrl="feed:https://b.example/f"/></outline>
<outline type="rss" text="C" xmlurl="https://c.example/f" category="/Town/Parks,/x"/><outline text="Nothing"/></body></opml>"""


def test_folders_become_topics():
    assert opml.parse(_LIST) == [
        Outline("The A", "https://a.example/f?x=1&y=2", "https://a.example/", "World / Europe"),
        Outline("B", "https://b.example/f", "", "World"),
        Outline("C", "https://c.example/f", "", "Town / Parks"),
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        _LIST.replace(b"&amp;", b"&"),
        _LIST.replace(b"</outline></outline>", b"</outline>"),
        _LIST.replace(b"</body></opml>", b""),
        _LIST.replace(b'<opml version="2.0">', b"").replace(b"</opml>", b""),
        b"\xef\xbb\xbf\n" + _LIST,
        _LIST.decode().encode("utf-16"),
        _LIST.replace(b'text="World"', b'text="W\xe9rld"'),
    ],
)
def test_a_damaged_list_keeps_its_feeds(damaged: bytes):
    addresses = [one.feed_url for one in opml.parse(damaged)]

    assert addresses == ["https://a.example/f?x=1&y=2", "https://b.example/f", "https://c.example/f"]


def test_a_feed_listed_twice_comes_twice():
    twice = _LIST.replace(b'<outline text="Nothing"/>', b'<outline xmlUrl="https://b.example/f"/>')

    assert [one.feed_url for one in opml.parse(twice)].count("https://b.example/f") == 2


@pytest.mark.parametrize("raw", [b"", b"x", b"<html><body>x</body></html>", b"<rss><channel/></rss>", b"{}"])
def test_what_is_no_list_is_refused(raw: bytes):
    with pytest.raises(FeedMalformed) as caught:
        opml.parse(raw)

    assert caught.value.hint


def test_nesting_is_the_files_to_choose():
    deep = (
        b"<opml><body>"
        + b'<outline text="a">' * 5000
        + b'<outline xmlUrl="https://a.example/"/>'
        + b"</outline>" * 5000
    )

    assert isinstance(opml.parse(deep + b"</body></opml>"), list)


_words = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20).map(str.strip).filter(bool)
_plain = _words.filter(
    lambda word: "/" not in word and "<" not in word and "&" not in word and " ".join(word.split()) == word
)
_outlines = st.builds(
    Outline,
    title=_plain,
    feed_url=st.integers(0, 99).map(lambda n: f"https://a.example/feed?n={n}&x=1"),
    home_url=st.sampled_from(["", "https://a.example/"]),
    topic=st.sampled_from(["", "World", "World / Europe", "Town"]),
)


@given(_plain, st.lists(_outlines, max_size=8))
def test_what_was_written_is_read_again(title: str, outlines: list[Outline]):
    raw = opml.write(title, outlines)

    assert opml.parse_text(raw.decode())[0] == title
    assert sorted(opml.parse(raw), key=repr) == sorted(outlines, key=repr)
