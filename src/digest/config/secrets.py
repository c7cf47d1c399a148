"""Keys and the signed tokens in links.

A token is ``payload.signature``: the payload is a random public id, the signature an HMAC-SHA256 over purpose
and payload, cut to 128 bit so that an unsubscribe URL stays on one header line (mail-standards A11). Tokens of
one purpose mean nothing for another. Those in mails do not expire, others carry their end beside the id; keys rotate
by adding a new first line to the key file, older lines keep verifying (mail-standards E5).
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_encode
from itsdangerous.signer import SigningAlgorithm

from digest.model.errors import ConfigInvalid

_SIGNATURE_BYTES = 16
_UNTIL = "~"  # not in the alphabet of public ids


class Purpose(StrEnum):
    """What a token is for; part of what is signed."""

    UNSUBSCRIBE = "unsubscribe"
    LEAVE_ALERTS = "leave-alerts"
    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNDO = "undo"
    READDRESS = "readdress"
    SIGNUP_FORM = "signup-form"


class _ShortHmac(SigningAlgorithm):
    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")[:_SIGNATURE_BYTES]


class Keyring:
    """The installation's secret keys, newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a keyring needs at least one key")
        self._keys = tuple(keys)

    @property
    def stable(self) -> bytes:
        """The oldest key: for ids that must never change (Message-ID), whatever is rotated."""
        return self._keys[-1]

    def address_hash(self, email_norm: str) -> str:
        """64 hex digits that stand for an address where the address itself must not be kept; never changes."""
        return hmac.digest(self.stable, b"digest.address:" + email_norm.encode(), "sha256").hex()

    def sign(self, purpose: Purpose, public_id: str) -> str:
        """A token for a link."""
        return self._signer(purpose).sign(public_id).decode("ascii")

    def signing(self, purpose: Purpose) -> Callable[[str], str]:
        """`sign` for very many tokens of one purpose: the key is derived once."""
        keyed = hmac.new(self._signer(purpose).derive_key(), digestmod="sha256")

        def sign(public_id: str) -> str:
            made = keyed.copy()
            made.update(public_id.encode())
            return f"{public_id}.{base64_encode(made.digest()[:_SIGNATURE_BYTES]).decode()}"

        return sign

    def verify(self, purpose: Purpose, token: str) -> str | None:
        """The public id in a token, or None when it is forged, cut or for another purpose."""
        try:
            return self._signer(purpose).unsign(token.encode("utf-8")).decode("ascii")
        except (BadSignature, UnicodeError):
            return None

    def sign_until(self, purpose: Purpose, public_id: str, *, expires_at: datetime) -> str:
        """A token that `verify_at` takes until then; whole seconds."""
        return self.sign(purpose, f"{public_id}{_UNTIL}{int(expires_at.timestamp())}")

    def verify_at(self, purpose: Purpose, token: str, *, now: datetime) -> str | None:
        """The public id in a token, or None when it is forged, cut, for another purpose or too old.

        Tokens made without an end are good for ever.
        """
        found = self.verify(purpose, token)
        if found is None:
            return None
        public_id, has_end, end = found.partition(_UNTIL)
        # What is signed is ours, so what follows the mark is a number.
        return None if has_end and int(end) <= now.timestamp() else public_id

    def end_of(self, purpose: Purpose, token: str) -> datetime | None:
        """When a genuine token stops being good (UTC); None for one without an end, or that is none."""
        _, has_end, end = (self.verify(purpose, token) or "").partition(_UNTIL)
        return datetime.fromtimestamp(int(end), tz=UTC) if has_end else None

    def derive(self, label: str) -> list[bytes]:
        """32 bytes for one use each, newest key first: what an algorithm of its own needs a key for."""
        return [hmac.digest(key, b"digest.derive:" + label.encode(), "sha256") for key in self._keys]

    def _signer(self, purpose: Purpose) -> Signer:
        oldest_first = list(reversed(self._keys))
        return Signer(oldest_first, salt=f"digest.{purpose}", algorithm=_ShortHmac(), key_derivation="hmac")


def new_id() -> str:
    """A random public id: 64 bit, 11 characters of URL-safe base64."""
    return secrets.token_urlsafe(8)


def create_key_file(path: Path) -> None:
    """Write a fresh key, readable by its owner only. An existing file is left alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")


def load_keyring(path: Path) -> Keyring:
    """Read the key file. Raises ConfigInvalid when it is missing, empty or too weak."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise ConfigInvalid(
            f"there is no secret key at {path}", hint="run `digest init` here, or set site.secret_key_file"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            f"the secret key {path} cannot be read: {error}", hint="check its owner and mode"
        ) from error
    keys = [line.encode() for line in lines if line and not line.startswith("#")]
    if not keys or min(map(len, keys)) < 32:
        raise ConfigInvalid(
            f"the secret key {path} needs at least one line of 32 or more characters",
            hint="keep old lines: links already mailed depend on them",
        )
    return Keyring(keys)


def read_password(path: Path) -> str:
    """The first line of a password file. Raises ConfigInvalid when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ConfigInvalid(
            f"the password file {path} cannot be read", hint="check its path, owner and mode"
        ) from error
