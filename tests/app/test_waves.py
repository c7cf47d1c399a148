"""Readers with an hour of their own: the issue stays open for them, says so, and mails them then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import update

from digest.app import controls, editions
from digest.app.clock import tick
from digest.app.progress import waits_for
from digest.model.delivery import DeliveryState, OnDoubt
from digest.model.issue import IssueState
from digest.model.publication import Cadence, CadenceRule
from digest.store import publications
from digest.store.engine import Store
from digest.store.tables import delivery, subscription
from support.paper import a_paper, run_paper
from support.sink import start_sink


def put_off_readers(store: Store, *, now: datetime) -> datetime:
    """The issue is due a minute ago, readers 1 and 2 want it in three hours; gives that instant."""
    hour = (now + timedelta(hours=3)).replace(second=0, microsecond=0)
    with store.write() as tx:
        paper = publications.get(tx, "morning")
        send_at = (now - timedelta(minutes=1)).time().replace(second=0, microsecond=0)
        publications.put_cadence(tx, paper.id, Cadence("daily", CadenceRule.DAILY, time(send_at.hour, send_at.minute)))
        chosen = subscription.c.subscriber_id <= 2
        tx.connection.execute(update(subscription).where(chosen).values(deliver_at=f"{hour:%H:%M}"))
    return hour


def test_who_chose_an_hour_gets_it_then_and_the_books_balance_throughout(store: Store, tmp_path: Path):
    now = datetime.now(UTC)
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        hour = put_off_readers(store, now=now)
        first = run_paper(paper, at=now)
        arrived = sink.recipients().total()
        with store.read() as tx:
            found = controls.waiting(tx, first.issue, on_doubt=OnDoubt.RESEND, now=now)
        between = editions.audit(store, first.issue.id)
        with store.write() as tx:  # three hours later
            tx.connection.execute(update(delivery).where(delivery.c.due_at > now).values(due_at=now))
        second = asyncio.run(tick(paper))

    assert (first.issue.state, first.next_try_at) == (IssueState.SENDING, hour)
    assert first.issue.expires_at == hour + timedelta(seconds=paper.settings.delivery.expire_after_s)
    assert (arrived, first.tally.counts[DeliveryState.PENDING]) == (1, 2)
    assert found is not None
    assert waits_for(found, now=now).startswith("2 wait for the hour their readers chose; next try ")
    assert between.is_balanced
    assert [one.issue.state for one in second.results] == [IssueState.SENT]
    assert sink.recipients() == {f"reader{n}@example.com": 1 for n in (1, 2, 3)}
    assert editions.audit(store, first.issue.id).is_balanced
