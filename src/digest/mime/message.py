"""One digest mail as bytes: ``build`` makes them, ``check`` looks at them once more before they leave.

Rules of this file: the same `Message` gives the same bytes, today and on a retry; the bytes are 7bit with CRLF
line ends; every header stands once. Headers and body are separate functions, because the body of a rendition can be
shared by recipients while the headers cannot. Headers follow RFC 5322, 2369, 2919, 3834, 8058.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from digest.mime import headers as field
from digest.mime.encode import encode
from digest.model.errors import MessageInvalid

_URI = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7e]+")  # printable ASCII without " < > \ ^ `
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")
_LIST_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Message:
    """What one mail says. ``message_id`` has its angle brackets; ``date`` is aware and stays the same on a retry.

    ``unsubscribe_mailto`` is a ``mailto:`` URI, or None where nobody reads a mailbox for it. ``html`` None gives a
    mail of plain text only. ``list_id`` is dotted, without brackets; ``language`` a BCP 47 tag.
    """

    sender_name: str
    sender_email: str
    reply_to: str | None
    to_email: str
    subject: str
    date: datetime
    message_id: str
    list_id_name: str
    list_id: str
    unsubscribe_url: str
    unsubscribe_mailto: str | None
    feedback_id: str
    language: str
    text: str
    html: str | None
    archive_url: str | None = None
    help_url: str | None = None


def build(message: Message) -> bytes:
    """The whole mail, checked. Raises MessageInvalid when it cannot be said within the standards."""
    boundary = boundary_of(message)
    content, raw = body(message.text, message.html, boundary=boundary)
    wire = head(message) + content + b"\r\n" + raw
    check(wire, smtputf8=not message.to_email.rpartition("@")[0].isascii())
    return wire


def boundary_of(message: Message) -> str:
    """The boundary between the parts, one for all mails of an issue.

    ``=_`` cannot occur in quoted-printable, where ``=`` is followed by two hex digits, nor in base64.
    """
    seed = f"{message.list_id}\0{message.feedback_id}".encode()
    return f"=_{hashlib.blake2b(seed, digest_size=12).hexdigest()}"


def head(message: Message) -> bytes:
    """All header fields but those that describe the content, in a fixed order."""
    return shared_head(message).fill(personal_fields_of(message))


def personal_fields_of(message: Message) -> PersonalFields:
    """The personal fields of a message that is given whole."""
    return personal_fields(
        date=message.date,
        to_email=message.to_email,
        message_id=message.message_id,
        unsubscribe_url=message.unsubscribe_url,
        unsubscribe_mailto=message.unsubscribe_mailto,
    )


class PersonalFields(NamedTuple):
    """The header fields that differ by recipient (and by the hour of the first attempt), each with its CRLF."""

    date: bytes
    to: bytes
    message_id: bytes
    unsubscribe: bytes


def personal_fields(
    *, date: datetime, to_email: str, message_id: str, unsubscribe_url: str, unsubscribe_mailto: str | None
) -> PersonalFields:
    """The personal fields of one message. Raises MessageInvalid."""
    return PersonalFields(
        _date_field(date),
        field.mailbox("To", "", to_email),
        field.structured("Message-ID", _matching(_MESSAGE_ID, message_id, "Message-ID")),
        _unsubscribe_field(unsubscribe_url, unsubscribe_mailto),
    )


@dataclass(frozen=True, slots=True)
class SharedHead:
    """The fields that all recipients share, in four stretches; what is personal stands before and between them."""

    sender: bytes
    subject: bytes
    lists: bytes
    rest: bytes

    def fill(self, own: PersonalFields) -> bytes:
        """The fields of one message."""
        stretches = (
            own.date,
            self.sender,
            own.to,
            self.subject,
            own.message_id,
            self.lists,
            own.unsubscribe,
            self.rest,
        )
        return b"".join(stretches)

    @property
    def fields(self) -> bytes:
        """All of them, without the personal ones."""
        return b"".join((self.sender, self.subject, self.lists, self.rest))


def shared_head(message: Message) -> SharedHead:
    """What the heads of all messages like this one share. Raises MessageInvalid."""
    rest = [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"]  # exactly so, RFC 8058 §3.1
    if message.archive_url:
        rest.append(field.structured("List-Archive", f"<{_web(message.archive_url, 'List-Archive')}>"))
    if message.help_url:
        rest.append(field.structured("List-Help", f"<{_web(message.help_url, 'List-Help')}>"))
    rest += [
        field.structured("Feedback-ID", message.feedback_id),
        b"Auto-Submitted: auto-generated\r\n",  # RFC 3834 §5; the next two stop other out-of-office replies
        b"Precedence: bulk\r\n",
        b"X-Auto-Response-Suppress: All\r\n",
        field.structured("Content-Language", _matching(_LANGUAGE, message.language, "Content-Language")),
    ]
    list_id = field.listed("List-Id", message.list_id_name, _matching(_LIST_ID, message.list_id, "List-Id"))
    return SharedHead(
        sender=field.mailbox("From", message.sender_name, message.sender_email),
        subject=field.free_text("Subject", message.subject),
        lists=(field.mailbox("Reply-To", "", message.reply_to) if message.reply_to else b"") + list_id,
        rest=b"".join(rest),
    )


def body(text: str, html: str | None, *, boundary: str) -> tuple[bytes, bytes]:
    """The fields that describe the content, and the content: text, or text and html as alternatives, best last."""
    plain = encode(text)
    if html is None:
        return single_head(plain.name), plain.raw
    rich = encode(html)
    return alternatives_head(boundary), b"".join(
        [
            *(part_opening(boundary, "text/plain", plain.name), plain.raw),
            *(part_opening(boundary, "text/html", rich.name), rich.raw),
            closing(boundary),
        ]
    )


def single_head(encoding: str) -> bytes:
    """The content's fields of a mail that is plain text only."""
    return b"MIME-Version: 1.0\r\n" + _part_head("text/plain", encoding)


