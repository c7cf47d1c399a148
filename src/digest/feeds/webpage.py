"""One article from an HTML page: text, headline, author, date and picture, each by a module of its own.

The tree is parsed once, in `pagefacts`; `headline`, `byline` and `pagedate` find the facts, `maintext` the text.
Measured as a whole against the gold of 490 pages in `bench.collect.pages`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from digest.feeds import barepage, barrier, byline, headline, maintext, pagedate, pagefacts
from digest.feeds.pagefacts import Page, plain, text_of
from digest.model.article import ParsedArticle, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import charset, html, language
from digest.text import url as urls

_NO_PICTURE = re.compile(
    r"(?:logo|placeholder|default|blank|spacer|avatar|icon|favicon|sprite)[\w.-]*(?:[?#]|$)", re.IGNORECASE
)


def parse(text: str, name: str) -> ParsedFeed:
    """The article of a local HTML file; no entries when there is no page."""
    page = pagefacts.read(text)
    if page is None:
        return ParsedFeed("article", "", None, None, ())
    if bare := barepage.parse(page):
        return replace(bare, entries=(_bare_article(bare.entries[0], page, guid=name),))
    article = _article(page, guid=name, quick=False)
    home = f"https://{urls.host(page.canonical)}/" if page.canonical else None
    return ParsedFeed("article", page.site, home, article.language, (article,))


def read(raw: bytes, *, url: str = "", content_type: str = "", quick: bool = False) -> ParsedArticle:
    """The article of the page in ``raw``, which came from ``url``. Raises FeedMalformed when there is none.

    ``quick`` reads the text with the fast reader alone, for a page on which the better one took too long.
    The article's ``url`` is the canonical one where the page names it, else ``url``; it is the guid, too.
    """
    page = pagefacts.read(charset.decode(raw, content_type=content_type).text, url=url)
    if page is None:
        raise FeedMalformed("the page is empty", hint="open the address in a browser and check what it gives")
    if bare := barepage.parse(page):
        return _bare_article(bare.entries[0], page, guid=page.canonical or url)
    return _article(page, guid=page.canonical or url, quick=quick)


def _article(page: Page, *, guid: str, quick: bool) -> ParsedArticle:
    # The facts first: trafilatura works on a copy, but needs no more than the tree as it stands.
    title = headline.headline(page)
    author = byline.author(page)
    published = pagedate.published(page, thorough=not quick)
    summary = _summary(page)
    found = maintext.blocks(page, quick=quick)
    text = "\n".join(block.text for block in found)
    image, alt = _picture(page)
    return ParsedArticle(
        guid=guid,
        url=page.canonical,
        title=title,
        summary=summary,
        content_html=maintext.to_html(found),
        author=author,
        published_at=published.at if published else None,
        published_is_day=bool(published and published.is_day),
        image_url=image,
        image_alt=alt,
        language=language.of(text or f"{title} {summary}", declared=page.language),
        labels=tuple(dict.fromkeys(filter(None, (page.first("article:section"),)))),
        barrier=barrier.of(page, text),
    )


def _bare_article(found: ParsedArticle, page: Page, *, guid: str) -> ParsedArticle:
    """The article of a page without structure, with what the page's address and text tell beside it."""
    published = None if found.published_at else pagedate.published(page)
    return replace(
        found,
        guid=guid,
        url=page.canonical,
        published_at=published.at if published else found.published_at,
        published_is_day=published.is_day if published else found.published_is_day,
        language=language.of(html.to_text(found.content_html), declared=page.language),
    )


def _summary(page: Page) -> str:
    """The publisher's description: the longest-lived of its several forms that says something."""
    told = (
        page.first("og:description"),
        page.first("description"),
        page.first("twitter:description"),
        plain(text_of(page.linked.get("description"))),
    )
    return next((line for line in told if line), "")


def _picture(page: Page) -> tuple[str | None, str]:
    """The address of the page's picture and what it shows, if the publisher says so."""
    image = page.linked.get("image")
    if isinstance(image, list):
        image = image[0] if image else None
    linked = text_of(image.get("url") or image.get("contentUrl")) if isinstance(image, dict) else text_of(image)
    told = (
        page.first("og:image:secure_url", "og:image", "og:image:url"),
        page.first("twitter:image", "twitter:image:src"),
        linked,
    )
    for one in told:
        found = urls.absolute(page.base, one)
        if found and not _NO_PICTURE.search(found):
            return found, page.first("og:image:alt", "twitter:image:alt")
    return None, ""
