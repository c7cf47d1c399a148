"""What was sent, for anybody to read: issues at ``/PUBLICATION/NUMBER``, and articles that are on no other page.

Rules: only what has gone out to readers is public, only in the rendition without anything personal, and only as far
as the publication's archive says. Nobody else's page is asked to forget what ours says not to index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app.container import Container
from digest.app.published import contents
from digest.compose.context import Image
from digest.model.article import Article
from digest.model.errors import NotFound
from digest.model.issue import Issue, Verdict
from digest.model.publication import Archive, Publication
from digest.store import archive, articles, issues, publications, renditions
from digest.store.archive import Neighbours
from digest.store.engine import Store, Tx
from digest.text.wording import direction, long_date
from digest.web.around import around
from digest.web.pages import MAIL_POLICY, PUBLIC, Pages, respond

# Beyond these no database has such a row, and PostgreSQL would call the number itself an error.
HIGHEST_NUMBER = 2**31 - 1
_HIGHEST_ID = 2**63 - 1
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HIDDEN = {"X-Robots-Tag": "noindex"}


@dataclass(frozen=True, slots=True)
class Reading:
    """An article and the publication it appeared in."""

    article: Article
    publication: Publication


@dataclass(frozen=True, slots=True)
class Shown:
    """An issue that went out: its stored page, its lead's picture, and what is next to it where there is a list."""

    html: str
    publication: Publication
    issue: Issue
    picture: Image | None
    beside: Neighbours


def routes(container: Container, pages: Pages) -> list[Route]:
    """The routes of single issues and articles."""
    surroundings = pages.parts("around")

    def web_view(request: Request) -> Response:
        shown = published_issue(container, slug_in(request), bounded(request, "number", HIGHEST_NUMBER))
        if shown is None:
            raise HTTPException(404)
        base_url = container.settings.site.base_url.rstrip("/")
        values = {"shown": shown, "home_url": f"{base_url}/{shown.publication.slug}", "theme": pages.theme}
        html = around(shown.html, surroundings, values)
        return respond(html, policy=MAIL_POLICY, headers=found_by(shown.publication))

    def article(request: Request) -> Response:
        reading = published_article(container.store, slug_in(request), bounded(request, "article_id", _HIGHEST_ID))
        if reading is None:
            raise HTTPException(404)
        headers = found_by(reading.publication)
        return pages.page("article", _article_values(reading), headers=headers, pictures=True)

    return [
        Route("/{publication}/{number:int}", web_view),
        Route("/{publication}/articles/{article_id:int}", article),
    ]


def found_by(publication: Publication) -> dict[str, str]:
    """The headers of a publication's public pages: whether search engines may list them."""
    is_listed = publication.archive is Archive.PUBLIC and publication.is_indexed
    return PUBLIC if is_listed else {**PUBLIC, **_HIDDEN}


def published_issue(container: Container, slug: str, number: int) -> Shown | None:
    """An issue that has gone out, with its web view, unless the publication's archive is off."""
    with container.store.read() as tx:
        issue = issues.by_number(tx, slug, number)
        publication = publications.by_id(tx, issue.publication_id) if issue else None
        if issue is None or publication is None or issue.state not in archive.PUBLIC_STATES:
            return None
        found = renditions.web_view(tx, issue.id)
        if publication.archive is Archive.OFF or found is None:
            return None
        is_listed = publication.archive is Archive.PUBLIC
        beside = archive.neighbours(tx, publication.id, number) if is_listed else Neighbours(None, None)
        context = contents(tx, container, publication, issue.id)
    return Shown(found.html, publication, issue, context.lead.image if context and context.lead else None, beside)


def published_article(store: Store, slug: str, article_id: int) -> Reading | None:
    """An article without an address of its own, if an issue of this publication that has gone out carries it."""
    with store.read() as tx:
        carried = any(
            issue.publication_slug == slug and issue.state in archive.PUBLIC_STATES and looked.verdict is Verdict.PLACED
            for issue, looked in issues.verdicts_on(tx, article_id)
        )
        found = articles.by_ids(tx, [article_id]) if carried else []
        if not found or found[0].url or found[0].is_hidden:
            return None
        return Reading(found[0], publications.get(tx, slug))


def open_archive(tx: Tx, slug: str) -> Publication:
    """A publication whose issues anybody may list. Raises HTTPException 404 for any other."""
    try:
        publication = publications.get(tx, slug)
    except NotFound as error:
        raise HTTPException(404) from error
    if publication.archive is not Archive.PUBLIC:
        raise HTTPException(404)
    return publication


def _article_values(reading: Reading) -> dict[str, object]:
    article, publication = reading.article, reading.publication
    day = ""
    if article.published_at is not None:
        # A known day without a time is noon UTC of that day, and must not move to another day by zone.
        zone = UTC if article.published_is_day else ZoneInfo(publication.timezone)
        day = long_date(article.published_at.astimezone(zone).date(), publication.locale)
    language = article.language or publication.locale
    return {
        "article": article,
        "publication": publication,
        "day": day,
        "lang": language,
        "dir": direction(language),
        "paragraphs": [] if article.content_html else [part for part in article.text.split("\n\n") if part.strip()],
    }


def slug_in(request: Request) -> str:
    """The publication an address names. Raises HTTPException 404 for what can be none."""
    slug: str = request.path_params["publication"]
    if not _SLUG.fullmatch(slug):
        raise HTTPException(404)
    return slug


def bounded(request: Request, name: str, highest: int) -> int:
    """A number of the address. Raises HTTPException 404 above ``highest``."""
    value: int = request.path_params[name]
    if value > highest:
        raise HTTPException(404)
    return value
