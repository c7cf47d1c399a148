from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from digest.smtp.replies import Phase, Reply, Verdict, address_is_dead, classify


def reply(line: str) -> Reply:
    return Reply.parse(int(line[:3]), line[4:])


@pytest.mark.parametrize(
    ("phase", "line", "verdict"),
    [
        (Phase.DOT, "250 2.0.0 queued", Verdict.ACCEPTED),
        (Phase.DOT, "251 will forward", Verdict.ACCEPTED),
        (Phase.DOT, "252 try", Verdict.ACCEPTED),
        (Phase.DATA, "354 go on", Verdict.ACCEPTED),
        (Phase.DATA, "250 what?", Verdict.LOST),
        (Phase.RCPT, "354 what?", Verdict.LOST),
        (Phase.DOT, "354 what?", Verdict.DOUBT),
        (Phase.DOT, "199 what?", Verdict.DOUBT),
        (Phase.DOT, "421 4.3.2 closing", Verdict.RELAY_BUSY),
        (Phase.MAIL, "421 4.7.0 too many", Verdict.RELAY_BUSY),
        (Phase.DOT, "454 Throttling failure: Maximum sending rate exceeded.", Verdict.RELAY_BUSY),
        (Phase.LOGIN, "454 4.7.0 temporary authentication failure", Verdict.RELAY_BUSY),
        (Phase.LOGIN, "535 5.7.8 bad credentials", Verdict.RELAY_REFUSED),
        (Phase.LOGIN, "550 5.7.1 go away", Verdict.RELAY_REFUSED),
        (Phase.MAIL, "530 5.7.0 authentication required", Verdict.RELAY_REFUSED),
        (Phase.MAIL, "550 5.1.8 sender's domain does not exist", Verdict.RELAY_REFUSED),
        (Phase.MAIL, "553 sender not owned", Verdict.RELAY_REFUSED),
        (Phase.MAIL, "452 4.3.1 no space", Verdict.RELAY_BUSY),
        (Phase.RCPT, "550 5.7.1 relaying denied", Verdict.RELAY_REFUSED),
        (Phase.RCPT, "554 5.7.1 <a@example.com>: Relay access denied", Verdict.RELAY_REFUSED),
        (Phase.RCPT, "550 5.7.1 Unable to relay", Verdict.RELAY_REFUSED),
        (Phase.RCPT, "501 5.1.3 bad address syntax", Verdict.REJECTED),
        (Phase.RCPT, "503 5.5.1 MAIL first", Verdict.RELAY_REFUSED),
        (Phase.RCPT, "550 5.1.1 no such user", Verdict.REJECTED),
        (Phase.RCPT, "550 5.1.7 bad sender address", Verdict.RELAY_REFUSED),
        (Phase.RCPT, "450 4.2.1 receiving mail at a rate that", Verdict.DEFERRED),
        (Phase.RCPT, "451 4.7.1 greylisted", Verdict.DEFERRED),
        (Phase.RCPT, "450 greylisted", Verdict.DEFERRED),
        (Phase.RCPT, "452 4.5.3 too many recipients", Verdict.RELAY_BUSY),
        (Phase.RCPT, "452 4.2.2 mailbox full", Verdict.REJECTED),
        (Phase.RCPT, "552 5.2.2 mailbox full", Verdict.REJECTED),
        (Phase.RCPT, "550 5.6.7 needs SMTPUTF8", Verdict.NEEDS_SMTPUTF8),
        (Phase.DOT, "550 5.7.515 access denied, sender does not meet the level", Verdict.RELAY_REFUSED),
        (Phase.DOT, "550 5.7.26 unauthenticated", Verdict.RELAY_REFUSED),
        (Phase.DOT, "421 4.7.32 not aligned", Verdict.RELAY_BUSY),
        (Phase.DOT, "451 4.7.32 not aligned", Verdict.RELAY_REFUSED),
        (Phase.DOT, "552 5.3.4 message too big", Verdict.RELAY_REFUSED),
        (Phase.DOT, "552 message size exceeds the limit", Verdict.RELAY_REFUSED),
        (Phase.DOT, "554 5.7.1 spam", Verdict.REJECTED),
        (Phase.CONNECT, "554 no", Verdict.RELAY_BUSY),
        # an enhanced code of another class counts for nothing (RFC 2034 4)
        (Phase.RCPT, "450 5.1.1 user unknown", Verdict.DEFERRED),
        (Phase.DOT, "451 5.7.26 unauthenticated", Verdict.DEFERRED),
    ],
)
def test_each_class_of_reply_has_its_verdict(phase: Phase, line: str, verdict: Verdict):
    assert classify(phase, reply(line)) is verdict


