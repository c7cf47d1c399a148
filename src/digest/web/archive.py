"""What was sent, for anybody to read: issues at ``/PUBLICATION/NUMBER``, and articles that are on no other page.

Rules: only what has gone out to readers is public, and only in the rendition without anything personal.
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
from digest.model.article import Article
from digest.model.issue import IssueState, Verdict
from digest.model.publication import Publication
from digest.store import articles, issues, publications, renditions
from digest.store.engine import Store
from digest.text.wording import direction, long_date
from digest.web.pages import MAIL_POLICY, PUBLIC, Pages, respond

_PUBLIC_STATES = frozenset({IssueState.SENDING, IssueState.PAUSED, IssueState.SENT})
# Beyond these no database has such a row, and PostgreSQL would call the number itself an error.
_HIGHEST_NUMBER = 2**31 - 1
_HIGHEST_ID = 2**63 - 1
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Reading:
    """An article and the publication it appeared in."""

    article: Article
    publication: Publication


def routes(container: Container, pages: Pages) -> list[Route]:
    """The archive's routes."""

    def web_view(request: Request) -> Response:
        html = published_html(container.store, _slug(request), _bounded(request, "number", _HIGHEST_NUMBER))
        if html is None:
            raise HTTPException(404)
        return respond(html, policy=MAIL_POLICY, headers=PUBLIC)

    def article(request: Request) -> Response:
        reading = published_article(container.store, _slug(request), _bounded(request, "article_id", _HIGHEST_ID))
        if reading is None:
            raise HTTPException(404)
        return pages.page("article", _article_values(reading), headers=PUBLIC, pictures=True)

    return [
        Route("/{publication}/{number:int}", web_view),
        Route("/{publication}/articles/{article_id:int}", article),
    ]


def published_html(store: Store, slug: str, number: int) -> str | None:
    """The web view of an issue that has gone out, else None."""
    with store.read() as tx:
        issue = issues.by_number(tx, slug, number)
        if issue is None or issue.state not in _PUBLIC_STATES:
            return None
        found = renditions.web_view(tx, issue.id)
        return found.html if found else None


def published_article(store: Store, slug: str, article_id: int) -> Reading | None:
    """An article without an address of its own, if an issue of this publication that has gone out carries it."""
    with store.read() as tx:
        carried = any(
            issue.publication_slug == slug and issue.state in _PUBLIC_STATES and looked.verdict is Verdict.PLACED
            for issue, looked in issues.verdicts_on(tx, article_id)
        )
        found = articles.by_ids(tx, [article_id]) if carried else []
        if not found or found[0].url or found[0].is_hidden:
            return None
        return Reading(found[0], publications.get(tx, slug))


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


def _slug(request: Request) -> str:
    slug: str = request.path_params["publication"]
    if not _SLUG.fullmatch(slug):
        raise HTTPException(404)
    return slug


def _bounded(request: Request, name: str, highest: int) -> int:
    value: int = request.path_params[name]
    if value > highest:
        raise HTTPException(404)
    return value
