from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text.slots import marker
from digest.text.wording import (
    clamp,
    direction,
    display_width,
    long_date,
    one_line,
    plain_date,
    short_date,
    soften,
    wrap,
)

DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en", "Friday, November 20, 2026"),
        ("en-IE", "Friday 20 November 2026"),
        ("de", "Freitag, 20. November 2026"),
        ("de_AT", "Freitag, 20. November 2026"),
        ("ja", "2026年11月20日金曜日"),
        ("de-XX", "Freitag, 20. November 2026"),
        ("tlh", "Friday, November 20, 2026"),
        ("", "Friday, November 20, 2026"),
    ],
)
def test_a_long_date_is_written_in_its_language_or_else_in_english(locale: str, written: str):
    assert long_date(DAY, locale) == written


def test_dates_come_in_three_lengths():
    assert plain_date(DAY, "en-IE") == "20 November 2026"
    assert short_date(DAY, "en-IE") == "20 Nov"


@pytest.mark.parametrize(
    ("locale", "way"), [("en", "ltr"), ("ar", "rtl"), ("he-IL", "rtl"), ("fa", "rtl"), ("ja", "ltr"), ("xx", "ltr")]
)
def test_direction_follows_the_script(locale: str, way: str):
    assert direction(locale) == way


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("one two three four", 14, "one two three…"),
        ("one two three four", 13, "one two…"),
        ("one, two three", 6, "one…"),
        ("x" * 30, 10, "xxxxxxxxx…"),
        ("漢字" * 20, 5, "漢字漢字…"),
        ("ab e\u0301" * 3, 5, "ab…"),
    ],
)
def test_clamp_cuts_at_a_word_where_there_is_one(text: str, limit: int, cut: str):
    assert clamp(text, limit) == cut


@given(st.text(), st.integers(2, 50))
def test_clamp_never_gives_more_than_the_limit(text: str, limit: int):
    assert len(clamp(text, limit)) <= limit


def test_width_counts_wide_characters_twice_marks_not_and_slots_as_a_typical_value():
    assert display_width("abc") == 3
    assert display_width("漢字") == 4
    assert display_width("e\u0301") == 1
    assert display_width(marker("email")) == 24


@given(st.text(alphabet="ab é漢字、 \u0301🚀", max_size=300), st.integers(10, 40))
def test_no_wrapped_line_is_wider_than_asked_and_no_text_is_lost(text: str, width: int):
    lines = wrap(text, width, indent="  ", first="1 ").split("\n")

    # one column more for a full stop that may not begin a line
    assert all(display_width(line) <= width + 2 for line in lines)
    assert "".join(lines).replace(" ", "") in ("1" + "".join(text.split()), "")


def test_wrapping_never_breaks_an_address():
    url = "https://example.com/" + "a" * 100

    assert wrap(f"See {url} now", 72).split("\n") == ["See", url, "now"]


def test_wrapping_breaks_between_wide_characters_but_not_before_their_full_stop():
    assert wrap("漢字漢字。漢", 8).split("\n") == ["漢字漢字。", "漢"]


def test_softening_breaks_only_endless_tokens():
    assert soften("a normal headline, twenty-nine chars") == "a normal headline, twenty-nine chars"
    assert soften("x" * 70) == "x" * 30 + "\u200b" + "x" * 30 + "\u200b" + "x" * 10
    assert soften("漢" * 70) == "漢" * 70


def test_softening_never_parts_a_mark_from_its_letter():
    assert "\u200b\u0301" not in soften("e\u0301" * 70)


def test_one_line_drops_controls_overrides_and_slot_marks():
    assert one_line(f" a\r\nb\x00\x92 \u202ec{marker('email')} ") == "a b cemail"
