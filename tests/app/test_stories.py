"""Articles join stories in the store: once, in any number of parts, on both databases."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from bench.collect import stories as measured
from digest.app import stories
from digest.model.article import NewArticle, SourceKind
from digest.model.issue import IssueItem, Role
from digest.model.story import Place
from digest.store import articles, issues, sources
from digest.store import stories as story_store
from digest.store.engine import Store, Tx
from digest.store.ledger_tables import article_story, term_day
from digest.store.tables import article
from digest.text.terms import count_terms
from support.factories import NOW, make_publication
from support.sending import composed_issue
from support.site import new_article

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
VOCABULARY = [f"word{number}" for number in range(150)]


def made_up(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same every time


def make_sources(tx: Tx, number: int = 6) -> list[int]:
    return [
        sources.add(tx, SourceKind.RSS, url=f"https://paper{key}.example/feed", title=f"Paper {key}", now=NOW).id
        for key in range(number)
    ]


def written(rng: Random, event: int, **more: Any) -> NewArticle:
    """An article of an event: its own words among everybody's."""
    words = [f"e{event}n{number}" for number in rng.sample(range(25), 18)] + rng.sample(VOCABULARY, 40)
    rng.shuffle(words)
    text = " ".join(words)
    identity = hashlib.sha256(text.encode()).hexdigest()
    values = {"identity": identity, "guid_hash": identity, "content_hash": identity, "text": text, "title": text[:30]}
    return new_article(**{**values, "canonical_url": identity, "url": f"https://example.com/{identity}", **more})


def store_them(tx: Tx, found: list[NewArticle], keys: list[int], *, now: datetime) -> None:
    for place, one in enumerate(found):
        articles.record(tx, keys[place % len(keys)], [one], now=now)


def stories_of(tx: Tx) -> dict[str, int]:
    """Identity → story."""
    query = select(article.c.identity, article_story.c.story_id).join(
        article_story, article_story.c.article_id == article.c.id
    )
    return {row.identity: row.story_id for row in tx.connection.execute(query)}


def day_of_news(seed: int, *, events: int = 12, each: int = 3, start: int = 0) -> list[NewArticle]:
    rng = made_up(seed)
    found = [written(rng, start + event) for event in range(events) for _ in range(each)]
    rng.shuffle(found)
    return found


def test_articles_of_one_event_are_one_story_and_joining_again_changes_nothing(store: Store):
    found = day_of_news(1)
    with store.write() as tx:
        store_them(tx, found, make_sources(tx), now=NOW)
        joined, again = stories.join(tx, now=NOW), stories.join(tx, now=NOW + HOUR)
        told = stories_of(tx)
        counted = tx.connection.execute(select(func.sum(term_day.c.articles))).scalar_one()

    assert (joined, again) == (36, 0)
    assert sorted(Counter(told.values()).values()) == [3] * 12
    assert counted == 36


def test_a_trial_tells_the_same_and_writes_nothing(store: Store):
    with store.write() as tx:
        store_them(tx, day_of_news(2), make_sources(tx), now=NOW)
        keys = list(tx.connection.execute(select(article.c.id)).scalars())
    with store.read() as tx:
        tried = stories.places(tx, keys, now=NOW)
        assert tx.connection.execute(select(func.count()).select_from(article_story)).scalar_one() == 0
    with store.write() as tx:
        stories.join(tx, now=NOW)
        assert story_store.places(tx, keys) == tried


def test_what_comes_in_later_joins_the_story_there_is(store: Store):
    rng = made_up(3000)
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, day_of_news(3), keys, now=NOW)
        stories.join(tx, now=NOW)
        before = stories_of(tx)
        late = [written(rng, event) for event in (0, 1)]
        store_them(tx, late, keys, now=NOW + DAY)
        stories.join(tx, now=NOW + DAY)
        after = stories_of(tx)

    assert {key: after[key] for key in before} == before
    assert {after[one.identity] for one in late} <= set(before.values())
    assert Counter(after.values())[after[late[0].identity]] == 4


