"""An article stays the same one whatever its publisher does to its id, its address or its date (F16–F19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest import feeds
from digest.collect import ingest
from digest.model.article import Article, DateProblem, SourceKind
from digest.model.publication import Publication
from digest.store import articles, sources
from digest.store.engine import Store
from support.feeddocs import rss, rss_item

NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
FEED = "https://news.example.com/feed.xml"
TEXT = "The council voted on Tuesday evening to keep the ferry until the new bridge is open to traffic. " * 5


@pytest.fixture
def source_id(store: Store, publication: Publication) -> int:
    with store.write() as tx:
        source = sources.add(tx, SourceKind.RSS, url=FEED, title="News", now=NOW)
        sources.link(tx, publication.id, source.id)
        return source.id


def take(store: Store, source_id: int, *items: str, now: datetime = NOW) -> ingest.Counts:
    feed = feeds.parse(rss(*items), url=FEED, fetched_at=now)
    with store.write() as tx:
        return ingest.store(tx, source_id, ingest.prepare(feed, base=FEED, now=now), now=now)


def all_articles(store: Store) -> list[Article]:
    with store.read() as tx:
        return articles.list_recent(tx, limit=1000)


@pytest.mark.parametrize(
    "change",
    [
        {"guid": "http://news.example.com/?p=1"},
        {"guid": "https://www.news.example.org/?p=1", "link": "https://www.news.example.org/one"},
        {"guid": "urn:new:1"},
        {"link": "http://news.example.com/1.html?utm_source=feed"},
        {"link": "https://news.example.com/a-better-slug.html"},
        {"guid": "urn:new:1", "link": "https://news.example.com/a-better-slug.html"},
        {"pubDate": "Wed, 20 Aug 2025 11:30:00 GMT"},
        {"title": "A title that says more about it"},
        {"guid": "urn:new:1", "pubDate": "Wed, 20 Aug 2025 11:30:00 GMT"},
        {"guid": "urn:new:1", "link": "https://news.example.com/x", "title": "Quite another title of it"},
    ],
    ids=lambda change: " and ".join(f"{name} {value}" for name, value in change.items()),
)
def test_one_article_whatever_is_changed(store: Store, source_id: int, change: dict[str, str]):
    neighbours = [rss_item(number) for number in range(2, 8)]
    take(store, source_id, rss_item(1, description=TEXT), *neighbours)

    counts = take(store, source_id, rss_item(1, **({"description": TEXT} | change)), *neighbours)

    assert counts.new == 0
    assert len(all_articles(store)) == 7


def test_a_feed_that_moves_wholly_to_https_and_new_ids_brings_nothing_new(store: Store, source_id: int):
    numbers = range(1, 31)
    take(store, source_id, *(rss_item(n, link=f"http://news.example.com/{n}.html") for n in numbers))

    counts = take(
        store,
        source_id,
        *(rss_item(n, guid=f"tag:new,{n}", link=f"https://news.example.com/{n}.html") for n in numbers),
    )

    assert counts == ingest.Counts(unchanged=30)


def test_an_id_that_is_used_again_for_something_else_is_a_new_article(store: Store, source_id: int):
    take(store, source_id, rss_item(1, guid="top-story"), rss_item(2), rss_item(3))

    tomorrow = rss_item(9, guid="top-story", pubDate="Fri, 22 Aug 2025 06:00:00 GMT")

    assert take(store, source_id, tomorrow, now=NOW + timedelta(days=2)).new == 1


def test_ids_that_the_feed_repeats_are_not_believed(store: Store, source_id: int):
    first = [rss_item(n, guid=f"{n % 3}", title=f"The news of the hour, part {n}") for n in range(1, 10)]
    take(store, source_id, *first)

    later = [rss_item(n, guid=f"{n % 3}", title=f"The news of the hour, part {n}") for n in range(10, 19)]

    assert take(store, source_id, *later) == ingest.Counts(new=9)
    assert take(store, source_id, *later) == ingest.Counts(unchanged=9)


def test_the_same_title_another_day_is_another_article(store: Store, source_id: int):
    title = "The day in pictures"
    take(store, source_id, rss_item(1, title=title, pubDate="Tue, 19 Aug 2025 06:00:00 GMT"))

    again = rss_item(2, title=title, pubDate="Wed, 20 Aug 2025 06:00:00 GMT")

    assert take(store, source_id, again).new == 1


def test_two_entries_side_by_side_with_one_title_and_day_are_two_articles(store: Store, source_id: int):
    title = "Results of the regional elections"
    both = [rss_item(n, title=title, pubDate="Wed, 20 Aug 2025 06:00:00 GMT") for n in (1, 2)]

    assert take(store, source_id, *both) == ingest.Counts(new=2)
    assert take(store, source_id, *both) == ingest.Counts(unchanged=2)


def test_an_address_that_only_the_id_tells_leads_to_the_article(store: Store, source_id: int):
    take(store, source_id, rss_item(1, guid="https://news.example.com/stories/one"))

    with store.read() as tx:
        found = articles.find_by_url(tx, "http://news.example.com/stories/one?utm_source=x")

    assert found is not None
    assert found.url == "https://news.example.com/1.html"


def test_an_old_article_that_a_known_feed_shows_for_the_first_time_is_a_rerun(store: Store, source_id: int):
    take(store, source_id, rss_item(1), rss_item(2))

    old = rss_item(3, pubDate="Mon, 11 Aug 2025 06:00:00 GMT")
    late = rss_item(4, pubDate="Thu, 14 Aug 2025 06:00:00 GMT")

    assert take(store, source_id, old, late) == ingest.Counts(new=1, reruns=1)
    assert {article.title: article.is_rerun for article in all_articles(store)} == {
        "Story number 1": False,
        "Story number 2": False,
        "Story number 3": True,
        "Story number 4": False,
    }


def test_what_a_new_source_shows_first_is_no_rerun(store: Store, source_id: int):
    assert take(store, source_id, rss_item(1), rss_item(2, pubDate="Fri, 01 Aug 2025 06:00:00 GMT")).reruns == 0


@pytest.mark.parametrize(
    ("stamp", "problem"),
    [
        ("Thu, 24 Sep 2026 06:00:00 GMT", DateProblem.FUTURE),
        ("Thu, 01 Jan 1970 00:00:00 GMT", DateProblem.ANCIENT),
        ("Thu, 21 Aug 2025 11:00:00 GMT", None),
    ],
)
def test_a_date_that_cannot_be_is_kept_apart(store: Store, source_id: int, stamp: str, problem: DateProblem | None):
    take(store, source_id, rss_item(1, pubDate=stamp))

    (article,) = all_articles(store)
    assert article.date_problem is problem
    assert (article.published_at is None, article.claimed_at is None) == (problem is not None, problem is None)


def test_a_date_that_is_mended_counts(store: Store, source_id: int):
    take(store, source_id, rss_item(1, pubDate="Thu, 24 Sep 2026 06:00:00 GMT"))
    take(store, source_id, rss_item(1, pubDate="Wed, 20 Aug 2025 06:00:00 GMT"))

    (article,) = all_articles(store)
    assert (article.published_at, article.date_problem) == (datetime(2025, 8, 20, 6, tzinfo=UTC), None)


def test_a_small_correction_is_stored_and_is_no_update(store: Store, source_id: int):
    take(store, source_id, rss_item(1, description=TEXT))
    mended = TEXT.replace("ferry", "old ferry", 1)

    assert take(store, source_id, rss_item(1, description=mended)) == ingest.Counts(unchanged=1)
    (article,) = all_articles(store)
    assert article.text == mended.strip()
    assert article.updated_at is None


def test_a_longer_text_is_an_update(store: Store, source_id: int):
    take(store, source_id, rss_item(1, description=TEXT))

    longer = TEXT + "The mayor said that the decision had been a hard one, and that the fare would stay the same."

    assert take(store, source_id, rss_item(1, description=longer)) == ingest.Counts(updated=1)
    assert all_articles(store)[0].updated_at == NOW


def test_another_source_fills_in_what_the_first_one_lacks(store: Store, publication: Publication, source_id: int):
    take(store, source_id, rss_item(1, description="Only a teaser of it."))
    with store.write() as tx:
        other = sources.add(tx, SourceKind.RSS, url="https://news.example.com/full.xml", title="Full", now=NOW)
        sources.link(tx, publication.id, other.id)

    take(store, other.id, rss_item(1, guid="full-1", description=TEXT, author="ada@example.com (Ada Byron)"))

    (article,) = all_articles(store)
    assert article.text == TEXT.strip()
    assert article.author == "Ada Byron"
    assert article.sources == (source_id, other.id)


def test_the_ladder_gives_the_same_whatever_the_order(store: Store, source_id: int):
    items = [rss_item(number) for number in range(1, 21)]
    take(store, source_id, *items)

    assert take(store, source_id, *reversed(items)) == ingest.Counts(unchanged=20)
