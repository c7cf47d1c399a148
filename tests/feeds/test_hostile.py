"""Any bytes give a `ParsedFeed` or a `FeedMalformed`, in time that grows with the document and not with its square."""

# ruff: noqa: E501 - documents read best as they are written

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import feeds
from digest.feeds import discovery, opml
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed
from support.feeddocs import atom, rss, rss_item

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
_URL = "https://news.example.com/feed"
_SEEDS = [
    rss(rss_item(1), rss_item(2, description="<![CDATA[<p>x</p>]]>")),
    atom(
        "<entry xml:base='/a/'><title>One</title><id>urn:1</id><link href='1'/><content type='xhtml'><div>x</div></content></entry>"
    ),
    b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": 1, "title": "A", "url": "/a", "tags": ["x"]}]}',
    b"<urlset><url><loc>https://a.example/1</loc><news><title>A</title><keywords>a,b</keywords></news></url></urlset>",
    b"<sitemapindex><sitemap><loc>https://a.example/1.xml</loc><lastmod>2025-08-20</lastmod></sitemap></sitemapindex>",
    b'<opml version="2.0"><body><outline text="A"><outline xmlUrl="https://a.example/f"/></outline></body></opml>',
    b"<!doctype html><html><head><link rel=alternate type=application/rss+xml href=/f></head><body><h2><a href=/a-b-c-d>One long headline here</a></h2><time datetime=2025-08-20>x</time><h2><a href=/e-f-g-h>Two long headlines here</a></h2></html>",
]
_TOKENS = [
    b"<", b">", b"</", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"&", b"&#0;", b"&#x110000;", b"&amp;", b'"', b"'", b"=", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b"<item>", b"</item>", b"<entry ", b"<rss>", b"<feed xmlns='x'>", b"<url>", b"<outline ", b"xmlns:a=''",
    b"<a href='http://[x'>", b"http://[", b"<?xml version='1.0' encoding='utf-7'?>", b"<!DOCTYPE x [", b"{", b"}", b"[", b",", b"\\ud800",
    b"9999999999-99-99", b"0000-00-00T00:00:00+99:99", b"Mon, 99 Foo 0000 99:99:99 +9999", b"\xed\xa0\x80", b" ",
]  # fmt: skip


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    document = bytearray(draw(st.sampled_from(_SEEDS)))
    for _times in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(document)))
        if draw(st.booleans()):
            document[at : at + draw(st.integers(0, 20))] = b""
        document[at:at] = draw(st.one_of(st.sampled_from(_TOKENS), st.binary(max_size=6)))
    return bytes(document)


def _check(raw: bytes, url: str = _URL) -> None:
    for read in (
        lambda: feeds.parse(raw, url=url, fetched_at=_NOW),
        lambda: feeds.parse(raw, url=url, fetched_at=_NOW, is_page=True, languages=("en",)),
        lambda: feeds.examine(raw, url=url, fetched_at=_NOW),
    ):
        found = _outcome(read)
        if isinstance(found, ParsedFeed):
            assert all(entry.guid for entry in found.entries)
            assert all(entry.url == "" or entry.url.lower().startswith("http") for entry in found.entries)
        else:
            assert isinstance(found, FeedMalformed)
            assert found.hint


def _outcome(read: Callable[[], object]) -> object:
    """What a reader gives, or the refusal it raises; anything else goes through."""
    try:
        return read()
    except FeedMalformed as refusal:
        return refusal


@settings(deadline=None, max_examples=200)
@given(_damaged(), st.sampled_from([_URL, "", "http://[broken"]))
def test_a_damaged_document_is_read_or_refused(raw: bytes, url: str):
    _check(raw, url)


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(_TOKENS), max_size=40).map(b"".join)))
def test_any_bytes_are_read_or_refused(raw: bytes):
    _check(raw)
    assert isinstance(_outcome(lambda: opml.parse(raw)), list | FeedMalformed)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300), st.sampled_from([_URL, "", "x", "http://[broken"]))
def test_discovery_takes_any_text(text: str, url: str):
    for found in (discovery.named(text, url), discovery.candidates(text, url), discovery.sitemaps(text, url)):
        assert all(address.lower().startswith("http") for address in found)
    assert len(discovery.hubs([text], url)) == 2


_GROWING: dict[str, Callable[[int], str]] = {
    "comments": lambda n: "<rss><channel>" + "<!-- " * n,
    "comments in front": lambda n: "<!-- " * n + "<rss><channel/></rss>",
    "CDATA": lambda n: "<rss><channel><item><title>" + "<![CDATA[" * n,
    "brackets": lambda n: "<rss>" + "<" * n,
    "ampersands": lambda n: "<rss><channel><item><title>" + "&a" * n + "</title></item></channel></rss>",
    "items": lambda n: "<rss><channel>" + "<item>" * (n // 10),
    "titles": lambda n: "<rss><channel><item>" + "<title>" * (n // 4),
    "paragraphs": lambda n: "<rss><channel><item>" + "<description><p>" * (n // 8),
    "depth": lambda n: "<rss><channel><item><description>" + "<b>" * n,
    "attributes": lambda n: "<rss " + "a=b " * n + "><channel/></rss>",
    "blanks": lambda n: "<rss a" + " " * n + "><channel/></rss>",
    "prefixes": lambda n: "<rss>" + "".join(f"<p{at}:a/>" for at in range(n // 8)),
    "DOCTYPE": lambda n: "<!DOCTYPE " + "[" * n + "<rss/>",
    "roots": lambda n: "<html>" + "<rss " * n,
    "JSON depth": lambda n: '{"items":' + "[" * n,
    "JSON items": lambda n: '{"version":"jsonfeed.org","items":[' + '{"id":"1","title":"a"},' * (n // 40) + "{}]}",
    "links": lambda n: "<html><body>"
    + "".join(f"<h2><a href='/n/some-long-slug-{at}'>Some long headline of {at}</a></h2><i>x 1{at}</i>" for at in range(n // 80)),
    "same link": lambda n: "<html><body>" + "<a href='/n/some-long-slug-here'>Some long headline of it</a>" * (n // 60),
    "divisions": lambda n: "<html><body>" + "<div>" * n,
    "sitemap": lambda n: "<urlset>" + "<url>" * (n // 5),
    "outlines": lambda n: "<opml><body>" + "<outline text='a'>" * (n // 20) + "<outline xmlUrl='http://x.y/'/>",
    "addresses": lambda n: "http://x.y/a\n" * (n // 13),
    "misread": lambda n: "<rss><channel><item><title>" + "Ã" * n + "</title></item></channel></rss>",
}  # fmt: skip


def _cost(raw: bytes) -> float:
    """CPU seconds of the quickest of three readings."""
    times = []
    for _round in range(3):
        started = time.process_time()
        _outcome(lambda: feeds.parse(raw, url=_URL, fetched_at=_NOW, is_page=True))
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.parametrize("name", _GROWING)
def test_time_grows_with_the_document_and_not_with_its_square(name: str):
    """Four times the document may take up to ten times as long: quadratic would be sixteen."""
    small, large = (_GROWING[name](size).encode() for size in (20_000, 80_000))

    assert _cost(large) <= max(10 * _cost(small), 0.05)


def test_dates_that_only_guessing_could_read_do_not_add_up():
    items = (f"<item><title>a</title><pubDate>xq {at} 12 2020 foo</pubDate></item>" for at in range(3000))
    raw = f"<rss><channel>{''.join(items)}</channel></rss>".encode()

    assert _cost(raw) < 3.0
