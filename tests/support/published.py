"""Issues that went out, composed by the product itself, for what is shown of them on the web."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

from digest.compose.build import addressed, preheader_for, subject_for
from digest.compose.environment import templates
from digest.compose.renditions import web_view
from digest.model.article import SourceKind
from digest.model.calendar import Period
from digest.model.issue import Candidate, IssueItem, IssueState, Role, Verdict
from digest.model.publication import Publication
from digest.store import articles, issues, renditions, sources
from digest.store.engine import Tx
from support.site import new_article

BASE = "http://127.0.0.1:8025"
_WAY = (
    IssueState.PLANNED,
    IssueState.COLLECTING,
    IssueState.CURATED,
    IssueState.COMPOSED,
    IssueState.SENDING,
    IssueState.SENT,
)


@dataclass(frozen=True)
class News:
    title: str
    teaser: str = "What it says."
    image_url: str | None = None
    source: str = "The desk"


def publish(
    tx: Tx, publication: Publication, day: date, news: Sequence[News], *, until: IssueState = IssueState.SENT
) -> int:
    """The issue of ``day`` with these stories, brought to ``until``; gives its number."""
    due = datetime.combine(day, time(7), ZoneInfo(publication.timezone))
    issue, _ = issues.open_period(tx, publication.id, cadence="daily", period=Period(day, due), now=due)
    keys = [_article(tx, one, place, day, due) for place, one in enumerate(news)]
    items = [
        IssueItem(key, place, Role.LEAD if not place else Role.STORY, "", "", 1.0, one.teaser)
        for place, (key, one) in enumerate(zip(keys, news, strict=True))
    ]
    issues.put_curation(tx, issue.id, items=items, candidates=[Candidate(key, Verdict.PLACED) for key in keys])
    known = addressed(articles.by_ids(tx, keys), base_url=BASE, slug=publication.slug)
    subject = subject_for(publication, items, known)
    number = issues.title(tx, issue.id, subject=subject, preheader=preheader_for(items, known))
    issue = issues.get(tx, issue.id)
    page = web_view(publication, issue, items, known, env=templates(), base_url=BASE)
    ready = [(renditions.web_key(publication.locale), page.subject, page.html, page.text)]
    renditions.put(tx, issue.id, ready, now=due)
    for expected, to in pairwise(_WAY[: _WAY.index(until) + 1]):
        assert issues.move(tx, issue.id, expected=expected, to=to, now=due)
    return number


def _article(tx: Tx, news: News, place: int, day: date, now: datetime) -> int:
    identity = hashlib.sha256(f"{day}/{place}/{news.title}".encode()).hexdigest()
    url = f"https://news.example.com/{day}/{place}"
    new = new_article(
        identity=identity, guid_hash=identity, url=url, canonical_url=url, title=news.title, image_url=news.image_url
    )
    source = sources.add(tx, SourceKind.FILE, url=f"/srv/{identity}", title=news.source, now=now)
    articles.record(tx, source.id, [new], now=now)
    return next(one.id for one in articles.list_recent(tx) if one.canonical_url == url)
