"""What a publication's editors decided about articles: pinned, hidden, recalled, told in other words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from digest.model.article import Editing
from digest.store.engine import Tx
from digest.store.ledger_tables import editing
from digest.store.publications import insert_or_ignore


def of_publication(tx: Tx, publication_id: int) -> dict[int, Editing]:
    """Every article of which a publication's editors decided something, by article id."""
    rows = tx.connection.execute(select(editing).where(editing.c.publication_id == publication_id))
    return {
        row.article_id: Editing(pin=row.pin, is_hidden=row.is_hidden, is_recalled=row.is_recalled, teaser=row.teaser)
        for row in rows
    }


def change(tx: Tx, publication_id: int, article_id: int, *, now: datetime, **values: Any) -> Editing:
    """Change some of it (``pin``, ``is_hidden``, ``is_recalled``, ``teaser``); the rest stays. Gives what holds now."""
    key = {"publication_id": publication_id, "article_id": article_id}
    statement = insert_or_ignore(tx, editing).values(**key, **values, changed_at=now)
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=values | {"changed_at": now})
    tx.connection.execute(statement)
    return of_publication(tx, publication_id)[article_id]
