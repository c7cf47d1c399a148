"""Proof of work in the words of ALTCHA (protocol version 1): a browser looks for the number behind a hash.

A challenge is SHA-256 over salt and number in hex, signed with a key of our own, with its end in the salt; the answer
is Base64 of a JSON object. Nothing is stored until a right answer comes, and that is used up (`store.asking.spend`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from digest.config.secrets import Keyring

_ALGORITHM = "SHA-256"
_LABEL = "altcha"
_LIVES = timedelta(minutes=30)
_ANSWER_MAX = 2000


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the browser gets, in the field names of the protocol."""

    algorithm: str
    challenge: str
    maxnumber: int
    salt: str
    signature: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A right answer: ``digest`` is to be used up, and is refused for its age from ``until`` on."""

    digest: str
    until: datetime


def challenge(keyring: Keyring, *, effort: int, now: datetime, rng: secrets.SystemRandom | None = None) -> Challenge:
    """A new challenge of at most ``effort`` hashes, half of that on average."""
    expires = int((now + _LIVES).timestamp())
    salt = f"{secrets.token_hex(12)}?expires={expires}&"  # the & ends the salt, so that no digit can move into it
    number = (rng or secrets.SystemRandom()).randint(0, effort)
    hashed = hashlib.sha256(f"{salt}{number}".encode()).hexdigest()
    key = keyring.derive(_LABEL)[0]
    return Challenge(_ALGORITHM, hashed, effort, salt, hmac.digest(key, hashed.encode(), "sha256").hex())


def check(keyring: Keyring, *, answer: str, now: datetime) -> Proof | None:
    """The proof in an answer, or None for any that is wrong, forged or too old."""
    if len(answer) > _ANSWER_MAX:
        return None
    try:
        fields = json.loads(base64.b64decode(answer, validate=True))
        salt, number = fields["salt"], fields["number"]
        hashed, signature = fields["challenge"], fields["signature"]
        until = datetime.fromtimestamp(int(parse_qs(salt.partition("?")[2])["expires"][0]), tz=now.tzinfo)
        texts = all(isinstance(text, str) and text.isascii() for text in (salt, hashed, signature))
        is_ours = texts and fields["algorithm"] == _ALGORITHM and type(number) is int and salt.endswith("&")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        return None
    if not is_ours or until <= now:
        return None
    right = hashlib.sha256(f"{salt}{number}".encode()).hexdigest()
    signed = [hmac.digest(key, right.encode(), "sha256").hex() for key in keyring.derive(_LABEL)]
    if hashed != right or not any(hmac.compare_digest(signature, one) for one in signed):
        return None
    return Proof(right, until)
