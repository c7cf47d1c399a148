"""What is counted of an article, and how it is kept."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text.terms import Field, TermCounts, count_terms


def key(term: str, field: Field = Field.TEXT) -> int:
    return (zlib.crc32(term.encode()) & ~3) | field


def counted(title: str, text: str) -> dict[int, int]:
    terms = count_terms(title, text)
    return dict(zip(terms.keys, terms.counts, strict=True))


def has(text: str, *terms: str) -> bool:
    found = counted("T", text)
    return all(key(term) in found for term in terms)


def test_words_count_in_the_text_in_the_lead_and_in_the_headline():
    found = counted("Harbour bridge", "the bridge reopens. the bridge stays")

    assert found[key("bridge")] == 3
    assert found[key("bridge", Field.LEAD)] == 4
    assert found[key("bridg", Field.TITLE)] == 1
    assert key("reopens", Field.TITLE) not in found


def test_a_name_inside_a_sentence_counts_twice_and_a_first_word_does_not():
    found = counted("T", "Yesterday we met Anna. Then Anna left.")

    assert found[key("anna")] == 4
    assert found[key("yesterday")] == found[key("then")] == 1


def test_the_lead_ends_after_a_hundred_words():
    found = counted("T", " ".join(f"w{number}" for number in range(150)))

    assert key("w99", Field.LEAD) in found
    assert key("w100", Field.LEAD) not in found
    assert key("w149") in found


def test_without_a_headline_the_first_words_stand_for_it():
    assert key("bridg", Field.TITLE) in counted("", "Bridge reopens after storm")


def test_the_endings_of_headlines_are_one():
    titles = ("Police raid", "Police raids", "Police raided", "Police raiding")

    assert len({tuple(k for k in counted(title, "") if k & 3 == Field.TITLE) for title in titles}) == 1


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("the ship's crew; the ship’s master", ("ship",)),
        ("Straße ÉTÉ", ("strasse", "été")),
        ("東京都で地震", ("東京", "京都", "都で", "で地", "地震")),
        ("แผ่นดินไหว", ("แผ", "ดิ")),
        ("नमस्ते दुनिया", ("नमस्ते", "दुनिया")),
        ("بِسْمِ اللّٰه", ("بِسْمِ",)),
        ("ＦＵＬＬ width", ("full",)),
        ("cafe\u0301", ("café",)),
    ],
)
def test_words_of_many_scripts(text: str, terms: tuple[str, ...]):
    assert has(text, *terms)


def test_a_book_costs_no_more_than_a_long_article():
    book = " ".join(f"word{number}" for number in range(500_000))

    assert len(count_terms("Book", book).keys) < 6_000


@pytest.mark.parametrize(("title", "text"), [("", ""), ("…", "—"), ("", "one"), ("One", "")])
def test_almost_nothing_can_be_counted(title: str, text: str):
    terms = count_terms(title, text)

    assert TermCounts.load(terms.dump()) == terms


@given(st.text(max_size=60), st.text(max_size=400))
def test_what_is_kept_is_what_was_counted(title: str, text: str):
    terms = count_terms(title, text)

    assert TermCounts.load(terms.dump()) == terms
    assert list(terms.keys) == sorted(set(terms.keys))
    assert len(terms.keys) == len(terms.counts)
    assert all(terms.counts)


def test_a_word_that_never_ends_its_repetition_is_counted_up_to_255():
    assert max(count_terms("T", "again " * 5000).counts) == 255


@pytest.mark.parametrize("damage", [b"", b"no", zlib.compress(b""), zlib.compress(b"\x05\x00\x00\x00abc")])
def test_something_else_is_refused(damage: bytes):
    with pytest.raises(ValueError, match="counted terms"):
        TermCounts.load(damage)
