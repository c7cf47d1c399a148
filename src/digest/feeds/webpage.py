"""One article from an HTML page: trafilatura for the text, our own layer for headline, author and date.

Order for each fact: JSON-LD, then OpenGraph and meta, then what readers see (h1, by-line, time). Measured in
collection.md §2.2: this beats every extractor's own metadata, above all on site names stuck to titles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from digest.feeds import plaintext
from digest.model.article import ParsedArticle, ParsedFeed
from digest.text import charset, dates, html
from digest.text import url as urls

_ARTICLE_TYPES = re.compile(r"Article|BlogPosting|Report|Review", re.IGNORECASE)
_SUFFIX = re.compile(r"\s+[|–—·»-]\s+([^|–—·»]{2,60})$")
_COMPARABLE = re.compile(r"\W+")
_AUTHOR_META = ("author", "article:author", "dc.creator", "byl", "parsely-author", "sailthru.author")
_DATE_META = (
    "article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "pubdate", "publish_date",
    "publication_date", "parsely-pub-date", "sailthru.date", "og:published_time",
)  # fmt: skip
_MIN_TEXT_CHARS = 40


def parse(text: str, name: str) -> ParsedFeed:
    """The article of a page; no entries when there is no page."""
    page = _tree(text)
    if page is None:
        return ParsedFeed("article", "", None, None, ())
    meta = _meta(page)
    linked = _json_ld(page)
    site = meta.get("og:site_name", "") or _named(linked.get("publisher"))
    language = page.get("lang") or meta.get("og:locale") or None
    url = _canonical(page, meta)
    published = _date(page, meta, linked, language)
    article = ParsedArticle(
        guid=name,
        url=url,
        title=_title(page, meta, linked, site=site),
        summary=_plain(meta.get("og:description") or meta.get("description") or _string(linked.get("description"))),
        content_html=_content(text, page),
        author=_author(page, meta, linked),
        published_at=published.at if published else None,
        published_is_day=bool(published and published.is_day),
        image_url=urls.absolute(url, meta.get("og:image", "")) or None,
        image_alt=meta.get("og:image:alt", ""),
        language=language,
        labels=tuple(dict.fromkeys(filter(None, (_plain(meta.get("article:section", "")),)))),
    )
    home = f"https://{urls.host(url)}/" if url else None
    return ParsedFeed("article", _plain(site), home, language, (article,))


def _tree(text: str) -> Any:
    try:
        return lxml_html.document_fromstring(
            text.encode("utf-8", "replace"), parser=lxml_html.HTMLParser(encoding="utf-8", remove_comments=True)
        )
    except (etree.ParserError, ValueError):  # an empty page
        return None


def _content(text: str, page: Any) -> str:
    import trafilatura  # noqa: PLC0415 - half a second to import, needed only for HTML files

    found = trafilatura.extract(
        text, favor_precision=True, include_comments=False, include_tables=False, with_metadata=False, deduplicate=False
    )
    lines = [line.strip() for line in (found or "").split("\n") if line.strip()]
    if sum(map(len, lines)) < _MIN_TEXT_CHARS:
        lines = [text for node in page.iter("p") if (text := " ".join(node.text_content().split()))]
    heading = {_comparable(node.text_content()) for node in page.iter("h1")}
    body = [line for line in lines if _comparable(line) not in heading and not _is_meta_line(line)]
    return "".join(f"<p>{escape(line, quote=False)}</p>\n" for line in body)


def _is_meta_line(line: str) -> bool:
    bare = line.lstrip("-•· ").strip()
    return plaintext.byline(bare) is not None or plaintext.date_line(bare) is not None


def _title(page: Any, meta: dict[str, str], linked: dict[str, Any], *, site: str) -> str:
    """The headline: an h1 that agrees with what the page tells machines, else that, without the site's name."""
    told = [
        _plain(_string(linked.get("headline"))),
        _plain(meta.get("og:title", "")),
        _plain(meta.get("twitter:title", "")),
    ]
    element = page.find(".//title")
    told.append(_plain(element.text_content()) if element is not None else "")
    told = [title for title in told if title]
    headings = [line for node in page.iter("h1") if (line := _plain(node.text_content()))]
    for heading in headings:
        if any(_comparable(heading) and _comparable(heading) in _comparable(title) for title in told):
            return heading
    if not told:
        return headings[0] if headings else ""
    return _without_site(told[0], site)


