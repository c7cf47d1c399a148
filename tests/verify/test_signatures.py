"""Every mail that leaves is signed so that two verifiers of different making accept it, and no forgery of it.

`make verify` runs these with the figures printed.
"""

from __future__ import annotations

from collections import Counter
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from digest.mime.address import parse_address
from digest.mime.dkim import parse_key
from support.dkimkeys import ed25519_pem, rsa_pem
from support.mailcheck import check_message
from support.mailing import PAPERS, readers_of
from support.tampering import harmless, tampered
from support.verifiers import by_dkimpy, by_mailauth, zone_of

if TYPE_CHECKING:
    from conftest import Mailing

pytestmark = [pytest.mark.verify, pytest.mark.timeout(300)]


def forgeries(mailing: Mailing) -> dict[str, bytes]:
    """Every forgery of a mail in two parts and of one in plain text."""
    made: dict[str, bytes] = {}
    for number, sample in enumerate(mailing.samples().values()):
        for name, wire in tampered(sample):
            assert wire != sample, name
            made[f"{number} {name}"] = wire
    return made


def passed_on(mailing: Mailing) -> dict[str, bytes]:
    """The same two mails as relays may hand them on."""
    samples = enumerate(mailing.samples().values())
    return {f"{number} {name}": wire for number, sample in samples for name, wire in harmless(sample)}


def test_every_reader_of_every_paper_got_one_mail_as_strict_readers_want_it(mailing: Mailing):
    wanted = Counter(parse_address(email).wire for paper in PAPERS for email, _, _ in readers_of(paper))

    assert len(mailing.mails) > 120
    assert Counter(parse_address(email).wire for email in mailing.recipients.values()) == wanted
    for name, wire in mailing.mails.items():
        if wire.isascii():
            check_message(wire, rcpt=mailing.recipients[name], postal_address="1 Example Street, Exampleton")
    assert sum(not wire.isascii() for wire in mailing.mails.values()) == 2 * len(PAPERS), "jörg and читатель"


def test_dkimpy_accepts_every_signature_of_every_mail(mailing: Mailing):
    verdicts = {name: by_dkimpy(wire, mailing.zone) for name, wire in mailing.mails.items()}
    wrong = [name for name, found in verdicts.items() if found != [True] * len(mailing.selectors)]
    print(f"\ndkimpy: {sum(map(sum, verdicts.values()))} signatures on {len(verdicts)} mails verify")  # noqa: T201 - the figures of `make verify`

    assert wrong == []


def test_mailauth_accepts_every_signature_of_every_mail_and_finds_it_aligned(mailing: Mailing, mailauth: None):
    verdicts = by_mailauth(mailing.mails, mailing.zone)
    expected = {
        name: [(selector, "pass", sender_domain(wire)) for selector in mailing.selectors]
        for name, wire in mailing.mails.items()
    }
    told = {
        name: [(one.selector, one.result, one.domain if one.aligned else "not aligned") for one in found]
        for name, found in verdicts.items()
    }
    print(f"\nmailauth: {sum(map(len, verdicts.values()))} signatures on {len(verdicts)} mails looked at")  # noqa: T201 - the figures of `make verify`

    assert told == expected


def sender_domain(wire: bytes) -> str:
    """The domain that must sign: From's, or the one above it that has the key."""
    mail = message_from_bytes(wire, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return str(mail["from"].addresses[0].domain).removeprefix("news.")


def test_dkimpy_refuses_every_forgery(mailing: Mailing):
    made = forgeries(mailing)
    let_through = [name for name, wire in made.items() if any(by_dkimpy(wire, mailing.zone))]
    print(f"\ndkimpy: {len(made)} forgeries, {len(let_through)} let through")  # noqa: T201 - the figures of `make verify`

    assert let_through == []


def test_mailauth_refuses_every_forgery(mailing: Mailing, mailauth: None):
    verdicts = by_mailauth(forgeries(mailing), mailing.zone)
    let_through = [name for name, found in verdicts.items() if any(one.result == "pass" for one in found)]
    looked_at = {len(found) for found in verdicts.values()}
    print(f"\nmailauth: {len(verdicts)} forgeries, {len(let_through)} let through")  # noqa: T201 - the figures of `make verify`

    assert let_through == []
    assert looked_at == {len(mailing.selectors)}, "none was refused for want of a signature"


def test_dkimpy_forgives_what_relays_do(mailing: Mailing):
    for name, wire in passed_on(mailing).items():
        assert by_dkimpy(wire, mailing.zone) == [True] * len(mailing.selectors), name


def test_mailauth_forgives_what_relays_do(mailing: Mailing, mailauth: None):
    verdicts = by_mailauth(passed_on(mailing), mailing.zone)

    assert {name for name, found in verdicts.items() if any(one.result != "pass" for one in found)} == set()


def test_a_zone_with_other_keys_verifies_nothing(mailing: Mailing, mailauth: None):
    """The verifiers do look at the keys they are given."""
    pem = {"r2026": rsa_pem(2304), "e2026": ed25519_pem(another=True)}
    others = zone_of([parse_key(pem[key.selector], domain=key.domain, selector=key.selector) for key in mailing.keys])
    samples = mailing.samples()
    verdicts = by_mailauth(samples, others)

    assert not any(one.result == "pass" for found in verdicts.values() for one in found)
    assert not any(passed for wire in samples.values() for passed in by_dkimpy(wire, others))
