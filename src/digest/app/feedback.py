"""Mails that come back to us: so far those that ask to leave.

Rules: the ``mailto:`` of List-Unsubscribe (RFC 2369 §3.2) leads to an address that holds the reader's token; the token
says whose wish it is, and the sender is not asked, for mail programs write from whatever account they have. Reading a
mail again changes nothing. Whatever else comes is counted and left alone.
"""

from __future__ import annotations

import mailbox
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses
from enum import StrEnum
from pathlib import Path

from digest.app.container import Container
from digest.audience.leave import leave_by_mail
from digest.model.errors import BadInput

#: Where a mail went, in the words of the servers on its way; the first four survive forwarding (RFC 5321 §4.4, usage).
_RECIPIENTS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc")
_TOKEN = re.compile(r"\+unsubscribe-([A-Za-z0-9_~.-]+)@")
_MBOX_HEAD = b"From "
_MAX_BYTES = 64 * 1024 * 1024


class Became(StrEnum):
    """What a mail came to. ``gone``: who asked had left before, or was erased; ``refused``: a token of nobody's."""

    LEFT = "left"
    GONE = "gone"
    REFUSED = "refused"
    OTHER = "other"


def from_mbox(path: Path) -> Iterator[Message]:
    """The mails of an mbox file (RFC 4155), or of a file with one mail. Raises BadInput for a file that is neither."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_MBOX_HEAD))
            if head != _MBOX_HEAD:
                yield from one(head + file.read(_MAX_BYTES))
                return
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="name an mbox file, or one mail") from error
    box = mailbox.mbox(path, create=False)
    try:
        yield from box
    finally:
        box.close()


def one(raw: bytes) -> Iterator[Message]:
    """A single mail. Raises BadInput for nothing at all."""
    if not raw.strip():
        raise BadInput("there is no mail", hint="pipe one in, headers and all")
    yield message_from_bytes(raw, policy=policy.compat32)


def ingest(container: Container, mails: Iterable[Message], *, now: datetime) -> Counter[Became]:
    """Act on mails; each is done when this goes on to the next."""
    return Counter(_act(container, mail, now=now) for mail in mails)


def _act(container: Container, mail: Message, *, now: datetime) -> Became:
    token = _token(mail)
    if token is None:
        return Became.OTHER
    found = leave_by_mail(container.store, container.keyring, token, now=now)
    if found is None:
        return Became.REFUSED
    return Became.LEFT if found.was_active else Became.GONE


def _token(mail: Message) -> str | None:
    fields = [str(value) for name in _RECIPIENTS for value in mail.get_all(name, [])]
    for _, address in getaddresses(fields):
        if found := _TOKEN.search(address):
            return found[1]
    return None
