"""How alike articles are."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.curate.likeness import Frequencies, Likeness, Print
from digest.text.terms import count_terms

VOCABULARY = [f"word{number}" for number in range(400)]


def printed(key: int, text: str, *, title: str = "", source: int | None = None, language: str = "en") -> Print:
    return Print(key, source if source is not None else key, language, count_terms(title or f"Title{key}", text))


def crowd(number: int = 30, *, start: int = 1000, language: str = "en") -> list[Print]:
    """Articles about something else each, that share the words everybody uses."""
    rng = Random(7)  # noqa: S311 - the same every time
    return [
        printed(start + key, f"the of and to in {' '.join(rng.sample(VOCABULARY, 30))}", language=language)
        for key in range(number)
    ]


def likeness(new: list[Print], known: list[Print]) -> Likeness:
    frequencies = Frequencies()
    frequencies.add([*new, *known])
    return Likeness(new, known, frequencies)


def test_the_same_words_are_as_alike_as_can_be_and_others_not_at_all():
    same = [printed(key, "zebra quagga okapi kiang onager", title="Stripes") for key in (1, 2)]
    found = likeness([*same, printed(3, "violin cello viola bass harp", title="Strings")], crowd())

    assert found.between(1, 2) == pytest.approx(1.0)
    assert found.between(1, 3) == found.between(3, 2) == 0.0
    assert (1, 3) not in found.pairs


def test_the_headline_the_lead_and_the_text_weigh_15_45_and_40_hundredths():
    lead = "zebra quagga okapi kiang onager"
    rest = " ".join(f"filler{number}" for number in range(100))
    found = likeness([printed(1, lead, title="Alpha one"), printed(2, f"{rest} {lead}", title="Alpha one")], crowd())
    only_title = likeness([printed(1, lead, title="Alpha"), printed(2, rest, title="Alpha")], crowd())

    assert 0.15 < only_title.between(1, 2) < 0.25
    assert 0.2 < found.between(1, 2) < 0.6


def test_a_rare_word_is_rare_in_its_own_language():
    """Ten French articles among three hundred English ones share "le", "la", "de": that is no story."""
    french = [
        printed(key, f"le la de et dans {' '.join(f'mot{key}x{number}' for number in range(12))}", language="fr")
        for key in range(1, 31)
    ]
    found = likeness(french, crowd(300))

    assert max(found.pairs.values(), default=0.0) == 0.0


def test_with_few_articles_of_a_language_nothing_is_told():
    same = [printed(key, "zebra quagga okapi kiang onager", language="sw") for key in (1, 2)]
    known = printed(3, "violin", language="")

    assert likeness(same, [known, *crowd()]).pairs == {}
    assert likeness(same, [known, *crowd()]).untold == [(1, 2), (1, 3), (2, 3)], "whatever the feeds say they speak"
    assert likeness(crowd(), []).untold == []


def test_a_few_words_prove_nothing():
    assert likeness([printed(key, "", title="Photos") for key in (1, 2)], crowd()).pairs == {}


def test_what_stands_in_all_articles_of_a_source_is_its_furniture():
    rng = Random(3)  # noqa: S311 - the same every time
    letter = "subscribe to our wonderful morning newsletter before breakfast"
    paper = [printed(key, f"{letter} {' '.join(rng.sample(VOCABULARY, 12))}", source=5) for key in range(1, 13)]
    other = [printed(key, f"{letter} {' '.join(rng.sample(VOCABULARY, 12))}", source=key) for key in range(1, 3)]

    assert max(likeness(paper, crowd(60)).pairs.values()) < 0.2
    assert likeness(other, crowd(60)).between(1, 2) > 0.4


def test_the_same_headline_in_one_source_is_a_column_and_says_nothing():
    texts = ["zebra quagga okapi kiang onager", "violin cello viola bass harp"]
    columns = [printed(key, text, title="Weather report", source=5) for key, text in enumerate(texts, start=1)]
    shared = [printed(key, text, title="Weather report") for key, text in enumerate(texts, start=1)]

    assert likeness(shared, crowd()).between(1, 2) - likeness(columns, crowd()).between(1, 2) == pytest.approx(0.15)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_any_order_and_any_split_into_new_and_known_gives_the_same(seed: int, number: int):
    rng = Random(seed)  # noqa: S311 - the same every time
    articles = [printed(key, " ".join(rng.sample(VOCABULARY[:60], 20))) for key in range(1, number + 1)]
    others = crowd()
    whole = likeness(articles, others)
    shuffled = likeness(rng.sample(articles, number), rng.sample(others, len(others)))
    split = rng.randrange(1, number)
    part = likeness(articles[split:], articles[:split] + others)

    assert whole.pairs == shuffled.pairs
    for (one, other), value in whole.pairs.items():
        assert 0.0 <= value <= 1.0 + 1e-9
        assert part.between(one, other) == pytest.approx(value, abs=1e-9)
        assert part.between(other, one) == pytest.approx(value, abs=1e-9)


def test_all_at_once_costs_no_matrix():
    """Two thousand articles in which every word is shared: the pairs kept are those that share telling words."""
    articles = crowd(2000, start=1)
    found = likeness(articles[:50], articles[50:])

    assert len(found.pairs) < 50 * 2000


def test_the_short_cut_of_large_collections_misses_no_story(monkeypatch: pytest.MonkeyPatch):
    """Of twelve hundred articles, forty tell ten stories: found through rare words, compared by all. What shares
    nothing but common words is not found, and is no story."""
    rng = Random(11)  # noqa: S311 - the same every time
    told = [
        printed(key, " ".join(rng.sample([f"s{key % 10}n{n}" for n in range(20)], 12) + rng.sample(VOCABULARY, 30)))
        for key in range(1, 41)
    ]
    others = crowd(1200)
    short = likeness(told, others)
    monkeypatch.setattr("digest.curate.likeness._MANY_ARTICLES", 10**9)
    exact = likeness(told, others)
    alike = {pair for pair, value in exact.pairs.items() if value >= 0.09 and max(pair) <= 40}

    assert len(alike) >= 60
    assert len(short.pairs) < len(exact.pairs) / 2
    for pair in alike:
        assert short.pairs[pair] == pytest.approx(exact.pairs[pair])
