"""Which articles are one report, and which one story."""

from __future__ import annotations

from random import Random

import pytest

from digest.curate.likeness import Frequencies, Likeness, Print
from digest.curate.stories import Stories, Wording, copies, gather, maybe_copies
from digest.text.terms import count_terms
from support.articles import prose

EVENTS = 12


def wording(key: int, text: str, *, title: str = "", source: int | None = None) -> Wording:
    return Wording(key, source if source is not None else key, title or f"Title {key}", text)


def reports(*wordings: Wording) -> dict[int, int]:
    """Copies when every pair is looked at."""
    keys = [one.article_id for one in wordings]
    return copies([(a, b) for a in keys for b in keys if a < b], wordings)


def test_a_report_cut_short_by_one_paper_is_a_copy_of_the_whole():
    whole, cut = wording(1, prose("w", 200)), wording(2, prose("w", 60))

    assert reports(whole, wording(3, prose("x", 60)), cut) == {2: 1}


def test_a_new_first_paragraph_does_not_hide_a_copy():
    assert reports(wording(1, prose("w", 60)), wording(2, f"{prose('own', 20)} {prose('w', 60)}")) == {2: 1}


def test_case_punctuation_and_apostrophes_do_not_hide_a_copy():
    text = f"{prose('w', 60)} the ship's crew"

    assert reports(wording(1, text), wording(2, text.upper().replace(" ", ", ").replace("'", "’"))) == {2: 1}


def test_a_long_quotation_in_other_apostrophes_makes_no_copy():
    """With both apostrophes made one .67 of the runs are in common, as printed .52: the mayor's words, not the report.

    The same share printed with the same apostrophes is a copy, and so is a whole report with others.
    """
    said = " ".join(f"{prose(f's{number}', 19)} don't" for number in range(3))
    report, quoting = wording(1, f"{said} {prose('report', 60)}"), f"{said} {prose('own', 28)}"

    assert reports(report, wording(2, quoting)) == {2: 1}
    assert reports(report, wording(2, quoting.replace("'", "’"))) == {}
    assert reports(report, wording(2, report.text.replace("'", "’"))) == {2: 1}


def test_less_than_three_fifths_in_common_is_another_report():
    """Of 56 runs of the shorter text 36 are shared where 40 words are, and 31 where 35 are."""
    whole = wording(1, prose("w", 80))
    merged, apart = (wording(2, f"{prose('w', n)} {prose('x', 60 - n)}") for n in (40, 35))

    assert reports(whole, merged) == {2: 1}
    assert reports(whole, apart) == {}


def test_short_texts_are_no_copies_for_their_words():
    short = prose("w", 15)

    assert reports(wording(1, short), wording(2, short), wording(3, prose("w", 100))) == {}


def test_two_sources_under_one_headline_have_one_report():
    one, other = wording(1, "a", title="Night trains return!"), wording(2, "b", title="NIGHT TRAINS – return")

    assert reports(one, other) == {2: 1}


def test_one_source_under_one_headline_has_a_column():
    days = [wording(key, prose(f"d{key}"), title="The weather today", source=1) for key in (1, 2)]

    assert reports(*days) == {}


@pytest.mark.parametrize("title", ["", "…", "Photos", "Letters page"])
def test_headlines_of_two_words_or_less_prove_nothing(title: str):
    assert reports(wording(1, "", title=title), wording(2, "", title=title)) == {}


def test_copies_of_copies_are_one_report():
    a, b = wording(1, prose("w", 60)), wording(2, prose("w", 60), title="The bridge reopens")
    c = wording(3, prose("c"), title="The bridge reopens")

    assert reports(c, a, b) == {2: 1, 3: 1}


def test_the_furniture_of_a_source_makes_no_copies():
    """A letter that stands below every article of a paper is most of its short ones."""
    letter = prose("letter", 60)
    paper = [wording(key, f"{prose(f'k{key}', 30)} {letter}", source=1) for key in range(1, 6)]

    assert reports(*paper) == {}
    assert reports(*(wording(key, one.text) for key, one in enumerate(paper, start=1))) != {}


