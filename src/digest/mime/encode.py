"""Text to 7bit body bytes: quoted-printable or base64, whichever is shorter.

The quoted-printable lines are already in DKIM's relaxed form (RFC 6376 §3.4.4: no blank at a line's end, none
doubled) and none starts with a dot, so the bytes that are hashed are the bytes on the wire, and dot-stuffing
(RFC 5321 §4.5.2) changes nothing. Lines are at most 76 octets (RFC 2045 §6.7 (5), §6.8) and end with CRLF.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_PLAIN = bytes(code for code in range(0x20, 0x7F) if code != 0x3D)  # written as they are; "=" is 0x3D
_PROTECTED = (
    (b"\t", b"=09"),
    (b"  ", b" =20"),
    (b" \n", b"=20\n"),
    (b"..", b".=2E"),
    (b"\n.", b"\n=2E"),
    (b"\nFrom ", b"\n=46rom "),
)
LINE_MAX = 76
# A piece ends neither inside "=XX" nor before something that must not start a line. Dots are never adjacent (see
# quoted_printable), so stepping back a few octets always finds a place to break.
_PIECE = re.compile(rb".{1,75}(?<!=)(?<!=.)(?!\.)(?!From )")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body part ready for the wire. ``name`` is its Content-Transfer-Encoding; ``raw`` ends with one CRLF."""

    name: str
    raw: bytes


def encode(text: str) -> Encoded:
    """Encode ``text`` in the shorter of the two encodings. Line breaks become CRLF, the text ends with exactly one.

    A lone surrogate, which UTF-8 cannot hold, becomes a question mark.
    """
    data = canonical(text)
    escapes = len(data.translate(None, _PLAIN + b"\n"))
    as_qp = (len(data) + 2 * escapes) * 78 // 76
    as_base64 = (len(data) + data.count(b"\n")) * 4 // 3 * 78 // 76
    # Soft breaks and protected blanks are not in the estimate, so near the border both are made and measured.
    if as_qp * 10 < as_base64 * 9:
        return Encoded("quoted-printable", quoted_printable(data))
    if as_base64 * 10 < as_qp * 9:
        return Encoded("base64", _base64(data))
    candidates = (Encoded("quoted-printable", quoted_printable(data)), Encoded("base64", _base64(data)))
    return min(candidates, key=lambda encoded: len(encoded.raw))


def quoted_printable(data: bytes, *, open_end: bool = False) -> bytes:
    r"""Encode UTF-8 with ``\n`` line ends as CRLF quoted-printable lines of at most 76 octets.

    ``open_end`` keeps room for a soft line break behind the last line.
    """
    # The standard encoder escapes at C speed; its line breaks are taken out again, because they follow other rules.
    out = b"\n" + binascii.b2a_qp(data).replace(b"=\n", b"")
    for plain, protected in _PROTECTED:
        if plain in out:
            out = out.replace(plain, protected)
    if out.endswith(b" "):
        out = out[:-1] + b"=20"
    lines = [line if len(line) <= LINE_MAX else _broken(line) for line in out[1:].split(b"\n")]
    if open_end and len(lines[-1]) == LINE_MAX:
        lines[-1] = _broken(lines[-1])
    return b"\r\n".join(lines)


def canonical(text: str) -> bytes:
    r"""The text as UTF-8 with ``\n`` line ends, one at the end of it all."""
    return (one_kind_of_line_end(text).rstrip("\n") + "\n").encode("utf-8", "replace")


def one_kind_of_line_end(text: str) -> str:
    r"""``text`` with every kind of line end as ``\n``."""
    return _LINE_BREAK.sub("\n", text) if "\r" in text else text


def _broken(line: bytes) -> bytes:
    return b"=\r\n".join(_PIECE.findall(line))


def _base64(data: bytes) -> bytes:
    coded = binascii.b2a_base64(data.replace(b"\n", b"\r\n"), newline=False)
    return b"\r\n".join([coded[at : at + LINE_MAX] for at in range(0, len(coded), LINE_MAX)]) + b"\r\n"
