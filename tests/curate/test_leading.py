"""Which article of a story leads, and where else it can be read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.curate.leading import Member, also_at, in_order, members
from digest.model.article import Article
from digest.model.story import Place
from support.articles import NOW, make_article

HOUR = timedelta(hours=1)
FULL = {"word_count": 400}


def order(
    *articles: Article,
    copies: dict[int, int] | None = None,
    weights: dict[int, float] | None = None,
    pinned: tuple[int, ...] = (),
) -> list[int]:
    """``copies``: article id → the lowest of its group."""
    places = {one.id: Place(1, (copies or {}).get(one.id)) for one in articles}
    told = in_order(members(articles, places), weights=weights or {}, pinned=pinned, now=NOW)
    return [one.article.id for one in told]


def test_own_reporting_leads_over_an_agencys_text_even_a_fuller_one_of_a_weightier_source():
    wire, copy = make_article(1, source_id=1, word_count=900), make_article(2, source_id=2, word_count=900)
    own = make_article(3, source_id=3, word_count=300)

    assert order(wire, copy, own, copies={2: 1}, weights={1: 3.0})[0] == 3


def test_a_mere_teaser_does_not_lead_over_an_agencys_text():
    wire, copy, brief = (make_article(key, word_count=n) for key, n in ((1, 400), (2, 400), (3, 40)))

    assert order(wire, copy, brief, copies={2: 1}) == [1, 2, 3]


@pytest.mark.parametrize(
    "where",
    [{"author": "Cable Wire"}, {"text": "(Cable Wire) — The bridge opened."}, {"text": "x " * 300 + "Cable Wire"}],
)
def test_the_agency_that_a_copy_credits_leads_the_copies(where: dict[str, str]):
    copy = make_article(1, source_title="The Post", published_at=NOW - 3 * HOUR, **where)
    agency = make_article(2, source_title="Cable Wire", published_at=NOW - 2 * HOUR)

    assert order(copy, agency, copies={2: 1}) == [2, 1]


def test_an_agency_named_in_the_middle_of_a_text_is_no_credit():
    copy = make_article(1, source_title="The Post", text="x " * 200 + "Cable Wire" + " y" * 200)
    agency = make_article(2, source_title="Cable Wire")

    assert order(copy, agency, copies={2: 1}) == [1, 2]


def test_then_the_weightier_source_the_fuller_text_the_earlier_and_the_one_with_a_picture():
    plain = make_article(1, source_id=1, **FULL)

    assert order(plain, make_article(2, source_id=2, word_count=100), weights={2: 2.0}) == [2, 1]
    assert order(plain, make_article(2, word_count=800)) == [2, 1]
    assert order(plain, make_article(2, published_at=NOW - 9 * HOUR, **FULL)) == [2, 1]
    assert order(plain, make_article(2, image_url="https://example.com/a.jpg", **FULL)) == [2, 1]
    assert order(make_article(2, **FULL), plain) == [1, 2], "on a tie the one seen first"


def test_a_few_words_more_are_not_fuller():
    early, longer = make_article(1, **FULL), make_article(2, word_count=420, published_at=NOW - 9 * HOUR)

    assert order(longer, early) == [2, 1]
    assert order(make_article(1, word_count=420), make_article(2, published_at=NOW - 9 * HOUR, **FULL)) == [2, 1]


def test_what_an_editor_pinned_leads():
    assert order(make_article(1, word_count=800), make_article(2, word_count=1), pinned=(2,)) == [2, 1]


def test_a_report_with_one_article_is_its_own():
    (alone,) = members([make_article(5)], {5: Place(1, 2)})

    assert alone == Member(make_article(5), report=2, is_copy=False)
    assert members([make_article(5)], {})[0].report == 5


def test_copies_elsewhere_are_named_once_each_and_never_the_leaders_own_source():
    leader = make_article(1, source_title="The Wire")
    others = [
        make_article(2, source_title="The Wire"),
        make_article(3, source_title="The Post"),
        make_article(4, source_title="The Folder", url=""),
        make_article(5, source_title="The Post"),
        make_article(6, source_title="The Herald"),
    ]
    told = members(others, {})

    assert also_at(leader, told) == (("The Post", "https://example.com/3"), ("The Herald", "https://example.com/6"))
