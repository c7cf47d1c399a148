"""What a mail looks like in the conversation: its addresses as paths, its bytes up to the final dot.

Rules of this file: pure; an address that could smuggle a command is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from digest.model.errors import MessageInvalid

_BAD_PATH = re.compile(r"[\s<>\x00-\x1f\x7f]")


class Formed(NamedTuple):
    """A message in pieces that are already as they go over the wire.

    Its lines end with CRLF, the last one too, and none starts with a dot: what makes the pieces has to keep that
    promise. ``size`` is their length together.

    ``may_go`` is asked when the message itself is about to be written; no means that nothing of it is.
    """

    pieces: tuple[bytes, ...]
    size: int
    may_go: Callable[[], bool] = lambda: True


def formed(wire: bytes | Formed) -> Formed:
    """A message in pieces. Bytes are taken as one."""
    return wire if isinstance(wire, Formed) else Formed((wire,), len(wire))


def after_data(wire: bytes | Formed) -> tuple[bytes, ...]:
    """What follows the command DATA: the message up to its final dot."""
    return (*wire.pieces, b".\r\n") if isinstance(wire, Formed) else (dot_stuffed(wire),)


def as_chunk(wire: bytes | Formed) -> tuple[bytes, ...]:
    """The message as the one and last chunk, command included (RFC 3030 §2)."""
    whole = formed(wire)
    return (b"BDAT %d LAST\r\n" % whole.size, *whole.pieces)


def dot_stuffed(wire: bytes) -> bytes:
    """The message as it follows DATA: lines that start with a dot get another, a lone dot ends it (RFC 5321 §4.5.2)."""
    if b"\r\n." in wire:
        wire = wire.replace(b"\r\n.", b"\r\n..")
    lead = b"." if wire.startswith(b".") else b""
    tail = b".\r\n" if wire.endswith(b"\r\n") else b"\r\n.\r\n"
    return b"%b%b%b" % (lead, wire, tail)


@lru_cache(maxsize=4096)  # the sender's is the same for all
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
