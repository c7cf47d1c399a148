"""When an entry of a feed deserves a look at its page, and what to take from there (collection.md F20). Pure.

Rules: the page is asked for when the feed holds only the beginning; it is taken only when it has more to say than the
feed, is about the same article and shows it. What the feed said of itself (title, date, author, picture) stays: a
feed is made for machines, a page for readers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum

from digest.model.article import Barrier, ParsedArticle
from digest.text import html
from digest.text.phrases import any_of

#: A feed text of so many characters is an article; below, it may be only its beginning (collection.md F20).
WHOLE_CHARS = 600
#: Share of the teaser's words, in runs of five, that the page must have to be about the same article.
_SAME_ARTICLE = 0.5
_RUN = 5
_MORE = any_of(r"""
    \.{3}|…|\[\s*(?:\.{3}|…|&hellip;|more)\s*\]|\((?:more|mehr|\.{3})\)
    \b(?:continue reading|read more|read (?:the )?(?:full|whole|rest|entire).{0,30}|keep reading|click here.{0,30})
    \b(?:full (?:story|article)|weiterlesen|mehr lesen|lire la suite|lire plus|leer más|seguir leyendo)
    \b(?:continua a leggere|leggi tutto|continue lendo|leia mais|lees (?:verder|meer)|läs (?:mer|vidare)|les mer)
    \b(?:læs (?:mere|videre)|lue lisää)
    \b(?:czytaj (?:dalej|więcej)|читать (?:далее|дальше))
    続きを読む|阅读全文|查看全文
""")
_CUT = re.compile(rf"{_MORE}[\W\d]*$", re.IGNORECASE)
_APPEARED = re.compile(r"\s*the post .{1,200} (?:appeared first on|first appeared on) .{1,100}$", re.IGNORECASE)
_WORD = re.compile(r"\w+")


class FullText(StrEnum):
    """What became of the page of an entry."""

    TAKEN = "taken"
    EMPTY = "empty"
    SHORTER = "shorter"
    ANOTHER = "another-article"
    PAYWALL = "paywall"
    CONSENT = "consent"


#: Each verdict in words an operator understands.
REASONS = {
    FullText.TAKEN: "the text was taken from the article's page",
    FullText.EMPTY: "no text was found on the article's page",
    FullText.SHORTER: "the article's page has no more text than the feed",
    FullText.ANOTHER: "the article's page does not hold what the feed says of it",
    FullText.PAYWALL: "the article's page is for subscribers; the feed's teaser is kept",
    FullText.CONSENT: "the site asks for consent or a login instead of showing the article; the feed's teaser is kept",
}


def needs_page(article: ParsedArticle) -> bool:
    """Whether the feed holds less than the article: no date, under 600 characters, or an end that says there is more.

    An old article whose feed gives no date looks like news: its page knows better (F18).
    """
    if not article.url.lower().startswith(("http://", "https://")):
        return False
    if article.published_at is None:
        return True
    text = _APPEARED.sub("", _text(article))
    return len(text) < WHOLE_CHARS or _CUT.search(text[-300:]) is not None


def verdict(feed_article: ParsedArticle, page_article: ParsedArticle) -> FullText:
    """Whether the page's text is to be taken instead of the feed's, and if not why."""
    own, other = _text(feed_article), html.to_line(page_article.content_html)
    if page_article.barrier is not None:
        return FullText.PAYWALL if page_article.barrier is Barrier.PAYWALL else FullText.CONSENT
    if not other:
        return FullText.EMPTY
    if len(other) <= len(own):
        return FullText.SHORTER
    return FullText.TAKEN if _holds(other, own, title=feed_article.title, page=page_article) else FullText.ANOTHER


def better(feed_article: ParsedArticle, page_article: ParsedArticle) -> ParsedArticle:
    """The feed's entry with the page's text, where `verdict` takes it; else the entry as it is.

    What the feed leaves empty (summary, author, date, picture, language) is filled from the page either way, unless
    the page shows another article or a wall.
    """
    found = verdict(feed_article, page_article)
    if found in {FullText.ANOTHER, FullText.CONSENT, FullText.PAYWALL}:
        return feed_article
    picture = (feed_article.image_url, feed_article.image_alt)
    image, alt = picture if feed_article.image_url else (page_article.image_url, page_article.image_alt)
    dated = feed_article if feed_article.published_at else page_article
    return replace(
        feed_article,
        content_html=page_article.content_html if found is FullText.TAKEN else feed_article.content_html,
        title=feed_article.title or page_article.title,
        summary=feed_article.summary or page_article.summary,
        author=feed_article.author or page_article.author,
        published_at=dated.published_at,
        published_is_day=dated.published_is_day,
        image_url=image,
        image_alt=alt,
        language=page_article.language or feed_article.language,
    )


def _text(article: ParsedArticle) -> str:
    """The text the feed gives: its content, or its summary where that is longer."""
    content, summary = html.to_line(article.content_html), html.to_line(article.summary)
    return content if len(content) >= len(summary) else summary


def _holds(text: str, teaser: str, *, title: str, page: ParsedArticle) -> bool:
    """Whether the page is about the entry: it has the teaser's words in runs of five, or its headline.

    A teaser is often reworded for the feed, or written by nobody ("Comments: 12"): then the headline decides.
    """
    words = _WORD.findall(_CUT.sub("", _APPEARED.sub("", teaser)).casefold())
    runs = {tuple(words[start : start + _RUN]) for start in range(max(0, len(words) - _RUN + 1))}
    shown = _WORD.findall(f"{page.title} {page.summary} {text}".casefold())
    if runs:
        found = runs & {tuple(shown[start : start + _RUN]) for start in range(max(0, len(shown) - _RUN + 1))}
        if len(found) >= _SAME_ARTICLE * len(runs):
            return True
    headline = set(_WORD.findall(title.casefold()))
    told = set(_WORD.findall(page.title.casefold()))
    return bool(headline) and len(headline & told) >= 0.6 * min(len(headline), max(len(told), 1))
