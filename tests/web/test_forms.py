"""What a browser sent, as clean text, and where it came from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from digest.web.forms import address_of, form_of, language_of
from digest.web.providers import inbox_of
from digest.web.reader_strings import READERS, WORDING

OURS = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


def request(peer: str = "127.0.0.1", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "client": (peer, 1)})


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_from"),
    [
        ("203.0.113.1", "", "203.0.113.1"),
        ("203.0.113.1", "198.51.100.9", "203.0.113.1"),
        ("127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.9, 10.1.2.3", "198.51.100.9"),
        ("::ffff:127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("2001:db8::1", "2001:4860::7", "2001:4860::7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "nonsense", "nonsense"),
    ],
)
def test_the_address_is_the_last_one_that_no_proxy_of_ours_has(peer: str, forwarded: str, is_from: str):
    headers = {"x_forwarded_for": forwarded} if forwarded else {}

    assert address_of(request(peer, **headers), OURS) == is_from


def test_without_proxies_nobody_is_believed():
    assert address_of(request("127.0.0.1", x_forwarded_for="198.51.100.9"), ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("said", "language"),
    [("de-AT,de;q=0.9,en;q=0.8", "de-AT"), ("*", ""), ("", ""), ("x" * 40, ""), ("fr;q=0.5", "fr"), ("de-é", "")],
)
def test_the_language_is_what_a_browser_asks_for_first(said: str, language: str):
    assert language_of(request(accept_language=said)) == language


def test_fields_are_one_line_without_controls_and_no_longer_than_they_need_be():
    form = form_of([("a", "one"), ("a", " two\r\nthree\x00\ud800 "), ("b", "x" * 900), ("c", object())])

    assert form.text("a") == "two three"
    assert form.all("a") == ("one", "two three")
    assert len(form.text("b")) == 500
    assert form.text("b", 3) == "xxx"
    assert not form.has("c")


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("ann@GMAIL.com", "Gmail"),
        ("ann@hotmail.com", "Outlook"),
        ("ann@web.de", "WEB.DE"),
        ("ann@example.org", None),
    ],
)
def test_the_inbox_of_large_providers_is_one_tap_away(email: str, name: str | None):
    found = inbox_of(email, sender="desk@example.com")

    assert (found.name if found else None) == name
    assert found is None or found.url.startswith("https://")
    assert name != "Gmail" or (found is not None and "desk%40example.com" in found.url)


def test_every_version_of_the_words_that_are_agreed_to_has_a_name_of_its_own():
    assert WORDING.startswith("en-")
    assert len(WORDING) == 15
    assert READERS["signup-button"] == "Subscribe"
