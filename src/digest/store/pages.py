"""Pages of articles: which are still to be fetched, and what became of the others. Each is fetched once.

A page that was taken gives the article its text; the feed goes on giving its teaser. So before a feed is recorded,
`with_full_texts` puts the text back that the teaser would otherwise replace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from digest.model.article import NewArticle
from digest.model.fetching import Page, PageState
from digest.store.articles import url_hash
from digest.store.engine import Tx
from digest.store.fetch_tables import page
from digest.store.portions import portions
from digest.store.publications import insert_or_ignore
from digest.store.tables import article, sighting

_CONTENT = (
    *("title", "summary", "content_html", "text", "author", "image_url", "image_alt", "language", "labels"),
    *("content_hash", "word_count"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page to be fetched. ``new`` is the feed's own article; None where the feed gives no more than the address."""

    url: str
    canonical_url: str
    new: NewArticle | None
    is_passed: bool = False


def ask_for(tx: Tx, source_id: int, wanted: Sequence[Wanted], *, first_seen_from: datetime, now: datetime) -> int:
    """Put pages in line that nobody has asked for yet; gives how many are new there.

    Left out are articles first seen before ``first_seen_from`` and those that another source brought: theirs is the
    text. The articles themselves must be recorded already.
    """
    fresh = _unknown(tx, wanted)
    owners = _owners(tx, source_id, [one.new.guid_hash for one in fresh if one.new is not None])
    asked = 0
    for one in fresh:
        owner = owners.get(one.new.guid_hash) if one.new is not None else None
        if one.new is not None and (
            owner is None or owner.source_id != source_id or owner.first_seen_at < first_seen_from
        ):
            continue
        values = {
            "url_hash": url_hash(one.canonical_url),
            "source_id": source_id,
            "article_id": owner.id if owner else None,
            "url": one.url,
            "feed_hash": one.new.content_hash if one.new else None,
            "state": (PageState.PASSED if one.is_passed else PageState.WAITING).value,
            "next_try_at": None if one.is_passed else now,
            "asked_at": now,
        }
        statement = insert_or_ignore(tx, page).values(values).on_conflict_do_nothing(index_elements=["url_hash"])
        asked += len(tx.connection.execute(statement.returning(page.c.url_hash)).all())
    return asked


def waiting(tx: Tx, source_id: int, *, now: datetime, limit: int) -> list[Page]:
    """Pages of a source to fetch now, in the order in which they were asked for."""
    statement = select(page).where(
        page.c.source_id == source_id, page.c.state == PageState.WAITING.value, page.c.next_try_at <= now
    )
    rows = tx.connection.execute(statement.order_by(page.c.asked_at, page.c.tries, page.c.article_id).limit(limit))
    return [_page(row) for row in rows]


def sources_waiting(tx: Tx, *, now: datetime) -> set[int]:
    """Sources that have pages to fetch now."""
    statement = select(page.c.source_id).where(page.c.state == PageState.WAITING.value, page.c.next_try_at <= now)
    return set(tx.connection.execute(statement.distinct()).scalars())


def settle(
    tx: Tx,
    found: Page,
    *,
    state: PageState,
    now: datetime,
    detail: str = "",
    next_try_at: datetime | None = None,
    article_id: int | None = None,
) -> None:
    """Record what a look at the page gave; ``next_try_at`` with ``waiting`` to try again."""
    values: dict[str, Any] = {
        "state": state.value,
        "tries": found.tries + 1,
        "tried_at": now,
        "next_try_at": next_try_at,
        "detail": detail,
    }
    if article_id is not None:
        values["article_id"] = article_id
    tx.connection.execute(update(page).where(page.c.url_hash == found.url_hash).values(values))


def of_article(tx: Tx, article_id: int) -> list[Page]:
    """The pages fetched, or to be fetched, for an article."""
    statement = select(page).where(page.c.article_id == article_id).order_by(page.c.asked_at, page.c.url_hash)
    return [_page(row) for row in tx.connection.execute(statement)]


def counts(tx: Tx, source_id: int) -> dict[PageState, int]:
    """How many pages of a source are in which state."""
    found = dict.fromkeys(PageState, 0)
    for row in tx.connection.execute(select(page.c.state).where(page.c.source_id == source_id)):
        found[PageState(row.state)] += 1
    return found


def with_full_texts(tx: Tx, prepared: Sequence[NewArticle], *, now: datetime) -> list[NewArticle]:
    """The articles of a feed, with the text of their page where it was taken.

    Where the feed says something else than when the page was fetched, its title and summary are taken, the text
    stays, and the page is to be fetched again.
    """
    taken = _taken(tx, [url_hash(one.canonical_url) for one in prepared])
    return [_with_full_text(tx, one, taken.get(url_hash(one.canonical_url)), now) for one in prepared]


def _with_full_text(tx: Tx, new: NewArticle, row: Row[Any] | None, now: datetime) -> NewArticle:
    if row is None:
        return new
    stored = {name: getattr(row, name) for name in _CONTENT}
    stored["labels"] = tuple(stored["labels"])
    if row.feed_hash == new.content_hash:
        return replace(new, **stored)
    values = {"state": PageState.WAITING.value, "tries": 0, "next_try_at": now, "feed_hash": new.content_hash}
    tx.connection.execute(update(page).where(page.c.url_hash == row.url_hash).values(values))
    told = {"title": new.title, "summary": new.summary or stored["summary"]}
    changed = hashlib.sha256(f"{new.content_hash}\n{row.content_hash}".encode()).hexdigest()
    return replace(new, **{**stored, **told, "content_hash": changed})


def _taken(tx: Tx, hashes: list[str]) -> dict[str, Row[Any]]:
    columns: list[Any] = [page.c.url_hash, page.c.feed_hash, *(article.c[name] for name in _CONTENT)]
    found: dict[str, Row[Any]] = {}
    for chunk in portions(hashes):
        statement = (
            select(*columns)
            .select_from(page)
            .join(article, article.c.id == page.c.article_id)
            .where(page.c.url_hash.in_(chunk), page.c.state == PageState.TAKEN.value)
        )
        found.update((row.url_hash, row) for row in tx.connection.execute(statement))
    return found


def _unknown(tx: Tx, wanted: Sequence[Wanted]) -> list[Wanted]:
    known: set[str] = set()
    for chunk in portions([url_hash(one.canonical_url) for one in wanted]):
        known.update(tx.connection.execute(select(page.c.url_hash).where(page.c.url_hash.in_(chunk))).scalars())
    return [one for one in wanted if url_hash(one.canonical_url) not in known]


def _owners(tx: Tx, source_id: int, guid_hashes: list[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for chunk in portions(guid_hashes):
        statement = (
            select(sighting.c.guid_hash, article.c.id, article.c.source_id, article.c.first_seen_at)
            .join(article, article.c.id == sighting.c.article_id)
            .where(sighting.c.source_id == source_id, sighting.c.guid_hash.in_(chunk))
        )
        found |= {row.guid_hash: row for row in tx.connection.execute(statement)}
    return found


def _page(row: Row[Any]) -> Page:
    return Page(
        url_hash=row.url_hash,
        source_id=row.source_id,
        article_id=row.article_id,
        url=row.url,
        feed_hash=row.feed_hash,
        state=PageState(row.state),
        tries=row.tries,
        detail=row.detail,
        tried_at=row.tried_at,
    )
