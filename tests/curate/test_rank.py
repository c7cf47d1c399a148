"""The order of stories: what they are worth, less what the issue has of the kind already."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.curate.rank import Contender, Limits, Ranked, rank, share_of_source


def contender(key: int, worth: float, *, source: int = 1, section: str = "news", **more: Any) -> Contender:
    return Contender(key, source, section, {"weight": worth}, **more)


def keys(ranked: list[Ranked]) -> list[int]:
    return [one.key for one in ranked]


contenders_strategy = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 4), st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=25
).map(
    lambda rows: [
        contender(
            key,
            worth / 10,
            source=source,
            section=section,
            topic=section.replace("c", ""),
            is_pinned=pinned and key % 7 == 0,
            is_capped=capped,
        )
        for key, (worth, source, section, pinned, capped) in enumerate(rows, start=1)
    ]
)
limits_strategy = st.builds(
    Limits,
    items=st.integers(1, 12),
    fewest=st.integers(1, 12),
    of_source=st.none() | st.integers(1, 5),
    of_section=st.none() | st.integers(1, 5),
)


def compared_at_every_step(field: list[Contender], limits: Limits) -> list[int]:
    """The same by brute force: at each step all that is left is scored anew, and the best that is allowed is taken."""
    most = share_of_source(field, limits)
    topics, several = len({one.topic for one in field} - {""}), len({one.source for one in field}) > 1
    fair = -(-limits.items // topics) if topics > 1 else limits.items
    taken: list[Contender] = []
    left, order = list(field), []
    while left and len(taken) < limits.items:
        sources, crowds = Counter(one.source for one in taken), Counter(one.section for one in taken)
        of_topic = Counter(one.topic for one in taken)

        def score(
            one: Contender, sources: Counter[int] = sources, of_topic: Counter[str] = of_topic
        ) -> tuple[float, int]:
            total = one.parts["weight"]
            if not one.is_pinned:
                total -= 0.15 * sources[one.source] if several else 0
                total -= 0.25 * max(0, of_topic[one.topic] + 1 - fair) if one.topic else 0
            return (-round(total, 4), one.key)

        best = min(left, key=score)
        left.remove(best)
        over_source = (best.is_capped or limits.of_source is not None) and sources[best.source] >= most
        over_section = limits.of_section is not None and crowds[best.section] >= limits.of_section
        if best.is_pinned or not (over_source or over_section):
            taken.append(best)
            order.append(best.key)
    return order


@given(contenders_strategy, limits_strategy)
def test_the_heap_takes_what_comparing_all_with_all_takes(field: list[Contender], limits: Limits):
    taken, _ = rank(field, limits)
    expected = compared_at_every_step(field, limits)

    assert set(expected) <= set(keys(taken))
    if len(expected) >= limits.fewest or limits.of_source is not None:
        assert keys(taken) == expected


@given(contenders_strategy, limits_strategy, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(field: list[Contender], limits: Limits, rng: Random):
    assert rank(rng.sample(field, len(field)), limits) == rank(field, limits)


@given(contenders_strategy, limits_strategy)
def test_nothing_is_lost_and_both_lists_fall(field: list[Contender], limits: Limits):
    taken, held = rank(field, limits)

    assert sorted(keys(taken) + keys(held)) == [one.key for one in field]
    assert len(taken) <= limits.items
    for ranked in (taken, held):
        assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    assert all(one.score == pytest.approx(sum(one.parts.values())) for one in taken + held)
    assert not any(one.held_back for one in taken)


def test_a_second_story_of_a_source_yields_to_an_equal_one_of_another():
    taken, _ = rank([contender(1, 2.0), contender(2, 1.9), contender(3, 1.8, source=2)], Limits(3))

    assert keys(taken) == [1, 3, 2]
    assert taken[2].parts == {
        "weight": 1.9,
        "diversity": -0.15,
    }


def test_a_single_source_pays_nothing_for_being_alone():
    taken, held = rank([contender(key, 1.0) for key in range(1, 31)], Limits(20))

    assert len(taken) == 20
    assert all(one.parts == {"weight": 1.0} for one in taken + held)


@pytest.mark.parametrize(("sources", "share"), [(1, 20), (2, 14), (3, 10), (11, 4), (40, 2)])
def test_a_source_has_a_fair_share_that_falls_with_their_number(sources: int, share: int):
    field = [contender(key, 1.0, source=key) for key in range(1, sources + 1)]

    assert share_of_source(field, Limits(20)) == share


def test_a_source_with_much_to_say_does_not_fill_the_issue():
    field = [contender(key, 5.0) for key in range(1, 31)] + [contender(99, 1.0, source=2)]
    taken, held = rank(field, Limits(20))

    assert Counter(one.key == 99 for one in taken) == {False: 14, True: 1}
    assert {one.held_back for one in held} == {"source"}


def test_a_fair_share_yields_where_the_issue_would_be_too_short_but_a_limit_does_not():
    field = [contender(key, 5.0) for key in range(1, 31)] + [contender(99, 1.0, source=2)]

    assert len(rank(field, Limits(20, fewest=18))[0]) == 18
    assert len(rank(field, Limits(20, fewest=18, of_source=3))[0]) == 4


def test_local_sources_have_no_fair_share_but_obey_a_limit():
    field = [contender(key, 5.0, is_capped=False) for key in range(1, 31)] + [contender(99, 1.0, source=2)]

    assert len(rank(field, Limits(20))[0]) == 20
    assert len(rank(field, Limits(20, of_source=3))[0]) == 4


def test_a_section_has_no_more_than_its_limit():
    field = [contender(key, 5.0, section="sport") for key in range(1, 9)] + [contender(99, 1.0, section="city")]
    taken, held = rank(field, Limits(20, of_section=3))

    assert keys(taken) == [1, 2, 3, 99]
    assert {one.held_back for one in held} == {"section"}


def test_a_crowded_topic_yields_beyond_its_fair_share():
    field = [contender(key, 2.0 - key / 100, topic="sport") for key in range(1, 5)]
    field += [contender(key, 1.9 - key / 100, topic="city") for key in range(5, 7)]
    taken, _ = rank(field, Limits(4))

    assert keys(taken) == [1, 2, 5, 6]


def test_sections_that_are_no_topics_are_not_balanced():
    field = [contender(key, 2.0 - key / 100, section="sport" if key < 5 else "city") for key in range(1, 7)]

    assert keys(rank(field, Limits(4))[0]) == [1, 2, 3, 4]


def test_a_pinned_story_is_taken_whatever_the_limits():
    field = [contender(1, 5.0), contender(2, 11.0, is_pinned=True), contender(3, 10.0, is_pinned=True)]
    taken, _ = rank(field, Limits(20, of_source=1, of_section=1))

    assert keys(taken) == [2, 3]


def test_nothing_is_ranked_as_nothing():
    assert rank([], Limits(20)) == ([], [])


def test_ten_thousand_stories_are_ranked_in_a_moment():
    field = [contender(key, (key * 7919 % 1000) / 100, source=key % 50, section=f"s{key % 9}") for key in range(10_000)]
    taken, held = rank(field, Limits(100))

    assert (len(taken), len(held)) == (100, 9_900)
