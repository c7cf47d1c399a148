from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from digest.collect.check import add_source, check
from digest.config.settings import Settings
from digest.model.article import SourceKind
from digest.model.errors import AlreadyExists, BadInput, DigestError, FeedMalformed, NotFound, SourceUnreachable
from digest.model.publication import Publication
from digest.store import publications, sources
from digest.store.engine import Store
from support.feeddocs import atom, rss, rss_item
from support.feedserver import FeedServer


def _page(*links: str) -> bytes:
    named = "".join(f'<link rel="alternate" type="application/rss+xml" href="{link}">' for link in links)
    return f"<!doctype html><html><head>{named}</head><body>Hi</body></html>".encode()


def _count(store: Store, publication: Publication) -> int:
    with store.read() as tx:
        return len(sources.list_sources(tx, publication.id))


async def test_checking_a_feed_tells_what_is_in_it(settings: Settings, server: FeedServer, now: datetime):
    feed = await check(server.rule("/f", rss(rss_item(1))), settings=settings, now=now)

    assert (feed.kind, feed.title, len(feed.entries)) == ("rss", "Example News", 1)


async def test_checking_a_file_tells_what_is_in_it(settings: Settings, tmp_path: Path, now: datetime):
    (tmp_path / "a.txt").write_text("Title\n\nText.")

    assert (await check(str(tmp_path / "a.txt"), settings=settings, now=now)).entries[0].title == "Title"
    assert (await check(str(tmp_path), settings=settings, now=now)).kind == "article"


async def test_checking_a_saved_feed_reads_it_against_its_address(settings: Settings, tmp_path: Path, now: datetime):
    (tmp_path / "feed.xml").write_bytes(rss(rss_item(1, link="one.html")).replace(b"https://news.example.com/<", b"<"))

    feed = await check(str(tmp_path / "feed.xml"), settings=settings, now=now, base="https://example.org/d/feed.xml")

    assert feed.entries[0].url == "https://example.org/d/one.html"


@pytest.mark.parametrize(
    ("address", "error", "hint"),
    [
        ("", BadInput, "feed address"),
        ("ftp://example.com/x", BadInput, "https"),
        ("http://", BadInput, "https://example.com/feed.xml"),
        ("no-such-file.txt", SourceUnreachable, "path"),
        ("example.com/feed.xml", SourceUnreachable, "https://example.com/feed.xml"),
    ],
)
async def test_a_wrong_address_is_told_at_once(
    settings: Settings, now: datetime, address: str, error: type[DigestError], hint: str
):
    with pytest.raises(error) as caught:
        await check(address, settings=settings, now=now)

    assert hint in caught.value.hint


