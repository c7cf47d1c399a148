"""The ledger of articles: each stored once, every sighting of it kept.

Which article an entry is, `store.identity` says. The source that brought it first may change its text; others only
add what was missing, because a second feed often carries no more than the teaser.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, update

from digest.model.article import Article, DateProblem, NewArticle
from digest.store import identity
from digest.store.engine import Tx
from digest.store.portions import portions
from digest.store.publications import insert_or_ignore
from digest.store.tables import article, publication_source, sighting, source
from digest.text import url as urls

#: An unknown article so much older than the newest one of its source is a repetition (F17).
_RERUN_AFTER = timedelta(days=7)
#: A change of so many characters is a correction, not an update (F19, as Feedbin counts).
_SMALL_CHANGE_CHARS = 50
#: A text below this may be no more than a teaser (F20); another source's replaces it when it has so many times more.
_TEASER_CHARS, _MUCH_FULLER = 600, 1.5


class Recorded(StrEnum):
    """What recording an article did."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    RERUN = "rerun"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One place where an article was seen; ``url`` as that source gave it."""

    source_id: int
    source_title: str
    url: str
    seen_at: datetime


def url_hash(canonical_url: str) -> str:
    """The key of the URL index: hex SHA-256."""
    return hashlib.sha256(canonical_url.encode("utf-8", "replace")).hexdigest()


def record(tx: Tx, source_id: int, news: Sequence[NewArticle], *, now: datetime) -> list[Recorded]:
    """Store the articles of one document of a source, or recognise them; says for each which it was.

    Safe to repeat, and against another collector.
    """
    newest = _newest(tx, source_id)
    rows = identity.recognise(tx, source_id, news)
    done: list[Recorded] = []
    keys: list[int] = []
    stored: dict[str, Row[Any]] = {}
    for new, known in zip(news, rows, strict=True):
        row = known if known is not None else stored.get(new.identity)
        if row is None:
            is_rerun = _is_rerun(new, newest)
            key = _insert(tx, source_id, new, is_rerun=is_rerun, now=now)
            row = identity.row_of(tx, new.identity)
            if row is None:
                raise AssertionError("an article that was just inserted is not there")
            stored[new.identity] = row
            if key is not None:
                keys.append(key)
                done.append(Recorded.RERUN if is_rerun else Recorded.NEW)
                continue
            # Another collector stored it between our look and our insert: it is known now.
        keys.append(row.id)
        done.append(_revise(tx, source_id, row, new, now=now))
    _sight(tx, source_id, zip(news, keys, strict=True), now=now)
    identity.remember(tx, source_id, zip(news, keys, strict=True))
    return done


def eligible(tx: Tx, publication_id: int, first_seen_from: datetime | None) -> list[Article]:
    """Articles seen in a publication's sources and first seen from an instant on (None: ever), oldest first."""
    seen_here = (
        select(sighting.c.article_id)
        .join(publication_source, publication_source.c.source_id == sighting.c.source_id)
        .where(publication_source.c.publication_id == publication_id)
    )
    window = [] if first_seen_from is None else [article.c.first_seen_at >= first_seen_from]
    return _load(tx, article.c.id.in_(seen_here), *window)


def by_ids(tx: Tx, article_ids: Sequence[int]) -> list[Article]:
    """The articles with these keys, in this order; unknown keys are left out."""
    found: dict[int, Article] = {}
    for chunk in portions(list(dict.fromkeys(article_ids))):
        found.update((one.id, one) for one in _load(tx, article.c.id.in_(chunk)))
    return [found[key] for key in article_ids if key in found]


def find_by_url(tx: Tx, url: str) -> Article | None:
    """The article known by an address, tracking parameters and http or https apart; or by that file path."""
    canonical = urls.canonical(url if "://" in url else str(Path(url).absolute()))
    owner = identity.owner_of_address(tx, [identity.address_hash(canonical)])
    if owner is not None:
        return by_ids(tx, [owner])[0]
    # Where a feed gives several articles one address, each is known by its title as well: the first of them.
    rest = canonical.partition("://")[2]
    forms = {canonical, f"https://{rest}", f"http://{rest}"} if rest else {canonical}
    found = _load(tx, article.c.url_hash.in_(sorted(url_hash(form) for form in forms)))
    return found[0] if found else None