def made_up(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same every time


def events(rng: Random, *, start: int = 1, sizes: tuple[int, ...] = (1, 2, 3, 5)) -> list[tuple[int, Print]]:
    """(event, article) in random order: articles of one event share its words, all share everyday words."""
    made: list[tuple[int, str]] = []
    for event in range(EVENTS):
        for _ in range(rng.choice(sizes)):
            own = [f"e{event}n{rng.randrange(25)}" for _ in range(25)]
            common = [f"common{rng.randrange(60)}" for _ in range(40)]
            words = own + common
            rng.shuffle(words)
            made.append((event, " ".join(words)))
    rng.shuffle(made)
    return [(event, Print(key, key, "", count_terms("", text))) for key, (event, text) in enumerate(made, start=start)]


def told(
    new: list[Print],
    known: dict[int, int] | None = None,
    others: list[Print] | None = None,
    *,
    month: list[Print] | None = None,
) -> Stories:
    """``month``: what the rarity of words is told from, if it is more than these."""
    frequencies = Frequencies()
    frequencies.add(month or [*new, *(others or [])])
    return gather([one.article_id for one in new], Likeness(new, others or [], frequencies), known=known)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_tells_the_same_stories(seed: int):
    rng = made_up(seed)
    articles = [one for _, one in events(rng)]

    assert told(rng.sample(articles, len(articles))).of == told(articles).of


@pytest.mark.parametrize("seed", range(5))
def test_a_story_is_named_after_its_first_article_and_telling_again_changes_nothing(seed: int):
    articles = [one for _, one in events(made_up(seed))]
    first = told(articles)

    assert all(first.of[story] == story <= article for article, story in first.of.items())
    assert told([], first.of, articles) == Stories({}, {})
    assert told(articles, first.of, articles).of == {}


@pytest.mark.parametrize("parts", [2, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_arriving_in_parts_tells_nearly_the_same_stories_as_all_at_once(seed: int, parts: int):
    """The bound: of pairs that are one story all at once, nine of ten are when they arrive in parts."""
    articles = [one for _, one in events(made_up(seed))]
    month = [one for _, one in events(made_up(100 + seed))] + articles
    at_once = told(articles, month=month).of
    known: dict[int, int] = {}
    seen: list[Print] = []
    size = -(-len(articles) // parts)
    for start in range(0, len(articles), size):
        arrived = articles[start : start + size]
        found = told(arrived, dict(known), seen, month=month)
        known = {key: found.swallowed.get(story, story) for key, story in known.items()} | dict(found.of)
        seen += arrived
    keys = sorted(at_once)
    same = [(a, b) for a in keys for b in keys if a < b and at_once[a] == at_once[b]]
    kept = sum(known[a] == known[b] for a, b in same)

    assert kept >= 0.9 * len(same)


def test_an_article_joins_the_story_there_is_and_begins_one_where_there_is_none():
    rng = made_up(5)
    day = events(rng, sizes=(3,))
    known = told([one for _, one in day]).of
    event_of = {one.article_id: event for event, one in day}
    late = [Print(key + 1000, key + 1000, "", one.terms) for key, (_, one) in enumerate(day[:4])]
    found = told(late, dict(known), [one for _, one in day]).of

    assert {event_of[story] for story in found.values()} == {event for event, _ in day[:4]}
    stranger = Print(5000, 1, "", count_terms("", " ".join(f"strange{number}" for number in range(40))))
    assert told([stranger], dict(known), [one for _, one in day]).of == {5000: 5000}


class Given(Likeness):
    """A likeness that is written down."""

    def __init__(self, values: dict[tuple[int, int], float], new: set[int]) -> None:
        self._values = values
        self.pairs = {pair: value for pair, value in values.items() if new.intersection(pair)}
        self.untold = []

    def between(self, one: int, other: int) -> float:
        return self._values.get((one, other), self._values.get((other, one), 0.0))


def gathered(
    new: list[int], pairs: dict[tuple[int, int], float], *, known: dict[int, int] | None = None, **more: dict[int, int]
) -> Stories:
    return gather(new, Given(pairs, set(new)), known=known, **more)


def test_a_chain_of_alike_pairs_is_no_story():
    """Average link: 1 and 2 are alike, and 2 and 3, but 1 and 3 have nothing in common."""
    assert gathered([1, 2, 3], {(1, 2): 0.3, (2, 3): 0.17}).of == {1: 1, 2: 1, 3: 3}
    assert gathered([1, 2, 3], {(1, 2): 0.3, (2, 3): 0.17, (1, 3): 0.15}).of == {1: 1, 2: 1, 3: 1}


def test_one_left_alone_joins_the_story_it_is_by_far_most_like():
    near = {(1, 2): 0.4, (1, 3): 0.12, (2, 3): 0.12}

    assert gathered([1, 2, 3], near).of == {1: 1, 2: 1, 3: 1}
    assert gathered([1, 2, 3, 4, 5], {**near, (4, 5): 0.4, (3, 4): 0.09, (3, 5): 0.09}).of[3] == 3
    assert gathered([1, 2, 3], {(1, 2): 0.4, (1, 3): 0.08, (2, 3): 0.08}).of[3] == 3
    assert gathered([1, 3], {(1, 3): 0.12}).of == {1: 1, 3: 3}, "one article is no story to be near to"


def between(ones: list[int], others: list[int], value: float) -> dict[tuple[int, int], float]:
    return {(min(a, b), max(a, b)): value for a in ones for b in others if a != b}


def test_two_left_apart_join_the_larger_story_they_are_by_far_most_like():
    story = between([1, 2, 3], [1, 2, 3], 0.4)
    pair = {**story, (4, 5): 0.3}

    assert set(gathered([1, 2, 3, 4, 5], {**pair, **between([1, 2, 3], [4, 5], 0.1)}).of.values()) == {1}
    assert set(gathered([1, 2, 3, 4, 5], {**pair, **between([1, 2, 3], [4, 5], 0.08)}).of.values()) == {1, 4}
    assert gathered([1, 2, 4, 5], {(1, 2): 0.4, (4, 5): 0.3, **between([1, 2], [4, 5], 0.1)}).of[4] == 4, "no larger"
    rival = between([6, 7, 8], [6, 7, 8], 0.4) | between([4, 5], [6, 7, 8], 0.08)
    near = pair | between([1, 2, 3], [4, 5], 0.1)
    assert gathered(list(range(1, 9)), near | rival).of[4] == 4


def test_three_that_agree_are_an_event_of_their_own():
    pairs = between([1, 2, 3, 7], [1, 2, 3, 7], 0.4) | between([4, 5, 6], [4, 5, 6], 0.3)

    assert gathered(list(range(1, 8)), pairs | between([1, 2, 3, 7], [4, 5, 6], 0.12)).of[4] == 4


def test_who_joins_a_story_may_bring_the_next_one_along():
    """4 is like 3 only, and what 4 is like on average grows when 3 has joined."""
    pairs = {(1, 2): 0.4, (1, 3): 0.12, (2, 3): 0.12, (1, 4): 0.05, (2, 4): 0.05, (3, 4): 0.155}
    without_3 = {pair: value for pair, value in pairs.items() if 3 not in pair}

    assert gathered([1, 2, 3, 4], {**pairs, (1, 4): 0.06, (2, 4): 0.07}).of == {1: 1, 2: 1, 3: 1, 4: 1}
    assert gathered([1, 2, 4], without_3).of[4] == 4


def test_a_pair_of_old_stays_where_it_is():
    pairs = between([1, 2, 3], [1, 2, 3], 0.4) | {(4, 5): 0.3} | between([1, 2, 3], [4, 5], 0.1)

    assert gathered([9], {**pairs, (1, 9): 0.4}, known={1: 1, 2: 1, 3: 1, 4: 4, 5: 4}).swallowed == {}


def test_two_stories_that_a_third_report_shows_to_be_one_become_the_older():
    pairs = {(1, 2): 0.1, (1, 3): 0.4, (2, 3): 0.4}

    assert gathered([3], pairs, known={1: 1, 2: 2}) == Stories({3: 1}, {2: 1})


def test_two_stories_stay_apart_where_nothing_new_is_near_both():
    assert gathered([3], {(1, 2): 0.9, (1, 3): 0.4}, known={1: 1, 2: 2}) == Stories({3: 1}, {})


def test_a_copy_joins_its_original_whatever_the_likeness():
    assert gathered([2, 3], {}, known={1: 7}, copy_of={2: 1, 3: 1}).of == {2: 7, 3: 7}


def test_a_text_copied_into_two_stories_does_not_join_them():
    found = gathered([9], {}, known={1: 1, 2: 2}, copy_of={2: 1, 9: 1})

    assert found == Stories({9: 1}, {})


def test_a_copy_of_something_unknown_is_a_story_of_its_own():
    assert gathered([9], {}, copy_of={9: 4}).of == {9: 9}


def test_only_alike_pairs_are_looked_at_for_copies():
    assert maybe_copies(Given({(1, 2): 0.5, (1, 3): 0.05}, {1})) == [(1, 2)]


def test_nothing_gives_no_story():
    assert gathered([], {}) == Stories({}, {})
