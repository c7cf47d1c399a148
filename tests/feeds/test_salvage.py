"""Damage anywhere in a feed costs at most the entry it is in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import feeds
from digest.model.article import ParsedFeed
from support.feeddocs import atom, rss, rss_item

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
_ENTRIES = 6
_RSS = rss(
    *(
        rss_item(at, description=f"<![CDATA[<p>The text of story {at}, said in words.</p>]]>")
        for at in range(1, _ENTRIES + 1)
    )
)
_ATOM = atom(
    *(
        f"<entry><title>Story number {at}</title><id>urn:{at}</id><link href='https://a.example/{at}.html'/>"
        f"<updated>2025-08-20T0{at}:00:00Z</updated><author><name>Ann</name></author>"
        f"<content type='html'>&lt;p&gt;Text {at}&lt;/p&gt;</content></entry>"
        for at in range(1, _ENTRIES + 1)
    )
)
_FRAGMENTS = [
    b"<",
    b">",
    b"</p>",
    b"<p>",
    b"<br>",
    b"</item>",
    b"<item>",
    b"]]>",
    b"<![CDATA[",
    b'"',
    b"'",
    b"&",
    b"&x;",
    b"\x00",
    b"\xff",
    b"<!--",
]


def _parse(raw: bytes) -> ParsedFeed:
    return feeds.parse(raw, url="https://news.example.com/feed.xml", fetched_at=_NOW)


def _whole(raw: bytes) -> int:
    """How many entries came through with all they have."""
    return sum(
        entry.title.startswith("Story number") and entry.url.endswith(".html") and entry.published_at is not None
        for entry in _parse(raw).entries
    )


@pytest.mark.parametrize("document", [_RSS, _ATOM], ids=["rss", "atom"])
@settings(deadline=None)  # the first call loads what later ones have
@given(data=st.data())
def test_a_fragment_too_much_costs_one_entry(document: bytes, data: st.DataObject):
    start = document.index(b"<item" if document is _RSS else b"<entry")
    at = data.draw(st.integers(start, len(document)))
    fragment = data.draw(st.sampled_from(_FRAGMENTS))

    assert _whole(document[:at] + fragment + document[at:]) >= _ENTRIES - 2


@pytest.mark.parametrize("document", [_RSS, _ATOM], ids=["rss", "atom"])
@settings(deadline=None)  # the first call loads what later ones have
@given(data=st.data())
def test_a_piece_cut_out_costs_the_entries_it_touches(document: bytes, data: st.DataObject):
    start = document.index(b"<item" if document is _RSS else b"<entry")
    at = data.draw(st.integers(start, len(document)))
    length = data.draw(st.integers(1, 40))

    assert _whole(document[:at] + document[at + length :]) >= _ENTRIES - 2


def test_entries_that_an_open_cdata_swallowed_come_back():
    damaged = _RSS.replace(b"story 2, said in words.</p>]]>", b"story 2, said in words.</p>", 1)

    assert [entry.url[-6:] for entry in _parse(damaged).entries] == [f"{at}.html" for at in range(1, _ENTRIES + 1)]


def test_a_feed_that_quotes_a_feed_does_not_get_its_entries():
    quoted = "<![CDATA[<pre><item><title>x</title></item><item><title>y</title></item></pre>]]>"

    assert len(_parse(rss(rss_item(1, description=quoted), rss_item(2))).entries) == 2
    assert len(_parse(rss(rss_item(1, description=quoted), rss_item(2))[:-40]).entries) == 2


def test_what_could_not_be_read_is_told():
    feed = _parse(_RSS.replace(b"<item><title>Story number 3", b"<item <item><title><link>", 1))

    assert len(feed.entries) >= _ENTRIES - 1