def list_recent(tx: Tx, publication_id: int | None = None, *, limit: int = 50) -> list[Article]:
    """The articles stored last, newest first, of one publication's sources or of all."""
    keys = select(article.c.id).order_by(article.c.first_seen_at.desc(), article.c.id.desc()).limit(limit)
    if publication_id is not None:
        seen_here = (
            select(sighting.c.article_id)
            .join(publication_source, publication_source.c.source_id == sighting.c.source_id)
            .where(publication_source.c.publication_id == publication_id)
        )
        keys = keys.where(article.c.id.in_(seen_here))
    return by_ids(tx, tx.connection.execute(keys).scalars().all())


def sightings(tx: Tx, article_id: int) -> list[Sighting]:
    """Where an article was seen, first place first."""
    statement = (
        select(sighting.c.source_id, source.c.title, sighting.c.url, sighting.c.seen_at)
        .join(source, source.c.id == sighting.c.source_id)
        .where(sighting.c.article_id == article_id)
        .order_by(sighting.c.seen_at, sighting.c.source_id)
    )
    rows = tx.connection.execute(statement).all()
    return [Sighting(source_id=row.source_id, source_title=row.title, url=row.url, seen_at=row.seen_at) for row in rows]


def _newest(tx: Tx, source_id: int) -> datetime | None:
    """The date of the newest article that a source has shown; None for a source that is read for the first time."""
    shown = select(sighting.c.article_id).where(sighting.c.source_id == source_id)
    query = select(func.max(article.c.published_at)).where(article.c.id.in_(shown))
    newest: datetime | None = tx.connection.execute(query).scalar_one()
    return newest


def _is_rerun(new: NewArticle, newest: datetime | None) -> bool:
    """Whether an unknown article is old beside what its source has shown before (F17): feeds repeat themselves."""
    dated = new.published_at or new.claimed_at
    return newest is not None and dated is not None and dated < newest - _RERUN_AFTER


def _insert(tx: Tx, source_id: int, new: NewArticle, *, is_rerun: bool, now: datetime) -> int | None:
    """The new key, or None when the identity is taken."""
    values = {
        **_content(new),
        "identity": new.identity,
        "source_id": source_id,
        "url": new.url,
        "canonical_url": new.canonical_url,
        "url_hash": url_hash(new.canonical_url),
        "published_at": new.published_at,
        "published_is_day": new.published_is_day,
        "claimed_at": new.claimed_at,
        "date_problem": new.date_problem.value if new.date_problem else None,
        "is_rerun": is_rerun,
        "first_seen_at": now,
        "position": new.position,
    }
    statement = insert_or_ignore(tx, article).values(values).on_conflict_do_nothing(index_elements=["identity"])
    key: int | None = tx.connection.execute(statement.returning(article.c.id)).scalar_one_or_none()
    return key


def _revise(tx: Tx, source_id: int, row: Row[Any], new: NewArticle, *, now: datetime) -> Recorded:
    """Take what a document knows better. The date of publication stays: a correction is no news."""
    if row.source_id != source_id:
        values = _missing(row, new)
    elif row.content_hash != new.content_hash:
        values = _content(new)
    else:
        values = {}
    if row.published_at is None and new.published_at is not None:
        values |= {"published_at": new.published_at, "published_is_day": new.published_is_day}
        values |= {"claimed_at": None, "date_problem": None}
    if not values:
        return Recorded.UNCHANGED
    is_update = row.source_id == source_id and _is_news(row, new)
    if is_update:
        values["updated_at"] = now
    tx.connection.execute(update(article).where(article.c.id == row.id).values(**values))
    return Recorded.UPDATED if is_update else Recorded.UNCHANGED


def _missing(row: Row[Any], new: NewArticle) -> dict[str, Any]:
    """What a further source adds: the text where the first gave little more than a teaser, and what was empty."""
    text = ("summary", "content_html", "text", "content_hash", "word_count", "language")
    values = _content(new)
    taken = {name: values[name] for name in text} if _is_fuller(row, new) else {}
    empty = {name: values[name] for name in ("author", "image_url", "summary") if not getattr(row, name)}
    if empty.get("image_url"):
        empty["image_alt"] = values["image_alt"]
    return {name: value for name, value in (empty | taken).items() if value}


