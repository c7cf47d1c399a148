"""Bytes to text, whatever the sender claimed.

Rules: a BOM is believed, then valid UTF-8 beats any declared charset (a document that decodes as UTF-8 by
chance is practically unknown), then the declared one (Latin-1 means Windows-1252, WHATWG Encoding §4.2), then
detection. Decoding never fails: what no charset explains becomes U+FFFD.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import cchardet

_BOMS = (  # the UTF-32 marks first: FF FE 00 00 starts with the UTF-16 one
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE_STARTS = (  # "<" or a blank in each wide encoding, without a BOM (XML 1.0 appendix F)
    (re.compile(rb"[<\s]\0\0\0[^\0]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[<\s]\0\0\0[^\0]"), "utf-32-be"),
    (re.compile(rb"[<\s]\0[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\0[<\s]\0[^\0]"), "utf-16-be"),
)
_XML_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']?([A-Za-z0-9._:-]{2,40})")
_META_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9._:-]{2,40})", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{2,40})", re.IGNORECASE)
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u2122]")
_C1 = re.compile("[\x80-\x84\x86-\x9f]")  # U+0085 is a line break in some documents
_FROM_C1 = {byte: bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xA0) if byte != 0x85}
_ASCII = bytes(range(0x80))
_SNIFF_BYTES = 2048
_DETECT_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the charset that explained it, and whether that is what the document said of itself."""

    text: str
    encoding: str
    as_declared: bool


def decode(raw: bytes, *, content_type: str = "") -> Decoded:
    """Text of ``raw``. ``content_type`` is the HTTP header, believed only where the bytes agree."""
    for bom, encoding in _BOMS:
        if raw.startswith(bom):
            return Decoded(_strip_boms(raw.decode(encoding, "replace")), encoding, as_declared=True)
    while raw.startswith(codecs.BOM_UTF8):
        raw = raw[3:]
    for pattern, encoding in _WIDE_STARTS:
        if pattern.match(raw):
            return Decoded(raw.decode(encoding, "replace"), encoding, as_declared=False)
    declared = declared_charsets(raw, content_type=content_type)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(raw, declared)
    return Decoded(_strip_boms(text), "utf-8", as_declared=not declared or "utf-8" in declared)


def declared_charsets(raw: bytes, *, content_type: str = "") -> tuple[str, ...]:
    """Charsets that the XML declaration, a meta element and the header name, known ones only, in that order."""
    head = raw[:_SNIFF_BYTES]
    named = [
        match.group(1).decode("ascii") for match in (_XML_DECLARED.search(head), _META_DECLARED.search(head)) if match
    ]
    if match := _HEADER_CHARSET.search(content_type):
        named.append(match.group(1))
    return tuple(dict.fromkeys(known for name in named if (known := _known(name))))


def unmojibake(text: str) -> str:
    """``text`` with UTF-8 that was once read as Windows-1252 or Latin-1 put right; unchanged where it was not.

    Only as a whole: of text that mixes both, nothing says which part is meant.
    """
    if not _MOJIBAKE.search(text):
        return text
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text


def readable(text: str) -> str:
    """`unmojibake`, and Windows-1252 characters that came through as C1 controls as what they were meant to be."""
    text = unmojibake(text)
    return text.translate(_FROM_C1) if _C1.search(text) else text


def _decode_legacy(raw: bytes, declared: tuple[str, ...]) -> Decoded:
    sequences = len(_UTF8_SEQUENCE.findall(raw))
    high = len(raw.translate(None, delete=_ASCII))
    if sequences * 2 > high - sequences * 2:
        # Mostly UTF-8 with stray bytes (cut in the middle, or one pasted paragraph): save all the rest.
        return Decoded(_strip_boms(raw.decode("utf-8", "digest-cp1252")), "utf-8", as_declared=False)
    for name in declared:
        if name.startswith(("utf-16", "utf-32")):
            continue  # it would have shown its zero bytes above
        try:
            return Decoded(raw.decode(name), name, as_declared=True)
        except UnicodeDecodeError:
            continue
    guess = cchardet.detect(raw[:_DETECT_BYTES]).get("encoding") or ""
    detected = _known(guess) or "cp1252"
    if detected == "utf-8":
        detected = "cp1252"
    return Decoded(raw.decode(detected, "replace"), detected, as_declared=False)


def _known(name: str) -> str:
    """The codec's own name, with Latin-1 and ASCII read as Windows-1252; ``""`` for an unknown or non-text one."""
    try:
        info = codecs.lookup(name)
    except LookupError:
        return ""
    if not info._is_text_encoding:  # noqa: SLF001 - the only way to tell rot13 and zlib from charsets
        return ""
    return "cp1252" if info.name in {"iso8859-1", "ascii"} else info.name


def _strip_boms(text: str) -> str:
    return text.lstrip("\ufeff")


def _stray_byte(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: read one byte that is not UTF-8 as Windows-1252."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.start + 1].decode("cp1252", "replace"), error.start + 1


codecs.register_error("digest-cp1252", _stray_byte)
