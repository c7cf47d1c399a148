"""The archive of a publication: its issues by month, the search in them, and its feeds.

Rules: only where the archive is public; a search only reads, has an address of its own, and is not for search engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app.container import Container
from digest.app.published import contents
from digest.compose.context import Brief, Story
from digest.model.publication import Publication
from digest.store import archive
from digest.store.archive import Published
from digest.text.fold import asked_words, fold
from digest.text.wording import direction, month, plain_date
from digest.web.archive import HIGHEST_NUMBER, found_by, open_archive, slug_in
from digest.web.feeds import Feed, atom, etag, json_feed, stories
from digest.web.pages import Pages

_ON_A_PAGE = 60
#: A search shows what it found in each issue, which costs reading it.
_FOUND_ON_A_PAGE = 20
_IN_A_FEED = 20
_LONGEST_QUERY = 200
_HEADLINES = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """An issue of the list; ``headlines`` are those that a search found in it."""

    number: int
    day: str
    subject: str
    preheader: str
    headlines: tuple[Story | Brief, ...] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """The issues of one month, newest first."""

    title: str
    entries: tuple[Entry, ...]


def routes(container: Container, pages: Pages) -> list[Route]:
    """The archive page and both feeds. To be placed before the routes of single issues."""

    def index(request: Request) -> Response:
        query = request.query_params.get("q", "").strip()[:_LONGEST_QUERY]
        publication, entries, older = _listed(container, slug_in(request), query=query, before=_before(request))
        values = {
            "publication": publication,
            "months": _by_month(entries, publication.locale),
            "found": len(entries),
            "older": older,
            "query": query,
            "home_url": _home(container, publication),
            "is_first": "before" not in request.query_params,
            "dir": direction(publication.locale),
        }
        headers = found_by(publication)
        if query:
            headers = {**headers, "X-Robots-Tag": "noindex"}
        return pages.page("archive", values, headers=headers)

    def feed(write: Callable[[Feed], bytes], media_type: str) -> Callable[[Request], Response]:
        def give(request: Request) -> Response:
            found = _feed(container, slug_in(request))
            body = write(found)
            headers = {**found_by(found.publication), "ETag": etag(body), "X-Content-Type-Options": "nosniff"}
            if etag(body) in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            return Response(body, media_type=media_type, headers=headers)

        return give

    return [
        Route("/{publication}/archive", index),
        Route("/{publication}/feed.xml", feed(atom, "application/atom+xml")),
        Route("/{publication}/feed.json", feed(json_feed, "application/feed+json")),
    ]


def _before(request: Request) -> int | None:
    asked = request.query_params.get("before", "")
    if not (asked.isascii() and asked.isdigit() and len(asked) <= len(str(HIGHEST_NUMBER))):
        return None
    return min(int(asked), HIGHEST_NUMBER)


def _home(container: Container, publication: Publication) -> str:
    return f"{container.settings.site.base_url.rstrip('/')}/{publication.slug}"


def _listed(
    container: Container, slug: str, *, query: str, before: int | None
) -> tuple[Publication, Sequence[tuple[Published, tuple[Story | Brief, ...]]], int | None]:
    """The publication, its issues with the headlines that a search found, and where older ones begin."""
    words = asked_words(query)
    limit = _FOUND_ON_A_PAGE if query else _ON_A_PAGE
    with container.store.read() as tx:
        publication = open_archive(tx, slug)
        if query and not words:
            return publication, (), None
        # One more than is shown says whether there are older ones.
        rows = archive.listed(tx, publication.id, words=words, before=before, limit=limit + 1)
        shown = rows[:limit]
        found = [
            (row, _holding(words, stories(contents(tx, container, publication, row.id))) if words else ())
            for row in shown
        ]
    return publication, found, shown[-1].number if len(rows) > limit else None


def _holding(words: Sequence[str], told: Iterable[Story | Brief]) -> tuple[Story | Brief, ...]:
    """The headlines that hold most of the words, at most three, in reading order."""
    counted = [(sum(word in _text_of(story) for word in words), story) for story in told]
    most = max((count for count, _ in counted), default=0)
    return tuple(story for count, story in counted if count == most and count)[:_HEADLINES]


def _text_of(story: Story | Brief) -> str:
    return fold(f"{story.title} {story.teaser}" if isinstance(story, Story) else story.title)


def _by_month(found: Iterable[tuple[Published, tuple[Story | Brief, ...]]], locale: str) -> list[Month]:
    def first_day(pair: tuple[Published, tuple[Story | Brief, ...]]) -> date:
        return pair[0].day.replace(day=1)

    return [
        Month(month(day, locale), tuple(_entry(issue, headlines, locale) for issue, headlines in pairs))
        for day, pairs in groupby(found, key=first_day)
    ]


def _entry(issue: Published, headlines: tuple[Story | Brief, ...], locale: str) -> Entry:
    return Entry(issue.number, plain_date(issue.day, locale), issue.subject, issue.preheader, headlines)


def _feed(container: Container, slug: str) -> Feed:
    with container.store.read() as tx:
        publication = open_archive(tx, slug)
        newest = archive.listed(tx, publication.id, limit=_IN_A_FEED)
        told = [(issue, contents(tx, container, publication, issue.id)) for issue in newest]
    return Feed(publication, _home(container, publication), told)
