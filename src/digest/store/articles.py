"""The ledger of articles: each stored once, every sighting of it kept.

An article is known by (source, guid), else by its identity; only then it is new. The source that brought it
first is the only one that may change its text: a second feed often carries no more than the teaser.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select, update

from digest.model.article import Article, NewArticle
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import article, publication_source, sighting, source
from digest.text import url as urls

_IDS_AT_ONCE = 500


class Recorded(StrEnum):
    """What recording an article did."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


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


def record(tx: Tx, source_id: int, new: NewArticle, *, now: datetime) -> Recorded:
    """Store an article seen in a source, or recognise it. Safe to repeat, and against another collector."""
    row = _known(tx, source_id, new)
    if row is None:
        key = _insert(tx, source_id, new, now=now)
        if key is not None:
            _sight(tx, source_id, new, article_id=key, now=now)
            return Recorded.NEW
        # Another collector stored it between our look and our insert: it is known now.
        row = tx.connection.execute(_KNOWN.where(article.c.identity == new.identity)).one()
    _sight(tx, source_id, new, article_id=row.id, now=now)
    if row.source_id != source_id or row.content_hash == new.content_hash:
        return Recorded.UNCHANGED
    _update(tx, row.id, new, now=now)
    return Recorded.UPDATED


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
    for chunk in _chunks(list(dict.fromkeys(article_ids))):
        found.update((one.id, one) for one in _load(tx, article.c.id.in_(chunk)))
    return [found[key] for key in article_ids if key in found]


def find_by_url(tx: Tx, url: str) -> Article | None:
    """The article at an address, tracking parameters and http or https apart; or with that file path."""
    canonical = urls.canonical(url if "://" in url else str(Path(url).absolute()))
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


_KNOWN = select(article.c.id, article.c.source_id, article.c.content_hash)


def _known(tx: Tx, source_id: int, new: NewArticle) -> Row[Any, Any, Any] | None:
    by_guid = _KNOWN.join(sighting, sighting.c.article_id == article.c.id).where(
        sighting.c.source_id == source_id, sighting.c.guid_hash == new.guid_hash
    )
    row = tx.connection.execute(by_guid).one_or_none()
    return row or tx.connection.execute(_KNOWN.where(article.c.identity == new.identity)).one_or_none()


def _insert(tx: Tx, source_id: int, new: NewArticle, *, now: datetime) -> int | None:
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
        "first_seen_at": now,
        "position": new.position,
    }
    statement = insert_or_ignore(tx, article).values(values).on_conflict_do_nothing(index_elements=["identity"])
    key: int | None = tx.connection.execute(statement.returning(article.c.id)).scalar_one_or_none()
    return key


def _update(tx: Tx, article_id: int, new: NewArticle, *, now: datetime) -> None:
    """Take the changed text. The date of publication stays: a correction is no news."""
    statement = update(article).where(article.c.id == article_id)
    tx.connection.execute(statement.values(**_content(new), updated_at=now))


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


def _sight(tx: Tx, source_id: int, new: NewArticle, *, article_id: int, now: datetime) -> None:
    values = {
        "source_id": source_id,
        "guid_hash": new.guid_hash,
        "article_id": article_id,
        "url": new.url,
        "seen_at": now,
    }
    statement = insert_or_ignore(tx, sighting).values(values)
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
    for chunk in _chunks(article_ids):
        statement = select(sighting.c.article_id, sighting.c.source_id).where(sighting.c.article_id.in_(chunk))
        for row in tx.connection.execute(statement.order_by(sighting.c.seen_at, sighting.c.source_id)):
            found[row.article_id][row.source_id] = None
    return defaultdict(tuple, {key: tuple(sources) for key, sources in found.items()})


def _chunks(keys: list[int]) -> Iterable[list[int]]:
    return (keys[start : start + _IDS_AT_ONCE] for start in range(0, len(keys), _IDS_AT_ONCE))


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
        sources=(first, *(one for one in sources if one != first)),
    )
