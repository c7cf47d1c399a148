"""Deterministic names of a message: the same for every attempt, different for every recipient.

Rules of this file: no clock, no randomness; a retry must be recognisable as the same message (RFC 5322 §3.6.4).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache

from digest.mime.headers import header_address
from digest.model.errors import MessageInvalid

_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_NOT_LABEL = re.compile(r"[^A-Za-z0-9._-]+")


def message_id(key: bytes, *, issue_id: int, subscriber_id: int, domain: str) -> str:
    """The Message-ID of one delivery, angle brackets included: HMAC-SHA256 over (issue, subscriber), 128 bits."""
    return _named(key, f"message-id\0{issue_id}\0{subscriber_id}", domain)


def notice_message_id(key: bytes, *, kind: str, dedupe_key: str, domain: str) -> str:
    """The Message-ID of one notice, in the same form: HMAC-SHA256 over (kind, dedupe key), 128 bits."""
    return _named(key, f"notice-id\0{kind}\0{dedupe_key}", domain)


def _named(key: bytes, what: str, domain: str) -> str:
    """The left side is hexadecimal, so it is a dot-atom and survives software that folds case.

    A non-ASCII domain is written as A-labels.
    """
    made = _keyed(key).copy()
    made.update(what.encode())
    return f"<{made.digest()[:16].hex()}@{_right_side(domain)}>"


@lru_cache(maxsize=8)
def _keyed(key: bytes) -> hmac.HMAC:
    if not key:
        raise ValueError("the Message-ID key is empty")
    return hmac.new(key, digestmod="sha256")


@lru_cache(maxsize=256)
def _right_side(domain: str) -> str:
    if not domain.isascii():
        domain = header_address(f"postmaster@{domain}").partition("@")[2]
    if not _DOMAIN.fullmatch(domain):
        raise MessageInvalid(f"{domain!r} cannot be the right side of a Message-ID", hint="use the sender's domain")
    return domain.lower()


def feedback_id(issue: int | str, publication: str, *, kind: str, sender: str) -> str:
    """The Feedback-ID ``issue:publication:kind:sender`` that Gmail's complaint statistics are grouped by.

    ``sender`` may be any constant of the operator, say the sender's domain: it is reduced to the 5 to 15 letters
    and digits a SenderId may have. Nothing in it names a recipient.
    """
    name = re.sub(r"[^A-Za-z0-9]", "", sender)[:15].lower()
    if len(name) < 5:
        name += hashlib.sha256(sender.encode()).hexdigest()[:10]
    return ":".join([*(_NOT_LABEL.sub("-", str(part)) or "-" for part in (issue, publication, kind)), name])