async def test_adding_a_feed_stores_a_source_that_is_due(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    with store.write() as tx:
        publications.ensure_topic(tx, publication.id, slug="parks", name="Parks")

    added = await add_source(
        store, publication.id, server.rule("/f", atom()), settings=settings, now=now, weight=2.0, topic="parks"
    )

    with store.read() as tx:
        linked = sources.list_sources(tx, publication.id)[0]
        due = sources.due(tx, publication.id, now)
    assert (linked.source, linked.weight, linked.topic) == (added.source, 2.0, "parks")
    assert (added.source.kind, added.source.title) == (SourceKind.ATOM, "Example Atom")
    assert due == [added.source]


async def test_a_page_that_names_one_feed_stands_for_it(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    server.rule("/f.xml", rss(rss_item(1)))

    added = await add_source(store, publication.id, server.rule("/", _page("f.xml")), settings=settings, now=now)

    assert added.source.url == server.base + "/f.xml"
    assert "web page" in added.note


async def test_a_page_that_names_several_feeds_asks_back(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    with pytest.raises(FeedMalformed, match="names 2 feeds") as caught:
        await add_source(store, publication.id, server.rule("/", _page("a.xml", "b.xml")), settings=settings, now=now)

    assert f"{server.base}/a.xml, {server.base}/b.xml" in caught.value.hint
    assert _count(store, publication) == 0


@pytest.mark.parametrize(("path", "error"), [("/missing", SourceUnreachable), ("/page", FeedMalformed)])
async def test_nothing_is_written_when_the_address_is_wrong(
    store: Store,
    *,
    publication: Publication,
    settings: Settings,
    server: FeedServer,
    now: datetime,
    path: str,
    error: type[DigestError],
):
    server.rule("/page", _page())

    with pytest.raises(error):
        await add_source(store, publication.id, server.base + path, settings=settings, now=now)

    assert _count(store, publication) == 0


async def test_an_unknown_topic_leaves_nothing_behind(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    url = server.rule("/f", rss(rss_item(1)))

    with pytest.raises(NotFound, match="no topic 'parks'"):
        await add_source(store, publication.id, url, settings=settings, now=now, topic="parks")

    assert _count(store, publication) == 0


async def test_the_same_source_twice_is_an_error(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    url = server.rule("/f", rss(rss_item(1)))
    await add_source(store, publication.id, url, settings=settings, now=now)

    with pytest.raises(AlreadyExists):
        await add_source(store, publication.id, url, settings=settings, now=now)


async def test_a_folder_and_a_file_get_readable_titles(
    store: Store, publication: Publication, settings: Settings, tmp_path: Path, now: datetime
):
    folder = tmp_path / "town-news"
    folder.mkdir()
    (folder / "one_story.txt").write_text("Title\n\nText.")

    by_folder = await add_source(store, publication.id, str(folder), settings=settings, now=now)
    by_file = await add_source(
        store, publication.id, str(folder / "one_story.txt"), settings=settings, now=now, title="Mine"
    )

    assert (by_folder.source.kind, by_folder.source.title) == (SourceKind.FOLDER, "Town news")
    assert (by_file.source.kind, by_file.source.title) == (SourceKind.FILE, "Mine")


def _listing(*extra: str) -> bytes:
    items = "".join(
        f'<h2><a href="/2025/08/20/story-number-{word}-of-the-day">Story number {word} of the day</a></h2><p>x</p>'
        for word in ("one", "two", "three", "four")
    )
    return f"<!doctype html><html><head><title>Town</title></head><body>{''.join(extra)}{items}</body></html>".encode()


_JSON_FEED = b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "url": "/1", "title": "One"}]}'
_NEWS = (
    b'<urlset xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"><url><loc>https://a.example/1</loc><n:news>'
    b"<n:publication_date>2025-08-20</n:publication_date><n:title>One</n:title></n:news></url></urlset>"
)
_INDEX = b"<sitemapindex><sitemap><loc>/news.xml</loc></sitemap></sitemapindex>"
_OPML = b'<opml version="2.0"><head><title>L</title></head><body><outline text="A" xmlUrl="https://a.example/f"/></body></opml>'


@pytest.mark.parametrize(
    ("body", "kind", "count"),
    [
        (_JSON_FEED, "json", 1),
        (_NEWS, "sitemap", 1),
        (_INDEX, "sitemap", 0),
        (_OPML, "opml", 1),
        (_listing(), "page", 4),
    ],
)
async def test_checking_tells_any_kind_from_the_web_and_from_a_file(
    settings: Settings, server: FeedServer, tmp_path: Path, now: datetime, *, body: bytes, kind: str, count: int
):
    (tmp_path / "saved").write_bytes(body)

    fetched = await check(server.rule("/x", body), settings=settings, now=now)
    saved = await check(str(tmp_path / "saved"), settings=settings, now=now, base=server.base + "/x")

    assert (fetched.kind, len(fetched.entries)) == (kind, count)
    assert saved == fetched


async def test_checking_a_saved_page_reads_it_against_its_address(settings: Settings, tmp_path: Path, now: datetime):
    (tmp_path / "index.html").write_bytes(_listing())

    feed = await check(str(tmp_path / "index.html"), settings=settings, now=now, base="https://town.example/news/")

    assert feed.entries[0].url == "https://town.example/2025/08/20/story-number-one-of-the-day"


async def test_a_page_can_be_asked_for_its_article(settings: Settings, tmp_path: Path, now: datetime):
    text = "".join(
        f"<p>Paragraph {at} of the story takes quite a few words to say what it says.</p>" for at in range(9)
    )
    (tmp_path / "a.html").write_bytes(_listing("<h1>The story itself</h1>", text))

    feed = await check(str(tmp_path / "a.html"), settings=settings, now=now, base="https://t.example/", as_article=True)

    assert (feed.kind, len(feed.entries)) == ("article", 1)
    assert "Paragraph 8 of the story" in feed.entries[0].content_html


@pytest.mark.parametrize(
    ("body", "kind"), [(_JSON_FEED, SourceKind.JSON), (_NEWS, SourceKind.SITEMAP), (_INDEX, SourceKind.SITEMAP)]
)
async def test_other_kinds_of_feeds_are_added_as_what_they_are(
    store: Store,
    publication: Publication,
    *,
    settings: Settings,
    server: FeedServer,
    now: datetime,
    body: bytes,
    kind: SourceKind,
):
    server.rule("/news.xml", _NEWS)

    added = await add_source(store, publication.id, server.rule("/x", body), settings=settings, now=now)

    assert (added.source.kind, added.source.url) == (kind, server.base + "/x")
    assert len(added.feed.entries) == 1


async def test_an_index_is_named_by_the_newest_sitemap_that_can_be_read(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    index = _INDEX.replace(b"<sitemap>", b"<sitemap><loc>/gone.xml</loc></sitemap><sitemap>")
    name = b"<n:publication><n:name>The Kestrel</n:name><n:language>en</n:language></n:publication>"
    server.rule("/news.xml", _NEWS.replace(b"<n:news>", b"<n:news>" + name))

    added = await add_source(store, publication.id, server.rule("/x", index), settings=settings, now=now)

    assert (added.source.title, added.source.language) == ("The Kestrel", "en")


async def test_an_index_of_which_nothing_can_be_read_is_not_added(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    with pytest.raises(SourceUnreachable, match="404"):
        await add_source(store, publication.id, server.rule("/x", _INDEX), settings=settings, now=now)


async def test_a_page_without_a_named_feed_is_tried_at_the_usual_addresses(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    server.rule("/feed.xml", rss(rss_item(1)))

    added = await add_source(store, publication.id, server.rule("/news/", _listing()), settings=settings, now=now)

    assert (added.source.kind, added.source.url) == (SourceKind.RSS, server.base + "/feed.xml")
    assert "found its feed" in added.note


async def test_a_page_without_any_feed_is_read_as_a_list(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    added = await add_source(store, publication.id, server.rule("/news/", _listing()), settings=settings, now=now)

    assert (added.source.kind, added.source.url, added.source.title) == (
        SourceKind.PAGE,
        server.base + "/news/",
        "Town",
    )
    assert len(added.feed.entries) == 4
    assert len(server.requests) <= 11


async def test_a_page_without_feed_or_list_leads_to_the_sites_news_sitemap(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    server.rule("/robots.txt", b"Sitemap: /plain.xml\nSitemap: /news.xml\n")
    server.rule("/news.xml", _NEWS)

    added = await add_source(store, publication.id, server.rule("/", _page()), settings=settings, now=now)

    assert (added.source.kind, added.source.url) == (SourceKind.SITEMAP, server.base + "/news.xml")


async def test_a_list_of_feeds_is_no_source(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    with pytest.raises(FeedMalformed, match="OPML") as caught:
        await add_source(store, publication.id, server.rule("/x", _OPML), settings=settings, now=now)

    assert "source import" in caught.value.hint
