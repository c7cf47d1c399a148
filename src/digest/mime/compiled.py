"""A rendition as wire bytes with slots: encoded once, filled once per recipient.

Rules of this file: a slot's value has a line of its own between soft line breaks (RFC 2045 §6.7 (5)), so it can have
any length and what stands around it never moves. Constants and values are quoted-printable in DKIM's relaxed form
(see `encode`), so the bytes that are joined here are the bytes that are hashed and the bytes on the wire. A filled
mail decodes to exactly what `message.build` makes of the same texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from digest.mime.encode import LINE_MAX, canonical, encode, one_kind_of_line_end, quoted_printable
from digest.mime.message import (
    Message,
    SharedHead,
    alternatives_head,
    boundary_of,
    check,
    closing,
    part_opening,
    shared_head,
    single_head,
)
from digest.text.slots import CLOSE, OPEN, fill_html, fill_text, marker, slots_in

_MARKER = re.compile(f"{OPEN}([a-z_]*){CLOSE}")
# One line that needs no escape. Blanks only where none is doubled and none at an end.
_AS_IT_IS = re.compile(rb"(?!\.|From )[!-<>-~]+(?: [!-<>-~]+)*")
_SOFT_BREAK = b"=\r\n"
_BETWEEN = "\0"  # stripped from every value, so it can stand between two of them


@dataclass(frozen=True, slots=True)
class _Part:
    """One text: its constants (bytes) and slots (names) in order; without slots the one constant is all of it."""

    source: str
    fill_in: Callable[[str, Mapping[str, str]], str]
    encoding: str
    pieces: tuple[bytes | str, ...]
    names: tuple[str, ...]

    def filled(self, values: Mapping[str, str]) -> list[bytes]:
        if not self.names:
            return [piece for piece in self.pieces if isinstance(piece, bytes)]
        asked = _BETWEEN.join(map(marker, self.names))
        texts = self.fill_in(asked, values).split(_BETWEEN)
        if "" in texts:  # then line ends on both sides of it may melt into one
            return [quoted_printable(canonical(self.fill_in(self.source, values)))]
        lines = dict(zip(self.names, map(_line, texts), strict=True))
        return [lines[piece] if isinstance(piece, str) else piece for piece in self.pieces]


@dataclass(frozen=True, slots=True)
class CompiledBody:
    """A body ready to be filled. ``head`` is the header fields that describe it (RFC 2045)."""

    head: bytes
    boundary: str
    plain: _Part
    rich: _Part | None

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The body of one recipient: ``values`` by slot, not yet escaped. Raises ValueError when one is missing."""
        if self.rich is None:
            return b"".join(self.plain.filled(values))
        return b"".join(
            [
                part_opening(self.boundary, "text/plain", self.plain.encoding),
                *self.plain.filled(values),
                part_opening(self.boundary, "text/html", self.rich.encoding),
                *self.rich.filled(values),
                closing(self.boundary),
            ]
        )


@dataclass(frozen=True, slots=True)
class CompiledMail:
    """A rendition for one language, as header fields and body with slots."""

    shared: SharedHead
    body: CompiledBody

    def fill(
        self,
        values: Mapping[str, str],
        *,
        date: datetime,
        to_email: str,
        message_id: str,
        unsubscribe_url: str,
        unsubscribe_mailto: str | None,
    ) -> tuple[bytes, bytes]:
        """Header block (without the empty line behind it) and body of one message. Raises MessageInvalid."""
        head = self.shared.fill(
            date=date,
            to_email=to_email,
            message_id=message_id,
            unsubscribe_url=unsubscribe_url,
            unsubscribe_mailto=unsubscribe_mailto,
        )
        return head + self.body.head, self.body.fill(values)


def compile_mail(message: Message) -> CompiledMail:
    """Compile what all messages like this one share: its ``text`` and ``html`` still hold their slots.

    The personal fields of ``message`` are an example: with them one mail is filled and looked over, and a mistake in
    what is shared comes to light. Raises MessageInvalid, and ValueError for half a marker or an unknown slot.
    """
    made = CompiledMail(shared_head(message), compile_body(message.text, message.html, boundary=boundary_of(message)))
    sources = message.text + (message.html or "")
    head, body = made.fill(
        dict.fromkeys(slots_in(sources), "x"),
        date=message.date,
        to_email=message.to_email,
        message_id=message.message_id,
        unsubscribe_url=message.unsubscribe_url,
        unsubscribe_mailto=message.unsubscribe_mailto,
    )
    check(b"%b\r\n%b" % (head, body), smtputf8=not message.to_email.rpartition("@")[0].isascii())
    return made


def compile_body(text: str, html: str | None, *, boundary: str) -> CompiledBody:
    """Encode a text and an html with slots once. Raises ValueError for an unknown slot or half a marker.

    A part with slots is quoted-printable even where base64 would be shorter: base64 has no place for a slot.
    """
    plain = _compile(text, fill_text)
    if html is None:
        return CompiledBody(single_head(plain.encoding), boundary, plain, None)
    return CompiledBody(alternatives_head(boundary), boundary, plain, _compile(html, fill_html))


def _compile(source: str, fill_in: Callable[[str, Mapping[str, str]], str]) -> _Part:
    names = tuple(sorted(slots_in(source)))
    fill_in(source, dict.fromkeys(names, "x"))  # raises for half a marker
    if not names:
        whole = encode(source)
        return _Part(source, fill_in, whole.name, (whole.raw,), ())
    *texts, last = _MARKER.split(source)  # text, name, text, name, …, text
    pieces: list[bytes | str] = []
    for at, text in enumerate(texts):
        pieces.append(text if at % 2 else _before_slot(one_kind_of_line_end(text), is_first=at == 0))
    raw = canonical(last)
    pieces.append(_after_slot(raw) + quoted_printable(raw))
    return _Part(source, fill_in, "quoted-printable", tuple(pieces), names)


def _before_slot(text: str, *, is_first: bool) -> bytes:
    """A constant with a slot behind it, and before it unless it is the first: both on lines of their own."""
    raw = text.encode("utf-8", "replace")
    opening = b"" if is_first else _after_slot(raw)
    ending = b"" if not raw or raw.endswith(b"\n") else _SOFT_BREAK
    return opening + quoted_printable(raw, open_end=True) + ending


def _after_slot(raw: bytes) -> bytes:
    return b"" if raw.startswith(b"\n") else _SOFT_BREAK


def _line(value: str) -> bytes:
    raw = value.encode("utf-8", "replace")
    return raw if len(raw) < LINE_MAX and _AS_IT_IS.fullmatch(raw) else quoted_printable(raw, open_end=True)
