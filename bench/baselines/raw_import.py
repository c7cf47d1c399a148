"""Importing readers with nothing in between: the csv module and sqlite3's `executemany`. The floor under an import.

    python raw_import.py CSV DATABASE

The same two tables as the ORM's; no address is checked.
"""

from __future__ import annotations

import csv
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

_COMMIT_ROWS = 10_000
_TABLES = """
CREATE TABLE subscriber (
  id INTEGER PRIMARY KEY, public_id TEXT NOT NULL UNIQUE, email TEXT NOT NULL, email_norm TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE subscription (
  subscriber_id INTEGER NOT NULL REFERENCES subscriber, publication_id INTEGER NOT NULL, token_id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL, cadence TEXT NOT NULL, format TEXT NOT NULL, consent_at TEXT, consent_source TEXT NOT NULL,
  created_at TEXT NOT NULL, PRIMARY KEY (subscriber_id, publication_id));
CREATE INDEX by_state ON subscription (publication_id, state, cadence);
"""


def main() -> None:
    """Read the file in blocks, each a transaction."""
    now = datetime.now(UTC).isoformat()
    with (
        closing(sqlite3.connect(sys.argv[2])) as database,
        Path(sys.argv[1]).open(newline="", encoding="utf-8") as file,
    ):
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(_TABLES)
        rows: Iterator[tuple[int, list[str]]] = enumerate(csv.reader(file))
        next(rows)  # the header
        while block := list(islice(rows, _COMMIT_ROWS)):
            people = [(n, secrets.token_urlsafe(8), row[0], row[0].lower(), row[1], now) for n, row in block]
            wishes = [(n, secrets.token_urlsafe(8), row[2], row[3], now) for n, row in block]
            with database:
                database.executemany("INSERT INTO subscriber VALUES (?, ?, ?, ?, ?, ?)", people)
                database.executemany(
                    "INSERT INTO subscription VALUES (?, 1, ?, 'active', 'daily', 'html', ?, ?, ?)", wishes
                )


if __name__ == "__main__":
    main()
