"""Lists of articles as sites of all kinds build them, each with what stands around it on a real page."""

# ruff: noqa: E501 - documents read best as they are written

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from digest import feeds
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed

_NOW = datetime(2025, 8, 21, tzinfo=UTC)
_SITE = "https://www.town.example"
_HEADLINES = [
    "Council votes to reopen the old swimming pool",
    "Ferry line adds a second boat for the summer",
    "Rain floods three cellars in Mill Street",
    "School gets its first solar roof",
    "Market moves to the station square from Monday",
    "Choir looks for voices, no experience needed",
]
_AROUND = """<!doctype html><html lang="{lang}"><head><title>News - Town</title></head><body>
<header><a href="/">Town</a><a href="/news/council-and-administration-of-the-town">Council and administration of the town</a></header>
<nav><a href="/sport">Sport and leisure in the region</a><a href="/about-the-people-behind-this-site">About us all</a></nav>
<div class="breadcrumbs"><a href="/news/">All the news of the town</a></div>
<main><h1>Latest news</h1>{list}</main>
<aside><h3>Most read</h3><ol><li><a href="/2024/01/02/very-old-story-everybody-reads">Very old story everybody reads</a></li></ol></aside>
<div class="sidebar"><h2><a href="/2023/05/06/another-old-story-in-the-sidebar">Another old story in the sidebar</a></h2></div>
<section class="newsletter-signup"><h3><a href="/get-the-weekly-letter-by-mail">Get the weekly letter by mail</a></h3></section>
<div class="ad"><a href="/out/win-a-cruise-to-the-north-sea">Win a cruise to the North Sea with us</a></div>
<ul class="pagination"><li><a href="/news/page/2">Older</a></li></ul>
<footer><a href="/privacy-policy">How we use your data and cookies</a><a href="/terms-and-conditions">Terms and conditions of use</a>
<a href="https://elsewhere.example/2025/08/20/a-story-of-another-site">A story of another site in our network</a></footer></body></html>"""


def _slug(title: str) -> str:
    return "-".join(word.strip(",").lower() for word in title.split())


def _paths(pattern: str) -> list[str]:
    return [pattern.format(slug=_slug(title), n=48210 + at, day=20 - at) for at, title in enumerate(_HEADLINES)]


def _page(items: list[str], lang: str = "en") -> str:
    return _AROUND.format(list="\n".join(items), lang=lang)


def _read(page: str, url: str = f"{_SITE}/news/") -> ParsedFeed:
    return feeds.parse(page.encode(), url=url, fetched_at=_NOW, is_page=True)


def _blog() -> tuple[str, list[str]]:
    paths = _paths("/2025/08/{day:02}/{slug}/")
    return _page(
        [
            f'<article class="post"><header><h2 class="entry-title"><a href="{_SITE}{path}">{title}</a></h2>'
            f'<span class="posted-on"><a href="{_SITE}{path}"><time datetime="2025-08-{20 - at:02}T09:00:00+02:00">x</time></a>'
            f'</span> <span class="byline">by <a href="/author/ann">Ann Example</a></span></header><div><p>The text of it, '
            f'long enough to be a teaser for readers.</p><a class="more-link" href="{_SITE}{path}">Continue reading</a></div>'
            f'<footer>Filed under <a href="/category/local-news-of-the-week">Local news of the week</a></footer></article>'
            for at, (path, title) in enumerate(zip(paths, _HEADLINES, strict=True))
        ]
    ), paths


def _table() -> tuple[str, list[str]]:
    paths = _paths("/aktuelles/artikel-{n}.html")
    rows = [
        f'<tr><td>{20 - at:02}.08.2025</td><td><a href="{path}">{title}</a></td></tr>'
        for at, (path, title) in enumerate(zip(paths, _HEADLINES, strict=True))
    ]
    return _page(["<table>", *rows, "</table>"], lang="de"), paths


def _plain_list() -> tuple[str, list[str]]:
    paths = _paths("/news/{slug}")
    items = [f'<li><a href="{path}">{title}</a></li>' for path, title in zip(paths, _HEADLINES, strict=True)]
    return _page(['<ul class="headlines">', *items, "</ul>"]), paths


def _whole_cards() -> tuple[str, list[str]]:
    paths = _paths("/story/{slug}")
    return _page(
        [
            f'<a class="card" href="{path}?ref=front"><img data-src="/i/{at}.jpg" alt="A picture"><span class="kicker">Local'
            f"</span><h3>{title}</h3><p>Somebody said something about it, and others said something else.</p>"
            f"<time>{20 - at} August 2025</time></a>"
            for at, (path, title) in enumerate(zip(paths, _HEADLINES, strict=True))
        ]
    ), [f"{path}?ref=front" for path in paths]


def _flat() -> tuple[str, list[str]]:
    paths = _paths("/meldung/{n}")
    return _page(
        [
            f'<h3><a href="{path}">{title}</a></h3><p class="date">{20 - at}. August 2025</p>'
            f"<p>What happened, told in one sentence that is long enough.</p>"
            for at, (path, title) in enumerate(zip(paths, _HEADLINES, strict=True))
        ],
        lang="de",
    ), paths


def _queries() -> tuple[str, list[str]]:
    paths = _paths("/view.php?id={n}")
    return _page(
        [
            f'<div class="teaser"><h4><a href="{path}">{title}</a></h4><span>20/08/2025</span></div>'
            for path, title in zip(paths, _HEADLINES, strict=True)
        ],
        lang="fr",
    ), paths