def test_a_story_takes_nothing_in_after_five_days_of_silence(store: Store):
    rng = made_up(4000)
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, day_of_news(4), keys, now=NOW)
        stories.join(tx, now=NOW)
        before = set(stories_of(tx).values())
        late = written(rng, 0)
        store_them(tx, [late], keys, now=NOW + 6 * DAY)
        stories.join(tx, now=NOW + 6 * DAY)

        assert stories_of(tx)[late.identity] not in before


def test_arriving_by_the_hour_tells_what_arriving_at_once_tells(store: Store):
    """With a day of other news before, which is what the rarity of words is told from."""
    found = day_of_news(5, start=100)
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, day_of_news(6), keys, now=NOW)
        stories.join(tx, now=NOW)
        for hour in range(6):
            store_them(tx, found[hour * 6 : hour * 6 + 6], keys, now=NOW + hour * HOUR)
            stories.join(tx, now=NOW + hour * HOUR)
        told = stories_of(tx)

    assert sorted(Counter(told[one.identity] for one in found).values()) == [3] * 12


def test_a_copy_is_known_as_one_and_keeps_its_group(store: Store):
    rng = made_up(7000)
    original = written(rng, 50)
    copies = [
        replace(original, identity=c * 64, guid_hash=c * 64, canonical_url=c, content_hash=c * 64, title=f"Copy {c}")
        for c in "ab"
    ]
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, [*day_of_news(7), original], keys, now=NOW)
        stories.join(tx, now=NOW)
        for day, copy in enumerate(copies, start=1):
            store_them(tx, [copy], keys[day:], now=NOW + day * DAY)
            stories.join(tx, now=NOW + day * DAY)
        ids = {row.identity: row.id for row in tx.connection.execute(select(article.c.identity, article.c.id))}
        first = ids[original.identity]
        places = story_store.places(tx, [first, *(ids[copy.identity] for copy in copies)])

    assert places[first] == Place(places[first].story_id, None)
    assert {places[ids[copy.identity]].copy_of for copy in copies} == {first}
    assert {place.story_id for place in places.values()} == {places[first].story_id}


def test_a_changed_text_is_counted_anew_and_an_article_alone_may_find_its_story(store: Store):
    rng = made_up(8000)
    teaser = written(rng, 99, guid_hash="g" * 64)
    full = replace(written(rng, 0), guid_hash="g" * 64, identity=teaser.identity)
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, day_of_news(8), keys[1:], now=NOW)
        articles.record(tx, keys[0], [teaser], now=NOW)
        stories.join(tx, now=NOW)
        told = stories_of(tx)
        assert Counter(told.values())[told[teaser.identity]] == 1
        articles.record(tx, keys[0], [full], now=NOW + HOUR)

        assert stories.join(tx, now=NOW + HOUR) == 1
        assert stories.join(tx, now=NOW + HOUR) == 0
        told = stories_of(tx)
        assert Counter(told.values())[told[teaser.identity]] == 4
        assert tx.connection.execute(select(func.sum(term_day.c.articles))).scalar_one() == 37


def test_a_changed_text_in_a_story_with_others_stays_there(store: Store):
    rng = made_up(9000)
    found = day_of_news(9)
    other = replace(written(rng, 77), guid_hash=found[0].guid_hash, identity=found[0].identity)
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, found, keys, now=NOW)
        stories.join(tx, now=NOW)
        before = stories_of(tx)
        articles.record(tx, keys[0], [other], now=NOW + HOUR)
        stories.join(tx, now=NOW + HOUR)

        assert stories_of(tx) == before


def test_counts_are_forgotten_after_a_month_and_stories_are_not(store: Store):
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, day_of_news(10), keys, now=NOW)
        stories.join(tx, now=NOW)
        before = stories_of(tx)
        store_them(tx, day_of_news(11, start=100), keys, now=NOW + 31 * DAY)
        stories.join(tx, now=NOW + 31 * DAY)
        after = stories_of(tx)
        days = set(tx.connection.execute(select(term_day.c.day)).scalars())
        sizes = Counter(
            bool(size) for size in tx.connection.execute(select(func.length(article_story.c.terms))).scalars()
        )

    assert {key: after[key] for key in before} == before
    assert days == {(NOW + 31 * DAY).date()}
    assert sizes == {True: 36, False: 36}