@pytest.mark.parametrize("code", [-1, 0, 4, 45, 99, 150, 354, 600, 4444])
def test_nonsense_is_doubt_after_the_dot_and_lost_before(code: int):
    assert classify(Phase.DOT, Reply.parse(code, "")) is Verdict.DOUBT
    assert classify(Phase.RCPT, Reply.parse(code, "")) is Verdict.LOST


@pytest.mark.parametrize("phase", list(Phase))
def test_every_code_that_was_read_is_definite(phase: Phase):
    verdicts = {code: classify(phase, Reply.parse(code, "")) for code in [*range(200, 300), *range(400, 600)]}
    accepted = {code for code, verdict in verdicts.items() if verdict is Verdict.ACCEPTED}

    assert Verdict.DOUBT not in verdicts.values()
    assert accepted == (set() if phase is Phase.DATA else set(range(200, 300)))


def test_the_enhanced_code_is_read_from_any_line_of_the_text():
    assert Reply.parse(550, "5.1.1 no such user").enhanced == "5.1.1"
    assert Reply.parse(550, "Sorry\n5.1.10 null MX").enhanced == "5.1.10"
    assert Reply.parse(550, "see 5.1.1 there").enhanced is None
    assert Reply.parse(550, "5.1.1.4 is an address").enhanced is None
    assert str(Reply.parse(550, "5.1.1 no\nsuch user")) == "550 5.1.1 no such user"


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        ("550 5.1.1 no such user here", True),
        ("550 5.1.6 mailbox has moved", True),
        ("556 5.1.10 recipient address has a null MX", True),
        ("550 5.2.1 this account has been disabled", True),
        ("550 5.2.1 receiving mail at a rate that prevents delivery", False),
        ("550 5.2.1 mailbox not ready", False),
        ("550 User unknown", True),
        ("550 No such mailbox", True),
        ("550 Recipient address does not exist", True),
        ("550 go away", False),
        ("550 5.7.1 user unknown", False),
        ("550 5.1.1 blocked by spam policy", False),
        ("550 5.4.1 Recipient address rejected: Access denied", False),
        ("552 5.2.2 user's mailbox full", False),
        ("450 4.1.1 user unknown", False),
        ("535 5.7.8 user unknown", False),
        ("550 5.1.8 sender address does not exist", False),
    ],
)
def test_only_undoubted_words_make_an_address_dead(line: str, dead: bool):  # noqa: FBT001 - a table of cases
    assert address_is_dead(reply(line)) is dead


def test_no_real_reply_that_is_about_the_sender_makes_an_address_dead(shared_data: Path):
    """206 replies of 29 providers, labelled: severity 2 and more is the sender's trouble."""
    rows = json.loads((shared_data / "mail/smtp-replies/smtp-field-manual.json").read_text())
    struck_off = [row["text"] for row in rows if row["severity"] >= 2 and address_is_dead(_labelled(row["text"]))]

    assert len(rows) > 50
    assert struck_off == []


def test_real_replies_about_dead_addresses_are_told_from_all_others(shared_data: Path):
    rows = json.loads((shared_data / "mail/smtp-replies/diagnostics-labelled-sisimai.json").read_text())
    rows = [row for row in rows if re.match(r"[245]\d\d[ -]", row["text"])]
    found = [row for row in rows if address_is_dead(_labelled(row["text"]))]
    # "filtered" is told from "unknown" by who wrote the bounce, not by its words; "suspend" is a disabled mailbox
    wrong = [row["text"] for row in found if not row["hard"] and row["reason"] not in {"filtered", "suspend"}]
    hard = [row for row in rows if row["hard"]]

    assert wrong == []
    assert len(found) > len(hard) * 0.6


def _labelled(text: str) -> Reply:
    line = text.removeprefix("smtp;").strip()
    return Reply.parse(int(line[:3]), line[4:]) if line[:3].isdigit() else Reply.parse(550, line)
