"""Articles and source links in memory, with boring defaults, for rooms that need no database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from digest.curate.likeness import Frequencies, Likeness, Print
from digest.curate.stories import Wording, copies, gather, maybe_copies
from digest.model.article import Article, Source, SourceKind, SourceLink
from digest.model.publication import Cadence, CadenceRule, Publication
from digest.model.story import Place
from digest.text.terms import count_terms

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def make_article(key: int = 1, **overrides: Any) -> Article:
    """An hour-old article whose text shares no word with that of another key."""
    defaults: dict[str, Any] = {
        "id": key,
        "source_id": 1,
        "source_title": "The Wire",
        "url": f"https://example.com/{key}",
        "canonical_url": f"https://example.com/{key}",
        "title": f"Headline number{key}",
        "summary": "",
        "content_html": "",
        "text": prose(f"k{key}w"),
        "author": None,
        "published_at": NOW - timedelta(hours=1),
        "published_is_day": False,
        "updated_at": None,
        "first_seen_at": NOW - timedelta(minutes=30),
        "image_url": None,
        "image_alt": "",
        "language": "en",
        "labels": (),
        "position": 0,
        "word_count": 40,
    }
    values = defaults | overrides
    values.setdefault("sources", (values["source_id"],))
    return Article(**values)


def prose(stem: str, words: int = 40) -> str:
    """``words`` different words."""
    return " ".join(f"{stem}{number}" for number in range(words))


def make_link(key: int = 1, *, kind: SourceKind = SourceKind.RSS, weight: float = 1.0, topic: str | None = None):
    """A source as a publication uses it."""
    source = Source(
        id=key,
        kind=kind,
        url=f"https://example.com/{key}.xml",
        title=f"Source {key}",
        home_url=None,
        language=None,
        etag=None,
        last_modified=None,
        body_hash=None,
        next_poll_at=NOW,
        failures=0,
        last_error=None,
        last_success_at=None,
        item_count=0,
        paused=False,
    )
    return SourceLink(source, weight, topic)


def places_of(articles: Sequence[Article]) -> dict[int, Place]:
    """Where articles belong when they are all there is: stories told from scratch."""
    prints = [Print(one.id, one.source_id, one.language or "", count_terms(one.title, one.text)) for one in articles]
    frequencies = Frequencies()
    frequencies.add(prints)
    likeness = Likeness(prints, [], frequencies)
    wordings = [Wording(one.id, one.source_id, one.title, one.text) for one in articles]
    same = copies(maybe_copies(likeness), wordings)
    told = gather([one.id for one in articles], likeness, copy_of=same)
    return {key: Place(story, same.get(key)) for key, story in told.of.items()}


def publication_of(*, min_items: int = 1, max_items: int = 20, **more: Any) -> Publication:
    """A daily publication."""
    return Publication(
        id=1,
        slug="morning",
        name="The Morning Post",
        sender_name="The Desk",
        sender_email="desk@example.com",
        reply_to=None,
        timezone="Europe/Berlin",
        locale="en",
        postal_address="1 Example Street, Exampleton",
        min_items=min_items,
        max_items=max_items,
        template="digest",
        cadences=(Cadence("daily", CadenceRule.DAILY, time(7, 0)),),
        created_at=NOW,
        **more,
    )
