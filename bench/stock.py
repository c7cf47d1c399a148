"""A process: fill a project made by `digest init` with a publication, its readers and one issue ready to be sent.

    python -m bench.stock PROJECT --readers 1000 --state empty|composed|sending [--mixed]

It writes through the product's own store. The readers are in the database in the shape that an import gives them; the
issue is in state ``composed``, so that `digest run` freezes its audience first, or ``sending`` with that done.
``empty`` has only the publication.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from bench.corpus import SENDER, SENDER_NAME, SUBJECT, rendered
from bench.readers import address
from digest.app import line as steps
from digest.app.container import Container, open_container
from digest.app.line import Line
from digest.compose.kinds import MailKind, slots_of
from digest.engine.local import LocalEngine
from digest.model.calendar import due_period
from digest.model.issue import Issue, IssueState, RenditionKey
from digest.model.publication import Publication
from digest.store import issues, renditions
from digest.store.engine import Tx
from digest.store.tables import subscriber, subscription
from digest.text.slots import marker
from support.factories import make_publication

SLUG = "bench"
#: What `digest run --at` is told: the moment at which the issue is due.
AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
_SIGNED_UP = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_BLOCK = 10_000


def fill(container: Container, readers: int, *, state: str, mixed: bool) -> None:
    """Publication, readers and issue, committed in blocks."""
    store = container.store
    with store.write() as tx:
        publication = make_publication(tx, SLUG, sender_name=SENDER_NAME, sender_email=SENDER)
    for first in range(1, readers + 1, _BLOCK):
        with store.write() as tx:
            add_readers(tx, publication, range(first, min(first + _BLOCK, readers + 1)), mixed=mixed)
    with store.write() as tx:
        issue = compose(tx, publication)
    if state == "sending":
        steps.fan_out(Line(container, publication, LocalEngine(), lambda: AT), issue)


def add_readers(tx: Tx, publication: Publication, numbers: range, *, mixed: bool) -> None:
    """Readers by number, each with an active subscription."""
    people, subscriptions = [], []
    for number in numbers:
        email = address(number, mixed=mixed)
        people.append(
            {
                "id": number,
                "public_id": f"{number:011d}",
                "email": email,
                "email_norm": email,
                "name": "",
                "created_at": _SIGNED_UP,
            }
        )
        subscriptions.append(
            {
                "subscriber_id": number,
                "publication_id": publication.id,
                "token_id": f"{number:011d}",
                "state": "active",
                "cadence": publication.cadences[0].name,
                "format": "html",
                "created_at": _SIGNED_UP,
                "consent_at": _SIGNED_UP,
            }
        )
    tx.connection.execute(insert(subscriber), people)
    tx.connection.execute(insert(subscription), subscriptions)


def compose(tx: Tx, publication: Publication) -> Issue:
    """The issue that is due at `AT`, composed, with the corpus as its only rendition."""
    cadence = publication.cadences[0]
    period = due_period(cadence, ZoneInfo(publication.timezone), AT)
    issue, _ = issues.open_period(tx, publication.id, cadence=cadence.name, period=period, now=AT)
    for expected, to in pairwise(
        (IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED),
    ):
        if not issues.move(tx, issue.id, expected=expected, to=to, now=AT):
            raise RuntimeError(f"the issue did not move from {expected} to {to}")
    issues.title(tx, issue.id, subject=SUBJECT, preheader="")
    html, text = rendered({name: marker(name) for name in slots_of(MailKind.DIGEST)})
    renditions.put(tx, issue.id, [(RenditionKey((), publication.locale, "html"), SUBJECT, html, text)], now=AT)
    return issues.get(tx, issue.id)


def main() -> None:
    """Fill the project named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    parser.add_argument("--readers", type=int, required=True)
    parser.add_argument("--state", choices=["empty", "composed", "sending"], required=True)
    parser.add_argument("--mixed", action="store_true")
    options = parser.parse_args()
    with open_container(options.project / "digest.toml") as container:
        if options.state == "empty":
            with container.store.write() as tx:
                make_publication(tx, SLUG, sender_name=SENDER_NAME, sender_email=SENDER)
            return
        fill(container, options.readers, state=options.state, mixed=options.mixed)


if __name__ == "__main__":
    main()
