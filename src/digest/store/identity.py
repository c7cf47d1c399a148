"""Which article an entry is: the identity ladder (collection.md F16), looked up for a whole document at once.

Rules: an article is found by everything it was ever known by. The upper rungs (the feed's own id, that id without
scheme and host, the address) are tried for every entry first; the lower ones (title and day, the text itself) serve
only for what is left, and never give an article that another entry of the same document has already been taken for.
Nothing here knows what an article contains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, select

from digest.model.article import NewArticle
from digest.store.engine import Tx
from digest.store.ledger_tables import article_key
from digest.store.portions import portions
from digest.store.publications import insert_or_ignore
from digest.store.tables import article

#: So far apart in time, a known id with another title and another address is an id that was used again.
_SAME_ARTICLE = timedelta(days=1)

_ROWS: Select[Any] = select(
    article.c.id,
    article.c.source_id,
    article.c.identity,
    article.c.title,
    article.c.summary,
    article.c.text,
    article.c.author,
    article.c.image_url,
    article.c.published_at,
    article.c.content_hash,
    article.c.word_count,
)


def upper(source_id: int, new: NewArticle) -> tuple[str, ...]:
    """Keys of the upper rungs, best first."""
    own = [_key("guid", source_id, new.guid_hash)] if new.is_guid_trusted else []
    own += [_key("path", source_id, new.path_hash)] if new.path_hash else []
    return (*own, *(_key("address", 0, one) for one in (new.identity, *new.addresses)))


def lower(source_id: int, new: NewArticle) -> tuple[str, ...]:
    """Keys of the lower rungs, best first."""
    keys = [_key("title", source_id, new.title_hash)] if new.title_hash else []
    return (*keys, *([_key("text", source_id, new.text_hash)] if new.text_hash else []))


def _key(rung: str, source: int, value_hash: str) -> str:
    return hashlib.sha256(f"{rung}\n{source}\n{value_hash}".encode()).hexdigest()


def recognise(tx: Tx, source_id: int, news: Sequence[NewArticle]) -> list[Row[Any] | None]:
    """For each entry the row of the article it is, or None for one that was never seen."""
    owners = _owners(tx, {key for new in news for key in (*upper(source_id, new), *lower(source_id, new))})
    rows = _rows(tx, set(owners.values()))
    found: list[Row[Any] | None] = []
    for new in news:
        held = (rows[owners[key]] for key in upper(source_id, new) if key in owners)
        found.append(next((row for row in held if not _is_used_again(row, new)), None))
    taken = {row.id for row in found if row is not None}
    for index, new in enumerate(news):
        if found[index] is not None:
            continue
        free = (rows[owners[key]] for key in lower(source_id, new) if key in owners)
        match = next((row for row in free if row.id not in taken), None)
        if match is not None:
            found[index] = match
            taken.add(match.id)
    return found


def remember(tx: Tx, source_id: int, known: Iterable[tuple[NewArticle, int]]) -> None:
    """Keep every key of entries with the articles they are; a key that leads somewhere already stays as it is."""
    owners = {
        key: article_id
        for new, article_id in known
        for key in reversed((*upper(source_id, new), *lower(source_id, new)))
    }
    rows = [{"hash": key, "article_id": article_id} for key, article_id in owners.items()]
    for some in portions(rows):
        statement = insert_or_ignore(tx, article_key).values(some)
        tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["hash"]))


def address_hash(canonical: str) -> str:
    """What a canonical address, or a local file's path, is known by: hex SHA-256 of it, http or https apart."""
    scheme, separator, rest = canonical.partition("://")
    address = rest if separator and scheme in {"http", "https"} else canonical
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()


def owner_of_address(tx: Tx, address_hashes: Iterable[str]) -> int | None:
    """The article known by one of these addresses (hashes as in `NewArticle.identity`)."""
    owners = _owners(tx, {_key("address", 0, one) for one in address_hashes})
    return min(owners.values(), default=None)


def row_of(tx: Tx, identity: str) -> Row[Any] | None:
    """The article with that identity."""
    row: Row[Any] | None = tx.connection.execute(_ROWS.where(article.c.identity == identity)).one_or_none()
    return row


def _is_used_again(row: Row[Any], new: NewArticle) -> bool:
    """Whether a key that was known now names something else: other title, other address, another day."""
    if row.identity in {new.identity, *new.addresses} or row.title.casefold() == new.title.casefold():
        return False
    if row.published_at is None or new.published_at is None:
        return False
    days_apart: timedelta = abs(row.published_at - new.published_at)
    return days_apart > _SAME_ARTICLE and bool(row.content_hash != new.content_hash)


def _owners(tx: Tx, keys: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in portions(sorted(keys)):
        query = select(article_key.c.hash, article_key.c.article_id).where(article_key.c.hash.in_(some))
        found.update((row.hash, row.article_id) for row in tx.connection.execute(query))
    return found


def _rows(tx: Tx, keys: set[int]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for some in portions(sorted(keys)):
        query = _ROWS.where(article.c.id.in_(some))
        found.update((row.id, row) for row in tx.connection.execute(query))
    return found