def test_the_languages_of_a_day_are_counted_apart(store: Store):
    with store.write() as tx:
        keys = make_sources(tx)
        found = [
            replace(one, language=tag) for one, tag in zip(day_of_news(12), ["en-GB", "fr", None] * 12, strict=True)
        ]
        store_them(tx, found, keys, now=NOW)
        stories.join(tx, now=NOW)
        counted = {
            row.language: row.articles
            for row in tx.connection.execute(select(term_day.c.language, term_day.c.articles))
        }

    assert counted == {"en": 12, "fr": 12, "": 12}


@pytest.mark.parametrize("text", ["", "One", "word " * 200_000])
def test_empty_one_word_and_giant_texts_join(store: Store, text: str):
    odd = new_article(identity="o" * 64, guid_hash="o" * 64, text=text, title="", canonical_url="o")
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, [*day_of_news(13), odd], keys, now=NOW)
        stories.join(tx, now=NOW)
        told = stories_of(tx)

    assert Counter(told.values())[told["o" * 64]] == 1


def test_the_past_that_a_new_feed_brings_is_in_nobodys_story(store: Store):
    found = [replace(one, published_at=NOW - 11 * DAY) for one in day_of_news(16)]
    with store.write() as tx:
        store_them(tx, found, make_sources(tx), now=NOW)
        stories.join(tx, now=NOW)

        assert set(Counter(stories_of(tx).values()).values()) == {1}


def test_a_weekly_issue_finds_the_stories_of_its_week_even_if_nothing_joined_meanwhile(store: Store):
    found = day_of_news(17)
    with store.write() as tx:
        keys = make_sources(tx)
        for day in range(8):
            store_them(tx, found[day * 5 : day * 5 + 5], keys, now=NOW + day * DAY)
        stories.join(tx, now=NOW + 8 * DAY)

        assert sorted(Counter(stories_of(tx).values()).values()) == [3] * 12


def test_nothing_to_join_is_nothing(store: Store):
    with store.write() as tx:
        assert stories.join(tx, now=NOW) == 0
        assert stories.places(tx, [], now=NOW) == {}


def test_what_is_in_no_story_is_its_own(store: Store):
    """Articles stored before there were stories, or long before this window."""
    with store.write() as tx:
        store_them(tx, [written(made_up(14), 1)], make_sources(tx), now=NOW - 60 * DAY)
        (key,) = tx.connection.execute(select(article.c.id)).scalars()

        assert stories.places(tx, [key], now=NOW) == {key: Place(key)}


def month_of_news(tx: Tx, rng: Random, *, days: int, each: int) -> None:
    """Articles as `join` leaves them, but quicker: words as common and as rare as in a language (Zipf's law)."""
    words = [f"w{number}" for number in range(30_000)]
    sums = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    keys = make_sources(tx, 12)
    for day in range(days):
        counted: Counter[int] = Counter()
        now = NOW - (days - day) * DAY
        found = []
        for number in range(each):
            text = " ".join(rng.choices(words, cum_weights=sums, k=350) + [f"e{day}n{number // 4}"] * 3)
            key = day * each + number + 1
            identity = f"{key:064}"
            found.append((key, keys[key % 12], identity, text))
        values = {"summary": "", "content_html": "", "published_is_day": False, "image_alt": "", "labels": []}
        values |= {"language": "en", "position": 0, "word_count": 350, "first_seen_at": now, "title": "Headline"}
        rows = [
            {
                **values, "id": key, "source_id": source, "identity": identity, "url": identity, "text": text,
                "canonical_url": identity, "url_hash": identity, "content_hash": identity,
            }
            for key, source, identity, text in found
        ]  # fmt: skip
        tx.connection.execute(insert(article), rows)
        if day == days - 1:
            return
        places = []
        for key, _, identity, text in found:
            terms = count_terms(f"Headline {key}", text)
            counted.update(terms.keys)
            places.append(story_store.NewPlace(key, key, None, "en", identity, now.date(), terms))
        story_store.put(tx, places, swallowed={})
        story_store.add_counts(tx, now.date(), "en", articles=each, terms=counted)


