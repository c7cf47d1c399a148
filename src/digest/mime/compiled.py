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
from itertools import chain
from typing import Any

from digest.mime.encode import LINE_MAX, canonical, encode, one_kind_of_line_end, quoted_printable
from digest.mime.message import (
    Message,
    PersonalFields,
    SharedHead,
    alternatives_head,
    boundary_of,
    check,
    closing,
    part_opening,
    personal_fields_of,
    shared_head,
    single_head,
)
from digest.text.slots import CLOSE, OPEN, fill_html, fill_text, marker, slots_in

_MARKER = re.compile(f"{OPEN}([a-z_]*){CLOSE}")
# One line that needs no escape. Blanks only where none is doubled and none at an end.
_AS_IT_IS = re.compile(rb"(?!\.|From )[!-<>-~]+(?: [!-<>-~]+)*")
_SOFT_BREAK = b"=\r\n"
_BETWEEN = "\0"  # stripped from every value, so it can stand between two of them


# A value that is the same in both parts and needs nothing done to it: one line, no escape in HTML or quoted-printable.
_SAFE = re.compile(r"(?!\.|From )[!#-%(-;?-~]+(?: [!#-%(-;?-~]+)*")


@dataclass(frozen=True, slots=True)
class _Part:
    """One text: its constants (bytes) and slots (names) in order; without slots the one constant is all of it."""

    source: str
    fill_in: Callable[[str, Mapping[str, str]], str]
    encoding: str
    pieces: tuple[bytes | str, ...]
    names: tuple[str, ...]

    def lines(self, values: Mapping[str, str]) -> dict[str, bytes] | None:
        """What stands in each slot; None when a value is empty: line ends on both sides of it may melt into one."""
        asked = _BETWEEN.join(map(marker, self.names))
        texts = self.fill_in(asked, values).split(_BETWEEN) if self.names else []
        return None if "" in texts else dict(zip(self.names, map(_line, texts), strict=True))

    def filled(self, values: Mapping[str, str]) -> list[bytes]:
        lines = self.lines(values)
        if lines is None:
            return [quoted_printable(canonical(self.fill_in(self.source, values)))]
        return [lines[piece] if isinstance(piece, str) else piece for piece in self.pieces]


class CompiledBody:
    """A body ready to be filled. ``head`` is the header fields that describe it (RFC 2045)."""

    def __init__(self, head: bytes, boundary: str, plain: _Part, rich: _Part | None) -> None:
        self.head = head
        self._parts: tuple[bytes | _Part, ...] = (plain,)
        self._names = frozenset(plain.names)
        if rich is not None:
            openings = (
                part_opening(boundary, "text/plain", plain.encoding),
                part_opening(boundary, "text/html", rich.encoding),
            )
            self._parts = (openings[0], plain, openings[1], rich, closing(boundary))
            self._names |= frozenset(rich.names)
        self._pieces = self._joined()
        self._places = tuple((at, piece) for at, piece in enumerate(self._pieces) if isinstance(piece, str))

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The body of one recipient: ``values`` by slot, not yet escaped. Raises ValueError when one is missing."""
        if not self._names <= values.keys():
            raise ValueError(f"no value for slot {min(self._names - values.keys())!r}")
        if not all(len(value) < LINE_MAX and _SAFE.fullmatch(value) for value in values.values()):
            return b"".join(_flat(part.filled(values) if isinstance(part, _Part) else [part] for part in self._parts))
        pieces: list[Any] = list(self._pieces)
        for at, name in self._places:
            pieces[at] = values[name].encode()
        return b"".join(pieces)

    def _joined(self) -> tuple[bytes | str, ...]:
        """Constants and slots of all parts in a row, neighbouring constants as one."""
        pieces: list[bytes | str] = []
        for piece in _flat(part.pieces if isinstance(part, _Part) else (part,) for part in self._parts):
            if pieces and isinstance(piece, bytes) and isinstance(last := pieces[-1], bytes):
                pieces[-1] = last + piece
            else:
                pieces.append(piece)
        return tuple(pieces)


_flat = chain.from_iterable


@dataclass(frozen=True, slots=True)
class CompiledMail:
    """A rendition for one language, as header fields and body with slots."""

    shared: SharedHead
    body: CompiledBody

    @property
    def fields(self) -> bytes:
        """The header fields that all its messages share, those that describe the content among them."""
        return self.shared.fields + self.body.head

    def head(self, own: PersonalFields) -> bytes:
        """The header block of one message, without the empty line behind it."""
        return self.shared.fill(own) + self.body.head


def compile_mail(message: Message) -> CompiledMail:
    """Compile what all messages like this one share: its ``text`` and ``html`` still hold their slots.

    The personal fields of ``message`` are an example: with them one mail is filled and looked over, and a mistake in
    what is shared comes to light. Raises MessageInvalid, and ValueError for half a marker or an unknown slot.
    """
    made = CompiledMail(shared_head(message), compile_body(message.text, message.html, boundary=boundary_of(message)))
    sources = message.text + (message.html or "")
    head, body = made.head(personal_fields_of(message)), made.body.fill(dict.fromkeys(slots_in(sources), "x"))
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
