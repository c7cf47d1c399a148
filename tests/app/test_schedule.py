"""What is foretold is what happens: the same issues, readers and waves as the real run makes of the same clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from digest.app.schedule import upcoming
from digest.model.errors import NotFound
from digest.model.publication import Cadence, CadenceRule
from digest.store import publications
from digest.store.engine import Store
from digest.store.tables import delivery, subscriber, subscription
from support.factories import make_publication, make_subscription
from support.paper import a_paper, run_paper
from support.project import call, settle_in
from support.sending import make_container

DAY = timedelta(days=1)


def in_two_hours(store: Store, now: datetime) -> datetime:
    """The paper is due a minute ago; its second reader wants it at an hour in two hours' time, in Tokyo."""
    due = (now - timedelta(minutes=1)).replace(second=0, microsecond=0)
    hour = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    with store.write() as tx:
        paper = publications.get(tx, "morning")
        publications.put_cadence(tx, paper.id, Cadence("daily", CadenceRule.DAILY, due.time()))
        publications.change(tx, paper.id, {"created_at": now - DAY})
        tokyo = f"{hour + timedelta(hours=9):%H:%M}"
        tx.connection.execute(update(subscription).where(subscription.c.subscriber_id == 2).values(deliver_at=tokyo))
        tx.connection.execute(update(subscriber).where(subscriber.c.id == 2).values(timezone="Asia/Tokyo"))
    return hour


def test_the_waves_foretold_are_those_that_are_made(store: Store, tmp_path: Path):
    now = datetime.now(UTC)
    paper = a_paper(store, tmp_path, relay={"rate": 0.5})
    hour = in_two_hours(store, now)
    planned = upcoming(paper, slug=None, days=1, now=now)[0]
    with pytest.raises(Exception, match="reach"):  # nobody listens there: fan-out is all that is wanted
        run_paper(paper, at=now)
    with store.read() as tx:
        made = tx.connection.execute(
            select(delivery.c.due_at, func.count()).group_by(delivery.c.due_at).order_by(delivery.c.due_at)
        ).all()

    assert [wave.readers for wave in planned.waves] == [count for _, count in made] == [2, 1]
    assert planned.waves[1].at == made[1][0] == hour
    first = planned.waves[0]
    assert first.through_by == first.at + timedelta(seconds=2 / 0.5)
    assert planned.waves[1].through_by == hour + timedelta(seconds=2)


def test_each_period_comes_once_and_past_ones_are_left_out(store: Store):
    container = make_container(store)
    with store.write() as tx:
        daily, weekly = make_publication(tx, timezone="Europe/Berlin"), make_publication(tx, "evening", timezone="UTC")
        publications.put_cadence(tx, weekly.id, Cadence("weekly", CadenceRule.WEEKLY, time(9)))
        publications.drop_cadence(tx, weekly.id, "daily")
        make_subscription(tx, daily, "one@example.com")
    now = datetime(2027, 3, 26, 13, tzinfo=UTC)  # the clocks change on Sunday, 28 March
    found = upcoming(container, slug=None, days=5, now=now)

    assert [(one.publication, f"{one.period.due_at:%m-%d %H:%M}", one.readers) for one in found] == [
        ("morning", "03-27 06:00", 1),
        ("morning", "03-28 05:00", 1),
        ("morning", "03-29 05:00", 1),
        ("evening", "03-29 09:00", 0),
        ("morning", "03-30 05:00", 1),
        ("morning", "03-31 05:00", 1),
    ]


def test_the_command_tells_it_as_a_table_and_as_a_document(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_subscription(tx, make_publication(tx), "one@example.com")
    settle_in(tmp_path, monkeypatch, sqlite_database)
    told = call(capsys, "schedule", "--days", "1", "--at", "2027-03-27T13:00Z")
    document = call(capsys, "schedule", "morning", "--days", "1", "--at", "2027-03-27T13:00Z", "--json").json
    store.close()

    assert told.out.splitlines()[1].split() == [
        *("morning", "2027-03-28", "daily", "Sun", "28", "Mar", "07:00", "1", "not", "known", "yet"),
    ]
    assert document["items"][0]["waves"] == [{"at": "2027-03-28T05:00:00Z", "readers": 1, "through_by": None}]


def test_an_unknown_publication_is_an_error(store: Store):
    with pytest.raises(NotFound):
        upcoming(make_container(store), slug="nobody", days=1, now=datetime.now(UTC))
