from __future__ import annotations

from digest.text import shingles, words

_TEXT = "the quick brown fox jumps over the lazy dog near the river bank today"


def test_a_text_contains_itself_and_its_part():
    whole, part = shingles.shingles(_TEXT), shingles.shingles(" ".join(_TEXT.split()[:9]))

    assert shingles.containment(whole, whole) == 1.0
    assert shingles.containment(whole, part) == 1.0


def test_strangers_share_nothing():
    assert (
        shingles.containment(shingles.shingles(_TEXT), shingles.shingles("something else entirely stands in here"))
        == 0.0
    )


def test_a_short_text_is_one_shingle_and_an_empty_one_none():
    assert shingles.shingles("Two words") == {"two words"}
    assert shingles.containment(shingles.shingles(""), shingles.shingles("")) == 0.0


def test_apostrophes_are_one_unless_it_is_read_as_printed():
    straight, curly = "we don't know who's there", "we don’t know who’s there"

    assert shingles.shingles(straight) == shingles.shingles(curly)
    assert shingles.shingles(straight, as_printed=True) == {straight}
    assert shingles.shingles(curly, as_printed=True).isdisjoint({straight})


def test_words_are_counted_in_scripts_with_and_without_spaces():
    assert words.count("It’s a well-known fact: 42!") == 5
    assert words.count("東京の天気") == 3


def test_reading_takes_at_least_a_minute():
    assert [words.reading_minutes(count) for count in (0, 230, 700)] == [1, 1, 3]
