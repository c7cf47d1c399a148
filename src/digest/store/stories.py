"""Stories: which article belongs to which, and the counted terms by which that is told.

An article's row is written once, when it joins; `terms` is emptied when no new article reaches so far back, the story
stays for good. A day's row of `term_day` says in how many articles each term stood: a month of rare words costs 30
rows and not 10,000.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from digest.model.issue import IssueState
from digest.model.story import Carried, Place
from digest.store.engine import Tx
from digest.store.ledger_tables import article_story, term_day
from digest.store.portions import portions
from digest.store.publications import insert_or_ignore
from digest.store.tables import article, installation, issue, issue_item, source
from digest.text.terms import TermCounts

_MOST = 65_535


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An article that belongs to no story yet, or whose text has changed since: then ``story_id`` is set."""

    article_id: int
    source_id: int
    title: str
    text: str
    language: str | None
    content_hash: str
    published_at: datetime | None
    first_seen_at: datetime
    story_id: int | None


@dataclass(frozen=True, slots=True)
class Placed:
    """An article in its story, with what is needed to compare it. ``terms`` is None for "not kept any more"."""

    article_id: int
    source_id: int
    title: str
    language: str
    story_id: int
    copy_of: int | None
    terms: TermCounts | None


@dataclass(frozen=True, slots=True)
class NewPlace:
    """Where an article belongs, to be stored."""

    article_id: int
    story_id: int
    copy_of: int | None
    language: str
    content_hash: str
    counted_on: date
    terms: TermCounts


def hold(tx: Tx) -> None:
    """Let nobody else join articles to stories until this transaction ends (SQLite holds its write lock)."""
    tx.connection.execute(select(installation.c.id).with_for_update())


def unplaced(tx: Tx, *, since: datetime) -> list[Unplaced]:
    """Articles first seen from ``since`` on that belong to no story or have changed, by id."""
    is_new = or_(article_story.c.article_id.is_(None), article_story.c.content_hash != article.c.content_hash)
    return _unplaced(tx, article.c.first_seen_at >= since, is_new)


def uncarried(tx: Tx, *, since: datetime) -> list[Unplaced]:
    """Articles first seen from ``since`` on whose story is in no issue of any publication, by id."""
    carried_too = (
        select(article_story.c.story_id)
        .join(issue_item, issue_item.c.article_id == article_story.c.article_id)
        .where(article_story.c.story_id.is_not(None))
    )
    return _unplaced(tx, article.c.first_seen_at >= since, article_story.c.story_id.not_in(carried_too))


def _unplaced(tx: Tx, *conditions: ColumnElement[bool]) -> list[Unplaced]:
    query = (
        select(
            article.c.id,
            article.c.source_id,
            article.c.title,
            article.c.text,
            article.c.language,
            article.c.content_hash,
            article.c.published_at,
            article.c.first_seen_at,
            article_story.c.story_id,
        )
        .outerjoin(article_story, article_story.c.article_id == article.c.id)
        .where(*conditions)
        .order_by(article.c.id)
    )
    return [Unplaced(*row) for row in tx.connection.execute(query)]


def placed(tx: Tx, *, since: datetime) -> list[Placed]:
    """Articles first seen from ``since`` on, in their stories, by id."""
    query = (
        select(
            article.c.id,
            article.c.source_id,
            article.c.title,
            article_story.c.language,
            article_story.c.story_id,
            article_story.c.copy_of,
            article_story.c.terms,
        )
        .join(article_story, article_story.c.article_id == article.c.id)
        .where(article.c.first_seen_at >= since)
        .order_by(article.c.id)
    )
    return [
        Placed(*row[:6], terms=TermCounts.load(row.terms) if row.terms else None)
        for row in tx.connection.execute(query)
    ]


def texts(tx: Tx, article_ids: Iterable[int]) -> dict[int, str]:
    """Article id → plain text."""
    found: dict[int, str] = {}
    for some in portions(sorted(set(article_ids))):
        rows = tx.connection.execute(select(article.c.id, article.c.text).where(article.c.id.in_(some)))
        found.update((row.id, row.text) for row in rows)
    return found


def put(tx: Tx, places: Sequence[NewPlace], *, swallowed: Mapping[int, int]) -> None:
    """Store where articles belong, and let the stories that were found to be another one become it."""
    for story, into in sorted(swallowed.items()):
        tx.connection.execute(update(article_story).where(article_story.c.story_id == story).values(story_id=into))
    if not places:
        return
    statement = insert_or_ignore(tx, article_story)
    kept = ("story_id", "copy_of", "language", "content_hash", "terms")  # the day it was counted on stays
    tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["article_id"], set_={name: statement.excluded[name] for name in kept}
        ),
        [
            {
                "article_id": one.article_id,
                "story_id": one.story_id,
                "copy_of": one.copy_of,
                "language": one.language,
                "content_hash": one.content_hash,
                "counted_on": one.counted_on,
                "terms": one.terms.dump(),
            }
            for one in places
        ],
    )


