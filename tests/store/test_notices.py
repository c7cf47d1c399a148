"""Notices: the bars of deliveries, for single mails."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, text, update

from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.model.notice import NewNotice, NoticeKind, NoticeStatus
from digest.store import notices
from digest.store.engine import Store, Tx
from digest.store.tables import notice, subscriber
from support.factories import NOW, make_publication, make_subscriber

LEASE_FOR = timedelta(minutes=2)
S = DeliveryState


def a_notice(publication_id: int, key: str = "confirm:1", **changes: Any) -> NewNotice:
    given: dict[str, Any] = {
        "kind": NoticeKind.CONFIRM,
        "dedupe_key": key,
        "publication_id": publication_id,
        "email": "Ann@example.org",
        "email_norm": "ann@example.org",
        "language": "en",
        "subject": "Please confirm",
        "text": "Follow this link.\n",
        "html": None,
    }
    return NewNotice(**(given | changes))


def enqueued(store: Store, key: str = "confirm:1", *, now: datetime = NOW, **changes: Any) -> int:
    with store.write() as tx:
        found = tx.connection.execute(text("SELECT id FROM publication")).scalar()
        publication_id = found or make_publication(tx).id
        made = notices.enqueue(tx, a_notice(publication_id, key, **changes), now=now)
    assert made is not None
    return made


def claimed(tx: Tx, *, lease: str = "one", now: datetime = NOW, limit: int = 10) -> list[int]:
    return [one.id for one in notices.claim(tx, lease=lease, lease_for=LEASE_FOR, limit=limit, now=now)]


def being_sent(store: Store, *, lease: str = "one") -> int:
    """A notice that was claimed and marked."""
    made = enqueued(store)
    with store.write() as tx:
        claimed(tx, lease=lease)
        notices.mark(tx, [made], lease=lease, lease_for=LEASE_FOR, now=NOW)
    return made


def status(store: Store, key: int) -> NoticeStatus:
    with store.read() as tx:
        found = notices.status(tx, key)
    assert found is not None
    return found


def test_the_same_dedupe_key_is_stored_once(store: Store):
    made = enqueued(store)
    with store.write() as tx:
        again = notices.enqueue(tx, a_notice(1), now=NOW)
        count = tx.connection.execute(select(func.count()).select_from(notice)).scalar_one()

    assert (made, again, count) == (1, None, 1)


def test_a_notice_is_handed_to_one_lease_oldest_first(store: Store):
    keys = [enqueued(store, f"confirm:{number}") for number in range(3)]
    with store.write() as tx:
        first, second, third = (claimed(tx, lease=lease, limit=2) for lease in "abc")

    assert (first, second, third) == (keys[:2], keys[2:], [])


def test_two_workers_at_once_pass_by_each_other(store: Store):
    """On PostgreSQL by skipping locked rows; SQLite lets one wait for the other."""
    keys = [enqueued(store, f"confirm:{number}") for number in range(2)]
    if store.is_sqlite:
        with store.write() as tx:
            first = claimed(tx, lease="a", limit=1)
        with store.write() as tx:
            second = claimed(tx, lease="b", limit=1)
    else:
        with store.write() as one, store.write() as other:
            first, second = claimed(one, lease="a", limit=1), claimed(other, lease="b", limit=1)

    assert [first, second] == [keys[:1], keys[1:]]


def test_an_expired_notice_is_not_claimed_and_fails_as_expired(store: Store):
    made = enqueued(store, expire_after=timedelta(hours=1))
    late = NOW + timedelta(hours=1)
    with store.write() as tx:
        taken, is_due = claimed(tx, now=late), notices.wants_work(tx, now=late)
        notices.sweep(tx, now=late)

    assert (taken, is_due) == ([], True)
    assert (status(store, made).state, status(store, made).reason) == (S.FAILED, FailReason.EXPIRED)


def test_marking_counts_an_attempt_and_keeps_the_time_of_the_first(store: Store):
    made = being_sent(store)
    later = NOW + timedelta(minutes=5)
    with store.write() as tx:
        outcome = Outcome(made, S.DEFERRED, NOW, retry_at=later, reply_code=451)
        assert notices.record(tx, lease="one", outcomes=[outcome]) == 1
        notices.sweep(tx, now=later)
        claimed(tx, lease="two", now=later)
        marked = notices.mark(tx, [made], lease="two", lease_for=LEASE_FOR, now=later)

    assert [(one.subscriber_id, one.attempt, one.first_attempt_at) for one in marked] == [(made, 2, NOW)]


def test_a_worker_that_was_presumed_dead_writes_nothing(store: Store):
    made = being_sent(store)
    sent = Outcome(made, S.SENT, NOW, reply_code=250)
    with store.write() as tx:
        strange = notices.record(tx, lease="another", outcomes=[sent])
        marked = notices.mark(tx, [made], lease="another", lease_for=LEASE_FOR, now=NOW)

    assert (strange, marked, status(store, made).state) == (0, [], S.SENDING)


def test_a_lapsed_lease_frees_what_was_not_on_the_wire_and_doubts_what_was(store: Store):
    doubtful = being_sent(store)
    free = enqueued(store, "confirm:2")
    late = NOW + timedelta(minutes=3)
    with store.write() as tx:
        claimed(tx, lease="two")
        moved = notices.sweep(tx, now=late)

    assert (moved["released"], moved["doubted"]) == (1, 1)
    assert (status(store, free).state, status(store, doubtful).state) == (S.PENDING, S.UNKNOWN)


def test_a_late_reply_settles_a_doubt(store: Store):
    made = being_sent(store)
    with store.write() as tx:
        notices.sweep(tx, now=NOW + timedelta(minutes=3))
        notices.record(tx, lease="one", outcomes=[Outcome(made, S.SENT, NOW, reply_code=250)])

    assert status(store, made).state is S.SENT


def test_a_doubt_is_resent_once_and_then_stays(store: Store):
    made = being_sent(store)
    first = NOW + timedelta(minutes=3)
    again = first + notices.DOUBT_PAUSE
    end = again + timedelta(minutes=3) + notices.DOUBT_PAUSE
    with store.write() as tx:
        notices.sweep(tx, now=first)
        too_early = notices.sweep(tx, now=again - timedelta(seconds=1))["resent"]
        resent = notices.sweep(tx, now=again)["resent"]
        claimed(tx, lease="two", now=again)
        notices.mark(tx, [made], lease="two", lease_for=LEASE_FOR, now=again)
        notices.sweep(tx, now=again + timedelta(minutes=3))
        never = notices.sweep(tx, now=end)["resent"]
        is_quiet = not notices.wants_work(tx, now=end)

    assert (too_early, resent, never, is_quiet) == (0, 1, 0, True)
    assert status(store, made).state is S.UNKNOWN


def test_a_doubt_whose_time_is_up_stays_a_doubt(store: Store):
    """It waits to be resent, so it may have arrived: nobody may call it failed."""
    made = being_sent(store)
    with store.write() as tx:
        notices.sweep(tx, now=NOW + timedelta(minutes=3))
        notices.sweep(tx, now=NOW + timedelta(minutes=6))
        before = notices.status(tx, made)
        notices.sweep(tx, now=NOW + timedelta(hours=25))

    assert before is not None
    assert (before.state, status(store, made).state) == (S.PENDING, S.UNKNOWN)


def test_what_a_dead_worker_left_is_restored_by_what_was_on_the_wire(store: Store):
    keys = [enqueued(store, f"confirm:{number}") for number in range(3)]
    with store.write() as tx:
        claimed(tx)
        notices.mark(tx, keys[:2], lease="one", lease_for=LEASE_FOR, now=NOW)
        freed, doubted = notices.restore(tx, lease="one", on_wire={keys[0]}, now=NOW)

    assert (freed, doubted) == (2, 1)
    assert [status(store, key).state for key in keys] == [S.UNKNOWN, S.PENDING, S.PENDING]
    assert status(store, keys[1]).attempt == 0


def test_there_is_nothing_to_do_until_a_retry_is_due(store: Store):
    made = being_sent(store)
    later = NOW + timedelta(minutes=1)
    with store.write() as tx:
        notices.record(tx, lease="one", outcomes=[Outcome(made, S.DEFERRED, NOW, retry_at=later, reply_code=451)])
        looks = [notices.wants_work(tx, now=now) for now in (NOW, later)]

    assert looks == [False, True]


def test_erasing_a_subscriber_erases_their_notices_known_by_key_or_by_address(store: Store):
    with store.write() as tx:
        reader = make_subscriber(tx, "ann@example.org")
    by_key = enqueued(
        store, "confirm:1", subscriber_id=reader.id, email="old@example.org", email_norm="old@example.org"
    )
    by_address = enqueued(store, "test:1", email="Ann@example.org", email_norm="ann@example.org")
    other = enqueued(store, "test:2", email="bob@example.org", email_norm="bob@example.org")
    with store.write() as tx:
        tx.connection.execute(delete(subscriber).where(subscriber.c.id == reader.id))
        left = tx.connection.execute(select(notice.c.id)).scalars().all()

    assert by_key != by_address
    assert left == [other]


def test_what_was_over_long_ago_is_deleted(store: Store):
    old = enqueued(store, "confirm:1", now=NOW - notices.KEEP - timedelta(seconds=1))
    young = enqueued(store, "confirm:2")
    with store.write() as tx:
        tx.connection.execute(update(notice).values(state="sent"))
        has_old, purged = notices.has_old(tx, now=NOW), notices.purge(tx, now=NOW)
        has_more = notices.has_old(tx, now=NOW)

    assert (has_old, purged, has_more) == (True, 1, False)
    with store.read() as tx:
        assert notices.status(tx, old) is None
    assert status(store, young).state is S.SENT
