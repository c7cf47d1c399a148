"""What a story's score is made of."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from digest.curate.score import parts, published
from digest.model.article import Article
from support.articles import NOW, make_article

HOUR = timedelta(hours=1)


def scored(leader: Article, *copies: Article, weights: dict[int, float] | None = None) -> dict[str, float]:
    return parts([leader, *copies], leader, weights=weights or {}, now=NOW)


@pytest.mark.parametrize(("hours", "freshness"), [(0, 1.0), (12, 0.5), (24, 0.25), (48, 0.0625)])
def test_freshness_halves_every_twelve_hours(hours: int, freshness: float):
    assert scored(make_article(published_at=NOW - hours * HOUR))["freshness"] == freshness


def test_a_source_weighs_what_the_operator_says_and_one_otherwise():
    article = make_article(source_id=7)

    assert scored(article, weights={7: 2.5})["weight"] == 2.5
    assert scored(article, weights={8: 2.5})["weight"] == 1.0


def test_breadth_counts_each_source_once():
    leader = make_article(1, source_id=1, sources=(1, 2))

    assert scored(make_article())["breadth"] == 0.0
    assert scored(leader)["breadth"] == 1.0
    assert scored(leader, make_article(2, source_id=2), make_article(3, sources=(3, 4)))["breadth"] == 2.0


def test_the_best_place_that_any_source_gave_it_counts():
    assert scored(make_article(1, position=3))["prominence"] == 0.25
    assert scored(make_article(1, position=3), make_article(2, position=0))["prominence"] == 1.0


def test_a_picture_counts_a_little():
    assert scored(make_article(image_url="https://example.com/a.jpg"))["picture"] == 0.1
    assert scored(make_article())["picture"] == 0.0


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
