from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from digest.smtp.replies import Phase, Reply, Verdict, classify, is_block


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
        (Phase.RCPT, "552 too many recipients", Verdict.RELAY_BUSY),
        (Phase.CONNECT, "421 4.3.2 not now", Verdict.RELAY_BUSY),
        (Phase.TLS, "454 4.7.0 TLS not available", Verdict.RELAY_BUSY),
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
    assert Reply.parse(550, "sorry, no mailbox here by that name (#5.1.1)").enhanced == "5.1.1"
    assert Reply.parse(550, "#5.1.0 Address rejected.").enhanced == "5.1.0"
    assert Reply.parse(550, "5.1.1.4 is an address").enhanced is None
    assert str(Reply.parse(550, "5.1.1 no\nsuch user")) == "550 5.1.1 no such user"


@pytest.mark.parametrize(
    "line",
    [
        "421 4.7.28 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail - gsmtp",
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
        "451 4.7.650 The mail server [192.0.2.1] has been rate limited due to IP reputation: postmaster.live.com",
        "450 4.7.1 host mx.example.org[192.0.2.9] said: 450 4.7.1 too many messages from you, try again later",
        "452 4.1.1 <reader@comcast.net> too many recent messages; Try again later comcast",
    ],
)
def test_what_a_provider_says_of_its_own_limits_slows_the_provider_and_not_the_relay(line: str):
    assert classify(Phase.RCPT, reply(line)) is Verdict.PROVIDER_BUSY
    assert classify(Phase.DOT, reply(line)) is Verdict.PROVIDER_BUSY
    assert classify(Phase.MAIL, reply(line)) is Verdict.RELAY_BUSY


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        # nobody else is named: the relay may mean itself, or this one reader
        ("451 4.7.1 Try again later", Verdict.DEFERRED),
        ("421 4.7.0 too many messages, try again later", Verdict.RELAY_BUSY),
        ("451 4.7.1 <reader@gmail.com>: Greylisted, try again later, says host mx.example.org", Verdict.DEFERRED),
        (
            "450 4.2.1 The user is receiving mail at a rate that prevents delivery. See https://support.google.com/mail",
            Verdict.DEFERRED,
        ),
        # Amazon SES, which is a relay: "up to ten minutes"
        ("454 Throttling failure: Maximum sending rate exceeded.", Verdict.RELAY_BUSY),
        ("454 Throttling failure: Daily message quota exceeded.", Verdict.RELAY_BUSY),
    ],
)
def test_what_may_be_about_the_relay_or_one_reader_slows_no_provider(line: str, verdict: Verdict):
    assert classify(Phase.RCPT, reply(line)) is verdict


@pytest.mark.parametrize(
    ("line", "block"),
    [
        ("550 5.7.1 Our system has detected that this message is likely unsolicited mail", True),
        ("554 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org", True),
        ("550 5.7.606 Access denied, banned sending IP", True),
        ("554 rejecting banned content", True),
        ("550 5.6.0 media error", True),
        ("550 5.2.0 Message rejected due to DMARC", True),
        ("550 5.1.1 no such user, says the spam filter", False),
        ("550 5.2.1 This mailbox has been blocked due to inactivity", False),
        ("552 5.2.2 mailbox full", False),
        ("450 4.7.1 blocked for now", False),
        ("550 Requested action not taken: mailbox unavailable", False),
    ],
)
def test_a_refusal_for_policy_or_content_is_told_from_one_about_the_mailbox(line: str, block: bool):  # noqa: FBT001 - a table of cases
    assert is_block(reply(line)) is block


def test_real_replies_of_providers_that_throttle_slow_them_and_stop_nothing(shared_data: Path):
    """Temporary replies of 29 providers; 3 and more is the provider's judgement of the sender."""
    rows = json.loads((shared_data / "mail/smtp-replies/smtp-field-manual.json").read_text())
    said = [re.sub(r"^smtp;", "", row["text"]).strip() for row in rows if row["severity"] >= 3]
    throttled = [text for text in said if text.startswith("4") and text[3:4] == " "]
    verdicts = {text: classify(Phase.RCPT, reply(text)) for text in throttled}

    assert len(throttled) >= 4
    assert {text for text, verdict in verdicts.items() if verdict is not Verdict.PROVIDER_BUSY} == set()


def test_real_replies_that_blame_the_sender_are_blocks_or_stop_the_run(shared_data: Path):
    rows = json.loads((shared_data / "mail/smtp-replies/smtp-field-manual.json").read_text())
    permanent = [_labelled(row["text"]) for row in rows if row["severity"] >= 3]
    permanent = [said for said in permanent if said.code >= 500]
    seen = [said for said in permanent if is_block(said) or classify(Phase.RCPT, said) is Verdict.RELAY_REFUSED]

    assert len(permanent) > 15
    assert len(seen) >= len(permanent) * 0.85


def _labelled(text: str) -> Reply:
    line = re.sub(r"^smtp;", "", text, flags=re.IGNORECASE).strip()
    return Reply.parse(int(line[:3]), line[4:]) if re.match(r"\d{3}[ -]", line) else Reply.parse(550, line)
