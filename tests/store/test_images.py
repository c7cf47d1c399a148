"""Our own copies of pictures in the database."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from digest.model.article import SourceKind
from digest.model.image import ImageSize, OwnImage
from digest.store import articles, images, sources
from digest.store.engine import Store
from digest.store.tables import image
from support.factories import NOW
from support.site import new_article


@pytest.fixture
def article_ids(store: Store) -> list[int]:
    with store.write() as tx:
        source = sources.add(tx, SourceKind.RSS, url="https://example.com/feed", title="Example", now=NOW)
        for name in ("a", "b"):
            new = new_article(
                identity=name * 64,
                guid_hash=name * 64,
                url=f"https://e.com/{name}",
                canonical_url=f"https://e.com/{name}",
            )
            articles.record(tx, source.id, [new], now=NOW)
        return sorted(one.id for one in articles.list_recent(tx))


def keep(
    store: Store, article_id: int, content: bytes, *, size: ImageSize = ImageSize.THUMB, url: str = "u"
) -> OwnImage:
    with store.write() as tx:
        return images.keep(tx, article_id, size, source_url=url, content=content, width=224, height=224, now=NOW)


def test_a_copy_is_found_by_article_and_by_hash(store: Store, article_ids: list[int]):
    kept = keep(store, article_ids[0], b"jpeg", url="https://e.com/a.jpg")

    with store.read() as tx:
        assert images.of_articles(tx, article_ids) == {article_ids[0]: {ImageSize.THUMB: kept}}
        assert images.sources_of(tx, article_ids) == {(article_ids[0], ImageSize.THUMB): "https://e.com/a.jpg"}
        assert images.content(tx, kept.hash) == b"jpeg"
        assert images.content(tx, "0" * 64) is None


def test_the_same_bytes_are_kept_once(store: Store, article_ids: list[int]):
    first, second = (keep(store, article_id, b"same") for article_id in article_ids)

    assert first == second
    with store.read() as tx:
        assert tx.connection.execute(select(func.count()).select_from(image)).scalar_one() == 1
        assert len(images.of_articles(tx, article_ids)) == 2


def test_a_new_copy_takes_the_place_of_the_old_one_and_mails_keep_theirs(store: Store, article_ids: list[int]):
    old = keep(store, article_ids[0], b"old")
    new = keep(store, article_ids[0], b"new")

    with store.read() as tx:
        assert images.of_articles(tx, article_ids)[article_ids[0]][ImageSize.THUMB] == new
        assert images.content(tx, old.hash) == b"old"
