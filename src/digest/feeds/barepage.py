"""Text somebody wrapped into HTML: no headings, no classes, nothing told to machines; only lines in elements.

Readers of pages find no headline there and keep all that stands around the text. Such a page is read as the plain
text that it is, by the rules for plain text (`plaintext`).
"""

from __future__ import annotations

import re
from typing import Any

from digest.feeds import plaintext
from digest.feeds.pagefacts import Page, comparable, plain
from digest.model.article import ParsedArticle, ParsedFeed

_BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "blockquote", "pre", "table", "tr", "body", "hr", "center"})
_STRUCTURE = frozenset({"h1", "h2", "h3", "article", "main", "header", "nav", "footer", "aside", "section", "time"})
_UNSEEN = frozenset({"script", "style", "head", "noscript", "template", "title"})
#: A first line longer than this is a paragraph, not a headline.
_MAX_HEADLINE_CHARS = 200
_MAX_SENTENCE_CHARS = 80
#: A title of fewer words ("Untitled document", "article") tells nothing.
_TELLING_WORDS = 3


def parse(page: Page) -> ParsedFeed | None:
    """The article of a bare page, or None for one that has structure of its own."""
    if page.linked or any(key.startswith(("og:", "article:", "twitter:")) for key in page.meta) or not _is_bare(page):
        return None
    feed = plaintext.parse(_text(page), page.canonical)
    return feed if feed.entries and _has_headline(feed.entries[0], page) else None


def _is_bare(page: Page) -> bool:
    return not any(
        node.tag in _STRUCTURE or node.get("class") or node.get("role") or node.get("itemprop")
        for node in page.tree.iter()
        if isinstance(node.tag, str)
    )


def _has_headline(article: ParsedArticle, page: Page) -> bool:
    """Whether the first line can be a headline; one that differs from the page's title cannot."""
    told = plain(page.tree.findtext(".//title") or "")
    if len(told.split()) >= _TELLING_WORDS and comparable(article.title) not in comparable(told):
        return False
    is_sentence = article.title.endswith(".") and len(article.title) > _MAX_SENTENCE_CHARS
    return bool(article.content_html) and 0 < len(article.title) <= _MAX_HEADLINE_CHARS and not is_sentence


def _text(page: Page) -> str:
    """The page's text, an empty line between blocks; line breaks within one stay, as ``pre`` and ``br`` mean them."""
    pieces: list[str] = []
    pending: list[Any] = [page.tree]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            pieces.append(node)
        elif isinstance(node.tag, str) and node.tag not in _UNSEEN:
            gap = "\n\n" if node.tag in _BLOCKS else "\n" if node.tag == "br" else ""
            inside = [gap, node.text or ""]
            for child in node:
                inside += [child, child.tail or ""]
            pending += reversed([*inside, gap])
    return re.sub(r"\n\s*\n", "\n\n", "".join(pieces)).strip()
