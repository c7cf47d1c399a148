# ruff: noqa: E501 - documents read best as they are written

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from digest import feeds
from digest.feeds.sitemap import MAX_CHILDREN, is_shopping
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
_NAMESPACES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" '
    'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
)


def _news(number: int, *, day: int = 20, language: str = "en", path: str = "news") -> str:
    return (
        f"<url><loc>https://a.example/{path}/{number}.html</loc><lastmod>2025-08-{day}T11:00:00Z</lastmod><news:news>"
        f"<news:publication><news:name>The A</news:name><news:language>{language}</news:language></news:publication>"
        f"<news:publication_date>2025-08-{day}T10:00:00Z</news:publication_date><news:title><![CDATA[ A & B {number} ]]></news:title>"
        f"<news:keywords>Parks, Town</news:keywords></news:news><image:image><image:loc>https://a.example/{number}.jpg</image:loc>"
        f"<image:caption>A park</image:caption></image:image></url>"
    )


def _urlset(*urls: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {_NAMESPACES}>{"".join(urls)}</urlset>'.encode()


def _index(*sitemaps: str) -> bytes:
    return f"<sitemapindex {_NAMESPACES}>{''.join(sitemaps)}</sitemapindex>".encode()


def _parse(raw: bytes, languages: tuple[str, ...] = ()) -> ParsedFeed:
    return feeds.parse(raw, url="https://a.example/sitemap.xml", fetched_at=_NOW, languages=languages)


def _codes(feed: ParsedFeed) -> set[str]:
    return {odd.code for odd in feed.warnings}


def test_a_news_sitemap_gives_articles():
    feed = _parse(_urlset(_news(1), _news(2)))

    one = feed.entries[0]
    assert (feed.kind, feed.title, feed.home_url, feed.language) == ("sitemap", "The A", "https://a.example/", "en")
    assert (one.url, one.guid, one.title) == (
        "https://a.example/news/1.html",
        "https://a.example/news/1.html",
        "A & B 1",
    )
    assert one.published_at == datetime(2025, 8, 20, 10, tzinfo=UTC)
    assert one.updated_at == datetime(2025, 8, 20, 11, tzinfo=UTC)
    assert (one.image_url, one.image_alt) == ("https://a.example/1.jpg", "A park")
    assert (one.labels, one.language) == (("Parks", "Town"), "en")
    assert feed.warnings == ()


@pytest.mark.parametrize("old", ["http://www.sitemaps.org/schemas/sitemap/0.9", "news:"])
def test_namespaces_and_prefixes_do_not_matter(old: str):
    new = "http://www.google.com/schemas/sitemap/0.84" if old.startswith("http") else "n:"
    raw = _urlset(_news(1)).decode().replace(old, new).replace("xmlns:news", "xmlns:n" if new == "n:" else "xmlns:news")

    assert _parse(raw.encode()).entries[0].title == "A & B 1"


def test_a_packed_sitemap_is_unpacked():
    assert len(_parse(gzip.compress(_urlset(_news(1), _news(2)))).entries) == 2


def test_a_plain_sitemap_has_addresses_and_says_what_it_lacks():
    feed = _parse(_urlset("<url><loc>https://a.example/1</loc><lastmod>2025-08-20</lastmod></url>"))

    assert (feed.entries[0].url, feed.entries[0].title) == ("https://a.example/1", "")
    assert feed.entries[0].published_at == datetime(2025, 8, 20, 12, tzinfo=UTC)
    assert "no-title" in _codes(feed)


def test_a_list_of_addresses_is_a_sitemap():
    feed = _parse(b"https://a.example/1\r\nhttps://a.example/2\n")

    assert (feed.kind, [entry.url for entry in feed.entries]) == (
        "sitemap",
        ["https://a.example/1", "https://a.example/2"],
    )


def test_an_index_names_its_children_news_first_and_newest_first():
    feed = _parse(
        _index(
            "<sitemap><loc>https://a.example/posts-2024-01.xml</loc></sitemap>",
            "<sitemap><loc>https://a.example/posts-2025-08.xml</loc></sitemap>",
            "<sitemap><loc>https://a.example/a.xml.gz</loc><lastmod>2025-08-01</lastmod></sitemap>",
            "<sitemap><loc>https://a.example/b.xml.gz</loc><lastmod>2025-08-20</lastmod></sitemap>",
            "<sitemap><loc><![CDATA[ /news.xml ]]></loc></sitemap>",
        )
    )

    assert feed.entries == ()
    assert [child.rpartition("/")[2] for child in feed.children] == [
        "news.xml", "b.xml.gz", "a.xml.gz", "posts-2025-08.xml", "posts-2024-01.xml",
    ]  # fmt: skip


def test_the_children_of_an_index_are_bounded():
    feed = _parse(_index(*(f"<sitemap><loc>https://a.example/{at}.xml</loc></sitemap>" for at in range(500))))

    assert len(feed.children) == MAX_CHILDREN


def test_stale_and_shopping_items_are_recognised():
    raw = _urlset(_news(1), _news(2, day=10), _news(3, path="shopping/deals"))

    seen = feeds.examine(raw, url="https://a.example/sitemap.xml", fetched_at=_NOW)
    taken = _parse(raw)

    assert [entry.marks for entry in seen.entries] == [(), ("stale",), ("shopping",)]
    assert {"stale-items", "shopping-items"} <= _codes(seen)
    assert [entry.url[-6:] for entry in taken.entries] == ["1.html", "2.html"]


@pytest.mark.parametrize(
    ("url", "sells"),
    [
        ("https://a.example/shopping/best-toasters-2025", True),
        ("https://a.example/cnn-underscored/travel/bags", True),
        ("https://coupons.a.example/x", True),
        ("https://a.example/news/shopping-centre-fire-kills-two", False),
        ("https://a.example/2025/08/20/business/deals", False),
    ],
)
def test_shopping_is_known_by_the_section_not_by_the_headline(url: str, sells: bool):  # noqa: FBT001
    assert is_shopping(url) is sells


def test_entries_in_other_languages_can_be_left_out():
    raw = _urlset(_news(1, language="en"), _news(2, language="fr"), _news(3, language="en-GB"))

    feed = _parse(raw, languages=("en",))

    assert [entry.language for entry in feed.entries] == ["en", "en-GB"]
    assert "other-language" in _codes(feed)


def test_a_damaged_sitemap_keeps_what_can_be_read():
    assert len(_parse(_urlset(_news(1), _news(2), _news(3))[:-700]).entries) >= 2
    assert len(_parse(_urlset(_news(1), _news(2)).replace(b"1.html", b"1.html?a=1&b=2")).entries) == 2


def test_an_empty_sitemap_is_refused():
    with pytest.raises(FeedMalformed, match="names no address") as caught:
        _parse(_urlset())

    assert caught.value.hint
