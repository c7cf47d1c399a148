"""What is masked in texts from outside, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text.discreet import discreet


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("550 5.1.1 <ann@example.com>: unknown", "550 5.1.1 <[address]>: unknown"),
        ("RCPT TO:<ann.b+c@mail.example.co.uk> refused", "RCPT TO:<[address]> refused"),
        ("mailto:ann@example.com?subject=x", "mailto:[address]"),
        ("jürgen@müller.example, then o'hara@example.com", "[address], then [address]"),
        ('"ann b"@example.com', "[address]"),
        ("bounce+ann=example.com@list.example.org", "[address]"),
        ("postgresql://digest:secret@db.example.com/digest", "postgresql://digest:[address]/digest"),
        ("GET /u/Q2h1bmt5LXRva2Vu.c2lnbmF0dXJl 404", "GET /u/[token] 404"),
        ("https://news.example.com/p/abcdefghijk", "https://news.example.com/p/[token]"),
    ],
)
def test_addresses_and_tokens_are_masked(said: str, shown: str):
    assert discreet(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "454 4.7.0 Throttling failure: Daily message quota exceeded",
        "https://medium.example.com/@handle/feed",
        "reply at 10:42 @ relay",
        "https://www.example.org/u/short",
        "cannot reach relay 'ses' at email-smtp.eu-west-1.amazonaws.com:587: no answer in time",
    ],
)
def test_what_identifies_nobody_is_left_alone(said: str):
    assert discreet(said) == said


def test_the_local_part_of_the_reader_it_is_about_is_masked_as_a_word():
    assert discreet("user Ann.B unknown; ann.bert is not meant", "ann.b@example.com") == (
        "user [address] unknown; ann.bert is not meant"
    )


def test_a_local_part_of_two_letters_is_not_looked_for():
    assert discreet("no such user", "no@example.com") == "no such user"


@given(st.from_regex(r"[a-z0-9._+-]{3,20}@[a-z0-9-]{1,10}(\.[a-z]{2,5}){1,2}", fullmatch=True), st.text(max_size=40))
def test_no_address_survives_whatever_stands_around_it(address: str, around: str):
    shown = discreet(f"{around} <{address}> {around}", address)

    assert address not in shown