@pytest.mark.timeout(300)
def test_a_day_of_315_against_a_month_of_ten_thousand(sqlite_database: str):
    """The bound leaves room for a busy machine; `make bench-collect` says what it costs."""
    store = Store(sqlite_database)
    with store.write() as tx:
        month_of_news(tx, made_up(15), days=31, each=323)
    with store.write() as tx:
        began = time.process_time()
        joined = stories.join(tx, now=NOW - DAY)
        cost = time.process_time() - began
    store.close()

    assert joined == 323
    assert cost < 6


def test_a_day_that_came_in_parts_is_told_for_its_issue_as_if_it_came_at_once(store: Store):
    news = day_of_news(5, events=10, each=4)
    with store.write() as tx:
        keys = make_sources(tx)
        for hour in range(8):
            store_them(tx, news[hour * 5 : hour * 5 + 5], keys, now=NOW + hour * HOUR)
            # Between two hours everything that is there is torn apart: what was told in parts may be wrong.
            stories.join(tx, now=NOW + hour * HOUR)
        tx.connection.execute(update(article_story).values(story_id=article_story.c.article_id, copy_of=None))
        before = Counter(stories_of(tx).values())
        seen = stories.places(tx, range(1, 41), now=NOW + 8 * HOUR)
        stories.join(tx, now=NOW + 8 * HOUR, anew=True)
        told = stories_of(tx)
        counted = sum(row.articles for row in tx.connection.execute(select(term_day.c.articles)))
        after = story_store.places(tx, range(1, 41))

    assert set(before.values()) == {1}
    assert sorted(Counter(told.values()).values()) == [4] * 10
    assert after == seen
    assert counted == 40


def test_a_story_that_an_issue_carried_is_never_told_anew(store: Store):
    news = day_of_news(6, events=8, each=4)
    with store.write() as tx:
        keys = make_sources(tx)
        store_them(tx, news, keys, now=NOW)
        stories.join(tx, now=NOW)
        tx.connection.execute(update(article_story).values(story_id=article_story.c.article_id))
        publication = make_publication(tx)
        issues.put_curation(
            tx,
            composed_issue(tx, publication).id,
            items=[IssueItem(1, 0, Role.LEAD, "", "", 1.0, "")],
            candidates=[],
        )
        stories.join(tx, now=NOW + HOUR, anew=True)
        after = story_store.places(tx, range(1, 33))

    assert after[1] == Place(1)
    assert sorted(Counter(place.story_id for place in after.values()).values()) == [4] * 8


def test_a_newsroom_s_day_hour_by_hour_is_told_as_well_as_at_once(store: Store, shared_data: Path):
    docs = measured._newsroom(shared_data / "articles" / "newsroom-day")
    outlets = sorted({doc.source for doc in docs})
    with store.write() as tx:
        keys = dict(zip(outlets, make_sources(tx, len(outlets)), strict=True))
        for hour in range(12):
            for number in range(hour, len(docs), 12):
                doc, identity = docs[number], f"{number:064d}"
                same = dict.fromkeys(("identity", "guid_hash", "content_hash", "canonical_url"), identity)
                told = new_article(
                    **same, title=doc.title, text=doc.text, language=doc.language, url=f"https://e.com/{number}"
                )
                articles.record(tx, keys[doc.source], [told], now=NOW + hour * HOUR)
            stories.join(tx, now=NOW + hour * HOUR)
        stories.join(tx, now=NOW + 12 * HOUR, anew=True)
        of = stories_of(tx)
    told = [of[f"{number:064d}"] for number in range(len(docs))]
    gold = [doc.story for doc in docs]

    assert measured._wrong_merges(told, gold) <= 0.4  # .63 where nothing is told anew
    assert measured._b_cubed_f1(told, gold) >= 0.985  # .980
