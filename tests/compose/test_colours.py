from __future__ import annotations

import colorsys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.compose.colours import GROUNDS, LEAST_CONTRAST, adjusted, contrast
from digest.compose.environment import templates, theme
from digest.compose.folders import theme_names
from digest.compose.themes import theme_notes

COLOUR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
ONE_MODE = st.fixed_dictionaries(dict.fromkeys(("page", "card", "ink", "text", "muted", "accent"), COLOUR))


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000", "#fff", 21.0), ("#777777", "#ffffff", 4.48), ("#ffffff", "#ffffff", 1.0), ("#a8321f", "#ffffff", 6.69)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


def test_a_colour_in_words_has_no_contrast():
    with pytest.raises(ValueError, match="'red'"):
        contrast("red", "#fff")


@pytest.mark.parametrize("name", theme_names())
def test_our_themes_need_no_adjusting(name: str):
    env = templates(theme=name)
    tables = theme(env)

    assert theme_notes(env) == ()
    for mode in ("light", "dark"):
        for colour, grounds in GROUNDS.items():
            assert min(contrast(tables[mode][colour], tables[mode][ground]) for ground in grounds) >= LEAST_CONTRAST


@settings(max_examples=60, deadline=None)
@given(light=ONE_MODE, dark=ONE_MODE)
def test_what_cannot_be_read_gets_the_nearest_shade_that_can(light: dict[str, str], dark: dict[str, str]):
    asked = {"light": light, "dark": dark}
    made, notes = adjusted(asked)
    changed = {(note.mode, note.name): note for note in notes}

    for mode, colours in asked.items():
        for name, grounds in GROUNDS.items():
            shown = made[mode][name]
            ratio = min(contrast(shown, colours[ground]) for ground in grounds)
            if (mode, name) not in changed:
                assert shown == colours[name]
                assert ratio >= LEAST_CONTRAST
            elif len(grounds) == 1:  # black or white passes on any one ground
                assert ratio >= LEAST_CONTRAST
                assert changed[mode, name].used == shown
    assert {name: made["light"][name] for name in ("page", "card")} == {name: light[name] for name in ("page", "card")}


def test_a_changed_colour_keeps_its_hue_and_is_told():
    made, (note,) = adjusted({"light": {"card": "#ffffff", "page": "#ffffff", "accent": "#ff9966"}, "dark": {}})
    hues = [colorsys.rgb_to_hls(*(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)))[0] for c in ("#ff9966", note.used)]

    assert made["light"]["accent"] == note.used
    assert hues[0] == pytest.approx(hues[1], abs=0.01)
    assert note.says == (
        f"light.accent = #ff9966 has a contrast of 2.1 on #ffffff, 4.5 is needed: {note.used} is used instead"
    )
    assert contrast(note.used, "#ffffff") < 4.7


def test_a_colour_that_cannot_be_checked_is_left_alone_and_told():
    made, (note,) = adjusted({"light": {"card": "white", "ink": "black"}, "dark": {}})

    assert made["light"]["ink"] == "black"
    assert note.ratio is None
    assert "cannot be checked" in note.says
