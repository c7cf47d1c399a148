"""DKIM keys for tests, made once a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from digest.mime.dkim import DkimKey, parse_key
from support.verifiers import by_dkimpy, zone_of


@cache
def rsa_pem(bits: int = 2048) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def ed25519_pem(*, another: bool = False) -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def rsa_key(domain: str = "example.com") -> DkimKey:
    return parse_key(rsa_pem(), domain=domain, selector="r2026")


@cache
def ed25519_key(domain: str = "example.com") -> DkimKey:
    return parse_key(ed25519_pem(), domain=domain, selector="e2026")


def verifies(wire: bytes, keys: Sequence[DkimKey]) -> list[bool]:
    """For each signature from the top, whether it verifies against the published keys."""
    return by_dkimpy(wire, zone_of(keys))
