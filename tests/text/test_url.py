from __future__ import annotations

import pytest

from digest.text import url


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("HTTP://News.Example.COM:80/a?b=1#top", "http://news.example.com/a?b=1"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com?x=1", "https://example.com/?x=1"),
        ("https://example.com:8443/x/", "https://example.com:8443/x/"),
        ("https://bücher.example.com/ä", "https://xn--bcher-kva.example.com/%C3%A4"),
        ("https://example.com/a?z=1&utm_source=rss&a=2&fbclid=Q&mc_cid=7&xtor=RSS-1", "https://example.com/a?a=2&z=1"),
        ("https://example.com/item?id=17", "https://example.com/item?id=17"),
        ("https://example.com/?q=a+b&q=c", "https://example.com/?q=a+b&q=c"),
        ("https://example.com/a?cid=social_1", "https://example.com/a"),
        ("https://example.com/a?cid=4711", "https://example.com/a?cid=4711"),
        ("https://user:pw@example.com/a", "https://example.com/a"),
    ],
)
def test_the_canonical_form_keeps_what_chooses_the_content(given: str, normal: str):
    assert url.canonical(given) == normal


@pytest.mark.parametrize("given", ["http://[broken", "mailto:a@example.com", "", "http://example.com:99999/"])
def test_what_is_no_web_address_stays_as_it_is(given: str):
    assert url.canonical(given) == given


def test_canonical_is_idempotent():
    once = url.canonical("https://EXAMPLE.com/ä b?b=%2F&a=ü#x")

    assert url.canonical(once) == once


def test_links_are_joined_with_their_base():
    assert url.absolute("https://example.com/d/feed.xml", "../a.html") == "https://example.com/a.html"
    assert url.absolute("https://example.com/", "//cdn.example.org/x") == "https://cdn.example.org/x"


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "", "http://[x", "mailto:a@example.com"])
def test_only_web_links_become_addresses(link: str):
    assert url.absolute("https://example.com/", link) == ""


@pytest.mark.parametrize(
    ("tracked", "mailed"),
    [
        ("https://example.com/a?utm_source=rss&id=7&fbclid=x", "https://example.com/a?id=7"),
        ("https://example.com/a?b=2&a=1#part", "https://example.com/a?b=2&a=1#part"),
        ("https://example.com/a?at_medium=RSS#xtor=RSS-1", "https://example.com/a"),
        ("https://example.com/?q=%C3%A9&utm_medium=mail", "https://example.com/?q=%C3%A9"),
    ],
)
def test_what_is_mailed_is_the_publishers_address_without_tracking(tracked: str, mailed: str):
    assert url.untracked(tracked) == mailed
