"""Which articles make an issue, where they stand in it, and what is put on record about every one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.curate.pick import Curation, pick, slug
from digest.model.article import Article, SourceKind, SourceLink
from digest.model.issue import Candidate, Role, SkipReason, Verdict
from digest.model.publication import Topic
from digest.model.story import Carried, Place
from support.articles import NOW, make_article, make_link, places_of, prose, publication_of

DAY = timedelta(days=1)
ONE_STORY = {key: Place(1) for key in (1, 2, 3)}
LOCAL = make_link(9, kind=SourceKind.FOLDER)
LINKS = (make_link(1), make_link(2, topic="city"), make_link(3, weight=2.0), LOCAL)
TOPICS = (Topic(1, "city", "City Life"), Topic(2, "sport", "Sport"))


def picked(
    articles: Sequence[Article],
    *,
    links: Sequence[SourceLink] = LINKS,
    min_items: int = 1,
    max_items: int = 20,
    **more: Any,
) -> Curation:
    """``more``: what `pick` takes, and limits of the publication."""
    limits = {key: more.pop(key) for key in ("max_per_source", "max_per_section") if key in more}
    publication = publication_of(min_items=min_items, max_items=max_items, **limits)
    more.setdefault("places", places_of(articles))
    return pick(publication, articles, links=links, topics=TOPICS, now=NOW, **more)


def verdict_on(curation: Curation, key: int) -> Candidate:
    (found,) = [candidate for candidate in curation.candidates if candidate.article_id == key]
    return found


def placed(curation: Curation) -> list[int]:
    return [item.article_id for item in curation.items]


def section(**article: Any) -> tuple[str, str]:
    (item,) = picked([make_article(**article)]).items
    return item.section, item.section_title


articles_strategy = st.lists(
    st.builds(
        lambda **values: values,
        source_id=st.sampled_from([1, 2, 3, 9, 77]),
        text=st.sampled_from(["", prose("a", 15), prose("a", 30), prose("a", 60), prose("b", 60), "unlike"]),
        title=st.sampled_from(["", "The bridge reopens", "the bridge, reopens", "Night trains return", "Own"]),
        published_at=st.sampled_from([None, NOW + DAY, NOW, NOW - DAY, NOW - 4 * DAY]),
        labels=st.sampled_from([(), ("City",), ("Sport", "City"), ("opera",)]),
        position=st.integers(0, 5),
        word_count=st.sampled_from([0, 40, 400]),
        image_url=st.sampled_from([None, "https://example.com/a.jpg"]),
        is_hidden=st.booleans(),
    ),
    max_size=30,
).map(lambda rows: [make_article(key, **row) for key, row in enumerate(rows, start=1)])


@given(articles_strategy, st.integers(1, 5), st.integers(1, 30))
def test_every_article_gets_exactly_one_verdict_and_the_items_are_the_placed_ones(
    articles: list[Article], min_items: int, max_items: int
):
    curation = picked(articles, min_items=min_items, max_items=max_items)
    by_verdict = {verdict: {c.article_id for c in curation.candidates if c.verdict is verdict} for verdict in Verdict}

    assert sorted(c.article_id for c in curation.candidates) == [article.id for article in articles]
    assert len(by_verdict[Verdict.PLACED]) <= max_items
    assert bool(curation.items) != bool(curation.skip)
    if curation.skip:
        assert len(by_verdict[Verdict.PLACED]) < min_items
    else:
        assert set(placed(curation)) == by_verdict[Verdict.PLACED]
    for candidate in curation.candidates:
        if candidate.verdict is Verdict.OVER_CAP and candidate.note.startswith("ranked"):
            assert len(by_verdict[Verdict.PLACED]) == max_items
        assert candidate.note or candidate.verdict is Verdict.PLACED
    leaders = by_verdict[Verdict.PLACED] | by_verdict[Verdict.OVER_CAP]
    assert {c.merged_into for c in curation.candidates if c.verdict is Verdict.MERGED} <= leaders


@given(articles_strategy, st.integers(1, 30), st.randoms(use_true_random=False))
def test_the_same_articles_in_any_order_make_the_same_issue(articles: list[Article], max_items: int, rng: Random):
    shuffled = rng.sample(articles, len(articles))

    assert picked(shuffled, max_items=max_items) == picked(articles, max_items=max_items)


@given(articles_strategy)
def test_positions_are_consecutive_and_roles_come_in_order(articles: list[Article]):
    items = picked(articles).items

    assert [item.position for item in items] == list(range(len(items)))
    assert [item.role for item in items] == ([Role.LEAD] + [Role.STORY] * 8 + [Role.BRIEF] * 30)[: len(items)]


@given(articles_strategy)
def test_the_stories_of_a_section_stand_together_and_no_brief_outscores_a_story(articles: list[Article]):
    items = picked(articles).items
    sections = [item.section for item in items if item.role is Role.STORY]
    briefs = [item.score for item in items if item.role is Role.BRIEF]

    assert sections == [one for first in dict.fromkeys(sections) for one in sections if one == first]
    assert all(item.score <= items[0].score for item in items)
    assert all(item.score >= max(briefs, default=0.0) for item in items if item.role is Role.STORY)


@given(articles_strategy)
def test_the_parts_of_a_score_add_up_to_it(articles: list[Article]):
    for candidate in picked(articles).candidates:
        if candidate.score_parts:
            assert candidate.score == pytest.approx(sum(candidate.score_parts.values()))


def test_what_is_over_the_cap_says_its_rank():
    articles = [make_article(key, published_at=NOW - key * timedelta(hours=1)) for key in range(1, 6)]
    curation = picked(articles, max_items=3)

    assert placed(curation) == [1, 2, 3]
    assert verdict_on(curation, 5).verdict is Verdict.OVER_CAP
    assert verdict_on(curation, 5).note == "ranked 5 of 5; the issue takes 3"


def test_a_teaser_is_cut_by_the_rules_of_its_articles_language():
    """In German a number with a full stop is an ordinal and ends no sentence."""
    text = (
        "Die Ausstellung im neuen Flügel des Museums zeigt Möbel, Karten und Briefe der Handelshäuser am Hafen vom"
        " späten 17. Jahrhundert, als die ersten Speicher gebaut wurden, bis zu den Umzügen der Kontore in die"
        " Innenstadt, die erst nach dem Krieg begannen und Jahrzehnte dauerten."
    )
    german, english = (
        picked([make_article(text=text, language=language)]).items[0].teaser for language in ("de", "en")
    )

    assert english.endswith("17.")
    assert len(german) > 200


def test_fewer_stories_than_the_publication_asks_for_is_no_issue():
    curation = picked([make_article(1), make_article(2)], min_items=3)

    assert (curation.items, curation.skip) == ((), SkipReason.TOO_LITTLE_NEWS)
    assert len(curation.candidates) == 2


def test_copies_do_not_help_to_reach_the_least_number():
    copies = [make_article(key, source_id=key, title="The bridge reopens") for key in (1, 2, 3)]

    assert picked(copies, min_items=2).skip is SkipReason.TOO_LITTLE_NEWS


def test_no_articles_is_no_issue():
    assert picked([]) == Curation((), (), SkipReason.TOO_LITTLE_NEWS)


def test_an_entry_older_than_three_days_is_no_news():
    curation = picked([make_article(1, published_at=NOW - 3 * DAY), make_article(2, published_at=NOW - 4 * DAY)])

    assert placed(curation) == [1]
    assert verdict_on(curation, 2) == Candidate(2, Verdict.TOO_OLD, note="published 4 days before this issue")


def test_a_local_file_is_news_whatever_its_date():
    old = NOW - 400 * DAY
    articles = [
        make_article(1, source_id=9, published_at=old),
        make_article(2, source_id=1, sources=(1, 9), published_at=old),
        make_article(3, source_id=1, published_at=old),
    ]

    assert sorted(placed(picked(articles))) == [1, 2]


@pytest.mark.parametrize("date", [None, NOW + 30 * DAY])
def test_an_undated_or_postdated_entry_is_as_old_as_its_first_sight(date: datetime | None):
    fresh = make_article(1, published_at=date)
    stale = make_article(2, published_at=date, first_seen_at=NOW - 5 * DAY)
    curation = picked([fresh, stale])

    assert placed(curation) == [1]
    assert verdict_on(curation, 2).verdict is Verdict.TOO_OLD


def test_a_hidden_article_is_left_out_and_does_not_lead_its_copies():
    curation = picked([make_article(1, is_hidden=True, word_count=999), make_article(2)], places=ONE_STORY)

    assert placed(curation) == [2]
    assert verdict_on(curation, 1).verdict is Verdict.HIDDEN


def test_the_others_of_a_story_are_merged_and_named():
    articles = [
        make_article(1, source_id=1, source_title="The Wire", word_count=400),
        make_article(2, source_id=2, source_title="The Post", word_count=200),
        make_article(3, source_id=3, source_title="The Herald", word_count=400, published_at=NOW - DAY / 4),
    ]
    places = {1: Place(1), 2: Place(1), 3: Place(1, 1)}
    curation = picked(articles, places=places, links=[make_link(key) for key in (1, 2, 3)])

    assert placed(curation) == [2], "own reporting before a text that two have"
    assert curation.items[0].also_at == (("The Herald", "https://example.com/3"), ("The Wire", "https://example.com/1"))
    assert verdict_on(curation, 1).note == "another report of the same story"
    assert verdict_on(curation, 1).merged_into == 2
    assert curation.stories == {1: 1, 2: 1, 3: 1}


def test_a_copy_of_the_leader_is_called_one():
    places = {1: Place(1), 2: Place(1, 1)}

    assert verdict_on(picked([make_article(1), make_article(2)], places=places), 2).note == "a copy of the same report"


CARRIED = {1: Carried(1, 5, date(2026, 11, 21), NOW - DAY, 1, source_id=1, source_title="The Wire")}


def test_a_story_that_was_carried_is_not_carried_again():
    late = make_article(8, source_id=2, published_at=NOW - DAY / 2)
    curation = picked([late, make_article(9)], places={8: Place(1), 9: Place(9)}, carried=CARRIED)

    assert placed(curation) == [9]
    assert verdict_on(curation, 8).verdict is Verdict.ALREADY_CARRIED
    assert verdict_on(curation, 8).merged_into == 1
    assert "the issue of 2026-11-21 carried this story" in verdict_on(curation, 8).note


def test_news_of_a_carried_story_is_carried_and_says_so():
    """The late one is fuller, but tells what readers know."""
    late = make_article(7, source_id=3, published_at=NOW - 2 * DAY, word_count=900)
    fresh = make_article(8, source_id=1, published_at=NOW - DAY / 2)
    curation = picked([late, fresh], places={7: Place(1), 8: Place(1)}, carried=CARRIED)

    assert placed(curation) == [8]
    assert verdict_on(curation, 8).note == "news of a story that the issue of 2026-11-21 carried"
    assert verdict_on(curation, 7).verdict is Verdict.MERGED


def test_a_pinned_article_is_placed_whatever_its_age_its_story_and_its_source():
    old = make_article(7, published_at=NOW - 30 * DAY)
    again = make_article(8, source_id=2, published_at=NOW - DAY / 2)
    articles = [old, again, *(make_article(key) for key in (1, 2, 3))]
    curation = picked(
        articles, places={8: Place(1)}, carried=CARRIED, pins={7: None, 8: 0}, max_per_source=1, max_items=3
    )

    assert placed(curation) == [8, 7]
    assert verdict_on(curation, 7).note == verdict_on(curation, 8).note == "pinned by an editor"
    assert verdict_on(curation, 7).score_parts["pin"] == 10


def test_a_pin_with_a_position_stands_there():
    articles = [make_article(key, published_at=NOW - key * timedelta(hours=1)) for key in range(1, 6)]

    assert placed(picked(articles, pins={5: 2})) == [1, 2, 5, 3, 4]
    assert placed(picked(articles, pins={5: 0, 4: 1})) == [5, 4, 1, 2, 3]
    assert placed(picked(articles, pins={1: 99})) == [2, 3, 4, 5, 1]
    assert picked(articles, pins={5: 0}).items[0].role is Role.LEAD


def test_two_pinned_articles_of_one_story_are_both_placed():
    curation = picked([make_article(1), make_article(2), make_article(3)], places=ONE_STORY, pins={1: None, 2: None})

    assert sorted(placed(curation)) == [1, 2]
    assert verdict_on(curation, 3).merged_into == 1


def test_a_hidden_article_stays_out_even_when_it_is_pinned():
    assert verdict_on(picked([make_article(1, is_hidden=True)], pins={1: 0}), 1).verdict is Verdict.HIDDEN


def test_a_source_that_has_its_share_is_told_so():
    articles = [make_article(key, source_title="The Wire") for key in range(1, 6)] + [make_article(9, source_id=2)]
    curation = picked(articles, max_per_source=2)

    assert sorted(placed(curation)) == [1, 2, 9]
    assert verdict_on(curation, 5).note == "The Wire has its 2 places already, out of 20"


def test_a_section_that_has_its_share_is_told_so():
    articles = [make_article(key, labels=("Sport",)) for key in range(1, 6)] + [make_article(9, labels=("City",))]
    curation = picked(articles, max_per_section=2)

    assert sorted(placed(curation)) == [1, 2, 9]
    assert verdict_on(curation, 5).note == "the section Sport has its 2 places already"


def test_a_label_that_is_a_topic_names_the_section():
    assert section(labels=("Opera", "SPORT"), source_id=2) == ("sport", "Sport")


def test_without_such_a_label_the_topic_of_the_source_names_it():
    assert section(labels=("Opera",), source_id=2) == ("city", "City Life")


def test_a_topic_of_a_later_source_counts_too():
    assert section(source_id=1, sources=(1, 2)) == ("city", "City Life")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("arts & culture", "b"), ("arts-culture", "Arts & culture")),
        (("EU",), ("eu", "EU")),
        (("…", " opera "), ("opera", "Opera")),
        ((), ("news", "News")),
        (("!",), ("news", "News")),
    ],
)
def test_without_topics_the_first_label_names_it_and_news_where_there_is_none(
    labels: tuple[str, ...], expected: tuple[str, str]
):
    assert section(labels=labels) == expected


def test_the_label_of_a_copy_counts_when_the_leader_has_none():
    articles = [make_article(1, word_count=400), make_article(2, labels=("Sport",))]

    assert picked(articles, places=ONE_STORY).items[0].section == "sport"


def test_a_weightier_source_comes_first():
    assert placed(picked([make_article(1, source_id=1), make_article(2, source_id=3)])) == [2, 1]


def test_stories_of_one_score_stand_in_the_order_in_which_they_were_seen():
    assert placed(picked([make_article(key) for key in (3, 1, 2)])) == [1, 2, 3]


@given(st.text(max_size=200))
def test_a_slug_is_short_has_no_outer_dash_and_is_its_own_slug(label: str):
    made = slug(label)

    assert len(made) <= 64
    assert made == made.strip("-")
    assert slug(made) == made
