"""Which addresses a file has had so far, and in which line: exact, and small enough for millions.

A private database in memory holds 64 bit of each address as its key: about 20 bytes each, where a Python dict takes
150. Two of a million addresses share those bits once in forty million files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


class Seen:
    """The addresses seen so far."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY, line INTEGER)")
        self._database.execute("CREATE TABLE now (key INTEGER, line INTEGER)")

    def note(self, addresses: Sequence[tuple[str, int]]) -> dict[int, int]:
        """Note addresses (norm, line); gives the earlier line of each line whose address was there before."""
        rows = [(hash(norm), line) for norm, line in addresses]
        before = self._database.total_changes
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        is_known = self._database.total_changes - before < len(rows)
        self._database.execute("COMMIT")
        return self._earlier(rows) if is_known else {}

    def _earlier(self, rows: Sequence[tuple[int, int]]) -> dict[int, int]:
        self._database.executemany("INSERT INTO now VALUES (?, ?)", rows)
        query = "SELECT now.line, seen.line FROM now JOIN seen USING (key) WHERE seen.line <> now.line"
        found = dict(self._database.execute(query).fetchall())
        self._database.execute("DELETE FROM now")
        return found

    def close(self) -> None:
        """Let go of it all."""
        self._database.close()
