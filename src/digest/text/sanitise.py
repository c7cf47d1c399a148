"""Making foreign text harmless, once, at storage (collection.md F26).

Rules: an allow-list of tags and attributes, no style, class, script, form or frame; only http, https and mailto
links, all absolute; tracking pixels dropped. Code points U+E000–U+F8FF never get in: the mail builder marks its
slots with them.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import nh3

_TAG_NAMES = """
a abbr b blockquote br caption cite code dd del dl dt em figcaption figure h2 h3 h4 h5 h6 hr i img ins li
ol p pre q s small strong sub sup table tbody td tfoot th thead time tr u ul
"""
_TAGS = set(_TAG_NAMES.split())
_SILENCED_NAMES = """
script style template iframe object embed noscript svg math textarea select button title head canvas audio video
"""
_SILENCED = set(_SILENCED_NAMES.split())
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height", "title", "style"},  # style only so that _keep_image can look at it
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "q": {"cite"},
    "blockquote": {"cite"},
    "ol": {"start"},
}
_URL_ATTRIBUTES = frozenset({"href", "src", "cite"})
_SCHEMES = {"http", "https", "mailto"}
_IMG = re.compile(r'<img((?:\s[\w:-]+="[^"]*")*)\s*/?>')
_ATTRIBUTE = re.compile(r'\s([\w:-]+)="([^"]*)"')
_TINY_STYLE = re.compile(
    r"(?:^|[;\s])(?:width|height)\s*:\s*[01](?:px)?\s*(?:;|$)|display\s*:\s*none|visibility\s*:\s*hidden"
)
_TRACKER = re.compile(
    r"//(?:[\w.-]+\.)?(?:feedburner\.com/~r|doubleclick\.net|google-analytics\.com|pixel\.wp\.com|stats\.wordpress\.com"
    r"|feedsportal\.com|pheedo\.com|scorecardresearch\.com|quantserve\.com|list-manage\.com/track|imrworldwide\.com)"
    r"|/(?:pixel|beacon|1x1|spacer|blank|clear|transparent|tracking?|track/open)(?:\.(?:gif|png|php|jpg))?(?:[?#]|$)",
    re.IGNORECASE,
)
# C0 and C1 controls, bidi embeddings and overrides, invisible operators, private use, non-characters, lone surrogates
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\u2060-\u2064\ufeff"
    "\ue000-\uf8ff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000f0000-\U0010ffff]"
)
_SPACE = re.compile(r"\s+")


def clean_text(text: str) -> str:
    """``text`` without characters that have no business in a mail; line breaks stay, as LF."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_line(text: str) -> str:
    """``clean_text`` on one line, white space collapsed and stripped: for titles, names and header fields."""
    return _UNWANTED.sub("", _SPACE.sub(" ", text)).strip()


def sanitise(html: str, *, base: str = "") -> str:
    """Harmless HTML. Links are made absolute against ``base``; a link that cannot be is dropped, its text stays."""
    if not html:
        return ""

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name in _URL_ATTRIBUTES:
            return _safe_url(value, base, images_only=tag == "img")
        return clean_line(value)

    cleaned = nh3.clean(
        clean_text(html),
        tags=_TAGS,
        clean_content_tags=_SILENCED,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )
    # Once more on the result: a character reference such as &#xE000; has become the character only now.
    return _IMG.sub(_keep_image, clean_text(cleaned)).strip()


def is_tracking_image(src: str, *, width: str = "", height: str = "", style: str = "") -> bool:
    """Whether an image is there to report the reader, not to be seen: 1×1, hidden, or from a known counter."""
    sizes = [size.strip().removesuffix("px") for size in (width, height)]
    return any(size in {"0", "1"} for size in sizes) or bool(_TINY_STYLE.search(style)) or bool(_TRACKER.search(src))


def _keep_image(match: re.Match[str]) -> str:
    attributes = dict(_ATTRIBUTE.findall(match.group(1)))
    style = attributes.pop("style", "")
    src = unescape(attributes.get("src", ""))
    width, height = attributes.get("width", ""), attributes.get("height", "")
    if not src or is_tracking_image(src, width=width, height=height, style=unescape(style)):
        return ""
    return "<img" + "".join(f' {name}="{value}"' for name, value in attributes.items()) + ">"


def _safe_url(value: str, base: str, *, images_only: bool) -> str | None:
    value = _UNWANTED.sub("", re.sub(r"[\t\r\n]", "", value)).strip()
    try:
        url = urljoin(base, value) if base else value
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
    except ValueError:  # "http://[broken"
        return None
    scheme = parts.scheme.lower()
    if scheme in {"http", "https"} and has_host:
        return url
    return url if scheme == "mailto" and not images_only else None
