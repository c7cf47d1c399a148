"""The numbers for monitoring: what is counted, and by which index."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import event, text, update

from digest.model.delivery import DeliveryState
from digest.model.issue import IssueState
from digest.store import figures, issues, quota
from digest.store.engine import Store
from digest.store.tables import delivery
from support.factories import make_publication
from support.sending import composed_issue, sending_issue


def put(store: Store, state: str, *readers: int) -> None:
    with store.write() as tx:
        tx.connection.execute(update(delivery).where(delivery.c.subscriber_id.in_(readers)).values(state=state))


def test_deliveries_that_are_not_done_are_counted_by_state(store: Store):
    issue = sending_issue(store, 10)
    put(store, "sent", 1, 2, 3)
    put(store, "deferred", 4)
    put(store, "unknown", 5)
    with store.read() as tx:
        found = figures.figures(tx, now=tx.now())

    assert found.deliveries == {
        ("morning", "daily", DeliveryState.PENDING): 5,
        ("morning", "daily", DeliveryState.DEFERRED): 1,
        ("morning", "daily", DeliveryState.UNKNOWN): 1,
    }
    assert found.issues[IssueState.SENDING] == 1
    (open_issue,) = found.open_issues
    assert (open_issue.publication, open_issue.state, open_issue.audience) == ("morning", IssueState.SENDING, 10)
    assert open_issue.due_at == issue.due_at


def test_the_oldest_that_waits_is_known_and_what_is_on_the_wire_does_not_wait(store: Store):
    sending_issue(store, 3)
    with store.write() as tx:
        now = tx.now()
        for reader, minutes in ((1, 50), (2, 20), (3, 10)):
            row = update(delivery).where(delivery.c.subscriber_id == reader)
            tx.connection.execute(row.values(due_at=now - timedelta(minutes=minutes)))
    put(store, "sending", 1)
    with store.read() as tx:
        found = figures.figures(tx, now=now)

    assert found.open_issues[0].waiting_since == now - timedelta(minutes=20)


def test_doubts_of_a_closed_issue_are_counted_and_the_issue_is_not_open(store: Store):
    issue = sending_issue(store, 2)
    put(store, "sent", 1)
    put(store, "unknown", 2)
    with store.write() as tx:
        assert issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.SENT, now=tx.now())
        found = figures.figures(tx, now=tx.now())

    assert found.open_issues == ()
    assert found.deliveries == {("morning", "daily", DeliveryState.UNKNOWN): 1}


def test_an_issue_that_is_not_sent_yet_is_open_without_deliveries(store: Store):
    with store.write() as tx:
        composed_issue(tx, make_publication(tx))
        found = figures.figures(tx, now=tx.now())

    assert [(issue.state, issue.waiting_since) for issue in found.open_issues] == [(IssueState.COMPOSED, None)]


def test_the_quota_is_that_of_today_and_of_relays_only(store: Store):
    limits = {"per_second": None, "capacity": 10, "daily_quota": 100}
    with store.write() as tx:
        now = tx.now()
        quota.reserve(tx, "relay:ses", wanted=7, now=now, **limits)
        quota.reserve(tx, "relay:old", wanted=5, now=now - timedelta(days=1), **limits)
        quota.reserve(tx, "domain:example.com", wanted=5, now=now, **limits)

        assert figures.quota_used(tx, now=now) == {"ses": 7}


def test_what_was_sent_lately_is_counted_by_its_time(store: Store):
    issue = sending_issue(store, 4)
    with store.write() as tx:
        now = tx.now()
        for reader, seconds in ((1, 2), (2, 9), (3, 11)):
            row = update(delivery).where(delivery.c.subscriber_id == reader)
            tx.connection.execute(row.values(state="sent", sent_at=now - timedelta(seconds=seconds)))

        assert figures.sent_since(tx, issue.id, instant=now - timedelta(seconds=10)) == 2


def test_counting_reads_open_deliveries_by_their_index_and_not_the_history(store: Store):
    """Of 2,000 deliveries 20 are open, as it is when a paper has been going out for months."""
    sending_issue(store, 2000, chunk_size=50)
    with store.write() as tx:
        tx.connection.execute(update(delivery).where(delivery.c.subscriber_id > 20).values(state="sent"))
        tx.connection.execute(text("ANALYZE"))
    seen: list[tuple[str, object]] = []
    with store.write() as tx:
        if tx.is_postgres:
            tx.connection.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(
            tx.connection, "before_cursor_execute", lambda _c, _u, sql, values, _x, _m: seen.append((sql, values))
        )
        found = figures.figures(tx, now=tx.now())
        explain = "EXPLAIN " if tx.is_postgres else "EXPLAIN QUERY PLAN "
        (sql, values) = next(one for one in seen if "delivery" in one[0])
        plan = "\n".join(str(row) for row in tx.connection.exec_driver_sql(explain + sql, values))

    assert sum(found.deliveries.values()) == 20
    assert "ix_delivery_open" in plan, plan
