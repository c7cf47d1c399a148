from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime

import pytest

from digest import feeds
from digest.feeds import repair
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed
from support.feeddocs import atom, rss, rss_item

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)


def _parse(raw: bytes, *, url: str = "https://news.example.com/feed.xml", content_type: str = "") -> ParsedFeed:
    return feeds.parse(raw, url=url, content_type=content_type, fetched_at=_NOW)


def _codes(feed: ParsedFeed) -> set[str]:
    return {odd.code for odd in feed.warnings}


def test_an_ordinary_rss_feed():
    feed = _parse(rss(rss_item(1, author="ann@example.com (Ann Example)", category="Parks"), rss_item(2)))

    first = feed.entries[0]
    assert (feed.kind, feed.title, feed.home_url) == ("rss", "Example News", "https://news.example.com/")
    assert [entry.position for entry in feed.entries] == [0, 1]
    assert (first.title, first.url) == ("Story number 1", "https://news.example.com/1.html")
    assert (first.author, first.labels) == ("Ann Example", ("Parks",))
    assert first.published_at == datetime(2025, 8, 20, 1, tzinfo=UTC)
    assert first.summary.startswith("<p>The text")
    assert feed.warnings == ()


def test_an_atom_feed_with_relative_links_and_its_own_base():
    entry = (
        "<entry><title>One</title><id>urn:1</id><link rel='self' href='x.xml'/><link rel='alternate' href='one.html'/>"
        "<published>2025-08-20T01:00:00+02:00</published><updated>2025-08-20T05:00:00Z</updated>"
        "<author><name>Ann</name></author><author><name>Ben</name></author>"
        "<content type='html'>&lt;p&gt;T&lt;/p&gt;</content></entry>"
    )

    feed = _parse(atom(entry, attributes='xml:base="https://atom.example.org/news/"'))

    one = feed.entries[0]
    assert feed.kind == "atom"
    assert (one.guid, one.url, one.author) == ("urn:1", "https://atom.example.org/news/one.html", "Ann, Ben")
    assert one.published_at == datetime(2025, 8, 19, 23, tzinfo=UTC)
    assert one.updated_at == datetime(2025, 8, 20, 5, tzinfo=UTC)
    assert one.content_html == "<p>T</p>"


def test_an_rdf_feed():
    raw = b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://example.org/">
    <title>R</title><link>https://example.org/</link></channel><item rdf:about="https://example.org/1"><title>One</title>
    <link>https://example.org/1</link><dc:date>2025-08-20T10:00+02:00</dc:date><dc:creator>Ann</dc:creator></item></rdf:RDF>"""

    feed = _parse(raw)

    assert feed.kind == "rdf"
    assert (feed.entries[0].url, feed.entries[0].author) == ("https://example.org/1", "Ann")
    assert feed.entries[0].published_at == datetime(2025, 8, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("plain", rss(rss_item(1), rss_item(2))),
        ("gzip", gzip.compress(rss(rss_item(1), rss_item(2)))),
        ("two byte order marks", b"\xef\xbb\xbf" * 2 + rss(rss_item(1), rss_item(2))),
        ("UTF-16 that says UTF-8", rss(rss_item(1), rss_item(2)).decode().encode("utf-16")),
        ("leading noise", b"\n\nWarning: include() failed\n" + rss(rss_item(1), rss_item(2))),
        ("trailing noise", rss(rss_item(1), rss_item(2)) + b"<!-- cached --><script>x()</script>"),
        ("an HTML page around it", b"<html><body><pre>" + rss(rss_item(1), rss_item(2)) + b"</pre></body></html>"),
        ("control characters", rss(rss_item(1, description="a\x08b"), rss_item(2))),
        ("a bare ampersand", rss(rss_item(1, description="AT&T & co"), rss_item(2))),
        ("HTML entities", rss(rss_item(1, description="caf&eacute;&nbsp;&hellip;"), rss_item(2))),
        ("an unquoted attribute", rss(rss_item(1), rss_item(2), attributes="version=2.0")),
        ("undeclared prefixes", rss(rss_item(1, **{"dc:creator": "Ann"}), rss_item(2))),
        ("an element never closed", rss(rss_item(1), rss_item(2)).replace(b"</description>", b"", 1)),
        ("a cut-off end", rss(rss_item(1), rss_item(2), rss_item(3))[:-200]),
    ],
)
def test_a_damaged_feed_keeps_its_entries(kind: str, raw: bytes):
    feed = _parse(raw)

    assert [entry.url for entry in feed.entries[:2]] == [
        "https://news.example.com/1.html",
        "https://news.example.com/2.html",
    ]
    assert [entry.title for entry in feed.entries[:2]] == ["Story number 1", "Story number 2"]
    assert all(entry.published_at for entry in feed.entries[:2])


