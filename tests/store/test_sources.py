from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from digest.model.article import NewArticle, Source, SourceKind
from digest.model.errors import AlreadyExists, NotFound
from digest.model.publication import Cadence, CadenceRule, NewPublication
from digest.store import articles, publications, sources
from digest.store.articles import Recorded
from digest.store.engine import Store, Tx

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def _publication(tx: Tx, slug: str = "daily") -> int:
    new = NewPublication(
        slug=slug,
        name=slug,
        sender_name=slug,
        sender_email=f"{slug}@example.com",
        timezone="UTC",
        postal_address="1 Example Street",
        cadence=Cadence(name="daily", rule=CadenceRule.DAILY, send_at=time(7)),
    )
    return publications.add(tx, new, now=_NOW).id


def _source(tx: Tx, path: str = "feed", *, now: datetime = _NOW) -> Source:
    return sources.add(tx, SourceKind.RSS, url=f"https://example.com/{path}", title=path, now=now)


def _new(number: int = 1, **changes: object) -> NewArticle:
    values: dict[str, object] = {
        "identity": f"{number:064x}",
        "guid_hash": f"{number:064x}",
        "url": f"https://example.com/{number}?utm_source=x",
        "canonical_url": f"https://example.com/{number}",
        "title": f"Title {number}",
        "summary": "",
        "content_html": "<p>Text</p>",
        "text": "Text",
        "author": None,
        "published_at": None,
        "published_is_day": False,
        "image_url": None,
        "image_alt": "",
        "language": None,
        "labels": ("a", "b"),
        "position": number,
        "content_hash": "0" * 64,
        "word_count": 1,
    }
    return NewArticle(**{**values, **changes})  # type: ignore[arg-type]  # a mixed dict of known fields


def test_the_same_address_is_the_same_source(store: Store):
    with store.write() as tx:
        assert _source(tx) == _source(tx)


def test_a_publication_uses_a_source_once(store: Store):
    with store.write() as tx:
        publication, source = _publication(tx), _source(tx)
        sources.link(tx, publication, source.id)

        with pytest.raises(AlreadyExists):
            sources.link(tx, publication, source.id)

        assert [link.source.id for link in sources.list_sources(tx, publication)] == [source.id]


def test_unlinking_keeps_the_source_and_its_articles(store: Store):
    with store.write() as tx:
        publication, source = _publication(tx), _source(tx)
        sources.link(tx, publication, source.id)
        articles.record(tx, source.id, [_new()], now=_NOW)

        assert sources.unlink(tx, publication, source.id)
        assert not sources.unlink(tx, publication, source.id)
        assert sources.get(tx, source.id) == source
        assert len(articles.list_recent(tx)) == 1


def test_weight_and_topic_of_a_link_can_change(store: Store):
    with store.write() as tx:
        publication, source = _publication(tx), _source(tx)
        publications.ensure_topic(tx, publication, slug="parks", name="Parks")
        sources.link(tx, publication, source.id)

        assert sources.set_link(tx, publication, source.id, weight=3.0, topic_slug="parks")

        link = sources.list_sources(tx, publication)[0]
        assert (link.weight, link.topic) == (3.0, "parks")


def test_an_unknown_source_or_topic_says_what_there_is(store: Store):
    with store.write() as tx:
        publication, source = _publication(tx), _source(tx)
        publications.ensure_topic(tx, publication, slug="parks", name="Parks")

        with pytest.raises(NotFound) as caught:
            sources.link(tx, publication, source.id, topic_slug="park")
        with pytest.raises(NotFound):
            sources.get(tx, 4711)
        with pytest.raises(NotFound):
            sources.set_paused(tx, 4711, True)

    assert "parks" in caught.value.hint


def test_due_are_sources_whose_time_has_come_and_that_are_not_paused(store: Store):
    with store.write() as tx:
        publication = _publication(tx)
        now_due, later, paused = _source(tx, "a"), _source(tx, "b", now=_NOW + _HOUR), _source(tx, "c")
        for source in (now_due, later, paused):
            sources.link(tx, publication, source.id)
        sources.set_paused(tx, paused.id, True)

        assert [source.id for source in sources.due(tx, publication, _NOW)] == [now_due.id]
        assert [source.id for source in sources.active(tx, publication)] == [now_due.id, later.id]


