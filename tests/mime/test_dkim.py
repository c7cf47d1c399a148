from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mime.dkim import Algorithm, Signer, parse_key
from digest.mime.message import build
from digest.model.errors import ConfigInvalid, MessageInvalid
from support.dkimkeys import ed25519_key, ed25519_pem, rsa_key, rsa_pem, verifies
from support.mails import a_message

AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
KEYS = [rsa_key(), ed25519_key()]


def signed(wire: bytes, *, at: datetime = AT) -> bytes:
    head, _, body = wire.partition(b"\r\n\r\n")
    return Signer(KEYS).sign(head + b"\r\n", body, at=at) + wire


MAIL = signed(build(a_message()))


def tags(wire: bytes, index: int = 0) -> dict[str, str]:
    field = re.findall(rb"DKIM-Signature: ((?:.*\r\n )*.*)\r\n", wire)[index].decode()
    pairs = [item.strip().partition("=") for item in field.split(";")]
    return {name: re.sub(r"\s", "", value) for name, _, value in pairs}


def test_both_signatures_verify_and_rsa_comes_first():
    assert verifies(MAIL, KEYS) == [True, True]
    assert [tags(MAIL, index)["a"] for index in (0, 1)] == ["rsa-sha256", "ed25519-sha256"]
    assert Signer(KEYS[::-1]).sign(b"From: a@example.com\r\n", b"x\r\n", at=AT).index(b"a=rsa") < 30


def test_the_signature_of_another_key_does_not_verify():
    other = parse_key(rsa_pem(2304), domain="example.com", selector="r2026")

    assert verifies(MAIL, [other, KEYS[1]]) == [False, True]


def test_the_tags_are_as_they_should_be():
    found = tags(MAIL)

    assert found["v"] == "1"
    assert found["c"] == "relaxed/relaxed"
    assert (found["d"], found["s"], found["t"]) == ("example.com", "r2026", str(int(AT.timestamp())))
    assert not {"l", "x"} & found.keys()
    assert found["h"].split(":") == [
        *("from", "subject", "reply-to", "mime-version", "content-type", "list-id", "list-unsubscribe-post"),
        *("feedback-id", "date", "to", "message-id", "list-unsubscribe"),
        *("from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type"),
        *("content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"),
    ]


def test_no_line_of_a_signature_is_long():
    head = MAIL[: MAIL.index(b"\r\nDate: ")]

    assert max(map(len, head.split(b"\r\n"))) <= 78


def test_signing_twice_gives_the_same_bytes():
    assert signed(build(a_message())) == MAIL
    assert signed(build(a_message()), at=AT + timedelta(seconds=1)) != MAIL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"List-Unsubscribe: <https://news", b"List-Unsubscribe: <https://evil"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: List-Unsubscribe=Two-Clicks"),
        (b"Feedback-ID: 7:", b"Feedback-ID: 8:"),
        (b"Good morning.", b"Good evening."),
        (b"Subject: The news", b"Subject: No news"),
        (b"Reply-To: desk", b"Reply-To: mole"),
        (b"t=1", b"t=2"),
        (b"\r\nTo: ", b"\r\nFrom: eve@example.org\r\nTo: "),
        (b"\r\nTo: ", b"\r\nTo: eve@example.org\r\nTo: "),
        (b"\r\nTo: ", b"\r\nSubject: Win\r\nTo: "),
        (b"\r\nTo: ", b"\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\nTo: "),
        (b"\r\nTo: ", b"\r\nList-Unsubscribe: <https://evil.example.org/>\r\nTo: "),
        (b"\r\nTo: ", b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nTo: "),
        (b"\r\nTo: ", b"\r\nContent-Type: text/html\r\nTo: "),
        (b"\r\nTo: ", b"\r\nContent-Transfer-Encoding: base64\r\nTo: "),
    ],
)
def test_changing_or_adding_what_is_signed_breaks_both(old: bytes, new: bytes):
    changed = MAIL.replace(old, new)

    assert changed != MAIL
    assert verifies(changed, KEYS) == [False, False]


def test_a_second_from_before_or_behind_all_others_breaks_both():
    assert verifies(b"From: eve@example.org\r\n" + MAIL, KEYS) == [False, False]
    assert verifies(MAIL.replace(b"\r\n\r\n", b"\r\nFrom: eve@example.org\r\n\r\n", 1), KEYS) == [False, False]


