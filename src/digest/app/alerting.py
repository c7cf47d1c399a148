"""Breaking news: one story at once to those who asked for it, past every digest that is on its way.

Rules: an alert is an issue of one article with a cadence of its own, so the bars against sending twice hold for it as
for any other, and no article is alerted of twice. It takes the line from curated on: composed, fanned out, delivered,
with the highest priority. What was claimed has gone; everything else of a wrong one stops with `digest issue cancel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.app.container import Container
from digest.app.editing import find
from digest.app.pushing import push
from digest.model.article import Article
from digest.model.calendar import Period
from digest.model.errors import BadInput, NothingToDo
from digest.model.issue import Candidate, Issue, IssueItem, IssueState, Role, Verdict
from digest.model.publication import ALERT_PREFIX, Publication, alert_cadence
from digest.store import articles, deliveries, issues, publications
from digest.store.engine import Tx

_DAY = timedelta(days=1)
_OVER = frozenset({IssueState.CANCELLED, IssueState.FAILED, IssueState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Draft:
    """What an alert would be: the story, and how many have asked for alerts."""

    publication: Publication
    article: Article
    readers: int


async def take_in(container: Container, ref: str, *, slug: str | None, now: datetime) -> None:
    """Read the page at a web address that no source had yet into the ledger. Raises what fetching raises."""
    if not ref.lower().startswith(("http://", "https://")):
        return
    with container.store.read() as tx:
        publication = _publication(tx, slug)
        is_known = articles.find_by_url(tx, ref) is not None
    if not is_known:
        await push(container, publication.slug, ref, now=now)


def draft(container: Container, ref: str, *, slug: str | None, now: datetime) -> Draft:
    """Look at an alert before it is sounded; changes nothing. Raises NotFound, BadInput, NothingToDo."""
    with container.store.read() as tx:
        publication = _publication(tx, slug)
        article = find(tx, ref)
        _check(tx, container, publication, article, now=now)
        readers = sum(deliveries.by_clock(tx, publication.id, alert_cadence(article.id)).values())
    if not readers:
        raise NothingToDo(
            f"nobody asked for alerts of {publication.slug}", hint="readers choose them at the sign-up box, apart"
        )
    return Draft(publication, article, readers)


def sound(container: Container, found: Draft, *, teaser: str = "", now: datetime) -> Issue:
    """Make the alert, curated and with the highest priority; whoever takes it on from there sends it.

    ``teaser`` are words of an editor's own. Raises as `draft` does: another process may have been faster.
    """
    publication, article = found.publication, found.article
    day = now.astimezone(ZoneInfo(publication.timezone)).date()
    with container.store.write() as tx:
        _check(tx, container, publication, article, now=now)
        issue, _ = issues.open_period(
            tx, publication.id, cadence=alert_cadence(article.id), period=Period(day, now), now=now
        )
        item = IssueItem(article.id, 0, Role.LEAD, "", "", 1.0, teaser)
        issues.put_curation(tx, issue.id, items=[item], candidates=[Candidate(article.id, Verdict.PLACED)])
        issues.prioritise(tx, issue.id, priority=issues.PRIORITY_MAX)
        issues.set_window(tx, issue.id, window_from=None, window_to=now)
        stale_at = now + timedelta(seconds=container.settings.alerts.stale_after_s)
        issues.expire_at(tx, issue.id, instant=stale_at)
        for expected, to in (
            (IssueState.PLANNED, IssueState.COLLECTING),
            (IssueState.COLLECTING, IssueState.CURATED),
        ):
            issues.move(tx, issue.id, expected=expected, to=to, now=now)
        return issues.get(tx, issue.id)


def _publication(tx: Tx, slug: str | None) -> Publication:
    if slug is not None:
        return publications.get(tx, slug)
    known = publications.list_all(tx)
    if len(known) != 1:
        names = ", ".join(one.slug for one in known) or "none yet"
        raise BadInput("of which publication?", hint=f"name it with --publication; there are: {names}")
    return known[0]


def _check(tx: Tx, container: Container, publication: Publication, article: Article, *, now: datetime) -> None:
    if article.is_hidden:
        raise BadInput(f"“{article.title}” is hidden", hint="`digest article unhide` shows it again")
    lately = issues.of_cadences(tx, publication.id, prefix=ALERT_PREFIX)
    mine = [issue for issue in lately if issue.cadence == alert_cadence(article.id) and issue.state not in _OVER]
    if mine:
        raise NothingToDo(
            f"{publication.slug} had an alert about “{article.title}” already: issue {mine[0].id} is {mine[0].state}",
            hint=f"`digest issue show {mine[0].id}` tells how it went",
        )
    counted = [issue for issue in lately if issue.state not in _OVER and now - issue.created_at < _DAY]
    if len(counted) >= container.settings.alerts.per_day:
        raise BadInput(
            f"{publication.slug} had {len(counted)} alerts in 24 hours",
            hint="more would teach readers to leave; alerts.per_day allows more",
        )
