"""DKIM signatures (RFC 6376, 8463): which fields they cover, and the bytes of the fields themselves.

Rules of this file: ``c=relaxed/relaxed``, never ``l=`` nor ``x=``. Both algorithms are deterministic and ``t=`` is
given, so the same message gets the same signature on every attempt. What a mail program shows, reads the content by
or offers to click is named once more than it occurs (RFC 6376 §5.4.2, §8.15): adding another one breaks the signature.
No file is read here.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from digest.model.errors import ConfigInvalid, MessageInvalid

RSA_BITS_MIN = 2048  # RFC 8301 §3.2 asks for it of signers, and refuses less than 1024
_LINE = 72
_TXT_STRING_MAX = 255  # RFC 1035 §3.3: one string of a TXT record

# In the order in which they are hashed: first what all mails of an issue share, so that it is hashed once.
_SHARED = (
    *(b"from", b"subject", b"reply-to", b"mime-version", b"content-type", b"content-transfer-encoding"),
    *(b"list-id", b"list-unsubscribe-post", b"list-archive", b"list-help", b"feedback-id"),
)
_PERSONAL = (b"date", b"to", b"message-id", b"list-unsubscribe")
_OVERSIGNED = (
    *(b"from", b"to", b"subject", b"date", b"message-id", b"reply-to"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post"),
)
_BLANKS = re.compile(rb"[ \t]+")
_PADDING, _PREHASHED = PKCS1v15(), Prehashed(hashes.SHA256())


class Algorithm(StrEnum):
    """How a signature is made. Some large receivers cannot verify Ed25519: put it beside RSA, not in its place."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key, and where receivers find its public half. ``domain`` is in A-labels."""

    domain: str
    selector: str
    private_key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> Algorithm:
        """The only algorithm this key can sign with."""
        return Algorithm.RSA if isinstance(self.private_key, RSAPrivateKey) else Algorithm.ED25519

    def aligns_with(self, sender_domain: str) -> bool:
        """Whether its signature counts for mail from that domain (DMARC's relaxed alignment).

        Same domain, or one below the other. Two subdomains of one organisation count as well by the standard, but to
        know that they are of one takes the DNS.
        """
        ours, theirs = self.domain.lower(), sender_domain.lower()
        return ours == theirs or ours.endswith(f".{theirs}") or theirs.endswith(f".{ours}")

    def dns_record(self) -> tuple[str, str]:
        """Name and text of the TXT record that publishes the key (RFC 6376 §3.6.1, 8463 §4)."""
        public = self.private_key.public_key()
        if isinstance(self.private_key, RSAPrivateKey):
            kind, raw = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, raw = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"{self.selector}._domainkey.{self.domain}", f"v=DKIM1; k={kind}; p={_base64(raw).decode()}"

    def zone_line(self) -> str:
        """The record as a zone file has it, its text in strings of at most 255 octets."""
        name, text = self.dns_record()
        strings = [f'"{text[at : at + _TXT_STRING_MAX]}"' for at in range(0, len(text), _TXT_STRING_MAX)]
        return f"{name}. IN TXT {' '.join(strings)}"

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest: PKCS#1 v1.5, or pure Ed25519 over the digest (RFC 8463 §3)."""
        if isinstance(self.private_key, RSAPrivateKey):
            return self.private_key.sign(digest, _PADDING, _PREHASHED)
        return self.private_key.sign(digest)


def parse_key(pem: bytes, *, domain: str, selector: str, algorithm: Algorithm | None = None) -> DkimKey:
    """A key from PEM text. Raises ConfigInvalid when it is none, too short, or not of the algorithm asked for."""
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:  # TypeError: it wants a passphrase
        raise ConfigInvalid(
            "it holds no private key in PEM form without a passphrase",
            hint="make one with `openssl genrsa 2048`, see docs/how-to/sign-with-dkim.md",
        ) from problem
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ConfigInvalid("it holds a key that is neither RSA nor Ed25519", hint="DKIM knows only these two")
    if isinstance(private, RSAPrivateKey) and private.key_size < RSA_BITS_MIN:
        raise ConfigInvalid(
            f"its RSA key has {private.key_size} bits, {RSA_BITS_MIN} are the least",
            hint="make a new one with `openssl genrsa 2048` and publish it under a new selector",
        )
    key = DkimKey(domain, selector, private)
    if algorithm is not None and algorithm is not key.algorithm:
        raise ConfigInvalid(f"its key is for {key.algorithm}, not for {algorithm}", hint="leave the algorithm out")
    return key