def test_a_field_that_is_not_signed_may_be_added():
    assert verifies(b"Received: by relay.example.net\r\n" + MAIL, KEYS) == [True, True]


HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from('  ..=\n\r\tFrom,"\\<é日')), max_size=250)


@settings(max_examples=40, deadline=None)
@given(subject=HOSTILE, name=HOSTILE, text=HOSTILE, html=st.one_of(st.none(), HOSTILE))
def test_any_mail_we_build_verifies(subject: str, name: str, text: str, html: str | None):
    wire = build(a_message(subject=f"x{subject}", sender_name=name, text=text, html=html))

    assert verifies(signed(wire), KEYS) == [True, True]


def test_a_mail_to_an_international_address_verifies():
    assert verifies(signed(build(a_message(to_email="jörg@example.org"))), KEYS) == [True, True]


def test_a_prepared_signer_signs_as_the_signer_does():
    head, _, body = build(a_message()).partition(b"\r\n\r\n")
    fields = re.findall(rb"[!-9;-~]+:.*\r\n(?: .*\r\n)*", head + b"\r\n")
    own = [line for line in fields if line.startswith((b"To:", b"Date:", b"Message-ID:", b"List-Unsubscribe:"))]
    shared = [line for line in fields if line not in own]
    prepared = Signer(KEYS).prepare(b"".join(shared))

    assert len(own) == 4
    assert prepared.sign(b"".join(own), body, at=AT) == Signer(KEYS).sign(head + b"\r\n", body, at=AT)
    with pytest.raises(MessageInvalid, match="stands twice"):
        prepared.sign(b"From: x@example.com\r\n", body, at=AT)


def test_a_field_that_stands_twice_is_not_signed():
    with pytest.raises(MessageInvalid, match="From stands twice"):
        Signer(KEYS).sign(b"From: a@example.com\r\nFrom: b@example.com\r\n", b"x\r\n", at=AT)


@pytest.mark.parametrize(
    ("domain", "sender", "expected"),
    [
        ("example.com", "example.com", True),
        ("Example.com", "example.COM", True),
        ("example.com", "news.example.com", True),
        ("mail.example.com", "example.com", True),
        ("example.com", "badexample.com", False),
        ("mail.example.com", "news.example.com", False),
        ("example.org", "example.com", False),
    ],
)
def test_a_key_fits_senders_of_its_domain_above_and_below(domain: str, sender: str, *, expected: bool):
    assert rsa_key(domain).aligns_with(sender) is expected


def test_the_dns_record_names_the_public_key():
    name, text = ed25519_key().dns_record()
    rsa_text = rsa_key().dns_record()[1]

    assert name == "e2026._domainkey.example.com"
    assert re.fullmatch(r"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", text)
    assert base64.b64decode(rsa_text.partition("p=")[2])[:1] == b"\x30"
    assert rsa_text.startswith("v=DKIM1; k=rsa; p=")


def test_a_long_record_is_written_as_strings_that_add_up_to_it():
    line = rsa_key().zone_line()
    strings = re.findall(r'"([^"]*)"', line)

    assert line.startswith('r2026._domainkey.example.com. IN TXT "v=DKIM1; ')
    assert len(strings) == 2
    assert max(map(len, strings)) <= 255
    assert "".join(strings) == rsa_key().dns_record()[1]


def test_the_algorithm_comes_from_the_key():
    assert rsa_key().algorithm is Algorithm.RSA
    assert ed25519_key().algorithm is Algorithm.ED25519
    assert "PRIVATE" not in repr(rsa_key())


def broken_keys() -> dict[str, tuple[bytes, Algorithm | None, str]]:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret = load_pem_private_key(ed25519_pem(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    return {
        "short": (rsa_pem(1024), None, "1024 bits"),
        "text": (b"hello", None, "no private key"),
        "cut": (rsa_pem()[:300], None, "no private key"),
        "empty": (b"", None, "no private key"),
        "with a passphrase": (secret, None, "no private key"),
        "another kind": (curve, None, "neither RSA nor Ed25519"),
        "another algorithm": (rsa_pem(), Algorithm.ED25519, "not for ed25519-sha256"),
    }


@pytest.mark.parametrize("name", broken_keys())
def test_a_key_that_cannot_sign_is_refused_with_a_hint(name: str):
    pem, algorithm, words = broken_keys()[name]
    with pytest.raises(ConfigInvalid, match=words) as caught:
        parse_key(pem, domain="example.com", selector="s", algorithm=algorithm)

    assert caught.value.hint
