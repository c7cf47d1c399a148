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
