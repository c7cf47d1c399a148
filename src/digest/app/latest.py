"""The newest issue of each publication that anybody may read.

Its contents are kept for half a minute: a sign-up page shows them to everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from digest.app.container import Container
from digest.app.published import contents
from digest.compose.context import DigestContext
from digest.model.publication import Archive, Publication
from digest.store import archive
from digest.store.engine import Tx

_KEEP_S = 30.0


class Latest:
    """Newest issues by publication. Any thread may ask."""

    def __init__(self, container: Container, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._container = container
        self._clock = clock
        self._guard = Lock()
        self._kept: dict[int, tuple[int, float, DigestContext | None]] = {}

    def of(self, tx: Tx, publication: Publication) -> DigestContext | None:
        """Its newest public issue; None where there is none, or where its archive is not open."""
        if publication.archive is not Archive.PUBLIC:
            return None
        newest = archive.listed(tx, publication.id, limit=1)
        if not newest:
            return None
        now = self._clock()
        with self._guard:
            issue_id, since, found = self._kept.get(publication.id, (None, 0.0, None))
        if issue_id == newest[0].id and now - since < _KEEP_S:
            return found
        found = contents(tx, self._container, publication, newest[0].id)
        with self._guard:
            self._kept[publication.id] = (newest[0].id, now, found)
        return found
