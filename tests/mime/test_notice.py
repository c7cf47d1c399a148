"""A notice as bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from digest.mime.dkim import Signer
from digest.mime.ids import message_id, notice_message_id
from digest.mime.notice import NoticeMail, notice_parts
from digest.model.errors import MessageInvalid
from support.dkimkeys import ed25519_key, rsa_key, verifies

AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
KEY = b"a key for tests"


def a_mail(**changes: Any) -> NoticeMail:
    given: dict[str, Any] = {
        "sender_name": "Die Zeitung für Köln",
        "sender_email": "desk@example.com",
        "reply_to": "letters@example.com",
        "to_email": "ann@example.org",
        "subject": "Bitte bestätigen",
        "date": AT,
        "message_id": "<abc@example.com>",
        "language": "de",
        "text": "Grüße\n",
        "html": "<p>Grüße</p>\n",
    }
    return NoticeMail(**(given | changes))


def wire(mail: NoticeMail) -> bytes:
    return b"\r\n".join(notice_parts(mail))


def parsed(mail: NoticeMail) -> EmailMessage:
    read = message_from_bytes(wire(mail), policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def test_it_says_who_what_and_that_a_program_sent_it_and_is_no_list():
    read = parsed(a_mail())
    names = {name.lower() for name in read}

    assert (read["From"], read["To"]) == ("Die Zeitung für Köln <desk@example.com>", "ann@example.org")
    assert (read["Subject"], read["Reply-To"]) == ("Bitte bestätigen", "letters@example.com")
    assert (read["Message-ID"], read["Date"].datetime) == ("<abc@example.com>", AT)
    assert (read["Auto-Submitted"], read["Content-Language"]) == ("auto-generated", "de")
    assert not {name for name in names if name.startswith("list-")} | (names & {"precedence", "feedback-id"})


def test_both_texts_arrive_as_they_were_written():
    read = parsed(a_mail())
    plain, rich = read.get_body(("plain",)), read.get_body(("html",))

    assert plain is not None
    assert rich is not None
    assert (plain.get_content().strip(), rich.get_content().strip()) == ("Grüße", "<p>Grüße</p>")


def test_without_html_it_is_one_plain_text():
    assert parsed(a_mail(html=None)).get_content_type() == "text/plain"


def test_the_same_notice_gives_the_same_bytes():
    assert wire(a_mail()) == wire(a_mail())


def test_its_signatures_verify():
    keys = [rsa_key(), ed25519_key()]
    head, body = notice_parts(a_mail())

    assert verifies(Signer(keys).sign(head, body, at=AT) + head + b"\r\n" + body, keys) == [True, True]


def test_an_empty_subject_is_refused():
    with pytest.raises(MessageInvalid, match="Subject"):
        wire(a_mail(subject=" "))


def test_its_name_is_that_of_kind_and_key_and_of_no_delivery():
    named = [
        notice_message_id(KEY, kind=kind, dedupe_key=key, domain="example.com")
        for kind, key in [("confirm", "1"), ("confirm", "1"), ("confirm", "2"), ("test", "1")]
    ]

    assert named[0] == named[1]
    assert len({*named, message_id(KEY, issue_id=1, subscriber_id=1, domain="example.com")}) == 4