def _japanese() -> tuple[str, list[str]]:
    paths = _paths("/articles/{n}")
    items = [
        f'<dt>2025年8月{20 - at}日</dt><dd><a href="{path}">町の議会が古いプールを再開する{at}</a></dd>'
        for at, path in enumerate(paths)
    ]
    return _page(["<dl>", *items, "</dl>"], lang="ja"), paths


_SHAPES = [_blog, _table, _plain_list, _whole_cards, _flat, _queries, _japanese]


@pytest.mark.parametrize("shape", _SHAPES)
def test_each_article_comes_once_and_nothing_else(shape: Callable[[], tuple[str, list[str]]]):
    page, paths = shape()

    feed = _read(page)

    assert feed.kind == "page"
    assert [entry.url for entry in feed.entries] == [_SITE + path for path in paths]
    assert feed.title == "News - Town"


@pytest.mark.parametrize("shape", [_blog, _table, _whole_cards, _flat, _queries, _japanese])
def test_a_date_beside_a_link_is_its_date(shape: Callable[[], tuple[str, list[str]]]):
    feed = _read(shape()[0])

    days = [entry.published_at.day if entry.published_at else None for entry in feed.entries]
    assert days == ([20] * 6 if shape is _queries else [20, 19, 18, 17, 16, 15])


def test_a_card_gives_headline_teaser_picture_and_section():
    first = _read(_whole_cards()[0]).entries[0]

    assert first.title == _HEADLINES[0]
    assert first.summary == "Somebody said something about it, and others said something else."
    assert (first.image_url, first.image_alt, first.labels) == (f"{_SITE}/i/0.jpg", "A picture", ("Local",))
    assert first.published_at == datetime(2025, 8, 20, 12, tzinfo=UTC)
    assert first.published_is_day


def test_read_more_is_never_a_headline():
    assert [entry.title for entry in _read(_blog()[0]).entries] == _HEADLINES
    assert _read(_blog()[0]).entries[0].author == "Ann Example"


def test_relative_links_start_at_the_pages_base():
    page, _ = _plain_list()
    page = page.replace("<head>", '<head><base href="/en/">').replace('href="/news/', 'href="news/')

    assert _read(page).entries[0].url == f"{_SITE}/en/news/{_slug(_HEADLINES[0])}"


@pytest.mark.parametrize(
    "items",
    [
        [],
        [
            '<p>Nothing here. <a href="/contact">Write to us</a> or <a href="/news/one-lonely-story-about-us">read on</a>.</p>'
        ],
        [
            f'<li><a href="/service/{word}">{word}</a></li>'
            for word in ("Waste", "Water", "Parking", "Schools", "Parks")
        ],
    ],
)
def test_a_page_without_a_list_is_refused(items: list[str]):
    with pytest.raises(FeedMalformed, match="neither names a feed nor lists articles") as caught:
        _read(_page(items))

    assert caught.value.hint


def test_a_page_where_a_feed_should_be_is_no_source_of_articles():
    page, _ = _blog()

    with pytest.raises(FeedMalformed, match="web page, not a feed"):
        feeds.parse(page.encode(), url=f"{_SITE}/feed.xml", fetched_at=_NOW)


def _article(extra: str = "") -> str:
    text = "".join(
        f"<p>Paragraph {at} of the story says something that takes quite a few words to say, and then some more.</p>"
        for at in range(30)
    )
    related = _plain_list()[0].partition("<main>")[2].partition("</main>")[0]
    return (
        f"<!doctype html><html lang='en'><head><title>{_HEADLINES[0]} - Town</title>{extra}</head><body><main><article>"
        f"<h1>{_HEADLINES[0]}</h1><p class='byline'>By Ann Example</p>{text}</article>{related}</main></body></html>"
    )


@pytest.mark.parametrize(
    "extra",
    [
        "",
        '<meta property="og:type" content="article">',
        '<script type="application/ld+json">{"@type": "NewsArticle"}</script>',
    ],
)
def test_an_article_with_links_to_others_is_an_article(extra: str):
    url = f"{_SITE}/2025/08/20/{_slug(_HEADLINES[0])}"

    feed = feeds.examine(_article(extra).encode(), url=url, fetched_at=_NOW)

    assert feed.kind == "article"
    assert (feed.entries[0].title, feed.entries[0].url) == (_HEADLINES[0], url)
    assert "Paragraph 29" in feed.entries[0].content_html


def test_examining_a_page_tells_the_feeds_it_names():
    page, _ = _blog()
    named = page.replace("<head>", '<head><link rel="alternate" type="application/rss+xml" href="/feed">')

    feed = feeds.examine(named.encode(), url=f"{_SITE}/news/", fetched_at=_NOW)

    assert (feed.kind, len(feed.entries)) == ("page", 6)
    assert [odd.message for odd in feed.warnings if odd.code == "names-feeds"] == [
        f"the page names these feeds: {_SITE}/feed"
    ]


def test_a_saved_page_is_read_against_the_address_it_gives_itself():
    page, paths = _plain_list()
    saved = page.replace("<head>", f'<head><link rel="canonical" href="{_SITE}/news/">')

    feed = feeds.examine(saved.encode(), name="news.html", fetched_at=_NOW)

    assert [entry.url for entry in feed.entries] == [_SITE + path for path in paths]


def test_a_saved_article_without_any_address_is_known_by_its_file():
    feed = feeds.examine(_article().encode(), name="/x/story.html", fetched_at=_NOW)

    assert (feed.kind, feed.entries[0].guid, feed.entries[0].url) == ("article", "/x/story.html", "")
