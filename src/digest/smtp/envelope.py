"""What a mail looks like in the conversation: its addresses as paths, its bytes up to the final dot.

Rules of this file: pure; an address that could smuggle a command is refused here.
"""

from __future__ import annotations

import re

from email_validator import EmailNotValidError, validate_email

from digest.model.errors import MessageInvalid

_BAD_PATH = re.compile(r"[\s<>\x00-\x1f\x7f]")


def dot_stuffed(wire: bytes) -> bytes:
    """The message as it follows DATA: lines that start with a dot get another, a lone dot ends it (RFC 5321 §4.5.2)."""
    if b"\r\n." in wire:
        wire = wire.replace(b"\r\n.", b"\r\n..")
    lead = b"." if wire.startswith(b".") else b""
    tail = b".\r\n" if wire.endswith(b"\r\n") else b"\r\n.\r\n"
    return b"%b%b%b" % (lead, wire, tail)


def path_of(address: str) -> str:
    """The address as it stands in MAIL or RCPT: the domain as A-labels wherever the local part is ASCII."""
    if _BAD_PATH.search(address):
        raise MessageInvalid(f"{address[:80]!r} cannot stand in an SMTP command")
    if address.isascii() or not address.partition("@")[0].isascii():
        return address
    try:
        return validate_email(address, check_deliverability=False).ascii_email or address
    except EmailNotValidError as problem:
        raise MessageInvalid(f"{address[:80]!r} is not an e-mail address: {problem}") from problem
