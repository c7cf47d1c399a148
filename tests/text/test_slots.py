from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from digest.text.slots import CLOSE, OPEN, SLOTS, fill_html, fill_text, marker

HOSTILE = st.text(alphabet=st.sampled_from("&<>\"'%{}\\ aé漢🚀;#=/?") | st.characters(exclude_categories=["C", "Z"]))
VALUES = st.fixed_dictionaries(dict.fromkeys(sorted(SLOTS), HOSTILE))


@given(values=VALUES)
def test_filling_a_rendered_page_gives_the_bytes_of_rendering_with_the_real_values(values: dict[str, str]):
    source = '<p title="{{ email }}">{{ email }} {{ signed_up_on }}</p><a href="{{ unsubscribe_url }}">x</a>'
    template = Environment(autoescape=True).from_string(source)

    assert fill_html(template.render({name: marker(name) for name in SLOTS}), values) == template.render(values)


@given(values=VALUES)
def test_filling_text_puts_in_the_values_as_they_are(values: dict[str, str]):
    filled = fill_text(f"To {marker('email')} <{marker('unsubscribe_url')}>", values)

    assert filled == f"To {values['email']} <{values['unsubscribe_url']}>"


@given(value=st.text())
def test_a_value_never_brings_a_line_end_or_a_marker(value: str):
    for filled in (fill_html(marker("email"), {"email": value}), fill_text(marker("email"), {"email": value})):
        assert len(filled.splitlines()) <= 1
        assert OPEN not in filled
        assert CLOSE not in filled


def test_a_value_that_looks_like_a_slot_is_not_filled_again():
    values = {"email": marker("unsubscribe_url"), "unsubscribe_url": "https://example.com/u/secret"}

    assert fill_text(marker("email"), values) == "unsubscribe_url"


def test_a_quote_in_a_value_cannot_leave_its_attribute():
    filled = fill_html(f'<a href="{marker("unsubscribe_url")}">', {"unsubscribe_url": '" onclick="x'})

    assert filled == '<a href="&#34; onclick=&#34;x">'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{OPEN}password{CLOSE}", "unknown slot 'password'"),
        (marker("email"), "no value for slot 'email'"),
        (f"{OPEN}email", "half a slot marker"),
        (f"email{CLOSE}", "half a slot marker"),
        (f"{OPEN}E-Mail{CLOSE}", "half a slot marker"),
    ],
)
def test_a_marker_that_cannot_be_filled_is_an_error(text: str, complaint: str):
    for fill in (fill_html, fill_text):
        with pytest.raises(ValueError, match=complaint):
            fill(text, {})


def test_only_the_closed_set_of_names_has_markers():
    with pytest.raises(ValueError, match="unknown slot 'name'"):
        marker("name")
