"""Header fields as bytes: folding, encoded-words, and values that must stay whole.

Rules of this file:
* a line is folded only at white space that is there already (RFC 5322 §2.2.3), so a URL is never broken;
* free text (Subject, display names) is cleaned of controls and may become encoded-words (RFC 2047): at most 75
  characters each, the line at most 76, each decodable by itself; text that looks like one is encoded as well;
* structured values (List-*, Message-ID, …) are refused when they hold anything but printable ASCII, never encoded.
Every function returns one whole field, CRLF included.
"""

from __future__ import annotations

import binascii
import re

from digest.mime.address import parse_address
from digest.model.errors import BadInput, MessageInvalid

LINE_SOFT = 76  # RFC 2047 §2: a line with an encoded-word; within RFC 5322's 78 for all others
LINE_HARD = 998  # RFC 5322 §2.1.1, without CRLF

_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
_BLANKS = re.compile(" {2,}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_NOT_Q_SAFE = re.compile(rb"[^A-Za-z0-9!*+/-]")  # RFC 2047 §5 (3): the set that is safe in a phrase, too
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_WORD_HEAD, _WORD_TAIL, _WORD_MAX = len("=?utf-8?q?"), len("?="), 75
_LONG_WORD = 60  # a longer run without a blank could not be folded


def clean(text: str) -> str:
    """Free text on one line: control characters become blanks, runs of blanks one, none at the ends."""
    text = text.translate(_CONTROLS).encode("utf-8", "replace").decode() if not text.isprintable() else text
    return _BLANKS.sub(" ", text).strip(" ")


def free_text(name: str, value: str) -> bytes:
    """An unstructured field such as Subject. Raises MessageInvalid when nothing printable is left."""
    text = clean(value)
    if not text:
        raise MessageInvalid(f"the {name} of a message cannot be empty")
    return _fold(name, _words(text, first=LINE_SOFT - len(name) - 2))


def mailbox(name: str, display: str, email: str) -> bytes:
    """A field with exactly one mailbox (From, To, Reply-To): ``Display Name <address>``.

    A non-ASCII local part is written as UTF-8 (RFC 6532), the only thing here that is not 7bit.
    """
    address = header_address(email)
    if not display:
        return _fold(name, [address])
    phrase = _phrase(clean(display), first=LINE_SOFT - len(name) - 2)
    return _fold(name, [*phrase, f"<{address}>"] if phrase else [address])


def structured(name: str, *tokens: str) -> bytes:
    """A field of tokens that are never encoded nor broken; a fold may come between two of them.

    Raises MessageInvalid for anything but printable ASCII in a token, and for a line over 998 octets.
    """
    for token in tokens:
        if not _TOKEN.fullmatch(token):
            raise MessageInvalid(f"{name} cannot hold {token[:80]!r}: only printable ASCII without blanks")
    return _fold(name, list(tokens))


def listed(name: str, display: str, identifier: str) -> bytes:
    """A List-Id field: the name if it is ASCII, and the identifier in angle brackets (RFC 2919 §2)."""
    text = clean(display)
    plain = text.isascii() and "=?" not in text and len(text) <= _LONG_WORD
    return structured_phrase(name, text if plain else "", f"<{identifier}>")


def structured_phrase(name: str, phrase: str, token: str) -> bytes:
    """A field ``phrase token`` where the phrase is ASCII: atoms, or one quoted-string."""
    if not _TOKEN.fullmatch(token):
        raise MessageInvalid(f"{name} cannot hold {token[:80]!r}: only printable ASCII without blanks")
    return _fold(name, [*_quoted(phrase), token] if phrase else [token])


def header_address(email: str) -> str:
    """The address as it goes into a header: domain as A-labels; UTF-8 only for a non-ASCII local part."""
    if _ADDRESS.fullmatch(email):
        return email
    try:
        return parse_address(email).wire
    except BadInput as problem:
        raise MessageInvalid(problem.message, hint=problem.hint) from problem


def _phrase(text: str, *, first: int) -> list[str]:
    if not text:
        return []
    if text.isascii() and "=?" not in text and len(text) <= _LONG_WORD:
        return _quoted(text)
    return _encoded_words(text, first=first)


def _quoted(text: str) -> list[str]:
    if _ATOMS.fullmatch(text):
        return text.split(" ")
    return ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"']


def _words(text: str, *, first: int) -> list[str]:
    """Words of a free text; those from the first to the last that needs it become encoded-words.

    One run only: blanks between neighbouring encoded-words are dropped by readers (RFC 2047 §6.2), so two runs
    would have to carry the blank between them in a third.
    """
    words = text.split(" ")
    odd = [at for at, word in enumerate(words) if not word.isascii() or "=?" in word or len(word) > _LONG_WORD]
    if not odd:
        return words
    start, end = odd[0], odd[-1] + 1
    used = sum(len(word) + 1 for word in words[:start])
    room = first - used if used < first - 30 else LINE_SOFT - 1
    return [*words[:start], *_encoded_words(" ".join(words[start:end]), first=room), *words[end:]]


def _encoded_words(text: str, *, first: int) -> list[str]:
    """Split ``text`` between characters into encoded-words, the first at most ``first`` characters long."""
    data = text.encode()
    as_q = len(data) + 2 * len(_NOT_Q_SAFE.findall(data.replace(b" ", b"")))
    letter = "q" if as_q <= (len(data) + 2) // 3 * 4 else "b"
    words: list[str] = []
    room = min(first, _WORD_MAX) - _WORD_HEAD - _WORD_TAIL
    chunk, cost = "", 0
    for char in text:
        raw = char.encode()
        # b: 3 octets become 4 letters, padded; q: a blank is "_", an unsafe octet is "=XX"
        added = len(raw) if letter == "b" or char == " " else len(raw) + 2 * len(_NOT_Q_SAFE.findall(raw))
        if (cost + added > room) if letter == "q" else (cost + added > room // 4 * 3):
            words.append(_encoded_word(chunk, letter))
            room = _WORD_MAX - _WORD_HEAD - _WORD_TAIL
            chunk, cost = "", 0
        chunk += char
        cost += added
    words.append(_encoded_word(chunk, letter))
    return words


def _encoded_word(chunk: str, letter: str) -> str:
    data = chunk.encode()
    if letter == "b":
        return f"=?utf-8?b?{binascii.b2a_base64(data, newline=False).decode()}?="
    coded = b"_".join(_NOT_Q_SAFE.sub(lambda m: b"=%02X" % m[0][0], piece) for piece in data.split(b" "))
    return f"=?utf-8?q?{coded.decode()}?="


def _fold(name: str, tokens: list[str]) -> bytes:
    """Join tokens by blanks, folding before a token that would make the line longer than 76.

    The first token stays on the first line: a field that starts with a fold confuses old readers.
    """
    lines: list[str] = []
    line = f"{name}: {tokens[0]}"
    for token in tokens[1:]:
        if len(line) + 1 + len(token) > LINE_SOFT:
            lines.append(line)
            line = f" {token}"
        else:
            line = f"{line} {token}"
    lines.append(line)
    raw = "\r\n".join(lines).encode() + b"\r\n"
    if len(raw) > LINE_HARD and any(len(one) > LINE_HARD for one in raw.split(b"\r\n")):
        raise MessageInvalid(f"{name} needs a line of more than {LINE_HARD} octets", hint="shorten the address or URL")
    return raw
