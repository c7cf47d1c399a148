"""Local files as articles: the name's ending chooses the adapter, the article is the only entry.

What all of them share is here; each format has a module of its own.
"""

from __future__ import annotations

from pathlib import PurePath

from digest.feeds import markdown, plaintext, webpage
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import charset

SUFFIXES = {
    ".txt": plaintext.parse,
    ".md": markdown.parse,
    ".markdown": markdown.parse,
    ".html": webpage.parse,
    ".htm": webpage.parse,
}


def parse(raw: bytes, *, name: str) -> ParsedFeed:
    """The article in a file. Raises FeedMalformed for an unknown ending or a file without an article."""
    suffix = PurePath(name).suffix.lower()
    adapter = SUFFIXES.get(suffix)
    if adapter is None:
        raise FeedMalformed(
            f"{PurePath(name).name}: files ending in {suffix or 'nothing'} cannot be read as articles",
            hint=f"use one of {', '.join(SUFFIXES)}",
        )
    text = charset.decode(raw).text.replace("\r\n", "\n").replace("\r", "\n")
    feed = adapter(text, name)
    article = feed.entries[0] if feed.entries else None
    if article is None or not article.title or not article.content_html:
        raise FeedMalformed(
            f"{PurePath(name).name}: no article found in it",
            hint="the file needs a headline on its first line and at least one paragraph below it",
        )
    return feed
