"""What a reply says about the mailbox it was meant for: that it is dead, that something may pass, or nothing.

Rules of this file: pure; with yes only where the words leave no doubt. Words about the sender, spam or policy always
outweigh a code: a dead address can be found out next time, a living reader who was struck off cannot. Of 516 public
refusals with a 5.x.x status only 185 mean a dead address (mail-standards 0).
"""

from __future__ import annotations

import re

from digest.model.mailbox import Hindrance
from digest.smtp.replies import Reply

#: Unknown, gone or moved; 5.1.10 is a null MX (RFC 7505), 5.7.17 a mailbox that changed hands (RFC 7293).
_DEAD = frozenset({"1.0", "1.1", "1.6", "1.10", "7.17"})
#: Codes that say nothing of their own, so that the words must; 5.1.351 is Microsoft's for what another server said.
_VAGUE = frozenset({"", "0.0", "1.351", "3.0", "5.0"})
_UNKNOWN_USER = re.compile(
    r"(?:user|recipient|mailbox|account|address)[^.;,]{0,60}?"
    r"(?:unknown|does not exist|doesn.t exist|not exist\b|not found|no longer (?:exists|valid|available)|invalid)"
    r"|(?:unknown|no such|invalid|nonexistent|non-existent) (?:local )?(?:user|recipient|mailbox|account|address)"
    r"|user doesn.t have a \S+ account",
    re.IGNORECASE,
)
_DISABLED = re.compile(r"disabled|inactive|deactivated|closed|no longer (?:active|available|in use)", re.IGNORECASE)
_FULL = re.compile(
    r"(?:mailbox|inbox|account|storage|user|disk)[^.;]{0,40}\b(?:full|over ?quota|out of storage)"
    r"|over quota|quota (?:exceeded|violation)|exceed\w* (?:storage|(?:its|their|the) quota)",
    re.IGNORECASE,
)
_UNKNOWN_HOST = re.compile(r"\b(?:host|domain) (?:unknown|not found)|no such (?:host|domain)", re.IGNORECASE)
#: Outlook says so to dead users and to senders it does not want: nobody can tell the two apart.
_OUTLOOK_DENIED = re.compile(r"recipient address(?:es)? rejected ?: access denied", re.IGNORECASE)
_ABOUT_US = re.compile(
    r"spam|spf|dkim|dmarc|block|blacklist|denylist|reputation|polic(?:y|ies)|denied|sender|relay|\brate\b|too many"
    r"|\bip\b|quota|full|virus|\bptr\b",
    re.IGNORECASE,
)
#: Refusals that are about us, or about the message's size, whatever else the words may bring to mind.
_NEVER_DEAD = frozenset({552, 530, 534, 535})


def address_is_dead(reply: Reply) -> bool:
    """Whether a permanent rejection means that the mailbox does not exist, so that nothing more must be sent to it."""
    if not 500 <= reply.code <= 599 or reply.code in _NEVER_DEAD or _ABOUT_US.search(_words(reply.text)):
        return False
    if reply.code == 556 or reply.detail in _DEAD:
        return True
    if reply.detail == "2.1":
        return (_DISABLED.search(reply.text) or _UNKNOWN_USER.search(reply.text)) is not None
    is_vague = reply.detail in _VAGUE and reply.code in {550, 551, 553, 554}
    return is_vague and _UNKNOWN_USER.search(reply.text) is not None


def hindrance_in(reply: Reply) -> Hindrance | None:
    """What may pass and has nothing to do with us; None for all else, and for a dead address."""
    is_policy = reply.detail.startswith("7.")
    if not 400 <= reply.code <= 599 or is_policy:
        return None
    if reply.detail == "2.2" or (reply.detail in {"", "1.1", "2.0"} and _FULL.search(reply.text)):
        return Hindrance.MAILBOX_FULL
    if reply.code < 500:
        return None  # a host that is unknown for the moment is tried again
    if reply.detail in {"1.2", "4.4"} or (reply.detail in _VAGUE and _UNKNOWN_HOST.search(reply.text)):
        return Hindrance.UNREACHABLE
    if reply.detail == "4.1" and _OUTLOOK_DENIED.search(reply.text):
        return Hindrance.UNREACHABLE
    return None


def _words(text: str) -> str:
    """The words alone: a reader may be called spam@example.org, and a link may say ip=192.0.2.1."""
    return re.sub(r"\S+@\S+|https?://\S+", "", text)
