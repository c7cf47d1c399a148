"""Contrast and forced dark by numbers that others publish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.workshop.colours import BLACK, WHITE, contrast, from_lab, hexadecimal, inverted, parse, to_lab


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000", "#fff", 21.0), ("#777777", "#ffffff", 4.48), ("#16191d", "#ffffff", 17.6), ("#5b636c", "#ffffff", 6.1)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float):
    light, dark = parse(one), parse(other)

    assert light
    assert dark
    assert contrast(light, dark) == pytest.approx(ratio, abs=0.05)
    assert contrast(light, dark) == contrast(dark, light)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("red", "#ff0000"), ("rgb(1 2 3)", "#010203"), ("#abc", "#aabbcc"), ("rgba(0,0,0,.5)", "#808080")],
)
def test_colours_are_read_as_css_writes_them(value: str, shown: str):
    colour = parse(value)

    assert colour
    assert hexadecimal(colour) == shown


@pytest.mark.parametrize("value", ["transparent", "inherit", "currentcolor", "12px", ""])
def test_what_is_no_colour_is_none(value: str):
    assert parse(value) is None


def test_white_and_black_have_the_lightness_they_should():
    assert to_lab(WHITE)[0] == pytest.approx(100, abs=0.01)
    assert to_lab(BLACK)[0] == pytest.approx(0, abs=0.01)
    assert to_lab((1.0, 0.0, 0.0)) == pytest.approx((53.24, 80.09, 67.20), abs=0.1)


@given(st.tuples(*[st.floats(0, 1)] * 3))
def test_lab_leads_back(colour: tuple[float, float, float]):
    assert from_lab(*to_lab(colour)) == pytest.approx(colour, abs=1e-3)


def test_forced_dark_leaves_what_is_dark_already():
    assert hexadecimal(inverted(WHITE, is_ground=True)) == "#212121"
    assert inverted(BLACK, is_ground=True) == BLACK
    assert inverted(WHITE, is_ground=False) == WHITE
    assert to_lab(inverted(BLACK, is_ground=False))[0] == pytest.approx(87.5, abs=0.1)
