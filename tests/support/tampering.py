"""One signed mail, changed in every way that a signature must not survive, and in the few that it must.

Pure bytes: a tamperer knows nothing of how the mail was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SIGNED = (
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Archive", "Feedback-ID"),
)
#: A second one of these breaks the signature as well, wherever it stands.
ONLY_ONCE = {
    "From": b"Eve <eve@evil.example>",
    "To": b"eve@evil.example",
    "Subject": b"You have won",
    "Date": b"Mon, 23 Nov 2026 07:00:00 +0000",
    "Message-ID": b"<eve@evil.example>",
    "Reply-To": b"eve@evil.example",
    "MIME-Version": b"1.0",
    "Content-Type": b"text/html; charset=utf-8",
    "Content-Transfer-Encoding": b"base64",
    "List-Unsubscribe": b"<https://evil.example/u/1>",
    "List-Unsubscribe-Post": b"List-Unsubscribe=One-Click",
}


def tampered(wire: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each forgery: fields changed, removed, added again, and one octet of each part."""
    for name in SIGNED:
        yield f"{name} changed", _changed(wire, name)
        yield f"{name} removed", _field(name).sub(b"", wire, count=1)
    for name, value in ONLY_ONCE.items():
        yield f"{name} added at the top", b"%b: %b\r\n%b" % (name.encode(), value, wire)
        yield f"{name} added at the end", wire.replace(b"\r\n\r\n", b"\r\n%b: %b\r\n\r\n" % (name.encode(), value), 1)
    for number, at in enumerate(_places(wire)):
        yield f"one octet of part {number} changed", wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1 :]
        yield f"one octet of part {number} removed", wire[:at] + wire[at + 1 :]
    yield "a line added at the end", wire + b"Click here: https://evil.example/\r\n"
    yield "the last line removed", wire[: wire.rstrip(b"\r\n").rindex(b"\r\n") + 2]


def harmless(wire: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of what relays do and relaxed canonicalisation forgives (RFC 6376 §3.4.2, §3.4.4)."""
    yield "untouched", wire
    yield "a trace field on top", b"Received: from a by b; Sun, 22 Nov 2026 07:00:00 +0000\r\n" + wire
    yield "an unsigned field added", wire.replace(b"\r\n\r\n", b"\r\nX-Spam: no\r\n\r\n", 1)
    yield "a field folded elsewhere", re.sub(rb"(?m)^(Date: \w+,) ", rb"\1\r\n\t ", wire, count=1)
    yield "a field's name in capitals", re.sub(rb"(?m)^List-Unsubscribe: ", b"LIST-UNSUBSCRIBE:  ", wire, count=1)
    yield "empty lines at the end", wire + b"\r\n\r\n"
    yield "a blank at a line's end", wire[:-2] + b" \r\n"


def _field(name: str) -> re.Pattern[bytes]:
    """A whole field with its folds."""
    return re.compile(rb"^%b:.*\r\n(?:[ \t].*\r\n)*" % name.encode(), re.MULTILINE)


def _changed(wire: bytes, name: str) -> bytes:
    """The last letter or digit of a field's value becomes another one: the smallest change there is."""
    found = _field(name).search(wire)
    assert found, f"the mail has no {name}"
    at = found.start() + max(match.start() for match in re.finditer(rb"[A-Za-z0-9]", found[0]))
    return wire[:at] + (b"x" if wire[at : at + 1] != b"x" else b"y") + wire[at + 1 :]


def _places(wire: bytes) -> list[int]:
    """An offset inside the content of each part: a letter in the middle of it."""
    boundary = re.search(rb'boundary="([^"]+)"', wire)
    starts = [wire.index(b"\r\n\r\n") + 4]
    if boundary:
        marks = [match.end() for match in re.finditer(re.escape(b"--" + boundary[1]) + rb"\r\n", wire)]
        starts = [wire.index(b"\r\n\r\n", mark) + 4 for mark in marks]
    ends = [*starts[1:], len(wire)]
    return [
        next(match.start() + start for match in re.finditer(rb"[A-Za-z]", wire[start:end]) if match.start() > 20)
        for start, end in zip(starts, ends, strict=True)
    ]
