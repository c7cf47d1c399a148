"""What a story's score is made of."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from digest.curate.leading import Member
from digest.curate.score import coverage, parts, published
from digest.model.article import Article
from support.articles import NOW, make_article

HOUR = timedelta(hours=1)


def told(*articles: Article, copies: bool = False) -> list[Member]:
    """Independent reports, or copies of the first one."""
    return [Member(one, articles[0].id if copies else one.id, is_copy=copies) for one in articles]


def scored(leader: Article, *others: Article, weights: dict[int, float] | None = None) -> dict[str, float]:
    return parts(told(leader, *others), leader, weights=weights or {}, now=NOW)


@pytest.mark.parametrize(("hours", "freshness"), [(0, 1.0), (12, 0.5), (24, 0.25), (48, 0.0625)])
def test_freshness_halves_every_twelve_hours(hours: int, freshness: float):
    assert scored(make_article(published_at=NOW - hours * HOUR))["freshness"] == freshness


def test_a_source_weighs_what_the_operator_says_and_one_otherwise():
    article = make_article(source_id=7)

    assert scored(article, weights={7: 2.5})["weight"] == 2.5
    assert scored(article, weights={8: 2.5})["weight"] == 1.0


def test_breadth_counts_the_reports_of_each_source_once():
    reports = [make_article(key, source_id=source) for key, source in ((1, 1), (2, 2), (3, 2), (4, 3), (5, 4))]

    assert scored(make_article())["breadth"] == 0.0
    assert scored(*reports)["breadth"] == 2.0


def test_a_source_with_a_mere_copy_counts_a_quarter():
    articles = [make_article(key, source_id=key) for key in (1, 2, 3)]

    assert coverage(told(*articles, copies=True)) == 1.5
    assert coverage(told(*articles)) == 3.0


def test_the_same_article_in_another_feed_counts_as_a_copy():
    assert coverage(told(make_article(source_id=1, sources=(1, 2)))) == 1.25


def test_a_source_with_a_report_and_a_copy_counts_as_a_report():
    report, original, copy = make_article(1, source_id=1), make_article(2, source_id=2), make_article(3, source_id=1)
    story = [Member(report, 1, is_copy=False), Member(original, 2, is_copy=True), Member(copy, 2, is_copy=True)]

    assert coverage(story) == 2.0


def test_the_best_place_that_any_source_gave_it_counts():
    assert scored(make_article(1, position=4))["prominence"] == 0.1
    assert scored(make_article(1, position=4), make_article(2, position=0))["prominence"] == 0.5


def test_a_picture_counts_a_little():
    assert scored(make_article(image_url="https://example.com/a.jpg"))["picture"] == 0.1
    assert scored(make_article())["picture"] == 0.0


def test_an_editors_pin_outweighs_everything_else():
    article = make_article()

    assert parts(told(article), article, weights={}, now=NOW, is_pinned=True)["pin"] == 10
    assert "pin" not in scored(article)


@pytest.mark.parametrize("date", [None, NOW + HOUR, NOW + 1000 * HOUR])
def test_a_missing_or_future_date_is_the_moment_it_was_first_seen(date: datetime | None):
    article = make_article(published_at=date, first_seen_at=NOW - 12 * HOUR)

    assert published(article, now=NOW) == NOW - 12 * HOUR
    assert scored(article)["freshness"] == 0.5


def test_nothing_is_fresher_than_now():
    late = make_article(published_at=None, first_seen_at=NOW + HOUR)

    assert published(late, now=NOW) == NOW
    assert scored(late)["freshness"] == 1.0


def test_a_past_date_counts_as_it_is():
    assert published(make_article(published_at=NOW - HOUR), now=NOW) == NOW - HOUR
