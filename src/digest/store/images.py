"""Our copies of pictures, kept once by their content, and which article shows which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from digest.model.image import ImageSize, OwnImage
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import article_image, image


def keep(
    tx: Tx, article_id: int, size: ImageSize, *, source_url: str, content: bytes, width: int, height: int, now: datetime
) -> OwnImage:
    """Keep a JPEG as an article's picture in one size, in place of an earlier one; the same bytes are kept once."""
    found = OwnImage(hashlib.sha256(content).hexdigest(), width, height)
    tx.connection.execute(
        insert_or_ignore(tx, image)
        .values(hash=found.hash, width=width, height=height, content=content, made_at=now)
        .on_conflict_do_nothing(index_elements=["hash"])
    )
    tx.connection.execute(
        delete(article_image).where(article_image.c.article_id == article_id, article_image.c.size == size.value)
    )
    tx.connection.execute(
        insert(article_image).values(
            article_id=article_id, size=size.value, image_hash=found.hash, source_url=source_url
        )
    )
    return found


def of_articles(tx: Tx, article_ids: Iterable[int]) -> dict[int, dict[ImageSize, OwnImage]]:
    """Article id → size → our copy, for those that have one."""
    return {
        article_id: {size: found for size, (found, _) in sizes.items()}
        for article_id, sizes in _load(tx, list(article_ids)).items()
    }


def sources_of(tx: Tx, article_ids: Iterable[int]) -> dict[tuple[int, ImageSize], str]:
    """(article id, size) → the address that our copy was made from."""
    return {
        (article_id, size): source_url
        for article_id, sizes in _load(tx, list(article_ids)).items()
        for size, (_, source_url) in sizes.items()
    }


def content(tx: Tx, image_hash: str) -> bytes | None:
    """The JPEG of that hash, or None."""
    found = tx.connection.execute(select(image.c.content).where(image.c.hash == image_hash)).scalar_one_or_none()
    return bytes(found) if found is not None else None


def _load(tx: Tx, article_ids: Sequence[int]) -> dict[int, dict[ImageSize, tuple[OwnImage, str]]]:
    # An issue has at most a hundred items: one statement is enough (SQLite takes 32,766 parameters).
    rows = tx.connection.execute(
        select(
            article_image.c.article_id,
            article_image.c.size,
            article_image.c.source_url,
            image.c.hash,
            image.c.width,
            image.c.height,
        )
        .join(image, image.c.hash == article_image.c.image_hash)
        .where(article_image.c.article_id.in_(article_ids))
    )
    found: dict[int, dict[ImageSize, tuple[OwnImage, str]]] = {}
    for row in rows:
        copy = OwnImage(row.hash, row.width, row.height)
        found.setdefault(row.article_id, {})[ImageSize(row.size)] = (copy, row.source_url)
    return found
