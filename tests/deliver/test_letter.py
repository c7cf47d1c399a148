"""What a reader gets: compiled, signed, and byte for byte what went in."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from digest.config.secrets import Keyring
from digest.config.settings import Settings
from digest.deliver.letter import Letter, address_letter
from digest.mime.dkim import Signer
from digest.mime.message import build
from digest.model.delivery import Marked, Recipient
from digest.model.errors import ConfigInvalid, MessageInvalid
from digest.model.issue import Issue, IssueState, Rendition, RenditionKey
from digest.model.publication import Cadence, CadenceRule, Publication
from digest.smtp.connection import Connection
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Verdict
from digest.text.slots import marker
from support.dkimkeys import ed25519_key, rsa_key, verifies
from support.mailcheck import check_message
from support.sink import start_sink

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
FOOT = f"{marker('email')} since {marker('signed_up_on')}: {marker('unsubscribe_url')}"
LINK = f'<a href="{marker("unsubscribe_url")}">Leave</a>'
TEXT = f"News\n.\n..two\n\n{marker('unsubscribe_url')}\n{FOOT}\n1 Example Street\n"
HTML = f"<p>Grüße  .\n.</p>\n<p>{FOOT} {LINK}</p>\n<p>1 Example Street</p>\n"
KEYS = [rsa_key(), ed25519_key()]
MARKED = Marked(5, 1, NOW)
PUBLICATION = Publication(
    id=1,
    slug="morning",
    name="The Morning",
    sender_name="Zoë's Desk",
    sender_email="desk@example.com",
    reply_to="editor@example.com",
    timezone="Europe/Berlin",
    locale="en",
    postal_address="1 Example Street",
    min_items=1,
    max_items=20,
    template="digest",
    cadences=(Cadence("daily", CadenceRule.DAILY, time(7, 0)),),
    created_at=NOW,
)
ISSUE = Issue(
    id=7,
    publication_id=1,
    publication_slug="morning",
    cadence="daily",
    period_start=NOW.date(),
    due_at=NOW,
    window_from=None,
    window_to=NOW,
    state=IssueState.SENDING,
    reason=None,
    number=3,
    subject="Night trains return",
    preheader="",
    audience=2,
    created_at=NOW,
    sending_at=NOW,
    closed_at=None,
)
RENDITIONS = {
    1: Rendition(1, 7, RenditionKey((), "en", "html"), "Night trains return", HTML, TEXT),
    2: Rendition(2, 7, RenditionKey((), "en", "text"), "Night trains return", HTML, TEXT),
}
READER = Recipient(
    issue_id=7,
    subscriber_id=5,
    rendition_id=1,
    attempt=1,
    first_attempt_at=None,
    email="ann@example.org",
    name="Ann",
    locale="en",
    token_id="t5",
    signed_up_at=NOW,
)


def a_letter(signer: Signer | None = None, **publication: Any) -> Letter:
    settings = Settings.model_validate({"base_dir": Path(), "site": {"base_url": "https://news.example.com"}})
    return address_letter(
        replace(PUBLICATION, **publication),
        ISSUE,
        RENDITIONS,
        settings=settings,
        keyring=Keyring([b"a key for tests, thirty-two bytes"]),
        signer=signer,
    )


def reading(wire: bytes) -> list[tuple[list[tuple[str, str]], str, bytes]]:
    mail = message_from_bytes(wire, policy=policy.compat32)
    parts = mail.get_payload() if mail.is_multipart() else [mail]
    return [
        (
            [(name, value) for name, value in mail.items() if name != "Content-Transfer-Encoding"],
            part.get_content_type(),
            part.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n"),
        )
        for part in parts
    ]


@pytest.mark.parametrize("rendition", [1, 2])
@pytest.mark.parametrize("email", ["ann@example.org", ".o'neil+x=3D&<@example.org", "x" * 60 + "@example.org"])
def test_the_wire_says_what_the_message_says(rendition: int, email: str):
    letter = a_letter()
    reader = replace(READER, rendition_id=rendition, email=email if "<" not in email else email.replace("<", ""))
    reader = replace(reader, email=reader.email.lstrip("."))
    wire = letter.wire(reader, MARKED)

    assert reading(wire) == reading(build(letter.message(reader, MARKED)))
    assert check_message(wire, rcpt=reader.email, postal_address="1 Example Street")


def test_a_rendition_is_compiled_once_for_a_language():
    letter = a_letter()
    letter.wire(READER, MARKED)
    first = letter.compiled[1, "en"]
    letter.wire(replace(READER, subscriber_id=6, email="bob@example.org"), MARKED)
    german = letter.wire(replace(READER, locale="de"), MARKED)

    assert letter.compiled[1, "en"] is first
    assert letter.compiled.keys() == {(1, "en"), (1, "de")}
    assert b"Content-Language: de\r\n" in german


def test_two_readers_get_nothing_of_each_other():
    letter = a_letter()
    ann = letter.wire(READER, MARKED)
    bob = letter.wire(replace(READER, subscriber_id=6, email="bob@example.org", token_id="t6"), MARKED)

    assert b"bob" not in ann
    assert b"ann" not in bob
    assert letter.unsubscribe_url(READER).encode() not in bob
    assert check_message(bob, rcpt="bob@example.org").unsubscribe_https.endswith(
        letter.personal(replace(READER, token_id="t6"))["unsubscribe_url"].rpartition("/")[2]
    )


@pytest.mark.parametrize(
    ("sender", "mailbox", "domain"),
    [
        ("redaktion@bücher.example", "redaktion", "xn--bcher-kva.example"),
        ("desk@straße.example", "desk", "xn--strae-oqa.example"),  # IDNA 2008: another domain than strasse.example
        ("o'neil+50%&co=x?#@example.com", "o'neil+50%25%26co%3Dx%3F%23", "example.com"),
    ],
)
def test_a_sender_of_any_domain_is_named_alike_in_every_header(sender: str, mailbox: str, domain: str):
    letter = a_letter(Signer([rsa_key(domain)]), sender_email=sender)
    wire = letter.wire(READER, MARKED)
    checked = check_message(wire, rcpt=READER.email, postal_address="1 Example Street")

    assert checked.sender_email == f"{sender.rpartition('@')[0]}@{domain}"
    assert checked.message_id.endswith(f"@{domain}>")
    assert checked.headers["list-id"].endswith(f"<morning.{domain}>")
    assert checked.unsubscribe_mailto is not None
    assert re.fullmatch(rf"mailto:{re.escape(mailbox)}\+unsubscribe-[^@]+@{domain}", checked.unsubscribe_mailto)
    assert verifies(wire, [rsa_key(domain)]) == [True]


def test_an_odd_first_reader_does_not_spoil_the_letter_for_others():
    letter = a_letter()
    with pytest.raises(MessageInvalid):
        letter.wire(replace(READER, email="ann@example.org>\r\nBcc: <eve@example.org"), MARKED)

    assert check_message(letter.wire(READER, MARKED), rcpt="ann@example.org")


def test_every_signature_verifies_and_covers_what_makes_one_click_unsubscribing_safe():
    wire = a_letter(Signer(KEYS)).wire(READER, MARKED)
    tampered = [
        wire.replace(b"List-Unsubscribe: <https://news", b"List-Unsubscribe: <https://evil"),
        wire.replace(b"=One-Click", b"=Two-Clicks"),
        wire.replace(b"Feedback-ID: 7", b"Feedback-ID: 8"),
        wire.replace(b"ann=40example.org", b"eve=40example.org").replace(
            b"ann@example.org=\r\n", b"eve@example.org=\r\n"
        ),
        wire.replace(b"\r\nTo: ", b"\r\nFrom: eve@example.net\r\nTo: "),
    ]

    assert verifies(wire, KEYS) == [True, True]
    assert all(other != wire for other in tampered)
    assert [verifies(other, KEYS) for other in tampered] == [[False, False]] * 5


def test_a_plain_text_mail_is_signed_as_well():
    assert verifies(a_letter(Signer(KEYS)).wire(replace(READER, rendition_id=2), MARKED), KEYS) == [True, True]


def test_a_retry_is_byte_for_byte_the_same_mail():
    again = replace(READER, attempt=2, first_attempt_at=NOW)
    first = a_letter(Signer(KEYS)).wire(READER, MARKED)

    assert a_letter(Signer(KEYS)).wire(again, Marked(5, 2, NOW)) == first
    assert a_letter(Signer(KEYS)).wire(READER, Marked(5, 1, NOW + timedelta(seconds=1))) != first


async def test_a_signed_mail_arrives_as_it_was_and_still_verifies(tmp_path: Path):
    letter = a_letter(Signer(KEYS))
    readers = [READER, replace(READER, rendition_id=2, subscriber_id=6, email="bob@example.org", token_id="t6")]
    wires = [letter.wire(reader, MARKED) for reader in readers]
    with start_sink(tmp_path) as sink:
        relay = Relay(name="default", host=sink.host, port=sink.port, tls=Tls.NONE)
        connection = await Connection.open(relay, tls=None)
        results = [
            await connection.send("desk@example.com", reader.email, wire)
            for reader, wire in zip(readers, wires, strict=True)
        ]
        await connection.quit()
        arrived = sink.messages()

    assert [result.verdict for result in results] == [Verdict.ACCEPTED] * 2
    assert arrived == wires
    assert [verifies(wire, KEYS) for wire in arrived] == [[True, True]] * 2


def test_a_letter_without_a_postal_address_is_not_written():
    with pytest.raises(ConfigInvalid, match="postal address"):
        a_letter(postal_address=" ")


def test_a_delivery_without_a_rendition_is_a_programming_fault():
    with pytest.raises(ValueError, match="rendition"):
        a_letter().wire(replace(READER, rendition_id=None), MARKED)
