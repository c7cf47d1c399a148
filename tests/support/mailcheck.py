"""A strict second reader of captured mails. It shares no code with the builder: own line scan, stdlib parser.

`check_message` fails with a sentence when a mail breaks a rule of the mail standards (numbers in brackets:
RFC 5322, 2045–2047, 2369, 2919, 3834, 8058), and gives what it read.
"""

from __future__ import annotations

import email
import email.policy
import quopri
import re
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses, parsedate_to_datetime
from html.parser import HTMLParser

_ONCE = (
    *("date", "from", "to", "subject", "message-id", "mime-version", "content-type", "auto-submitted", "precedence"),
    *("x-auto-response-suppress", "list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id"),
    "content-language",
)
_NEVER = ("bcc", "cc", "sender", "return-path", "received", "resent-from", "list-post")
_OPAQUE = ("message-id", "feedback-id", "list-unsubscribe", "list-unsubscribe-post", "list-id", "list-archive")
_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=")
_URL = re.compile(r"https?://[^\s<>\"]+")
_LIST_ID = r"""(?:(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+|"(?:[^"\\]|\\.)*") )?<[A-Za-z0-9_.-]+\.[A-Za-z0-9_-]+>"""
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")


@dataclass(frozen=True)
class CheckedMessage:
    """What a reader sees. ``headers`` is decoded and keyed by lower-case name; ``to`` is the bare address."""

    headers: dict[str, str]
    subject: str
    sender_name: str
    sender_email: str
    to: str
    message_id: str
    unsubscribe_https: str
    unsubscribe_mailto: str | None
    text: str
    html: str | None
    links_text: tuple[str, ...]
    links_html: tuple[str, ...]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def check_message(
    raw: bytes, *, rcpt: str | None = None, postal_address: str | None = None, visible_unsubscribe: bool = True
) -> CheckedMessage:
    """Read a mail strictly. ``rcpt`` is the envelope's recipient, ``postal_address`` what both parts must show."""
    _scan_lines(raw)
    fields = _fields(raw)
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    for part in parsed.walk():
        assert not part.defects, f"the parser found {part.defects}"
    text, html = _parts(message)
    decoded = {name: str(make_header(decode_header(value))) for name, value in fields.items()}
    https, mailto = _unsubscribe(fields)
    sender_name, sender_email = _one_mailbox(parsed, "from")
    to = _one_mailbox(parsed, "to")[1]
    links_html = _Links()
    links_html.feed(html or "")
    links_text = tuple(url.rstrip(".,;)") for url in _URL.findall(text))
    _check_head(fields, sender_email)
    assert rcpt is None or rcpt == to, f"[A8] the envelope says {rcpt}, To says {to}"
    assert text.strip(), "[A4] the text part is empty"
    if visible_unsubscribe:
        assert https in links_text, f"[E4] the text part does not show {https}"
        assert html is None or https in links_html.found, f"[E4] the html part does not link {https}"
    if postal_address is not None:
        flat = " ".join(postal_address.split())
        assert flat in " ".join(text.split()), "[E4] the postal address is missing in the text part"
        assert html is None or flat in _visible(html), "[E4] the postal address is missing in the html part"
    return CheckedMessage(
        headers=decoded,
        subject=decoded["subject"],
        sender_name=sender_name,
        sender_email=sender_email,
        to=to,
        message_id=fields["message-id"],
        unsubscribe_https=https,
        unsubscribe_mailto=mailto,
        text=text,
        html=html,
        links_text=links_text,
        links_html=tuple(links_html.found),
    )


def _scan_lines(raw: bytes) -> None:
    assert raw.endswith(b"\r\n"), "[A2] the mail does not end with CRLF"
    assert raw.isascii(), "[A3] the mail is not 7bit"
    assert b"\0" not in raw, "[A2] the mail holds a NUL"
    assert re.search(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]", raw) is None, "[A2] the mail holds a control character"
    rest = raw.replace(b"\r\n", b"")
    assert b"\r" not in rest, "[A2] a bare CR"
    assert b"\n" not in rest, "[A2] a bare LF"
    head, separator, body = raw.partition(b"\r\n\r\n")
    assert separator, "no blank line after the headers"
    for line in head.split(b"\r\n"):
        assert len(line) <= 998, f"[A1] a header line of {len(line)} octets"
        assert line.strip(), "a header line of blanks only"
        if b"=?" in line:
            assert len(line) <= 76, f"[A12] a line with an encoded-word of {len(line)} octets"
        elif len(line) > 78:
            assert line.count(b" ") <= 1, f"[A1] a line that could have been folded: {line[:60]!r}"
    for line in body.split(b"\r\n"):
        assert len(line) <= 76, f"[A1] a body line of {len(line)} octets"
        assert not line.startswith((b".", b"From ")), "a body line that mail servers would change"