def alternatives_head(boundary: str) -> bytes:
    """The content's fields of a mail in two parts."""
    return f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n'.encode()


def part_opening(boundary: str, media_type: str, encoding: str) -> bytes:
    """All that stands before a part's content."""
    return b"--%b\r\n%b\r\n" % (boundary.encode(), _part_head(media_type, encoding))


def closing(boundary: str) -> bytes:
    """The line behind the last part."""
    return b"--%b--\r\n" % boundary.encode()


def check(wire: bytes, *, smtputf8: bool = False) -> None:
    """Look over finished bytes: CRLF only, no NUL, 7bit, lines of at most 998 octets, no header twice.

    With ``smtputf8`` the To field alone may hold UTF-8. Raises MessageInvalid; it should never have to.
    """
    head_end = wire.find(b"\r\n\r\n")
    if head_end < 0 or not wire.endswith(b"\r\n"):
        raise MessageInvalid("the message has no end of headers or no end of its last line")
    if not (wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")) or b"\0" in wire:
        raise MessageInvalid("the message holds a bare CR, a bare LF or a NUL")
    if max(map(len, wire.split(b"\r\n"))) > field.LINE_HARD:
        raise MessageInvalid("the message has a line of more than 998 octets")
    lines = wire[:head_end].split(b"\r\n")
    if not wire.isascii():
        odd = [line for line in lines if not line.isascii()]
        if not smtputf8 or not wire[head_end:].isascii() or any(not line.startswith(b"To: ") for line in odd):
            raise MessageInvalid("the message is not 7bit")
    names = [line.split(b":", 1)[0].lower() for line in lines if line[:1] not in b" \t"]
    if len(names) != len(set(names)):
        raise MessageInvalid("a header stands twice")


def _date_field(date: datetime) -> bytes:
    if date.tzinfo is None:
        raise ValueError("a message's date must be aware")
    return _dated(date, date.utcoffset())


@lru_cache(maxsize=256)  # a batch of messages shares the time of its first attempt
def _dated(date: datetime, _offset: timedelta | None) -> bytes:
    """The offset is part of the key: one instant written in two zones is one datetime, but not one header."""
    return field.structured("Date", *format_datetime(date).split(" "))


def _unsubscribe_field(url: str, mailto: str | None) -> bytes:
    ways = [f"<{_one_click(url)}>"]
    if mailto:
        if not mailto.startswith("mailto:"):
            raise MessageInvalid(f"{mailto[:80]!r} is not a mailto: URI")
        ways = [f"{ways[0]},", f"<{_matching(_URI, mailto, 'List-Unsubscribe')}>"]
    return field.structured("List-Unsubscribe", *ways)


def _one_click(url: str) -> str:
    """RFC 8058 §3.1 wants https; plain http is let through to this machine only, for trying things out."""
    _web(url, "List-Unsubscribe")
    if not url.startswith("https://") and urlsplit(url).hostname not in _LOOPBACK:
        raise MessageInvalid(
            f"the unsubscribe link {url[:80]!r} is not https, as one-click unsubscribing must be",
            hint="set site.base_url to an https:// address",
        )
    return url


def _web(url: str, name: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise MessageInvalid(f"{name} cannot hold {url[:80]!r}: it is not an http(s) URL")
    return _matching(_URI, url, name)


def _matching(pattern: re.Pattern[str], value: str, name: str) -> str:
    if not pattern.fullmatch(value):
        raise MessageInvalid(f"{name} cannot hold {value[:80]!r}")
    return value


def _part_head(media_type: str, encoding: str) -> bytes:
    return f"Content-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n".encode()
