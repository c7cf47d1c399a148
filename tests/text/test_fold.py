"""Searching finds a word however it was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text.fold import asked_words, fold


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Élection à Zürich", "ELECTION zurich"),
        ("Straße", "strasse"),
        ("\uff26ull width", "full"),
        ("Ελλάδα", "ελλαδα"),
    ],
)
def test_case_accents_and_width_do_not_matter(stored: str, asked: str):
    assert all(word in fold(stored) for word in asked_words(asked))


def test_a_query_of_signs_asks_for_nothing():
    assert asked_words(" %_'\"* ") == ("_",)
    assert asked_words("?! …") == ("",) or asked_words("?! …") == ()


def test_a_long_query_asks_for_its_first_eight_words():
    assert asked_words("a b c d e f g h i j a") == tuple("abcdefgh")


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str):
    assert fold(fold(text)) == fold(text)