class Signer:
    """Signs messages with one or more keys, RSA first. Holds nothing that changes, so threads may share it."""

    def __init__(self, keys: Sequence[DkimKey]) -> None:
        if not keys:
            raise ValueError("a signer needs at least one key")
        self._keys = sorted(keys, key=lambda key: key.algorithm is not Algorithm.RSA)

    def sign(self, head: bytes, body: bytes, *, at: datetime) -> bytes:
        """The DKIM-Signature fields to put before ``head``.

        ``head`` is the header block without the empty line; ``body`` is already in relaxed form, as everything from
        this room is; ``at`` is the time of the first attempt. Raises MessageInvalid for a field that stands twice.
        """
        return self.prepare(head).sign(b"", body, at=at)

    def prepare(self, shared: bytes) -> PreparedSigner:
        """A signer for mails that share these header fields."""
        return PreparedSigner(self._keys, shared)


class PreparedSigner:
    """Signs mails that share header fields, which are hashed once. Threads may share it."""

    def __init__(self, keys: Sequence[DkimKey], shared: bytes) -> None:
        self._keys = keys
        self._fields = _relaxed_fields(shared)
        names = [name for name in _SHARED if name in self._fields]
        self._names = tuple(names)
        self._hashed = hashlib.sha256(b"".join([self._fields[name] for name in names]))

    def sign(self, own: bytes, body: bytes, *, at: datetime) -> bytes:
        """As `Signer.sign`; ``own`` is the header fields of this mail alone, in any order."""
        fields = _relaxed_fields(own)
        if twice := fields.keys() & self._fields.keys():
            raise _stands_twice(min(twice))
        fields = self._fields | fields
        names = [name for name in _PERSONAL if name in fields]
        hashed = self._hashed.copy()
        hashed.update(b"".join([fields[name] for name in names]))
        # RFC 6376 §3.4.4: empty lines at the end do not count; a mail with an empty text is nothing else.
        body_hash = _base64(hashlib.sha256(b"" if body == b"\r\n" else body).digest())
        listed = _named((*self._names, *names))
        made = []
        for key in self._keys:
            tags = b"v=1; a=%b; c=relaxed/relaxed; t=%d;\r\n d=%b; s=%b;\r\n h=%b;\r\n bh=%b;\r\n b=" % (
                *(key.algorithm.encode(), int(at.timestamp()), key.domain.encode(), key.selector.encode()),
                *(listed, body_hash),
            )
            digest = hashed.copy()
            digest.update(b"dkim-signature:" + tags.replace(b"\r\n ", b" "))
            coded = _base64(key.sign(digest.digest()))
            lines = [coded[start : start + _LINE] for start in range(0, len(coded), _LINE)]
            made.append(b"DKIM-Signature: %b%b\r\n" % (tags, b"\r\n ".join(lines)))
        return b"".join(made)


def _relaxed_fields(head: bytes) -> dict[bytes, bytes]:
    """Header fields by lower-case name, each as it is hashed (RFC 6376 §3.4.2), CRLF included."""
    flat = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    if b"  " in flat or b"\t" in flat:
        flat = _BLANKS.sub(b" ", flat)
    fields: dict[bytes, bytes] = {}
    for line in flat.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        key = name.strip().lower()
        if key in fields:
            raise _stands_twice(name)
        fields[key] = b"%b:%b\r\n" % (key, value.strip(b" "))
    return fields


def _stands_twice(name: bytes) -> MessageInvalid:
    return MessageInvalid(f"the header field {name[:40].decode('ascii', 'replace')} stands twice")


@lru_cache(maxsize=64)
def _named(names: tuple[bytes, ...]) -> bytes:
    """The list for ``h=``, folded behind colons."""
    lines, line = [], b""
    for name in (*names, *_OVERSIGNED):
        if line and len(line) + 1 + len(name) > _LINE:
            lines.append(line + b":")
            line = name
        else:
            line = b"%b:%b" % (line, name) if line else name
    return b"\r\n ".join([*lines, line])


def _base64(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False)
