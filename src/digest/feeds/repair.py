"""Damaged feed bytes to text that an XML parser accepts (collection.md §2.1, rules 1–4).

Pure string work, linear in the document: no pattern here can run back over what it has read. What was repaired
is reported, never hidden.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from html.entities import html5

from digest.model.article import Oddity
from digest.model.errors import FeedMalformed
from digest.text import charset

MAX_UNPACKED_BYTES = 15_000_000

_GZIP_MAGIC = b"\x1f\x8b"
_ROOT = re.compile(r"<((?:[A-Za-z][\w.-]*:)?(?:rss|feed|RDF))(?=[\s>/])", re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_CLOSED_CDATA_OR_REFERENCE = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|&(?:#(\d{1,7});|#[xX]([0-9A-Fa-f]{1,6});|([A-Za-z][A-Za-z0-9]{1,31});)?",
    re.DOTALL,
)
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]{0,2000}(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ROOT_TAG = re.compile(r"<[^>]*>")
_UNQUOTED = re.compile(r"""(\s[\w:.-]+)\s*=\s*([^\s"'>/][^\s"'>]*)""")
_PREFIX = re.compile(r"</?([A-Za-z][\w.-]*):[A-Za-z]")
_DECLARED_PREFIX = re.compile(r"xmlns:([\w.-]+)\s*=")
_OPENING = re.compile(r"<(?:[A-Za-z][\w.-]*:)?(?:item|entry)(?=[\s>/])", re.IGNORECASE)
_LEAF_TAG = re.compile(
    r"<(/?)(title|description|link|guid|pubDate|author|category|comments|published|updated|id|dc:creator|dc:date"
    r"|content:encoded)(?=[\s>/])[^<>]*>"
)
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_NAMESPACES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
    "georss": "http://www.georss.org/georss",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "thr": "http://purl.org/syndication/thread/1.0",
    "wfw": "http://wellformedweb.org/CommentAPI/",
    "yt": "http://www.youtube.com/xml/schemas/2015",
}


def unpack(raw: bytes) -> bytes:
    """``raw`` without gzip packing, known by its first bytes. Raises FeedMalformed past 15 MB unpacked."""
    if not raw.startswith(_GZIP_MAGIC):
        return raw
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = stream.decompress(raw, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise FeedMalformed("the document is packed with gzip, but damaged", hint="fetch it again later") from error
    if stream.unconsumed_tail:
        raise FeedMalformed(
            f"the document unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB",
            hint="this is not an ordinary feed; ask the publisher for a shorter one",
        )
    return unpacked


def decode(raw: bytes, *, content_type: str = "") -> tuple[str, tuple[Oddity, ...]]:
    """Unpacked text of a document, and what was odd about its bytes."""
    unpacked = unpack(raw)
    decoded = charset.decode(unpacked, content_type=content_type)
    odd = []
    if unpacked is not raw:
        odd.append(Oddity("packed", "the document was packed with gzip without saying so"))
    if not decoded.as_declared:
        odd.append(Oddity("wrong-charset", f"the document declares another charset than it uses ({decoded.encoding})"))
    return decoded.text, tuple(odd)


def root_at(text: str) -> re.Match[str] | None:
    """Where the feed's root element starts, outside comments and CDATA; None when there is none."""
    for match in _ROOT.finditer(text):
        before = text[: match.start()]
        if before.rfind("<!--") <= before.rfind("-->") and before.rfind("<![CDATA[") <= before.rfind("]]>"):
            return match
    return None


def isolate(text: str, root: re.Match[str]) -> tuple[str, tuple[Oddity, ...]]:
    """The feed alone: from its root element to the root's end, without a DOCTYPE."""
    odd = []
    if _LEADING_JUNK.sub("", text[: root.start()]).strip():
        odd.append(Oddity("leading-junk", "there was something before the feed"))
    name = re.escape(root.group(1))
    ends = [match.end() for match in re.finditer(rf"</{name}\s*>", text[root.start() :], re.IGNORECASE)]
    if not ends:
        odd.append(Oddity("cut-off", "the feed ends before its closing element"))
        return text[root.start() :], tuple(odd)
    end = root.start() + ends[-1]
    if _LEADING_JUNK.sub("", text[end:]).strip():
        odd.append(Oddity("trailing-junk", "there was something after the feed"))
    return text[root.start() : end], tuple(odd)


def repair(feed: str) -> str:
    """Well-formed as far as characters, references, the root's attributes and prefixes go. Idempotent."""
    feed = _ILLEGAL.sub("", feed)
    if "<!DOCTYPE" in feed or "<!doctype" in feed:
        feed = _DOCTYPE.sub("", feed)
    if "&" in feed:
        feed = _CLOSED_CDATA_OR_REFERENCE.sub(_reference, feed)
    feed = _close_leaves(feed)
    return _ROOT_TAG.sub(lambda match: _root_tag(match.group(), feed), feed, count=1)


def openings(feed: str) -> int:
    """How many entries the document starts, CDATA left out."""
    return len(_OPENING.findall(_CDATA.sub("", feed)))


_LEADING_JUNK = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]{0,2000}(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)


def _close_leaves(feed: str) -> str:
    """Close text elements that were never closed, before they swallow the entries that follow."""
    counts: Counter[str] = Counter()
    for match in _LEAF_TAG.finditer(_CDATA.sub("", feed)):
        if not match.group().endswith("/>"):
            counts[match.group(2)] += -1 if match.group(1) else 1
    for name in (name for name, excess in counts.items() if excess > 0):
        quoted = re.escape(name)
        unclosed = rf"(<{quoted}(?:\s[^<>]*+)?(?<!/)>(?:<!\[CDATA\[.*?\]\]>|[^<]++)*+)(?=<(?!/{quoted}\s*>))"
        feed = re.sub(unclosed, lambda match, end=f"</{name}>": match.group(1) + end, feed, flags=re.DOTALL)  # type: ignore[misc]  # a default binds the loop variable
    return feed


def _reference(match: re.Match[str]) -> str:
    """One CDATA section or comment as it is, one reference made legal, one bare ampersand escaped."""
    whole = match.group()
    if not whole.startswith("&"):
        return whole
    decimal, hexadecimal, name = match.groups()
    if name:
        if name in _XML_ENTITIES:
            return whole
        character = html5.get(f"{name};")
        return character or f"&amp;{whole[1:]}"
    if decimal or hexadecimal:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if 0x80 <= code <= 0x9F:  # Windows-1252 numbers: what every browser shows for them (HTML §13.2.5.80)
            return bytes([code]).decode("cp1252", "replace")
        legal = code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
        return whole if legal else ""
    return "&amp;"


def _root_tag(tag: str, feed: str) -> str:
    """The root's start tag with its attributes quoted and the prefixes declared that the document uses."""
    tag = _UNQUOTED.sub(r'\1="\2"', tag)
    declared = set(_DECLARED_PREFIX.findall(feed)) | {"xml", "xmlns"}
    missing = sorted(set(_PREFIX.findall(feed)) - declared)
    if not missing:
        return tag
    added = "".join(f' xmlns:{prefix}="{_NAMESPACES.get(prefix, "urn:undeclared:" + prefix)}"' for prefix in missing)
    end = -2 if tag.endswith("/>") else -1
    return f"{tag[:end]}{added}{tag[end:]}"