def _without_site(title: str, site: str) -> str:
    match = _SUFFIX.search(title)
    if match and (not site or _comparable(match.group(1)) == _comparable(site)):
        return title[: match.start()].strip()
    return title


def _author(page: Any, meta: dict[str, str], linked: dict[str, Any]) -> str | None:
    authors = linked.get("author")
    listed = authors if isinstance(authors, list) else [authors]
    names = [_plain(_named(one)) for one in listed]
    if found := ", ".join(dict.fromkeys(filter(None, names))):
        return found
    for key in _AUTHOR_META:
        name = _plain(meta.get(key, ""))
        if name and not name.startswith(("http://", "https://", "@")):
            return name
    for node in page.xpath(
        "//*[@rel='author' or @itemprop='author' or contains(concat(' ', @class, ' '), ' byline ')]"
    ):
        name = _plain(node.text_content())
        if 2 < len(name) < 80:
            return plaintext.byline(name) or re.sub(r"^by:?\s+", "", name, flags=re.IGNORECASE) or None
    for node in _short_lines(page):
        if (name_found := plaintext.byline(node)) is not None:
            return name_found or None
    return None


def _date(page: Any, meta: dict[str, str], linked: dict[str, Any], language: str | None) -> dates.ParsedDate | None:
    told = [_string(linked.get("datePublished")), *(meta.get(key, "") for key in _DATE_META)]
    told += [node.get("datetime") or "" for node in page.iter("time")]
    for raw in told:
        if found := dates.parse(raw, language=language):
            return found
    return next((found for line in _short_lines(page) if (found := plaintext.date_line(line))), None)


def _short_lines(page: Any) -> Iterator[str]:
    """Texts of small elements before the body, where by-lines and dates stand."""
    for node in page.iter("li", "span", "div", "p", "small", "time", "address", "em"):
        if len(node) == 0 and 2 < len(line := " ".join((node.text or "").split())) <= 80:
            yield line


def _meta(page: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in page.iter("meta"):
        key = (node.get("property") or node.get("name") or node.get("itemprop") or "").strip().lower()
        content = (node.get("content") or "").strip()
        if key and content:
            found.setdefault(key, content)
    return found


def _canonical(page: Any, meta: dict[str, str]) -> str:
    for node in page.iter("link"):
        if "canonical" in (node.get("rel") or "").lower().split() and (
            url := urls.absolute("", node.get("href") or "")
        ):
            return url
    return urls.absolute("", meta.get("og:url", ""))


def _json_ld(page: Any) -> dict[str, Any]:
    """The first article object of the page's JSON-LD; ``{}`` when there is none or it is not JSON."""
    for node in page.xpath("//script[contains(@type, 'ld+json')]"):
        try:
            loaded = json.loads((node.text or "").strip().rstrip(";"), strict=False)
        except (ValueError, RecursionError):  # pages ship broken JSON-LD; it is only one of the places we look
            continue
        for item in _objects(loaded):
            kinds = item.get("@type")
            listed = kinds if isinstance(kinds, list) else [kinds]
            if any(isinstance(kind, str) and _ARTICLE_TYPES.search(kind) for kind in listed):
                return item
    return {}


def _objects(loaded: object) -> Iterator[dict[str, Any]]:
    pending = [loaded]
    while pending:
        item = pending.pop(0)
        if isinstance(item, list):
            pending[:0] = item
        elif isinstance(item, dict):
            yield item
            if isinstance(item.get("@graph"), list):
                pending[:0] = item["@graph"]


def _named(value: object) -> str:
    if isinstance(value, dict):
        return _string(value.get("name"))
    return _string(value)


def _string(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _plain(value: str) -> str:
    return charset.unmojibake(html.to_line(value))


def _comparable(value: str) -> str:
    return _COMPARABLE.sub("", value).casefold()
