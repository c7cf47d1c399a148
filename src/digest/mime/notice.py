"""A notice as bytes: one mail to one person who did something, and no list.

Rules of this file: as in `mime.message`, the same notice gives the same bytes on every attempt, 7bit with CRLF line
ends. A notice has none of the List-* fields (RFC 2369 is for lists, and one cannot leave what one asked for) and no
`Precedence: bulk`, which might delay what somebody waits for; it says that a program sent it (RFC 3834 §5).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from digest.mime import headers as field
from digest.mime.message import body, check


@dataclass(frozen=True, slots=True)
class NoticeMail:
    """What one notice says. ``message_id`` has its angle brackets; ``date`` is aware and stays the same on a retry.

    ``html`` None gives a mail of plain text only; ``language`` is a BCP 47 tag.
    """

    sender_name: str
    sender_email: str
    reply_to: str | None
    to_email: str
    subject: str
    date: datetime
    message_id: str
    language: str
    text: str
    html: str | None


def notice_parts(mail: NoticeMail) -> tuple[bytes, bytes]:
    """Header block (without the empty line behind it) and body, looked over. Raises MessageInvalid."""
    if mail.date.tzinfo is None:
        raise ValueError("a message's date must be aware")
    # As in `mime.message`: "=_" cannot occur in quoted-printable, nor in base64.
    boundary = f"=_{hashlib.blake2b(mail.message_id.encode(), digest_size=12).hexdigest()}"
    content, raw = body(mail.text, mail.html, boundary=boundary)
    head = b"".join(
        (
            field.structured("Date", *format_datetime(mail.date).split(" ")),
            field.mailbox("From", mail.sender_name, mail.sender_email),
            field.mailbox("To", "", mail.to_email),
            field.mailbox("Reply-To", "", mail.reply_to) if mail.reply_to else b"",
            field.free_text("Subject", mail.subject),
            field.structured("Message-ID", mail.message_id),
            b"Auto-Submitted: auto-generated\r\n",
            b"X-Auto-Response-Suppress: All\r\n",
            field.structured("Content-Language", mail.language),
            content,
        )
    )
    check(b"%b\r\n%b" % (head, raw), smtputf8=not mail.to_email.rpartition("@")[0].isascii())
    return head, raw
