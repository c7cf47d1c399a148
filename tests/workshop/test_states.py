"""The address is the state: every control survives it, and nothing in it can break the page."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.workshop.states import Choices, Pane, Place, Scheme, State, View, Way, parse, parse_other

CHOICES = Choices(
    kinds=("digest", "confirm"),
    themes=("meridian", "plain"),
    clients=("authored", "gmail-app"),
    locales=("en", "ar"),
    fixtures={"digest": ("default", "rtl", "forty"), "confirm": ("default",)},
    has_project=True,
)
CHANGES: dict[str, Any] = {
    "kind": "confirm",
    "source": "rtl",
    "theme": "plain",
    "widths": (600, 375),
    "scheme": Scheme.BOTH,
    "client": "gmail-app",
    "pane": Pane.HEADERS,
    "view": View.MATRIX,
    "vs": "HEAD",
    "way": Way.SWIPE,
    "locale": "ar",
    "patch": '{"lead":{"title":"a & b = ü?"}}',
    "at": Place("email/components.html", 36),
    "inspects": True,
    "with_images": False,
    "is_bare": True,
}


def read(address: str) -> tuple[State, tuple[str, ...]]:
    path, _, query = address.partition("?")
    return parse(path.removeprefix("/preview/"), query, CHOICES)


@pytest.mark.parametrize("name", [field.name for field in fields(State)])
def test_every_control_round_trips_through_the_address(name: str):
    state = State("digest", "default").changed(**{name: CHANGES[name]})

    assert read(state.address()) == (state, ())


def test_all_controls_at_once_round_trip_and_defaults_stay_out():
    everything = State(**{**CHANGES, "kind": "digest"})

    assert read(everything.address()) == (everything, ())
    assert State("digest", "default").address() == "/preview/digest"


@pytest.mark.parametrize("source", ["live", "live:7", "live:7.12", "issue:411"])
def test_sources_beside_fixtures_round_trip(source: str):
    assert read(State("digest", source).address()) == (State("digest", source), ())


@given(st.text(max_size=30), st.text(max_size=200))
def test_no_address_raises_and_what_comes_out_round_trips(kind: str, query: str):
    state, _ = parse(kind, query, CHOICES)

    assert parse(state.kind, state.address().partition("?")[2], CHOICES)[0] == state


@given(
    st.dictionaries(
        st.sampled_from(["f", "t", "w", "s", "c", "v", "p", "vs", "by", "l", "at", "patch", "i", "img", "bare"]),
        st.text(max_size=40),
    )
)
def test_no_value_raises(values: dict[str, str]):
    query = "&".join(f"{key}={value}" for key, value in values.items())
    state, _ = parse("digest", query, CHOICES)

    assert parse(state.kind, state.address().partition("?")[2], CHOICES)[0] == state


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("f=nonsense", "There is no fixture “nonsense”; this is default."),
        ("c=pine", "There is no client “pine”; this is authored."),
        ("w=9,600", "Widths are up to 4 numbers"),
        ("patch={", "The patch was left out"),
        ("patch=[1]", "it is no object"),
        ("at=../../etc/passwd:1", "is no line of a template"),
        ("vs=digets?f=rtl", "is nothing to compare with; this is HEAD"),
    ],
)
def test_what_is_not_understood_is_said(query: str, note: str):
    state, notes = parse("digest", query, CHOICES)

    assert any(note in one for one in notes)
    assert state.source == "default"


def test_a_patch_too_long_for_an_address_is_left_out():
    _, notes = parse("digest", 'patch={"a":"' + "x" * 5000 + '"}', CHOICES)

    assert "save it as a fixture" in notes[0]


def test_without_a_project_live_data_falls_back_to_a_fixture():
    bare = Choices(CHOICES.kinds, CHOICES.themes, CHOICES.clients, CHOICES.locales, CHOICES.fixtures)
    state, notes = parse("digest", "f=live", bare)

    assert state.source == "default"
    assert "needs a project" in notes[0]


def test_frames_are_every_width_in_every_scheme_and_four_at_most():
    state = State("digest", "default", widths=(600, 375, 320), scheme=Scheme.BOTH)

    assert state.frames == (
        (600, Scheme.LIGHT), (600, Scheme.DARK), (375, Scheme.LIGHT), (375, Scheme.DARK)
    )  # fmt: skip


def test_another_state_to_compare_with_is_read_as_an_address_of_its_own():
    other = State("digest", "rtl", scheme=Scheme.DARK, widths=(375,))
    state = State("digest", "default", view=View.COMPARE, vs=other.other)
    found, notes = read(state.address())

    assert (found, notes) == (state, ())
    assert parse_other(found, CHOICES) == other
