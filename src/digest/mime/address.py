"""E-mail addresses: syntax, the key two spellings share, and the form that goes on the wire.

Rules of this file: syntax is email-validator's business, DNS is nobody's here; a refused address says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from digest.model.errors import BadInput

_MAILBOX = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<email>[^<>]*)>\s*", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_HINT = "write it as name@example.com"


@dataclass(frozen=True, slots=True)
class Address:
    """One address: as written, as a key, and as ASCII where that exists.

    ``norm`` is lower-cased with the domain as A-labels, so two spellings of one mailbox share it. ``ascii_email``
    has the domain as A-labels and is None where the local part is not ASCII: then only a relay with SMTPUTF8
    (RFC 6531 §3.2) can carry mail to it.
    """

    email: str
    norm: str
    ascii_email: str | None
    needs_smtputf8: bool

    @property
    def wire(self) -> str:
        """The form for headers and envelope: ASCII where possible."""
        return self.ascii_email or self.email


def parse_address(text: str) -> Address:
    """Check the syntax of one address. Raises BadInput with the reason; never asks the network."""
    shown = text.strip()
    try:
        checked = validate_email(shown, check_deliverability=False)
    except EmailNotValidError as problem:
        raise BadInput(f"{_short(shown)!r} is not an e-mail address: {problem}", hint=_HINT) from problem
    ascii_domain = (checked.ascii_domain or checked.domain).lower()
    return Address(
        email=checked.normalized,
        norm=f"{checked.local_part.lower()}@{ascii_domain}",
        ascii_email=f"{checked.local_part}@{ascii_domain}" if checked.local_part.isascii() else None,
        needs_smtputf8=not checked.local_part.isascii(),
    )


def parse_mailbox(text: str) -> tuple[str, str]:
    """Split ``Name <a@example.com>`` (or a bare address) into display name and address; the name may be ``""``.

    The name is taken as people write it: quotes are optional, and no character needs escaping.
    """
    match = _MAILBOX.fullmatch(text)
    if match is None:
        return "", parse_address(text).email
    name = match["name"]
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise BadInput(f"{_short(name)!r} holds a control character", hint="keep the sender's name on one line")
    return name.strip(), parse_address(match["email"]).email


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"