def places(tx: Tx, article_ids: Iterable[int]) -> dict[int, Place]:
    """Article id → where it belongs, for those that have a place."""
    found: dict[int, Place] = {}
    for some in portions(sorted(set(article_ids))):
        query = select(article_story.c.article_id, article_story.c.story_id, article_story.c.copy_of)
        for row in tx.connection.execute(query.where(article_story.c.article_id.in_(some))):
            found[row.article_id] = Place(row.story_id, row.copy_of)
    return found


def members(tx: Tx, story_id: int) -> list[int]:
    """The articles of a story, by id."""
    query = select(article_story.c.article_id).where(article_story.c.story_id == story_id)
    return list(tx.connection.execute(query.order_by(article_story.c.article_id)).scalars())


def add_counts(tx: Tx, day: date, language: str, *, articles: int, terms: Mapping[int, int]) -> None:
    """Count articles of a day in: how many, and in how many of them each term stood."""
    key = (term_day.c.day == day) & (term_day.c.language == language)
    row = tx.connection.execute(select(term_day.c.articles, term_day.c.terms).where(key)).one_or_none()
    total = Counter(terms)
    if row is not None:
        articles += row.articles
        total.update(_unpack(row.terms))
    statement = insert_or_ignore(tx, term_day).values(day=day, language=language, articles=articles, terms=_pack(total))
    tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "language"],
            set_={"articles": statement.excluded.articles, "terms": statement.excluded.terms},
        )
    )


def counts(tx: Tx, *, since: date) -> Iterator[tuple[str, int, dict[int, int]]]:
    """(language, articles, key of a term → articles with it) for each day from ``since`` on, one day in memory."""
    query = select(term_day.c.language, term_day.c.articles, term_day.c.terms).where(term_day.c.day >= since)
    for row in tx.connection.execute(query.order_by(term_day.c.day, term_day.c.language)):
        yield row.language, row.articles, _unpack(row.terms)


def forget(tx: Tx, *, before: date) -> None:
    """Drop the counts of days before, and the counted terms of what was counted then; the stories stay."""
    tx.connection.execute(delete(term_day).where(term_day.c.day < before))
    tx.connection.execute(
        update(article_story)
        .where(article_story.c.counted_on < before, func.length(article_story.c.terms) > 0)
        .values(terms=b"")
    )


def carried(tx: Tx, publication_id: int, cadence: str, *, but: int, since: datetime) -> dict[int, Carried]:
    """Story id → the latest issue of that rhythm that carried it, curated from ``since`` on; issue ``but`` apart.

    Issues that were skipped, failed or cancelled carried nothing.
    """
    gone = [IssueState.FAILED.value, IssueState.CANCELLED.value, IssueState.SKIPPED.value]
    query = (
        select(
            article_story.c.story_id,
            issue.c.id,
            issue.c.period_start,
            issue.c.window_to,
            article.c.id,
            article.c.source_id,
            source.c.title,
        )
        .join(issue_item, issue_item.c.article_id == article_story.c.article_id)
        .join(issue, issue.c.id == issue_item.c.issue_id)
        .join(article, article.c.id == issue_item.c.article_id)
        .join(source, source.c.id == article.c.source_id)
        .where(
            issue.c.publication_id == publication_id,
            issue.c.cadence == cadence,
            issue.c.id != but,
            issue.c.state.not_in(gone),
            issue.c.window_to >= since,
        )
        .order_by(issue.c.window_to, issue.c.id, issue_item.c.position.desc())
    )
    return {row[0]: Carried(*row) for row in tx.connection.execute(query)}


def _pack(terms: Mapping[int, int]) -> bytes:
    keys = array("I", sorted(terms))
    times = array("H", (min(terms[key], _MOST) for key in keys))
    return zlib.compress(_little(keys).tobytes() + _little(times).tobytes(), 1)


def _unpack(packed: bytes) -> dict[int, int]:
    raw = zlib.decompress(packed)
    number = len(raw) // 6
    keys, times = array("I", raw[: 4 * number]), array("H", raw[4 * number :])
    return dict(zip(_little(keys), _little(times), strict=True))


def _little(values: array[int]) -> array[int]:
    """Little-endian in the database, whatever the machine."""
    if sys.byteorder == "big":
        values.byteswap()
    return values
