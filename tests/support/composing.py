"""An issue with boring values, for tests of composing; each test says only what matters to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from digest.compose.build import build_context
from digest.compose.context import DigestContext
from digest.model.article import Article
from digest.model.issue import Issue, IssueItem, IssueState, RenditionKey, Role
from digest.model.publication import Cadence, CadenceRule, Publication

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
BASE_URL = "https://news.example.com"
ALL = RenditionKey((), "en", "html")
SLOT_VALUES = {
    "email": "reader@example.com",
    "signed_up_on": "3 March 2025",
    "unsubscribe_url": "https://news.example.com/u/TOKEN?a=1&b=2",
    "confirm_url": "https://news.example.com/c/TOKEN",
    "preferences_url": "https://news.example.com/p/TOKEN",
    "undo_url": "https://news.example.com/undo/TOKEN",
}


def publication(**changes: Any) -> Publication:
    plain = Publication(
        id=1,
        slug="meridian",
        name="The Meridian",
        sender_name="Meridian Press",
        sender_email="news@example.com",
        reply_to=None,
        timezone="Europe/Dublin",
        locale="en",
        postal_address="14 Harbour Lane\nNorthport NP1 4XX",
        min_items=1,
        max_items=20,
        template="digest",
        cadences=(Cadence("daily", CadenceRule.DAILY, time(6)),),
        created_at=NOW,
    )
    return replace(plain, **changes)


def issue(**changes: Any) -> Issue:
    plain = Issue(
        id=5,
        publication_id=1,
        publication_slug="meridian",
        cadence="daily",
        period_start=date(2026, 11, 20),
        due_at=NOW,
        window_from=None,
        window_to=NOW,
        state=IssueState.CURATED,
        reason=None,
        number=412,
        subject=None,
        preheader=None,
        audience=None,
        created_at=NOW,
        sending_at=None,
        closed_at=None,
    )
    return replace(plain, **changes)


def article(number: int, **changes: Any) -> Article:
    plain = Article(
        id=number,
        source_id=1,
        source_title="Harbour Review",
        url=f"https://example.org/story/{number}",
        canonical_url=f"https://example.org/story/{number}",
        title=f"Headline {number}",
        summary=f"Summary {number}.",
        content_html="",
        text=f"Text {number}.",
        author=None,
        published_at=NOW,
        published_is_day=False,
        updated_at=None,
        first_seen_at=NOW,
        image_url=None,
        image_alt="",
        language="en",
        labels=(),
        position=number,
        word_count=460,
    )
    return replace(plain, **changes)


def item(number: int, **changes: Any) -> IssueItem:
    role = Role.LEAD if number == 1 else Role.STORY
    plain = IssueItem(number, number, role, "world", "World", 1.0, f"Teaser {number}.")
    return replace(plain, **changes)


def newsroom() -> tuple[list[IssueItem], dict[int, Article]]:
    """A lead and a story in World, two stories in Tech, two briefs of either topic."""
    tech = {"section": "tech", "section_title": "Tech"}
    items = [
        item(1),
        item(2),
        item(3, **tech),
        item(4, **tech),
        item(5, role=Role.BRIEF),
        item(6, role=Role.BRIEF, **tech),
    ]
    return items, {number: article(number) for number in range(1, 7)}


def context_of(
    items: list[IssueItem], articles: Mapping[int, Article], *, key: RenditionKey = ALL, **changes: Any
) -> DigestContext:
    """The context of ``items`` in the boring publication; ``changes`` are the publication's."""
    return build_context(publication(**changes), issue(), items, articles, key=key, base_url=BASE_URL)