def test_damage_is_reported():
    assert "cut-off" in _codes(_parse(rss(rss_item(1), rss_item(2))[:-60]))
    assert "leading-junk" in _codes(_parse(b"oops" + rss(rss_item(1))))
    assert "trailing-junk" in _codes(_parse(rss(rss_item(1)) + b"oops"))
    assert "wrong-charset" in _codes(_parse(rss(rss_item(1, title="\xe9")).decode().encode("cp1252")))
    assert "no-date" in _codes(_parse(rss(rss_item(1, pubDate=""))))
    assert "future-date" in _codes(_parse(rss(rss_item(1, pubDate="Fri, 22 Aug 2025 10:00:00 GMT"))))


def test_entities_are_never_expanded():
    bomb = b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'

    feed = _parse(bomb + rss(rss_item(1, title="x &b; &f;"))[38:])

    assert feed.entries[0].title == "x &b; &f;"


def test_a_gzip_bomb_is_refused():
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([packer.compress(bytes(1_000_000)) for _ in range(repair.MAX_UNPACKED_BYTES // 1_000_000 + 2)])

    with pytest.raises(FeedMalformed, match="more than 15 MB"):
        _parse(bomb + packer.flush())


def test_a_damaged_gzip_is_refused():
    with pytest.raises(FeedMalformed, match="damaged"):
        _parse(gzip.compress(rss(rss_item(1)))[:30] + b"\xff" * 200)


def test_double_encoded_titles_are_mended():
    assert _parse(rss(rss_item(1, title="CafÃ© Ã\xa0 la carte"))).entries[0].title == "Café à la carte"


def test_a_guid_that_is_a_permalink_stands_in_for_the_link():
    feed = _parse(rss(rss_item(1, link="", guid="https://news.example.com/permalink")))

    assert feed.entries[0].url == "https://news.example.com/permalink"


def test_an_entry_without_id_gets_one_that_stays_the_same():
    raw = rss(rss_item(1, guid="", link=""), rss_item(2, guid="", link=""))

    guids = [entry.guid for entry in _parse(raw).entries]

    assert len(set(guids)) == 2
    assert guids == [entry.guid for entry in _parse(raw).entries]


def test_a_day_without_a_time_is_marked():
    entry = _parse(
        rss(
            rss_item(1, pubDate="", **{"dc:date": "2025-08-20"}),
            attributes='version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"',
        )
    )

    assert entry.entries[0].published_is_day
    assert entry.entries[0].published_at == datetime(2025, 8, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        ("<ttl>60</ttl>", 3600),
        ("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", 1800),
        ("<ttl>0</ttl>", None),
        ("", None),
    ],
)
def test_the_feeds_own_refresh_wish_is_read(head: str, seconds: int | None):
    assert _parse(rss(rss_item(1), head=head)).ttl_s == seconds


def test_pictures_and_enclosures_are_read():
    feed = _parse(rss(rss_item(1).replace("</item>", '<enclosure url="/a.jpg" type="image/jpeg" length="12"/></item>')))

    entry = feed.entries[0]
    assert entry.image_url == "https://news.example.com/a.jpg"
    assert (entry.enclosures[0].media_type, entry.enclosures[0].length) == ("image/jpeg", 12)


def test_a_feed_without_entries_is_a_feed():
    assert _parse(rss()).entries == ()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', "JSON"),
        (b'<opml version="2.0"><body><outline xmlUrl="https://a.example/"/></body></opml>', "OPML"),
        (b"hello", "not a feed"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a feed"),
        (b"<html><body>Hi</body></html>", "web page"),
    ],
)
def test_what_is_no_feed_says_what_it_is(raw: bytes, message: str):
    with pytest.raises(FeedMalformed, match=message) as caught:
        _parse(raw)

    assert caught.value.hint


def test_a_web_page_names_its_feeds_in_the_hint():
    page = b"""<!doctype html><html><head><base href="https://example.com/blog/">
    <link rel="alternate" type="application/rss+xml" href="feed.xml"><link rel="stylesheet" href="x.css">
    <link rel="alternate" type="application/rss+xml" title="Comments" href="/c.xml">
    <link rel="alternate" hreflang="de" href="/de"></head><body>Hi</body></html>"""

    with pytest.raises(FeedMalformed, match="web page, not a feed") as caught:
        _parse(page)

    assert caught.value.hint == "the page names these feeds: https://example.com/blog/feed.xml"


def test_repairing_twice_changes_nothing():
    text = rss(
        rss_item(1, description="AT&T &eacute; &lt;b&gt; &#7; <![CDATA[ a & b ]]>"), attributes="version=2.0"
    ).decode()
    feed, _odd = repair.isolate(text, repair.root_at(text))  # type: ignore[arg-type]  # there is a root in it

    assert repair.repair(repair.repair(feed)) == repair.repair(feed)


def test_feed_code_quoted_in_a_web_page_is_not_a_feed():
    page = b"<html><body><p>Write &lt;rss&gt; like this</p><!-- <rss version='2.0'> --></body></html>"

    with pytest.raises(FeedMalformed, match="web page"):
        _parse(page)


def test_the_hub_and_the_feeds_own_address_are_told():
    links = (
        '<atom:link rel="hub" href="https://hub.example/"/><atom:link rel="self" href="feed.xml"/>'
        '<atom:link rel="hub" href="https://other.example/"/>'
    )

    feed = _parse(rss(rss_item(1), head=links, attributes='version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'))

    assert (feed.hub_url, feed.self_url) == ("https://hub.example/", "https://news.example.com/feed.xml")
    assert _parse(rss(rss_item(1))).hub_url is None


def test_of_too_many_entries_the_newest_are_kept_in_their_order():
    items = [rss_item(at, pubDate=f"{1 + at % 28} Aug 2025 {at % 24:02}:{at % 60:02}:00 GMT") for at in range(2100)]

    feed = _parse(rss(*items))

    kept = [entry.position for entry in feed.entries]
    oldest = min(entry.published_at for entry in feed.entries if entry.published_at)
    assert (len(feed.entries), kept) == (2000, list(range(2000)))
    assert oldest >= datetime(2025, 8, 2, tzinfo=UTC)
    assert "too-many-entries" in _codes(feed)


@pytest.mark.parametrize(
    "root",
    [
        '<rss version="0.91">',
        '<rss version="0.92">',
        '<RSS version="2.0">',
        '<rss xmlns="http://backend.userland.com/rss2">',
    ],
)
def test_every_version_of_rss_is_rss(root: str):
    raw = rss(rss_item(1)).decode().replace('<rss version="2.0">', root)
    raw = raw.replace("</rss>", "</RSS>") if root.startswith("<RSS") else raw

    feed = _parse(raw.encode())

    assert (feed.kind, feed.entries[0].url) == ("rss", "https://news.example.com/1.html")


def test_rss_0_90_is_read():
    raw = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://my.netscape.com/rdf/simple/0.9/">
    <channel><title>R</title><link>https://example.org/</link></channel>
    <item><title>One</title><link>https://example.org/1</link></item></rdf:RDF>"""

    feed = _parse(raw)

    assert (feed.kind, feed.title, feed.home_url) == ("rdf", "R", "https://example.org/")
    assert feed.entries[0].url == "https://example.org/1"


def test_xml_base_holds_for_links_and_texts():
    entry = (
        '<entry xml:base="2025/"><title>T</title><id>urn:1</id><link href="one.html"/>'
        '<content type="html" xml:base="img/">&lt;img src="a.png"&gt; &lt;a href="/x"&gt;x&lt;/a&gt;</content></entry>'
    )

    one = _parse(atom(entry, attributes='xml:base="https://atom.example.org/news/"')).entries[0]

    assert one.url == "https://atom.example.org/news/2025/one.html"
    assert 'src="https://atom.example.org/news/2025/img/a.png"' in one.content_html
    assert 'href="https://atom.example.org/x"' in one.content_html


def test_markup_that_was_never_escaped_stays_in_its_item():
    raw = "<p>One<br>two <a href=x.html>three</a>"

    feed = _parse(rss(rss_item(1, description=raw), rss_item(2)))

    assert [entry.url[-6:] for entry in feed.entries] == ["1.html", "2.html"]
    assert feed.entries[0].summary == "<p>One<br>two <a href=x.html>three</a>"
    assert feed.entries[0].published_at


@pytest.mark.parametrize("name", ["title", "link", "guid", "pubDate", "description"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_end_tag_costs_nothing(name: str, number: int):
    parts = rss(rss_item(1), rss_item(2), rss_item(3)).decode().split("<item>")
    parts[number + 1] = parts[number + 1].replace(f"</{name}>", "", 1)

    feed = _parse("<item>".join(parts).encode())

    assert [entry.title for entry in feed.entries] == ["Story number 1", "Story number 2", "Story number 3"]
    assert [entry.url[-6:] for entry in feed.entries] == ["1.html", "2.html", "3.html"]
    assert all(entry.published_at for entry in feed.entries)


def test_an_item_that_was_never_closed_ends_where_the_next_starts():
    feed = _parse(rss(rss_item(1), rss_item(2), rss_item(3)).replace(b"</item>", b"", 2))

    assert [entry.title for entry in feed.entries] == ["Story number 1", "Story number 2", "Story number 3"]


def test_an_atom_person_is_no_text_element():
    entry = "<entry><title>T & U</title><id>urn:1</id><author><name>Ann</name><email>a@b.c</email></author></entry>"

    assert _parse(atom(entry).replace(b"</title><id>", b"<id>", 1)).entries[0].author == "Ann"


def test_a_plain_text_title_keeps_its_brackets():
    entry = '<entry><title type="text">a &lt;b> c</title><id>urn:1</id></entry>'

    assert _parse(atom(entry)).entries[0].title == "a <b> c"


def test_the_widest_picture_is_taken_with_its_description():
    media = (
        '<media:group><media:content url="/s.jpg" medium="image" width="100"/>'
        '<media:content url="/l.jpg" medium="image" width="900"><media:description>A bridge</media:description>'
        '</media:content></media:group><media:thumbnail url="/t.jpg"/>'
    )
    item = rss_item(1).replace("</item>", media + "</item>")

    entry = _parse(rss(item, attributes='version="2.0" xmlns:media="http://search.yahoo.com/mrss/"')).entries[0]

    assert (entry.image_url, entry.image_alt) == ("https://news.example.com/l.jpg", "A bridge")


def test_a_guid_that_says_it_is_no_permalink_is_no_link():
    item = rss_item(1, link="", guid="").replace(
        "</item>", '<guid isPermaLink="false">https://x.example/1</guid></item>'
    )

    entry = _parse(rss(item)).entries[0]

    assert (entry.guid, entry.url) == ("https://x.example/1", "")


def test_numbers_of_windows_characters_are_read_as_browsers_do():
    assert _parse(rss(rss_item(1, title="it&#146;s &#150; so"))).entries[0].title == "it’s – so"


def test_base64_content_is_decoded():
    entry = '<entry><title mode="base64" type="text/html">QSA8Yj50aXRsZTwvYj4=</title><id>urn:1</id></entry>'

    assert _parse(atom(entry)).entries[0].title == "A title"


def test_an_entry_nested_deeper_than_libxml2_follows_costs_no_other():
    deep = "<description>" + "<b>" * 300 + "x" + "</b>" * 300 + "</description>"
    item = rss_item(1).replace("</item>", f"<x:y xmlns:x='urn:x'>{deep}</x:y></item>")

    feed = _parse(rss(item, rss_item(2), rss_item(3)))

    assert [entry.title for entry in feed.entries][-2:] == ["Story number 2", "Story number 3"]