def _fields(raw: bytes) -> dict[str, str]:
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    fields: dict[str, str] = {}
    for line in re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n"):
        name, colon, value = line.partition(": ")
        assert colon, f"not a header: {line[:60]!r}"
        assert re.fullmatch(r"[A-Za-z-]+", name), f"an odd header name: {name[:60]!r}"
        assert name.lower() not in fields or name == "DKIM-Signature", f"[A6] {name} stands twice"
        fields[name.lower()] = value
    for name in _ONCE:
        assert name in fields, f"[A6, B] {name} is missing"
    for name in _NEVER:
        assert name not in fields, f"[A7, A8] {name} must not be there"
    for name, value in fields.items():
        for word in re.findall(r"\S*=\?\S*", value):
            if name in {"subject", "from", "to", "reply-to"}:
                assert _WORD.fullmatch(word), f"[A12] {name} holds a broken encoded-word {word[:80]!r}"
                assert len(word) <= 75, f"[A12] an encoded-word of {len(word)} characters"
                str(make_header(decode_header(word)))  # decodes by itself, or raises
        assert name not in _OPAQUE or _WORD.search(value) is None, f"[A11] an encoded-word in {name}"
    return fields


def _check_head(fields: dict[str, str], sender_email: str) -> None:
    assert fields["mime-version"] == "1.0", "[A4] MIME-Version is not 1.0"
    assert _DATE.fullmatch(fields["date"]), f"[A9] an odd Date: {fields['date']}"
    assert parsedate_to_datetime(fields["date"]).tzinfo is not None, "[A9] Date has no zone"
    domain = sender_email.rpartition("@")[2].lower()
    local = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    found = re.fullmatch(rf"<{local}@([A-Za-z0-9.-]+)>", fields["message-id"])
    assert found, f"[A10] an odd Message-ID: {fields['message-id']}"
    assert found[1].lower() == domain, f"[A10] the Message-ID's domain is {found[1]}, the sender's {domain}"
    assert re.fullmatch(_LIST_ID, fields["list-id"]), "[B6] an odd List-Id"
    assert fields["auto-submitted"] == "auto-generated", "[B8] Auto-Submitted"
    assert fields["precedence"] == "bulk", "[B8] Precedence"
    assert fields["x-auto-response-suppress"] == "All", "[B8] X-Auto-Response-Suppress"
    parts = fields["feedback-id"].split(":")
    assert len(parts) == 4, "[B9] Feedback-ID has not four parts"
    assert all(parts), "[B9] Feedback-ID has an empty part"
    assert 5 <= len(parts[3]) <= 15, "[B9] the SenderId must have 5 to 15 characters"


def _unsubscribe(fields: dict[str, str]) -> tuple[str, str | None]:
    value = fields["list-unsubscribe"]
    assert re.fullmatch(r"<[^<>\s]+>(?:, <[^<>\s]+>)*", value), f"[B1] an odd List-Unsubscribe: {value[:120]}"
    uris = re.findall(r"<([^<>]+)>", value)
    web = [uri for uri in uris if re.match(r"https://|http://(?:127\.0\.0\.1|localhost|\[::1\])[:/]", uri)]
    assert len(web) == 1, f"[B1] List-Unsubscribe needs one https URI, it has {uris}"
    assert uris[0] == web[0], "[B1] the https URI must come first"
    mailto = [uri for uri in uris if uri.startswith("mailto:")]
    assert len(web) + len(mailto) == len(uris), f"[B1] List-Unsubscribe has an unknown kind of URI: {uris}"
    assert fields["list-unsubscribe-post"] == "List-Unsubscribe=One-Click", "[B2] List-Unsubscribe-Post"
    return web[0], mailto[0] if mailto else None


def _one_mailbox(message: EmailMessage, name: str) -> tuple[str, str]:
    found = getaddresses([str(message[name])])
    assert len(found) == 1, f"[A7, A8] {name} has {len(found)} mailboxes"
    header = message[name].addresses
    assert len(header) == 1, f"[A7, A8] {name} has {len(header)} mailboxes"
    assert header[0].domain, f"[A7, A8] {name} has no domain"
    return header[0].display_name, header[0].addr_spec


def _parts(message: Message) -> tuple[str, str | None]:
    if not message.is_multipart():
        assert message.get_content_type() == "text/plain", "[A4] a single part must be text/plain"
        return _decoded(message), None
    assert message.get_content_type() == "multipart/alternative", "[A4] not multipart/alternative"
    boundary = message.get_boundary() or ""
    assert 0 < len(boundary) <= 70, "[A4] the boundary's length"
    parts = message.get_payload()
    assert isinstance(parts, list)
    kinds = [part.get_content_type() for part in parts if isinstance(part, Message)]
    assert kinds == ["text/plain", "text/html"], f"[A4] text first, html last; found {kinds}"
    text, html = (_decoded(part) for part in parts if isinstance(part, Message))
    return text, html


def _decoded(part: Message) -> str:
    assert part.get_content_charset() == "utf-8", "[A4] charset is not utf-8"
    assert part.get_param("format") is None, "[A5] format=flowed"
    coding = part["content-transfer-encoding"]
    assert coding in {"quoted-printable", "base64"}, f"[A3] Content-Transfer-Encoding is {coding}"
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    if coding == "quoted-printable":
        source = part.get_payload()
        assert isinstance(source, str)
        assert re.search(r"=(?![0-9A-F]{2}|\r?\n)", source) is None, "[A3] broken quoted-printable"
        assert re.search(r"[ \t]\r?$", source, re.MULTILINE) is None, "[A3] a blank at a line's end"
        assert payload == quopri.decodestring(source.encode())
    return payload.decode("utf-8").replace("\r\n", "\n")


def _visible(html: str) -> str:
    class Text(HTMLParser):
        found = ""

        def handle_data(self, data: str) -> None:
            self.found += data + " "

    reader = Text()
    reader.feed(html)
    return " ".join(reader.found.split())