def _is_fuller(row: Row[Any], new: NewArticle) -> bool:
    return len(row.text) < _TEASER_CHARS and new.word_count > row.word_count * _MUCH_FULLER


def _is_news(row: Row[Any], new: NewArticle) -> bool:
    """Whether a change is worth a word (F19): another title, or more than 50 characters of the text."""
    return bool(row.title != new.title or changed_chars(row.text, new.text) > _SMALL_CHANGE_CHARS)


def changed_chars(before: str, after: str) -> int:
    """How many characters lie between the first and the last that differ, in the longer of two texts. O(n)."""
    if before == after:
        return 0
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    end = next((i for i in range(shorter - start) if before[-1 - i] != after[-1 - i]), shorter - start)
    return max(len(before), len(after)) - start - end


def _content(new: NewArticle) -> dict[str, Any]:
    return {
        "title": new.title,
        "summary": new.summary,
        "content_html": new.content_html,
        "text": new.text,
        "author": new.author,
        "image_url": new.image_url,
        "image_alt": new.image_alt,
        "language": new.language,
        "labels": list(new.labels),
        "content_hash": new.content_hash,
        "word_count": new.word_count,
    }


def _sight(tx: Tx, source_id: int, seen: Iterable[tuple[NewArticle, int]], *, now: datetime) -> None:
    rows = [
        {"source_id": source_id, "guid_hash": new.guid_hash, "article_id": key, "url": new.url, "seen_at": now}
        for new, key in seen
    ]
    for some in portions(rows):
        statement = insert_or_ignore(tx, sighting).values(some)
        tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["source_id", "guid_hash"]))


def _load(tx: Tx, *conditions: ColumnElement[bool]) -> list[Article]:
    """Articles with their sources, oldest first."""
    statement: Select[Any] = (
        select(article, source.c.title.label("source_title"))
        .join(source, source.c.id == article.c.source_id)
        .where(*conditions)
        .order_by(article.c.first_seen_at, article.c.position, article.c.id)
    )
    rows = tx.connection.execute(statement).all()
    seen_in = _sources_of(tx, [row.id for row in rows])
    return [_article(row, seen_in[row.id]) for row in rows]


def _sources_of(tx: Tx, article_ids: list[int]) -> dict[int, tuple[int, ...]]:
    found: dict[int, dict[int, None]] = defaultdict(dict)
    for chunk in portions(article_ids):
        statement = select(sighting.c.article_id, sighting.c.source_id).where(sighting.c.article_id.in_(chunk))
        for row in tx.connection.execute(statement.order_by(sighting.c.seen_at, sighting.c.source_id)):
            found[row.article_id][row.source_id] = None
    return defaultdict(tuple, {key: tuple(sources) for key, sources in found.items()})


def _article(row: Row[Any], sources: tuple[int, ...]) -> Article:
    first = row.source_id
    return Article(
        id=row.id,
        source_id=first,
        source_title=row.source_title,
        url=row.url,
        canonical_url=row.canonical_url,
        title=row.title,
        summary=row.summary,
        content_html=row.content_html,
        text=row.text,
        author=row.author,
        published_at=row.published_at,
        published_is_day=row.published_is_day,
        updated_at=row.updated_at,
        first_seen_at=row.first_seen_at,
        image_url=row.image_url,
        image_alt=row.image_alt,
        language=row.language,
        labels=tuple(row.labels),
        position=row.position,
        word_count=row.word_count,
        is_hidden=row.is_hidden,
        claimed_at=row.claimed_at,
        date_problem=DateProblem(row.date_problem) if row.date_problem else None,
        is_rerun=row.is_rerun,
        sources=(first, *(one for one in sources if one != first)),
    )


def enrich(tx: Tx, article_id: int, new: NewArticle) -> None:
    """Give an article the text of its own page, and a date if it had none. No update: its publisher changed nothing."""
    statement = update(article).where(article.c.id == article_id)
    tx.connection.execute(statement.values(**_content(new)))
    if new.published_at is not None:
        dated = {"published_at": new.published_at, "published_is_day": new.published_is_day}
        tx.connection.execute(statement.where(article.c.published_at.is_(None)).values(**dated))
