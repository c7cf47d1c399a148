"""Damaged documents to text that an XML parser accepts (collection.md §2.1, rules 1–4).

Pure string work, linear in the document: no pattern here can run back over what it has read. What was repaired
is reported, never hidden. `mend` goes on where elements are nested wrongly.
"""

from __future__ import annotations

import re
import zlib
from html.entities import html5

from digest.model.article import Oddity
from digest.model.errors import FeedMalformed
from digest.text import charset

MAX_UNPACKED_BYTES = 15_000_000

_GZIP_MAGIC = b"\x1f\x8b"
# Comments and CDATA are read as one piece, to the end of the document where they are not closed.
_ASIDE = r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)"
_ROOT = re.compile(
    rf"{_ASIDE}|<(?P<name>(?:[A-Za-z][\w.-]{{0,40}}:)?(?P<local>rss|feed|RDF|urlset|sitemapindex|opml))(?=[\s>/])",
    re.DOTALL | re.IGNORECASE,
)
_OPENING = re.compile(
    rf"{_ASIDE}|<(?P<name>(?:[A-Za-z][\w.-]{{0,40}}:)?(?:item|entry))(?=[\s>/])", re.DOTALL | re.IGNORECASE
)
_ASIDE_OR_REFERENCE = re.compile(
    rf"{_ASIDE}|&(?:#(\d{{1,7}});|#[xX]([0-9A-Fa-f]{{1,6}});|([A-Za-z][A-Za-z0-9]{{1,31}});)?", re.DOTALL
)
_LEADING = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]{0,2000}(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_LEADING_CHARS = 20_000
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CP1252_NUMBER = re.compile(r"&#(?:1[2-5]\d|[xX](?:00)?[89][0-9A-Fa-f]);")
_START_TAG = re.compile(r"<[^<>]*>")
_ATTRIBUTE = re.compile(r"""(\s[\w:.-]+)\s*=\s*(?:("[^"]*"|'[^']*')|([^\s"'<>]+))""")
_PREFIX = re.compile(r"</?([A-Za-z][\w.-]*):[A-Za-z]")
_DECLARED_PREFIX = re.compile(r"xmlns:([\w.-]+)\s*=")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
NAMESPACES = {
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
    """Where the root of a feed, sitemap or OPML list starts, outside comments and CDATA; None when there is none.

    Its name is in ``match["name"]``, without prefix in ``match["local"]``.
    """
    return next((match for match in _ROOT.finditer(text) if match["name"]), None)


def isolate(text: str, root: re.Match[str]) -> tuple[str, tuple[Oddity, ...]]:
    """The document alone: from its root element to the root's end, without prolog and DOCTYPE."""
    odd = []
    if _has_content(text[: root.start()]):
        odd.append(Oddity("leading-junk", "there was something before the feed"))
    closing = f"</{root['name']}"
    at = text.rfind(closing, root.start())
    if at < 0:  # RSS and rss are the same to us
        at = text.lower().rfind(closing.lower(), root.start()) if text.isascii() else -1
    end = text.find(">", at) + 1 if at >= 0 else 0
    if not end:
        odd.append(Oddity("cut-off", "the feed ends before its closing element"))
        return text[root.start() :], tuple(odd)
    if _has_content(text[end:]):
        odd.append(Oddity("trailing-junk", "there was something after the feed"))
    return text[root.start() : end], tuple(odd)


def repair(feed: str) -> str:
    """Well-formed as far as characters, references, attributes and prefixes go. Idempotent."""
    feed = _unhidden(_ILLEGAL.sub("", feed))
    if "&" in feed:
        feed = _ASIDE_OR_REFERENCE.sub(_reference, feed)
    return _START_TAG.sub(lambda match: _root_tag(match.group(), feed), feed, count=1)


def readable_numbers(feed: str) -> str:
    """``feed`` with numeric references to C1 controls as the Windows-1252 characters that were meant.

    ``&#150;`` is legal XML, so it must be mended in well-formed feeds, too (as browsers do: HTML §13.2.5.80).
    """
    if not _CP1252_NUMBER.search(feed):
        return feed
    return _ASIDE_OR_REFERENCE.sub(
        lambda match: _reference(match) if _CP1252_NUMBER.fullmatch(match.group()) else match.group(), feed
    )


def openings(feed: str) -> int:
    """How many entries the document starts, CDATA and comments left out."""
    return sum(1 for match in _OPENING.finditer(feed) if match["name"])


def quoted(tag: str) -> str:
    """A start tag with all its attributes quoted."""
    return _ATTRIBUTE.sub(_quote, tag)


def _unhidden(feed: str) -> str:
    """Without the starts of comments and CDATA sections that have no end: they would hide all the rest."""
    for start, end in (("<!--", "-->"), ("<![CDATA[", "]]>")):
        behind = feed.rfind(end) + 1
        if feed.find(start, behind) >= 0:
            feed = feed[:behind] + feed[behind:].replace(start, "")
    return feed


def _quote(match: re.Match[str]) -> str:
    name, value, bare = match.groups()
    if bare is None:
        return f"{name}={value}"
    slash = "/" if bare.endswith("/") and match.string[match.end() : match.end() + 1] == ">" else ""
    return f'{name}="{bare.removesuffix(slash) if slash else bare}"{slash}'


def _has_content(text: str) -> bool:
    if len(text) > _LEADING_CHARS:
        return True
    return bool(_LEADING.sub("", text).strip("\ufeff \t\r\n"))


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
        if 0x80 <= code <= 0x9F:
            return bytes([code]).decode("cp1252", "replace")
        legal = code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
        return whole if legal else ""
    return "&amp;"


def _root_tag(tag: str, feed: str) -> str:
    """The root's start tag with its attributes quoted and the prefixes declared that the document uses."""
    tag = quoted(tag)
    declared = set(_DECLARED_PREFIX.findall(feed)) | {"xml", "xmlns"}
    missing = sorted(set(_PREFIX.findall(feed)) - declared)
    if not missing:
        return tag
    added = "".join(f' xmlns:{prefix}="{NAMESPACES.get(prefix, "urn:undeclared:" + prefix)}"' for prefix in missing)
    end = -2 if tag.endswith("/>") else -1
    return f"{tag[:end]}{added}{tag[end:]}"
