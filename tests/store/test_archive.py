"""What went out is found by number and by words, and nothing else is."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from digest.model.issue import IssueState
from digest.store import archive, migrate, publications
from digest.store.engine import Store
from digest.store.tables import rendition
from digest.text.fold import asked_words
from support.factories import make_publication
from support.published import News, publish

HARBOUR = [News("The harbour opens"), News("Élections in two towns", "Votes are counted.")]
BRIDGE = [News("A bridge for 100 % of cyclists"), News("Rain until Sunday")]


@pytest.fixture
def filled(store: Store) -> tuple[Store, int]:
    with store.write() as tx:
        publication = make_publication(tx)
        publish(tx, publication, date(2026, 11, 20), HARBOUR)
        publish(tx, publication, date(2026, 11, 21), BRIDGE)
        publish(tx, publication, date(2026, 11, 22), [News("Not out yet")], until=IssueState.COMPOSED)
        other = make_publication(tx, "evening")
        publish(tx, other, date(2026, 11, 21), HARBOUR)
    return store, publication.id


def found(filled: tuple[Store, int], query: str) -> list[int]:
    store, publication_id = filled
    with store.read() as tx:
        return [one.number for one in archive.listed(tx, publication_id, words=asked_words(query), limit=10)]


def test_issues_that_went_out_are_listed_newest_first(filled: tuple[Store, int]):
    store, publication_id = filled
    with store.read() as tx:
        everything = archive.listed(tx, publication_id, limit=10)
        older = archive.listed(tx, publication_id, before=2, limit=10)

    assert [(one.number, one.day, one.subject) for one in everything] == [
        (2, date(2026, 11, 21), "A bridge for 100 % of cyclists"),
        (1, date(2026, 11, 20), "The harbour opens"),
    ]
    assert [one.number for one in older] == [1]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("harbour", [1]),
        ("ELECTIONS counted", [1]),
        ("élections", [1]),
        ("100 cyclists", [2]),
        ("harbour bridge", []),
        ("not out", []),
        ("o_t", []),
    ],
)
def test_an_issue_is_found_by_all_the_words_asked_for(filled: tuple[Store, int], query: str, numbers: list[int]):
    assert found(filled, query) == numbers


def test_an_issue_knows_its_neighbours(filled: tuple[Store, int]):
    store, publication_id = filled
    with store.read() as tx:
        of_first, of_second = (archive.neighbours(tx, publication_id, number) for number in (1, 2))

    assert (of_first.earlier, of_first.later and of_first.later.number) == (None, 2)
    assert (of_second.earlier and of_second.earlier.number, of_second.later) == (1, None)


def test_issues_from_before_the_search_existed_are_found_after_the_upgrade(filled: tuple[Store, int]):
    store, _ = filled
    migrate.downgrade(store, "0011" if "0011" in {s.revision for s in migrate.scripts().walk_revisions()} else "0009")
    migrate.upgrade(store)
    with store.read() as tx:
        texts = tx.connection.execute(sa.select(rendition.c.search_text)).scalars().all()
        kept = publications.get(tx, "morning")

    assert found(filled, "elections") == [1]
    assert all(texts)
    assert (kept.archive, kept.is_indexed) == ("public", True)
