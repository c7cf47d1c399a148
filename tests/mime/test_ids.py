from __future__ import annotations

import re

import pytest

from digest.mime.ids import feedback_id, message_id
from digest.model.errors import MessageInvalid


def test_a_message_id_is_the_same_on_every_attempt():
    first = message_id(b"key", issue_id=7, subscriber_id=42, domain="Example.com")

    assert first == message_id(b"key", issue_id=7, subscriber_id=42, domain="example.com")
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.com>", first)


def test_no_two_deliveries_share_a_message_id():
    ids = {message_id(b"k", issue_id=i, subscriber_id=s, domain="example.com") for i in range(40) for s in range(40)}
    other_key = message_id(b"other", issue_id=1, subscriber_id=1, domain="example.com")

    assert len(ids) == 1600
    assert other_key not in ids


def test_an_international_domain_becomes_a_labels():
    made = message_id(b"k", issue_id=1, subscriber_id=1, domain="müller.example.com")

    assert made.endswith("@xn--mller-kva.example.com>")


@pytest.mark.parametrize("domain", ["", "a b", "exa\r\nmple.com", "m ü.example.com", "a..b"])
def test_a_domain_that_is_none_is_refused(domain: str):
    with pytest.raises(MessageInvalid):
        message_id(b"k", issue_id=1, subscriber_id=1, domain=domain)


def test_an_empty_key_is_a_programming_fault():
    with pytest.raises(ValueError, match="key"):
        message_id(b"", issue_id=1, subscriber_id=1, domain="example.com")


def test_a_feedback_id_has_four_parts_and_a_sender_of_5_to_15_characters():
    assert feedback_id(7, "daily", kind="digest", sender="example.com") == "7:daily:digest:examplecom"
    assert feedback_id(7, "a:b c", kind="digest", sender="a-very-long-name.example.com").split(":")[1:] == [
        "a-b-c",
        "digest",
        "averylongnameex",
    ]
    assert re.fullmatch(r"7:x:digest:ab[0-9a-f]{10}", feedback_id(7, "x", kind="digest", sender="a.b"))
