"""One article that comes in through every door of its site is one article."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from digest import feeds
from digest.app.why import why
from digest.collect import ingest
from digest.model.article import ParsedFeed, SourceKind
from digest.store import articles, sources
from digest.store.engine import Store
from support.factories import make_publication
from support.feeddocs import atom, rss, rss_item

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SITE = "https://post.example.com"
URL = f"{SITE}/2026/03/02/harbour-bridge-opens.html"
TITLE = "Harbour bridge opens after nine years of building"
STAMP = "2026-03-02T08:00:00Z"
TEXT = (
    "The bridge over the harbour opened this morning after nine years of building, and the first to cross it was a"
    " postman on his way to work. The mayor spoke of a new chapter for both banks; the ferrymen had their own opinion."
    " Tolls will be charged from June, which the council had ruled out when the work began. "
)


def rss_door() -> ParsedFeed:
    item = rss_item(title=TITLE, guid="post-4711", link=URL + "?utm_source=rss", description=TEXT)
    return read(rss(item.replace("Wed, 20 Aug 2025 01:00:00 GMT", "Mon, 02 Mar 2026 08:00:00 GMT")), "/rss.xml")


def atom_door() -> ParsedFeed:
    entry = (
        f"<entry><id>tag:post.example.com,2026:4711</id><title>{TITLE}</title><updated>{STAMP}</updated>"
        f'<link rel="alternate" href="{URL.replace("https:", "http:")}"/><summary>{TEXT}</summary></entry>'
    )
    return read(atom(entry), "/atom.xml")


def json_door() -> ParsedFeed:
    item = {"id": "4711", "url": URL + "#top", "title": TITLE, "content_text": TEXT, "date_published": STAMP}
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "The Post", "items": [item]}
    return read(json.dumps(document).encode(), "/feed.json")


def sitemap_door() -> ParsedFeed:
    news = (
        "<news:news><news:publication><news:name>The Post</news:name><news:language>en</news:language>"
        f"</news:publication><news:publication_date>{STAMP}</news:publication_date><news:title>{TITLE}</news:title>"
        "</news:news>"
    )
    document = (
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        ' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">'
        f"<url><loc>{URL}</loc>{news}</url></urlset>"
    )
    return read(document.encode(), "/news-sitemap.xml")


def page_door() -> ParsedFeed:
    """The article's own page, pushed by hand."""
    page = (
        f'<html lang="en"><head><title>{TITLE} | The Post</title><link rel="canonical" href="{URL}">'
        f'<meta property="article:published_time" content="{STAMP}"></head><body><article><h1>{TITLE}</h1>'
        f"<p>{TEXT}</p><p>{TEXT}</p></article></body></html>"
    )
    address = f"{SITE}/amp/harbour-bridge-opens"
    return feeds.examine(page.encode(), url=address, fetched_at=NOW, as_article=True)


def file_door() -> ParsedFeed:
    text = f"---\ntitle: {TITLE}\nurl: {URL}\ndate: {STAMP}\n---\n\n{TEXT}\n"
    return feeds.parse_file(text.encode(), name="/srv/articles/bridge.md")


def read(raw: bytes, path: str) -> ParsedFeed:
    return feeds.parse(raw, url=SITE + path, fetched_at=NOW)


DOORS = {
    "rss": rss_door,
    "atom": atom_door,
    "json": json_door,
    "sitemap": sitemap_door,
    "page": page_door,
    "file": file_door,
}


@pytest.mark.parametrize("order", list(permutations(DOORS))[::90], ids="-".join)
def test_one_article_through_six_doors_in_any_order(store: Store, order: tuple[str, ...]):
    with store.write() as tx:
        publication = make_publication(tx)
        for number, name in enumerate(order):
            at = NOW + timedelta(minutes=number)
            kind = SourceKind.FILE if name == "file" else SourceKind.RSS
            source = sources.add(tx, kind, url=f"{SITE}/{name}", title=name, now=NOW)
            sources.link(tx, publication.id, source.id)
            counts = ingest.store(tx, source.id, ingest.prepare(DOORS[name](), base=SITE, now=at), now=at)
            assert counts.new == (number == 0), name
        (article,) = articles.list_recent(tx)
        seen = articles.sightings(tx, article.id)

    assert article.title == TITLE
    assert "Tolls will be charged from June" in article.text
    assert article.published_at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert [sighting.source_title for sighting in seen] == list(order)
    assert "and stored once" in " ".join(why(store, URL).sentences)
