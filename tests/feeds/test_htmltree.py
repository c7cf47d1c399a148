"""A page's tree, whatever stands in the page."""

from __future__ import annotations

import pytest

from digest.feeds import htmltree


@pytest.mark.parametrize("text", ["", " \n", "\x00", "<!-- nothing -->"])
def test_nothing_is_no_tree(text: str):
    assert htmltree.parse(text) is None


def test_characters_no_tree_can_hold_are_left_out():
    tree = htmltree.parse("<p>Baths\x00 to\x0b re\uffffopen</p>")

    assert tree.text_content() == "Baths to reopen"


@pytest.mark.parametrize(
    ("head", "want"),
    [
        ("", "https://news.example.com/a/b"),
        ('<base href="/c/">', "https://news.example.com/c/"),
        ('<base target="_blank"><base href="/c/"><base href="/d/">', "https://news.example.com/c/"),
        ('<base href="javascript:void(0)">', "https://news.example.com/a/b"),
    ],
)
def test_the_base_is_the_first_that_has_an_address(head: str, want: str):
    tree = htmltree.parse(f"<html><head>{head}</head><body><p>Baths</p></body></html>")

    assert htmltree.base_of(tree, "https://news.example.com/a/b") == want
