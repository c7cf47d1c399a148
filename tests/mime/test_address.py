from __future__ import annotations

import pytest

from digest.mime.address import parse_address, parse_mailbox
from digest.model.errors import BadInput


def test_two_spellings_of_one_mailbox_share_their_key():
    one, other = parse_address(" Ann.Lee@Example.COM "), parse_address("ann.lee@example.com")

    assert one.norm == other.norm == "ann.lee@example.com"
    assert one.email == "Ann.Lee@example.com"
    assert one.wire == "Ann.Lee@example.com"


def test_an_international_domain_goes_out_as_a_labels():
    address = parse_address("info@müller.example.com")

    assert address.ascii_email == address.wire == address.norm == "info@xn--mller-kva.example.com"
    assert address.email == "info@müller.example.com"
    assert not address.needs_smtputf8


def test_an_international_local_part_needs_smtputf8():
    address = parse_address("jörg@müller.example.com")

    assert address.needs_smtputf8
    assert address.ascii_email is None
    assert address.wire == "jörg@müller.example.com"
    assert address.norm == "jörg@xn--mller-kva.example.com"


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "ann@", "@example.com", "a b@example.com", "ann@localhost", "a@b@example.com"),
        "ann@example.com\r\nBcc: eve@example.org",
        "x" * 300 + "@example.com",
    ],
)
def test_a_malformed_address_is_refused_with_a_hint(text: str):
    with pytest.raises(BadInput) as caught:
        parse_address(text)

    assert "is not an e-mail address" in caught.value.message
    assert len(caught.value.message) < 300
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.com", ("", "ann@example.com")),
        ("<ann@example.com>", ("", "ann@example.com")),
        ("The Daily <ann@example.com>", ("The Daily", "ann@example.com")),
        ("Zoë's News, Inc. <ann@example.com>", ("Zoë's News, Inc.", "ann@example.com")),
        (r'"A \"quoted\" name" <ann@example.com>', ('A "quoted" name', "ann@example.com")),
    ],
)
def test_a_mailbox_is_taken_as_people_write_it(text: str, expected: tuple[str, str]):
    assert parse_mailbox(text) == expected


@pytest.mark.parametrize(
    "text", ["The Daily <ann>", "The Daily", "A\nB <ann@example.com>", "A <a@example.com> <b@example.com>"]
)
def test_a_malformed_mailbox_is_refused(text: str):
    with pytest.raises(BadInput):
        parse_mailbox(text)
