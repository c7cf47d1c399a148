"""Taking less instead of leaving, taking it back, and both while an issue is being sent."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import select

from digest.audience import leave
from digest.audience.leave import LeaveResult, Softer
from digest.audience.mails import Links
from digest.config.secrets import Keyring, Purpose
from digest.model.errors import BadInput, NotFound
from digest.model.notice import NoticeKind
from digest.model.publication import Cadence, CadenceRule
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import consents, deliveries, publications, subscriptions
from digest.store.engine import Store
from digest.store.tables import delivery
from support.readers import Desk
from support.sending import sending_issue


def token(mine: Subscription, keys: Keyring) -> str:
    return keys.sign(Purpose.UNSUBSCRIBE, mine.token_id)


def less(desk: Desk, mine: Subscription, instead: Softer, **more: object) -> LeaveResult:
    done = leave.take_less(
        desk.store,
        desk.keys,
        token=token(mine, desk.keys),
        instead=instead,
        now=desk.now,
        **more,  # type: ignore[arg-type]  # a test's
    )
    assert done is not None
    return done


def go(desk: Desk, mine: Subscription, how: str = "page", reason: str = "") -> LeaveResult:
    done = leave.unsubscribe_by_token(
        desk.store,
        desk.keys,
        token(mine, desk.keys),
        now=desk.now,
        how=how,
        reason=reason,
        links=desk.links,
        post=desk.post,
    )
    assert done is not None
    return done


@pytest.mark.parametrize(
    ("instead", "is_now"),
    [
        (Softer.WEEKLY, ("active", "weekly", True, False)),
        (Softer.PAUSE, ("paused", "daily", True, False)),
        (Softer.ALERTS_ONLY, ("active", "daily", False, True)),
    ],
)
def test_less_is_taken_at_once_and_one_tap_takes_it_back(desk: Desk, instead: Softer, is_now: tuple):
    mine = desk.subscribed()
    done = less(desk, mine, instead)
    after = desk.has()
    undone = leave.undo(desk.store, desk.keys, token=done.undo_token, now=desk.now)

    assert after is not None
    assert (after.state.value, after.cadence, after.digest, after.alerts) == is_now
    assert (after.paused_until is not None) is (instead is Softer.PAUSE)
    assert undone is not None
    assert undone.is_done
    assert desk.has() == mine


def test_the_page_offers_what_there_is(counter: Desk):
    mine = counter.subscribed()
    seen = leave.find_by_token(counter.store, counter.keys, token=token(mine, counter.keys))
    with counter.store.write() as tx:
        publications.drop_cadence(tx, mine.publication_id, "weekly")
    without = leave.find_by_token(counter.store, counter.keys, token=token(mine, counter.keys))

    assert seen is not None
    assert without is not None
    assert seen.softer == (Softer.WEEKLY, Softer.PAUSE, Softer.ALERTS_ONLY)
    assert without.softer == (Softer.PAUSE, Softer.ALERTS_ONLY)
    with pytest.raises(NotFound):
        less(counter, mine, Softer.WEEKLY)


def test_a_pause_may_be_as_long_as_wished_within_a_year(counter: Desk):
    mine = counter.subscribed()
    until = counter.now + timedelta(days=90)
    less(counter, mine, Softer.PAUSE, until=until)
    after = counter.has()

    assert after is not None
    assert after.paused_until == until
    with pytest.raises(BadInput):
        less(counter, mine, Softer.PAUSE, until=counter.now - timedelta(days=1))


def test_leaving_is_taken_back_once_and_only_as_the_last_word(desk: Desk):
    mine = desk.subscribed()
    first = go(desk, mine, reason="too   much mail")
    left = desk.has()
    back = leave.undo(desk.store, desk.keys, token=first.undo_token, now=desk.now)
    second = go(desk, mine)
    replayed = leave.undo(desk.store, desk.keys, token=first.undo_token, now=desk.now)
    with desk.store.read() as tx:
        lines = consents.of_reader(tx, None, email_hash=desk.keys.address_hash("ann@example.com"))

    assert left is not None
    assert left.state is SubscriptionState.UNSUBSCRIBED
    assert back is not None
    assert back.is_done
    assert second.was_active
    assert replayed is not None
    assert not replayed.is_done
    now = desk.has()
    assert now is not None
    assert now.state is SubscriptionState.UNSUBSCRIBED
    assert [line.act.value for line in lines] == ["asked", "confirmed", "withdrawn", "undone", "withdrawn"]


@pytest.mark.parametrize(("how", "mails"), [("page", 1), ("mail", 1), ("one-click", 0)])
def test_who_left_by_a_link_is_told_how_to_come_back_and_who_used_their_mail_client_is_not(
    counter: Desk, how: str, mails: int
):
    go(counter, counter.subscribed(), how)

    assert [mail.kind for mail in counter.mails[2:]] == [NoticeKind.GOODBYE] * mails


def test_undo_links_are_refused_when_old_forged_or_for_another_purpose(counter: Desk):
    done = go(counter, counter.subscribed())
    public_id = done.undo_token.split(".")[0]
    later = counter.now + timedelta(days=31)
    bad = [counter.keys.sign(purpose, public_id) for purpose in Purpose if purpose is not Purpose.UNDO]

    assert {leave.undo(counter.store, counter.keys, token=one, now=counter.now) for one in [*bad, "", "x.y"]} == {None}
    assert leave.undo(counter.store, counter.keys, token=done.undo_token, now=later) is None
    assert leave.find_departure(counter.store, counter.keys, token=done.undo_token, now=counter.now) is not None


def test_a_reason_may_be_given_afterwards_and_once(counter: Desk):
    done = go(counter, counter.subscribed())

    def say(reason: str) -> bool:
        return leave.say_why(counter.store, counter.keys, token=done.undo_token, reason=reason, now=counter.now)

    assert (say("too often"), say("something else")) == (True, False)


@pytest.mark.parametrize("instead", [*Softer, None])
def test_it_takes_effect_inside_a_running_send(store: Store, instead: Softer | None):
    keys = Keyring([b"k" * 32])
    issue = sending_issue(store, 4)
    with store.write() as tx:
        weekly = Cadence("weekly", CadenceRule.WEEKLY, time(7))
        publications.put_cadence(tx, issue.publication_id, weekly)
        mine = {key: subscriptions.get(tx, key, publication_id=issue.publication_id) for key in (1, 2)}
        deliveries.claim(tx, issue.id, chunk=0, lease="one", lease_for=timedelta(minutes=1), limit=1, now=tx.now())
    for one in mine.values():
        assert one is not None
        if instead is None:
            leave.unsubscribe_by_token(store, keys, token(one, keys), now=tx_now(store), how="one-click")
        else:
            leave.take_less(store, keys, token=token(one, keys), instead=instead, now=tx_now(store))
    with store.write() as tx:
        marked = deliveries.mark(tx, issue.id, lease="one", subscriber_ids=[1], now=tx.now())
        deliveries.release(tx, issue.id, lease="one")
        claimed = deliveries.claim(
            tx, issue.id, chunk=0, lease="two", lease_for=timedelta(minutes=1), limit=9, now=tx.now()
        )
        deliveries.skip_departed(tx, issue.id, chunk=0)
        rows = tx.connection.execute(select(delivery.c.state, delivery.c.reason).order_by(delivery.c.subscriber_id))
        states = [tuple(row) for row in rows]

    left = instead in {None, Softer.PAUSE}
    assert marked == []
    assert [recipient.subscriber_id for recipient in claimed] == [3, 4]
    assert states[:2] == [("skipped", "unsubscribed" if left else "preferences")] * 2


def tx_now(store: Store) -> datetime:
    with store.read() as tx:
        return tx.now()


def test_the_way_back_names_the_place_and_no_person():
    links = Links("https://news.example.com", Keyring([b"k" * 32]))

    assert links.undo("abc").startswith("https://news.example.com/b/abc.")
