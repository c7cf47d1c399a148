"""An issue on the point of being sent, with as many readers as a test wants."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from digest.app.clock import system_clock
from digest.app.container import Container
from digest.app.line import Line
from digest.config.secrets import Keyring
from digest.config.settings import Settings
from digest.engine.local import LocalEngine
from digest.model.calendar import Period
from digest.model.issue import Issue, IssueState, RenditionKey
from digest.model.publication import Publication
from digest.store import deliveries, issues, publications, renditions
from digest.store.engine import Store, Tx
from digest.store.tables import subscriber, subscription
from digest.text.slots import marker
from support.factories import make_publication

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
EVERYTHING = RenditionKey((), "en", "html")
KEY = b"a key for tests, thirty-two bytes"


def add_readers(
    tx: Tx, publication: Publication, count: int, *, first: int = 1, address: str = "reader{n}@example.com"
) -> None:
    """Active readers reader1@example.com … in bulk."""
    numbers = range(first, first + count)
    people = [
        {
            "id": n,
            "public_id": f"p{n}",
            "email": address.format(n=n),
            "email_norm": address.format(n=n),
            "name": "",
            "created_at": NOW,
        }
        for n in numbers
    ]
    tx.connection.execute(insert(subscriber), people)
    relations = [
        {
            "subscriber_id": n,
            "publication_id": publication.id,
            "token_id": f"t{n}",
            "state": "active",
            "cadence": "daily",
            "format": "html",
            "created_at": NOW,
        }
        for n in numbers
    ]
    tx.connection.execute(insert(subscription), relations)


def composed_issue(
    tx: Tx, publication: Publication, *, day: int = 22, content: tuple[str, str, str] | None = None
) -> Issue:
    """An issue in state composed with one rendition: ``content`` (subject, html, text), else one with every slot."""
    period = Period(NOW.replace(day=day).date(), NOW.replace(day=day))
    issue, _ = issues.open_period(tx, publication.id, cadence="daily", period=period, now=NOW)
    steps = [IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED]
    for expected, to in pairwise(steps):
        assert issues.move(tx, issue.id, expected=expected, to=to, now=NOW)
    issues.title(tx, issue.id, subject="Night trains return", preheader="")
    slots = " ".join(marker(name) for name in ("email", "signed_up_on", "unsubscribe_url"))
    html = f"<html><body><p>Hello {slots}</p></body></html>"
    subject, html, text = content or ("Night trains return", html, f"Hello {slots}\n")
    renditions.put(tx, issue.id, [(EVERYTHING, subject, html, text)], now=NOW)
    return issues.get(tx, issue.id)


def sending_issue(store: Store, readers: int, *, chunk_size: int = 1000) -> Issue:
    """A publication with readers and its issue fanned out, in state sending."""
    with store.write() as tx:
        publication = make_publication(tx)
        add_readers(tx, publication, readers)
        issue = composed_issue(tx, publication)
        made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
        deliveries.fan_out(tx, issue, {EVERYTHING: made[EVERYTHING]}, chunk_size=chunk_size, now=tx.now())
        assert issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=tx.now())
        return issues.get(tx, issue.id)


@cache
def _scratch() -> Path:
    """A folder for what an installation writes beside its database; gone when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="digest-scratch-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def make_container(store: Store, **sections: Any) -> Container:
    """An installation around a store; ``sections`` are settings such as ``delivery={...}``."""
    # Test databases are copies of one, and so one installation: each needs a fence of its own.
    fence_file = _scratch() / f"{sha256(str(store.url).encode()).hexdigest()[:16]}.fence"
    files = {"journal": str(_scratch() / "journal"), "fence_file": str(fence_file)}
    delivery = {**files, **sections.pop("delivery", {})}
    settings = Settings.model_validate(
        {"base_dir": _scratch(), "site": {"base_url": "https://news.example.com"}, "delivery": delivery, **sections}
    )
    return Container(settings, store, Keyring([KEY]))


def line_of(container: Container, **more: Any) -> Line:
    """The line of the only publication."""
    with container.store.read() as tx:
        publication = publications.list_all(tx)[0]
    return Line(container, publication, LocalEngine(), more.pop("clock", system_clock), **more)
