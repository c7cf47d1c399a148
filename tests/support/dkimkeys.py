"""DKIM keys for tests and the DNS that publishes them, for dkimpy: a verifier that shares no code with us."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from digest.mime.dkim import DkimKey, parse_key


@cache
def rsa_pem(bits: int = 2048) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def ed25519_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rsa_key(domain: str = "example.com") -> DkimKey:
    return parse_key(rsa_pem(), domain=domain, selector="r2026")


def ed25519_key(domain: str = "example.com") -> DkimKey:
    return parse_key(ed25519_pem(), domain=domain, selector="e2026")


def verifies(wire: bytes, keys: Sequence[DkimKey]) -> list[bool]:
    """For each signature from the top, whether it verifies against the published keys."""
    zone = {f"{name}.".encode(): text.encode() for name, text in (key.dns_record() for key in keys)}
    checker = dkim.DKIM(wire)
    count = wire.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature: ")
    found = []
    for index in range(count):
        try:
            found.append(checker.verify(index, dnsfunc=lambda name, timeout=5: zone.get(name)))  # noqa: ARG005 - dkimpy passes both
        except dkim.DKIMException:
            found.append(False)
    return found
