"""What replies mean for readers' addresses, told with the outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.model.event import EventKind
from digest.model.mailbox import Hindrance
from digest.store import bounces, events, suppressions
from digest.store.engine import Store, Tx
from support.sending import NOW, sending_issue

H = Hindrance
DAY = timedelta(days=1)
HASH = "f" * 64


def refused(hindrance: Hindrance | None = None, *, at: datetime = NOW, dead: bool = False) -> Outcome:
    return Outcome(
        1,
        DeliveryState.FAILED,
        at,
        reply_code=550,
        enhanced_code="5.1.1",
        reply_text="5.1.1 <reader1@example.com> no such user",
        reason=FailReason.REJECTED,
        address_is_dead=dead,
        hindrance=hindrance,
        email_hash=HASH,
    )


def barred(tx: Tx) -> bool:
    return bool(suppressions.of_address(tx, HASH, now=NOW + 99 * DAY))


def test_a_dead_address_is_an_event_and_is_suppressed_without_naming_anybody(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        for _ in range(2):  # a journal tells it again
            bounces.note(tx, issue.id, [refused(dead=True)])
        happened = events.of_subscriber(tx, 1, limit=9)
        known = suppressions.of_address(tx, HASH, now=NOW)

    assert [event.kind for event in happened] == [EventKind.BOUNCED]
    assert [(item.scope, item.reason, item.detail) for item in known] == [("all", "bounced", "550 5.1.1")]


def test_a_hindrance_is_counted_and_ends_mail_when_it_lasts(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        bounces.note(tx, issue.id, [refused(H.UNREACHABLE)])
        bounces.note(tx, issue.id, [refused(H.UNREACHABLE, at=NOW + DAY)])
        before = (bounces.of_subscriber(tx, 1), barred(tx))
        bounces.note(tx, issue.id, [refused(H.UNREACHABLE, at=NOW + 3 * DAY)])

        assert [(item.kind, item.count, item.last_at - item.first_at) for item in before[0]] == [
            (H.UNREACHABLE, 2, DAY)
        ]
        assert before[1] is False
        assert barred(tx)


def test_the_same_outcome_told_again_is_one_strike(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        for _ in range(3):
            bounces.note(tx, issue.id, [refused(H.MAILBOX_FULL)])

        assert [item.count for item in bounces.of_subscriber(tx, 1)] == [1]


def test_an_accepted_mail_sets_every_count_to_nothing(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        for day in (0, 5, 10):
            bounces.note(tx, issue.id, [refused(H.MAILBOX_FULL, at=NOW + day * DAY)])
        sent = Outcome(1, DeliveryState.SENT, NOW + 11 * DAY, reply_code=250)
        bounces.note(tx, issue.id, [sent])
        unasked = bounces.of_subscriber(tx, 1)
        bounces.note(tx, issue.id, [replace(sent, is_over=True)])
        bounces.note(tx, issue.id, [refused(H.MAILBOX_FULL, at=NOW + 15 * DAY)])

        assert [item.count for item in unasked] == [3]
        assert [item.count for item in bounces.of_subscriber(tx, 1)] == [1]
        assert not barred(tx)


def test_an_address_that_needs_smtputf8_is_marked_and_never_given_up(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        for day in range(0, 90, 10):
            bounces.note(tx, issue.id, [refused(H.NEEDS_SMTPUTF8, at=NOW + day * DAY)])

        assert [(item.kind, item.count) for item in bounces.of_subscriber(tx, 1)] == [(H.NEEDS_SMTPUTF8, 9)]
        assert not barred(tx)
        assert events.of_subscriber(tx, 1, limit=9) == []