def test_success_and_failure_are_remembered(store: Store):
    with store.write() as tx:
        source = _source(tx)
        sources.record_failure(tx, source.id, at=_NOW, error="answered 500", next_poll_at=_NOW + _HOUR)
        later = _NOW + _HOUR
        sources.record_failure(tx, source.id, at=later, error="answered 502", next_poll_at=_NOW + 2 * _HOUR)
        failed = sources.get(tx, source.id)
        sources.record_success(
            tx, source.id, at=_NOW, next_poll_at=_NOW, etag='W/"x"', last_modified=None, body_hash="h", item_count=3
        )
        sources.record_success(tx, source.id, at=_NOW + _HOUR, next_poll_at=_NOW, etag='W/"x"', last_modified=None)
        after = sources.get(tx, source.id)

    assert (failed.failures, failed.last_error, failed.next_poll_at) == (2, "answered 502", _NOW + 2 * _HOUR)
    assert (failed.failing_since, failed.last_polled_at, after.failing_since) == (_NOW, _NOW + _HOUR, None)
    assert (after.failures, after.last_error, after.last_success_at) == (0, None, _NOW + _HOUR)
    assert (after.etag, after.body_hash, after.item_count) == ('W/"x"', "h", 3)


def test_an_article_is_known_by_guid_or_identity(store: Store):
    with store.write() as tx:
        source = _source(tx)

        outcomes = [
            articles.record(tx, source.id, [one], now=_NOW)[0]
            for one in (_new(1), _new(1), _new(1, guid_hash="f" * 64), _new(1, identity="e" * 64), _new(2))
        ]

        assert outcomes == [Recorded.NEW, Recorded.UNCHANGED, Recorded.UNCHANGED, Recorded.UNCHANGED, Recorded.NEW]


def test_only_the_first_source_changes_the_text(store: Store):
    with store.write() as tx:
        first, second = _source(tx, "a"), _source(tx, "b")
        articles.record(tx, first.id, [_new()], now=_NOW)

        (by_second,) = articles.record(tx, second.id, [_new(title="Other", content_hash="1" * 64)], now=_NOW)
        (by_first,) = articles.record(tx, first.id, [_new(title="Better", content_hash="2" * 64)], now=_NOW + _HOUR)

        stored = articles.list_recent(tx)[0]
    assert (by_second, by_first) == (Recorded.UNCHANGED, Recorded.UPDATED)
    assert (stored.title, stored.updated_at, stored.labels) == ("Better", _NOW + _HOUR, ("a", "b"))


def test_eligible_are_articles_of_this_publication_first_seen_from_an_instant_on(store: Store):
    with store.write() as tx:
        mine, other = _publication(tx), _publication(tx, "other")
        here, elsewhere = _source(tx, "a"), _source(tx, "b")
        sources.link(tx, mine, here.id)
        sources.link(tx, other, elsewhere.id)
        for number, at in enumerate((_NOW - _HOUR, _NOW, _NOW + _HOUR)):
            articles.record(tx, here.id, [_new(number)], now=at)
        articles.record(tx, elsewhere.id, [_new(9)], now=_NOW)
        articles.record(tx, elsewhere.id, [_new(1)], now=_NOW)

        inside = articles.eligible(tx, mine, _NOW)
        everything = articles.eligible(tx, mine, None)

    assert [article.title for article in inside] == ["Title 1", "Title 2"]
    assert inside[0].sources == (here.id, elsewhere.id)
    assert [article.title for article in everything] == ["Title 0", "Title 1", "Title 2"]


def test_articles_are_found_by_key_and_by_address(store: Store):
    with store.write() as tx:
        source = _source(tx)
        for number in range(3):
            articles.record(tx, source.id, [_new(number)], now=_NOW + number * _HOUR)
        recent = articles.list_recent(tx, limit=2)

        assert [article.title for article in recent] == ["Title 2", "Title 1"]
        assert [one.id for one in articles.by_ids(tx, [recent[1].id, 4711, recent[0].id])] == [
            recent[1].id,
            recent[0].id,
        ]
        for url in ("https://example.com/2", "http://example.com/2?utm_medium=mail", "https://EXAMPLE.com:443/2#x"):
            assert articles.find_by_url(tx, url) == recent[0]
        assert articles.find_by_url(tx, "https://example.com/none") is None


def test_a_long_list_of_keys_is_no_problem(store: Store):
    with store.write() as tx:
        source = _source(tx)
        for number in range(600):
            articles.record(tx, source.id, [_new(number)], now=_NOW)

        stored = articles.list_recent(tx, limit=1000)

    assert len(stored) == 600
