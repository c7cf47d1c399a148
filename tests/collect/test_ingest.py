from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest import feeds
from digest.collect import ingest
from digest.model.article import NewArticle, SourceKind
from digest.model.publication import Publication
from digest.store import articles, sources
from digest.store.engine import Store
from support.feeddocs import rss, rss_item

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
_URL = "https://news.example.com/feed.xml"


def _prepare(raw: bytes, *, now: datetime = _NOW) -> list[NewArticle]:
    return ingest.prepare(feeds.parse(raw, url=_URL, fetched_at=now), base=_URL, now=now)


@pytest.fixture
def source_id(store: Store, publication: Publication) -> int:
    return _source(store, publication, _URL)


def _source(store: Store, publication: Publication, url: str) -> int:
    with store.write() as tx:
        source = sources.add(tx, SourceKind.RSS, url=url, title="News", now=_NOW)
        sources.link(tx, publication.id, source.id)
        return source.id


def _take(store: Store, source_id: int, raw: bytes, *, now: datetime = _NOW) -> ingest.Counts:
    prepared = _prepare(raw, now=now)
    with store.write() as tx:
        return ingest.store(tx, source_id, prepared, now=now)


def test_an_entry_becomes_a_clean_article():
    item = rss_item(
        1,
        title="A &lt;b&gt;bold&lt;/b&gt; \ue001claim",
        description="&lt;p&gt;Hi &lt;a href='/x'&gt;there&lt;/a&gt;&lt;script&gt;x()"
        "&lt;/script&gt;&lt;/p&gt;&lt;img src='/p.png'&gt;",
    )

    article = _prepare(rss(item))[0]

    assert article.title == "A bold claim"
    assert article.text == "Hi there"
    assert "script" not in article.content_html
    assert 'href="https://news.example.com/x"' in article.content_html
    assert article.image_url == "https://news.example.com/p.png"
    assert article.word_count == 2


def test_repeated_fetches_store_an_article_once(store: Store, source_id: int):
    raw = rss(rss_item(1), rss_item(2))

    assert _take(store, source_id, raw) == ingest.Counts(new=2)
    assert _take(store, source_id, raw) == ingest.Counts(unchanged=2)


def test_tracking_parameters_and_scheme_do_not_make_it_new(store: Store, source_id: int):
    _take(store, source_id, rss(rss_item(1)))

    again = rss(rss_item(1, guid="other", link="http://news.example.com/1.html?utm_source=rss&amp;fbclid=x#top"))

    assert _take(store, source_id, again) == ingest.Counts(unchanged=1)


def test_changed_guids_do_not_make_it_new(store: Store, source_id: int):
    _take(store, source_id, rss(rss_item(1), rss_item(2)))

    moved = rss(rss_item(1, guid="urn:new:1"), rss_item(2, guid="urn:new:2"))

    assert _take(store, source_id, moved) == ingest.Counts(unchanged=2)


def test_a_changed_address_under_the_same_guid_is_the_same_article(store: Store, source_id: int):
    _take(store, source_id, rss(rss_item(1)))

    assert _take(store, source_id, rss(rss_item(1, link="https://news.example.com/renamed"))).new == 0


def test_one_link_on_all_items_still_gives_all_items(store: Store, source_id: int):
    raw = rss(*(rss_item(number, link="https://news.example.com/", guid="") for number in range(1, 6)))

    assert _take(store, source_id, raw) == ingest.Counts(new=5)
    assert _take(store, source_id, raw) == ingest.Counts(unchanged=5)


def test_one_guid_on_all_items_still_gives_all_items(store: Store, source_id: int):
    raw = rss(*(rss_item(number, guid="1") for number in range(1, 6)))

    assert _take(store, source_id, raw) == ingest.Counts(new=5)
    assert _take(store, source_id, raw) == ingest.Counts(unchanged=5)


def test_changed_text_updates_the_article_and_keeps_its_date(store: Store, source_id: int):
    _take(store, source_id, rss(rss_item(1)))
    later = _NOW + timedelta(hours=1)

    counts = _take(
        store, source_id, rss(rss_item(1, title="Corrected", pubDate="Wed, 20 Aug 2025 11:00:00 GMT")), now=later
    )

    with store.read() as tx:
        article = articles.list_recent(tx)[0]
    assert counts == ingest.Counts(updated=1)
    assert (article.title, article.updated_at, article.first_seen_at) == ("Corrected", later, _NOW)
    assert article.published_at == datetime(2025, 8, 20, 1, tzinfo=UTC)


def test_a_second_source_adds_a_sighting_and_changes_nothing(store: Store, publication: Publication, source_id: int):
    _take(store, source_id, rss(rss_item(1)))
    other = _source(store, publication, "https://news.example.com/world.xml")

    counts = _take(store, other, rss(rss_item(1, guid="w1", description="Only a teaser.")))

    with store.read() as tx:
        article = articles.list_recent(tx)[0]
        seen = articles.sightings(tx, article.id)
    assert counts == ingest.Counts(unchanged=1)
    assert article.text.startswith("The text of story")
    assert article.sources == (source_id, other)
    assert [sighting.source_id for sighting in seen] == [source_id, other]


def test_a_date_far_ahead_is_not_believed():
    far, near = _prepare(
        rss(rss_item(1, pubDate="Wed, 20 Aug 2026 10:00:00 GMT"), rss_item(2, pubDate="Wed, 20 Aug 2025 23:00:00 GMT"))
    )

    assert far.published_at is None
    assert near.published_at is not None


def test_an_entry_without_a_title_is_named_by_its_first_words():
    text = "A short note about the weather on the coast this morning, which was fine for once and stayed so."

    article = _prepare(rss(rss_item(1, title="", description=text)))[0]

    assert article.title == "A short note about the weather on the coast this morning, which was fine for…"


def test_an_entry_without_anything_is_left_out():
    assert _prepare(rss(rss_item(1, title="", description=""))) == []


_GERMAN = "Der Stadtrat hat am Dienstag beschlossen, das alte Hafenbad im nächsten Frühjahr wieder zu öffnen. " * 3


@pytest.mark.parametrize(
    ("claimed", "text", "stored"),
    [
        ("en-US", _GERMAN, "de"),
        ("", _GERMAN, "de"),
        ("de-AT", _GERMAN, "de-AT"),
        ("en-US", "Der Hafen", "en-US"),
        ("", "Hafen", None),
    ],
)
def test_the_words_tell_the_language_and_the_feed_only_where_they_are_few(claimed: str, text: str, stored: str | None):
    said = f"<dc:language xmlns:dc='http://purl.org/dc/elements/1.1/'>{claimed}</dc:language>" if claimed else ""
    item = rss_item(1, title="Hafen", description=text).replace("</item>", f"{said}</item>")

    (article,) = _prepare(rss(item))

    assert article.language == stored


def test_a_summary_helps_to_tell_the_language_of_a_short_text():
    item = rss_item(1, title="Hafen", description=_GERMAN[:99]).replace(
        "</item>",
        "<content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>Hafenbad</content:encoded></item>",
    )

    assert _prepare(rss(item))[0].language == "de"
