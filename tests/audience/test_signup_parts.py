"""Slips of the keyboard, networks, proofs of work and what the DNS says."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import dns.exception
import dns.resolver
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.audience import domains, proofofwork, typos
from digest.audience.networks import network_of
from digest.config.secrets import Keyring, Purpose
from digest.model.mailbox import DomainVerdict
from support.factories import NOW
from support.readers import KEYS, Desk
from support.working import solve


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ann@gmial.com", "ann@gmail.com"),
        ("Ann@GMAIL.CON", "Ann@gmail.com"),
        ("ann@hotmal.com", "ann@hotmail.com"),
        ("ann@outlok.com", "ann@outlook.com"),
        ("ann@gmail.com", None),
        ("ann@ymail.com", None),
        ("ann@mail.com", None),
        ("ann@gmx.at", None),
        ("ann@example.com", None),
        ("no address", None),
    ],
)
def test_slips_are_hinted_at_and_honest_domains_are_left_alone(written: str, meant: str | None):
    assert typos.suggest(written) == meant


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_a_network_is_a_prefix(address: str, network: str):
    assert network_of(address) == network


def test_the_right_number_is_a_proof_until_it_is_too_old():
    work = solve(proofofwork.challenge(KEYS, effort=500, now=NOW))

    assert proofofwork.check(KEYS, answer=work, now=NOW) is not None
    assert proofofwork.check(KEYS, answer=work, now=NOW + timedelta(minutes=31)) is None
    assert proofofwork.check(Keyring([b"another key, thirty-two bytes long.."]), answer=work, now=NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"number": 501},
        {"number": "7"},
        {"number": True},
        {"salt": "aa?expires=99999999999&"},
        {"salt": None},
        {"signature": "00"},
        {"signature": "ü"},
        {"challenge": "00" * 32},
        {"algorithm": "SHA-1"},
    ],
)
def test_a_changed_answer_is_none(change: dict):
    said = json.loads(base64.b64decode(solve(proofofwork.challenge(KEYS, effort=500, now=NOW))))
    answer = base64.b64encode(json.dumps(said | change).encode()).decode()

    assert proofofwork.check(KEYS, answer=answer, now=NOW) is None


def test_digits_cannot_be_moved_from_the_number_into_the_salt():
    said = json.loads(base64.b64decode(solve(proofofwork.challenge(KEYS, effort=90_000, now=NOW))))
    digits = str(said["number"])
    moved = said | {"salt": said["salt"] + digits[:1], "number": int(digits[1:] or 0)}

    assert proofofwork.check(KEYS, answer=base64.b64encode(json.dumps(moved).encode()).decode(), now=NOW) is None


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()))
def test_nonsense_is_no_proof(answer: str):
    assert proofofwork.check(KEYS, answer=answer, now=NOW) is None


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_any_json_is_no_proof(document: object):
    answer = base64.b64encode(json.dumps(document).encode()).decode()

    assert proofofwork.check(KEYS, answer=answer, now=NOW) is None


class Names:
    """A resolver with a zone of its own; what it holds is an answer or what is raised instead."""

    def __init__(self, **zone: object) -> None:
        self.zone = zone

    def resolve(self, _domain: str, kind: str, **_more: object) -> object:
        found = self.zone.get(kind, dns.resolver.NoAnswer())
        if isinstance(found, Exception):
            raise found
        return found


class Exchange:
    def __init__(self, exchange: str) -> None:
        self.exchange = exchange


@pytest.mark.parametrize(
    ("zone", "verdict"),
    [
        ({"MX": [Exchange("mx.example.com.")]}, DomainVerdict.TAKES_MAIL),
        ({"MX": [Exchange(".")]}, DomainVerdict.NO_MAIL),
        ({"A": ["192.0.2.1"]}, DomainVerdict.TAKES_MAIL),
        ({"AAAA": ["2001:db8::1"]}, DomainVerdict.TAKES_MAIL),
        ({}, DomainVerdict.NO_MAIL),
        ({"MX": dns.resolver.NXDOMAIN()}, DomainVerdict.NO_MAIL),
        ({"MX": dns.resolver.NoNameservers()}, DomainVerdict.UNKNOWN),
        ({"MX": dns.exception.Timeout()}, DomainVerdict.UNKNOWN),
        ({"A": dns.exception.Timeout()}, DomainVerdict.UNKNOWN),
    ],
)
def test_only_a_plain_answer_counts_against_a_domain(zone: dict, verdict: DomainVerdict):
    assert domains.ask_dns("example.com", resolver=Names(**zone)) is verdict  # type: ignore[arg-type]  # a test's


def test_an_answer_is_remembered_for_a_week_and_silence_is_not(desk: Desk):
    asked: list[str] = []

    def ask(domain: str) -> DomainVerdict:
        asked.append(domain)
        return DomainVerdict.UNKNOWN if len(asked) == 1 else DomainVerdict.NO_MAIL

    def check(days: int) -> DomainVerdict:
        return domains.check(desk.store, "example.org", ask=ask, now=desk.now + timedelta(days=days))

    found = [check(0), check(0), check(1), check(9)]

    assert found == [DomainVerdict.UNKNOWN, *[DomainVerdict.NO_MAIL] * 3]
    assert len(asked) == 3


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_with_an_end_is_good_until_then_and_for_its_purpose_only(purpose: Purpose):
    token = KEYS.sign_until(purpose, "someid", expires_at=NOW)
    second = timedelta(seconds=1)

    assert {other for other in Purpose if KEYS.verify_at(other, token, now=NOW - second) == "someid"} == {purpose}
    assert KEYS.verify_at(purpose, token, now=NOW) is None
    assert KEYS.verify_at(purpose, KEYS.sign(purpose, "someid"), now=NOW + timedelta(days=9000)) == "someid"
