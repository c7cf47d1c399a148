"""What anybody may read: sent issues and articles that are on no other page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from digest.model.article import SourceKind
from digest.model.calendar import Period
from digest.model.issue import Candidate, IssueItem, IssueState, RenditionKey, Role, Verdict
from digest.model.publication import Publication
from digest.store import articles, issues, renditions, sources
from digest.store.engine import Store
from digest.web.asgi import create_app
from support.factories import NOW, make_publication
from support.site import ask, container_of, new_article, running

S = IssueState
WEB_HTML = '<!DOCTYPE html><html lang="en"><body style="margin:0"><h1>Issue one</h1></body></html>\n'
PATHS_TO = {
    S.COMPOSED: (S.PLANNED, S.COLLECTING, S.CURATED, S.COMPOSED),
    S.SENDING: (S.PLANNED, S.COLLECTING, S.CURATED, S.COMPOSED, S.SENDING),
    S.PAUSED: (S.PLANNED, S.COLLECTING, S.CURATED, S.COMPOSED, S.SENDING, S.PAUSED),
    S.SENT: (S.PLANNED, S.COLLECTING, S.CURATED, S.COMPOSED, S.SENDING, S.SENT),
    S.CANCELLED: (S.PLANNED, S.COLLECTING, S.CURATED, S.COMPOSED, S.CANCELLED),
}


@dataclass(frozen=True)
class Site:
    base: str
    store: Store
    publication: Publication


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Iterator[Site]:
    with store.write() as tx:
        publication = make_publication(tx)
    with running(create_app(container_of(store, tmp_path), clock=lambda: NOW)) as base:
        yield Site(base, store, publication)


def put_article(site: Site, **changes: Any) -> int:
    new = new_article(**changes)
    with site.store.write() as tx:
        source = sources.add(tx, SourceKind.FILE, url=f"/srv/{new.identity}", title="The desk", now=NOW)
        articles.record(tx, source.id, [new], now=NOW)
        return next(one.id for one in articles.list_recent(tx) if one.canonical_url == new.canonical_url)


def put_issue(site: Site, *, state: IssueState, placed: tuple[int, ...] = (), merged: tuple[int, ...] = ()) -> int:
    """An issue brought to ``state`` by the way every issue takes; gives its number."""
    with site.store.write() as tx:
        issue, _ = issues.open_period(
            tx, site.publication.id, cadence="daily", period=Period(date(2026, 11, 22), NOW), now=NOW
        )
        issues.put_curation(
            tx,
            issue.id,
            items=[IssueItem(key, place, Role.STORY, "", "", 1.0, "") for place, key in enumerate(placed)],
            candidates=[
                *(Candidate(key, Verdict.PLACED) for key in placed),
                *(Candidate(key, Verdict.MERGED) for key in merged),
            ],
        )
        number = issues.title(tx, issue.id, subject="One", preheader="")
        renditions.put(
            tx,
            issue.id,
            [
                (RenditionKey((), "en", "html"), "One", "<p>for one reader</p>", "text"),
                (RenditionKey((), "en", renditions.WEB), "One", WEB_HTML, "text"),
            ],
            now=NOW,
        )
        way = PATHS_TO[state]
        for expected, to in pairwise(way):
            assert issues.move(tx, issue.id, expected=expected, to=to, now=NOW)
    return number


@pytest.mark.parametrize("state", [S.SENDING, S.PAUSED, S.SENT])
def test_an_issue_that_went_out_is_shown_as_stored_with_its_surroundings(site: Site, state: IssueState):
    number = put_issue(site, state=state)
    reply = ask(site.base, "GET", f"/morning/{number}")

    assert reply.status == 200
    assert '<body style="margin:0">' in reply.body
    assert "<main><h1>Issue one</h1></main>" in reply.body
    assert '<link rel="canonical" href="http://127.0.0.1:8025/morning/1">' in reply.body
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "script" not in policy
    assert reply.headers["referrer-policy"] == "same-origin"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("state", [S.COMPOSED, S.CANCELLED])
def test_an_issue_that_did_not_go_out_is_not_shown(site: Site, state: IssueState):
    number = put_issue(site, state=state)

    assert ask(site.base, "GET", f"/morning/{number}").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/morning/2",
        "/evening/1",
        "/morning/-1",
        "/morning/1x",
        "/morning/99999999999999999999999999",
        "/mor%00ning/1",
        "/%ff%fe/1",
        "/Morning'--/1",
        "/morning/1/",
        "/morning/articles/99999999999999999999999999",
        "/mor%00ning/articles/1",
        "/morning/articles/1",
    ],
)
def test_what_is_not_there_is_a_plain_404(site: Site, path: str):
    put_issue(site, state=S.SENT)
    reply = ask(site.base, "GET", path)

    assert reply.status == 404
    assert "There is nothing here" in reply.body


def test_an_article_without_an_address_can_be_read_here(site: Site):
    key = put_article(site)
    put_issue(site, state=S.SENT, placed=(key,))
    reply = ask(site.base, "GET", f"/morning/articles/{key}")

    assert reply.status == 200
    assert "The harbour &lt;opens&gt;" in reply.body
    assert "<p>The harbour opened <em>today</em>.</p>" in reply.body
    assert "By Ann Example" in reply.body
    assert "Sunday, November 22, 2026" in reply.body
    assert "img-src https: http:" in reply.headers["content-security-policy"]
    assert "script" not in reply.headers["content-security-policy"]


def test_a_plain_text_article_keeps_its_paragraphs(site: Site):
    key = put_article(site, content_html="", text="One & two.\n\nThree.")
    put_issue(site, state=S.SENT, placed=(key,))
    reply = ask(site.base, "GET", f"/morning/articles/{key}")

    assert "<p>One &amp; two.</p>\n<p>Three.</p>" in reply.body


def test_a_publications_articles_are_not_readable_under_another_name(site: Site):
    with site.store.write() as tx:
        make_publication(tx, "evening")
    key = put_article(site)
    put_issue(site, state=S.SENT, placed=(key,))

    assert ask(site.base, "GET", f"/evening/articles/{key}").status == 404


@pytest.mark.parametrize(
    ("changes", "state", "is_placed"),
    [
        ({"url": "https://example.org/a"}, S.SENT, True),
        ({}, S.COMPOSED, True),
        ({}, S.SENT, False),
    ],
    ids=["has its own page", "not sent yet", "only merged"],
)
def test_other_articles_are_not_shown(site: Site, changes: dict[str, str], state: IssueState, *, is_placed: bool):
    key = put_article(site, **changes)
    put_issue(site, state=state, placed=(key,) if is_placed else (), merged=() if is_placed else (key,))

    assert ask(site.base, "GET", f"/morning/articles/{key}").status == 404
