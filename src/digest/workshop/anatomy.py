"""What a mail is made of, for looking at: its header, the tree of its parts, its sizes.

Rules: reads finished mails; all that is shown is taken from the bytes that would be sent, not from what they were made
of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from digest.workshop.mail import Mail

#: What Gmail shows before it clips (§3.1 of the design); counted as it travels, whichever is more.
CLIPS_AT = 102_400

_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"<table\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the MIME tree, and how deep it is in it."""

    depth: int
    type: str
    about: str


@dataclass(frozen=True, slots=True)
class Size:
    """Sizes in bytes. ``wire`` is the HTML as it travels; ``room`` about how many stories more would fit."""

    bytes: int
    style: int
    wire: int
    text: int
    tables: int
    room: int


def header(mail: Mail) -> str:
    """The header as it goes on the wire, folded."""
    head, _, _ = mail.eml.partition(b"\r\n\r\n")
    return head.decode("utf-8", "replace").replace("\r\n", "\n")


def parts(mail: Mail) -> tuple[Part, ...]:
    """The MIME tree, outermost first."""
    message = message_from_bytes(mail.eml, policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - what the policy makes
    return tuple(_parts(message, 0))


def _parts(message: EmailMessage, depth: int) -> list[Part]:
    inner = list(message.iter_parts()) if message.is_multipart() else []
    if inner:
        about = f"{len(inner)} parts"
    else:
        raw = message.get_payload(decode=False)
        decoded = message.get_payload(decode=True)
        wire, size = len(str(raw)), len(decoded) if isinstance(decoded, bytes) else 0
        words = [message.get_content_charset() or "", str(message["Content-Transfer-Encoding"] or "7bit")]
        about = f"{', '.join(word for word in words if word)}; {size:,} bytes, {wire:,} as sent"
    found = [Part(depth, message.get_content_type(), about)]
    for one in inner:
        assert isinstance(one, EmailMessage)  # noqa: S101 - the same
        found += _parts(one, depth + 1)
    return found


def size(mail: Mail) -> Size:
    """How large a mail is, and what there is room for."""
    html = mail.rendered.html
    count = len(html.encode())
    message = message_from_bytes(mail.eml, policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the same
    body = message.get_body(("html",))
    wire = len(str(body.get_payload(decode=False))) if body is not None else 0
    context = mail.context
    stories = sum(len(section.stories) for section in context.sections) + (1 if context.lead else 0)
    each = count / stories if stories > 1 else 0
    room = int((CLIPS_AT - max(count, wire)) / each) if each else 0
    style = max((len(found.encode()) for found in _STYLE.findall(html)), default=0)
    return Size(count, style, wire, len(mail.rendered.text.encode()), len(_TABLE.findall(html)), max(0, room))
