from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from digest.model.mailbox import Hindrance
from digest.smtp.mailbox import address_is_dead, hindrance_in
from digest.smtp.replies import Reply

H = Hindrance


def reply(line: str) -> Reply:
    return Reply.parse(int(line[:3]), line[4:])


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
        ("550 #5.1.0 Address rejected", True),
        ("550 5.1.0 <a1b2@amazonses.com> sender rejected", False),
        ("556 this domain takes no mail", True),
        ("550 5.7.17 the mailbox has another owner now", True),
        ("550 5.1.351 Remote server returned unknown recipient or mailbox unavailable", True),
        ("554 delivery error: dd This user doesn't have a yahoo.com account", True),
        ("550 5.1.1 no such user, see http://help.example.com/?ip=192.0.2.1", True),
        ("550 5.1.1 <spam@example.org> user unknown", True),
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
    assert len(found) > len(hard) * 0.7


@pytest.mark.parametrize(
    ("line", "hindrance"),
    [
        ("452 4.2.2 The email account that you tried to reach is over quota", H.MAILBOX_FULL),
        ("552 5.2.2 mailbox full", H.MAILBOX_FULL),
        ("554 5.2.2 mailbox full", H.MAILBOX_FULL),
        ("552 Requested mail action aborted: exceeded storage allocation", H.MAILBOX_FULL),
        ("550 5.1.2 bad destination system", H.UNREACHABLE),
        ("550 Host unknown", H.UNREACHABLE),
        ("550 5.4.4 unable to route", H.UNREACHABLE),
        ("550 5.4.1 Recipient address rejected: Access denied", H.UNREACHABLE),
        ("550 5.4.1 All recipient addresses rejected : Access denied", H.UNREACHABLE),
        ("541 5.4.1 Mail rejected by destination domain", None),
        ("451 4.1.2 no such domain for the moment", None),
        ("551 5.7.1 Domain not found", None),
        ("554 5.7.1 You've reached your daily relay quota", None),
        ("554 5.2.122 The recipient has exceeded their limit for the number of messages", None),
        ("550 5.2.1 receiving mail at a rate that prevents delivery", None),
        ("250 2.1.5 the mailbox is full of joy", None),
    ],
)
def test_what_may_pass_is_told_by_code_and_words(line: str, hindrance: Hindrance | None):
    assert hindrance_in(reply(line)) is hindrance


def test_real_replies_of_full_mailboxes_and_only_these_say_so(shared_data: Path):
    rows = json.loads((shared_data / "mail/smtp-replies/diagnostics-labelled-sisimai.json").read_text())
    said = [(row, found) for row in rows if (found := _last_reply(row["text"])) is not None]
    full = {row["text"] for row, found in said if hindrance_in(found) is H.MAILBOX_FULL}

    assert len(said) > 120
    assert full == {row["text"] for row, _ in said if row["reason"] == "mailboxfull"}


def test_real_replies_that_count_as_unreachable_are_labelled_hard(shared_data: Path):
    rows = json.loads((shared_data / "mail/smtp-replies/diagnostics-labelled-sisimai.json").read_text())
    said = [(row, found) for row in rows if (found := _last_reply(row["text"])) is not None]
    unreachable = [row for row, found in said if hindrance_in(found) is H.UNREACHABLE]

    assert len(unreachable) >= 5
    assert [row["text"] for row in unreachable if not row["hard"]] == []


def _last_reply(text: str) -> Reply | None:
    """The reply inside what a mail server tells about it."""
    found = re.search(r"(?:^|said: |RCPT TO:|returned '|: )([45]\d\d)[ -](.*)", text, flags=re.DOTALL)
    return Reply.parse(int(found[1]), found[2]) if found else None


def _labelled(text: str) -> Reply:
    line = re.sub(r"^smtp;", "", text, flags=re.IGNORECASE).strip()
    return Reply.parse(int(line[:3]), line[4:]) if re.match(r"\d{3}[ -]", line) else Reply.parse(550, line)
