"""A web page where somebody gave its address: a list of articles, or one article."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from digest.feeds import discovery, htmltree, listing, webpage
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import url as urls

_ARTICLE = re.compile(r'"@type"\s*:\s*\[?\s*"(?:[A-Za-z]*Article|BlogPosting|LiveBlogPosting)"')
_LIST = re.compile(r'"@type"\s*:\s*\[?\s*"(?:ItemList|CollectionPage|Blog|SearchResultsPage)"')
_LONG_TEXT_CHARS = 1500
_SHORT_TEXT_CHARS = 400
_PARAGRAPH_CHARS = 80
_FEW_LINKS = 12


def read(text: str, *, url: str, name: str = "", odd: tuple[Oddity, ...] = (), as_article: bool = False) -> ParsedFeed:
    """What the page at ``url`` holds, as kind ``page`` or ``article``. Raises FeedMalformed when it is neither.

    ``name`` is a saved page's file: what an article without any address is known by.

    The feeds it names are told in a warning: they are the better source.
    """
    tree = htmltree.parse(text)
    if tree is None:
        raise FeedMalformed("the page is empty", hint="open the address in a browser and check what it gives")
    url = url or _own_address(tree)
    named = discovery.named_in(tree, htmltree.base_of(tree, url))
    if named:
        odd += (Oddity("names-feeds", f"the page names these feeds: {', '.join(named)}"),)
    listed = 0 if as_article else listing.count(tree, url)
    if listed >= listing.MIN_ARTICLES and not _is_article(tree, url, listed=listed):
        return listing.parse(text, url=url, odd=odd)
    found = webpage.parse(text, url or name)
    article = found.entries[0] if found.entries else None
    if article is None or not article.title or not article.content_html:
        raise FeedMalformed(
            "this is a web page, but neither a list of articles nor an article",
            hint=f"it names these feeds: {', '.join(named)}" if named else "look for an RSS link on the site",
        )
    article = replace(article, guid=article.url or url or name, url=article.url or url)
    return replace(found, entries=(article,), warnings=(*odd, *found.warnings))


def _own_address(tree: Any) -> str:
    """The address that a saved page gives itself, or ``""``."""
    for node in tree.iter("link"):
        if "canonical" in (node.get("rel") or "").lower().split() and (
            told := urls.absolute("", node.get("href") or "")
        ):
            return told
    for node in tree.iter("meta"):
        if (node.get("property") or "").lower() == "og:url" and (told := urls.absolute("", node.get("content") or "")):
            return told
    return ""


def _is_article(tree: Any, url: str, *, listed: int) -> bool:
    """Whether a page with several links to articles is itself one: it says so, or it is mostly running text."""
    if urlsplit(url).path in {"", "/"} and url:
        return False
    for node in tree.iter("meta"):
        if (node.get("property") or "").lower() == "og:type" and (node.get("content") or "").lower() == "article":
            return True
    linked = " ".join(node.text or "" for node in tree.iter("script") if "ld+json" in (node.get("type") or ""))
    if len(_ARTICLE.findall(linked)) == 1 and not _LIST.search(linked):
        return True
    long = [told for node in tree.iter("p") if len(told := node.text_content().strip()) >= _PARAGRAPH_CHARS]
    length = sum(map(len, long))
    if length >= _SHORT_TEXT_CHARS and listing.is_article_address(url):
        return True
    return length >= _LONG_TEXT_CHARS and (listed < _FEW_LINKS or len(long) > listed)
