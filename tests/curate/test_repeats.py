"""What makes a story that was carried news again."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from digest.curate.leading import members
from digest.curate.repeats import news_of, sentence
from digest.model.article import Article
from digest.model.story import Carried, Place
from support.articles import NOW, make_article

HOUR = timedelta(hours=1)
YESTERDAY = NOW - 24 * HOUR
CARRIED = Carried(1, 5, date(2026, 11, 21), YESTERDAY, 1, source_id=1, source_title="The Wire")


def news(*articles: Article, copies: dict[int, int] | None = None, own: frozenset[int] = frozenset()) -> list[int]:
    """``copies``: article id → the lowest of its group, which need not be here."""
    places = {one.id: Place(1, (copies or {}).get(one.id)) for one in articles}
    found = news_of(members(articles, places), CARRIED, own=set(own), now=NOW)
    return [one.article.id for one in found]


def later(key: int, source: int, *, published_at: datetime = NOW - HOUR) -> Article:
    return make_article(key, source_id=source, published_at=published_at)


def test_one_late_source_is_no_news():
    assert news(later(8, 2)) == []


def test_the_outlet_that_was_carried_writes_again_only_when_there_is_news():
    assert news(later(8, 1)) == [8]


def test_two_sources_with_new_reports_are_news():
    assert news(later(8, 2), later(9, 3)) == [8, 9]
    assert news(later(8, 2), later(9, 2)) == []


def test_what_was_published_before_that_issue_is_no_news_however_many_tell_it():
    before = YESTERDAY - HOUR

    assert news(*(later(key, key, published_at=before) for key in (1, 2, 3))) == []


def test_a_late_report_beside_news_is_not_what_leads():
    assert news(later(7, 4, published_at=YESTERDAY - HOUR), later(8, 2), later(9, 3)) == [8, 9]


def test_a_copy_of_a_known_report_is_no_news_even_of_the_same_outlet():
    assert news(later(8, 1), copies={8: 1}) == []
    assert news(later(8, 2), later(9, 3), copies={9: 1}) == []


def test_copies_of_one_new_report_at_two_sources_are_news():
    assert news(later(8, 2), later(9, 3), copies={9: 8}) == [8, 9]


def test_what_lies_in_a_local_folder_is_meant():
    assert news(later(8, 2), later(9, 7, published_at=YESTERDAY - HOUR), own=frozenset({7})) == [9]


def test_an_undated_article_is_as_new_as_its_first_sight():
    undated = make_article(8, source_id=1, published_at=None, first_seen_at=NOW - HOUR)

    assert news(undated) == [8]


def test_the_sentence_says_which_issue_and_why():
    assert sentence(CARRIED, is_newer=True) == (
        "the issue of 2026-11-21 carried this story (The Wire), and one more source is no news of it"
    )
    assert sentence(CARRIED, is_newer=False).endswith("and this was published before it")
