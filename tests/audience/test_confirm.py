"""Double opt-in: the button of one mail, once, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.audience import confirm, leave
from digest.config.secrets import Keyring, Purpose
from digest.model.notice import NoticeKind
from digest.model.subscriber import SubscriptionState
from digest.store import events
from support.readers import Desk


def state(desk: Desk) -> SubscriptionState | None:
    has = desk.has()
    return None if has is None else has.state


def look(desk: Desk, token: str) -> confirm.Confirmation | None:
    return confirm.look(desk.store, desk.links, token=token, limits=desk.limits, now=desk.now)


def test_looking_at_the_page_confirms_nobody_and_the_button_does(desk: Desk):
    desk.sign_up(alerts=True)
    token = desk.token(NoticeKind.CONFIRM, "confirm")
    seen, before = look(desk, token), state(desk)
    done = desk.confirm(token)
    has = desk.has()

    assert seen is not None
    assert (seen.is_done, seen.digest, seen.alerts, seen.preferences) == (False, True, True, "")
    assert before is SubscriptionState.PENDING
    assert done is not None
    assert (done.is_done, done.is_new) == (True, True)
    assert has is not None
    assert (has.state, has.digest, has.alerts, has.consent_at) == (SubscriptionState.ACTIVE, True, True, desk.now)
    assert [mail.kind for mail in desk.mails] == [NoticeKind.CONFIRM, NoticeKind.WELCOME]


def test_pressing_again_changes_nothing_and_opens_no_preferences(desk: Desk):
    desk.subscribed()
    has, mails = desk.has(), len(desk.mails)
    desk.now += timedelta(minutes=5)
    again = desk.confirm()
    with desk.store.read() as tx:
        assert has is not None
        happened = events.of_subscriber(tx, has.subscriber.id, limit=9)

    assert again is not None
    assert (again.is_done, again.is_new, again.preferences) == (True, False, "")
    assert desk.has() == has
    assert len(desk.mails) == mails
    assert [event.kind.value for event in happened] == ["subscribed"]


def test_a_link_that_is_used_again_after_leaving_brings_nobody_back(desk: Desk):

    mine = desk.subscribed()
    leave.leave_by_mail(desk.store, desk.keys, desk.keys.sign(Purpose.UNSUBSCRIBE, mine.token_id), now=desk.now)
    desk.confirm()

    assert state(desk) is SubscriptionState.UNSUBSCRIBED


def test_forged_cut_foreign_and_cross_purpose_links_are_all_refused_alike(counter: Desk):
    counter.sign_up()
    token = counter.token(NoticeKind.CONFIRM, "confirm")
    public_id = token.split(".")[0]
    others = [counter.keys.sign(purpose, public_id) for purpose in Purpose if purpose is not Purpose.CONFIRM]
    foreign = Keyring([b"another key, thirty-two bytes long.."]).sign(Purpose.CONFIRM, public_id)
    bad = [*others, foreign, *(token[:length] for length in range(0, len(token), 3)), public_id, "", "ü"]

    assert {look(counter, one) for one in bad} == {None}
    assert {counter.confirm(one or "-") for one in bad} == {None}
    assert state(counter) is SubscriptionState.PENDING


@pytest.mark.parametrize(("days", "works"), [(6, True), (8, False)])
def test_a_link_works_for_a_week(counter: Desk, days: int, works: bool):  # noqa: FBT001 - a parameter
    counter.sign_up()
    counter.now += timedelta(days=days)

    assert (counter.confirm() is not None) is works


def test_a_link_signed_with_an_older_key_still_works_after_rotation(counter: Desk):
    counter.sign_up()
    token = counter.token(NoticeKind.CONFIRM, "confirm")
    rotated = Keyring([b"the newest key of them all, 32 bytes", b"a key that is long enough for us all"])
    counter.links = type(counter.links)(counter.links.base_url, rotated)

    assert counter.confirm(token) is not None


def test_no_address_and_no_row_number_is_readable_in_a_link(counter: Desk):
    counter.sign_up()
    link = counter.mails[0].links["confirm"]

    assert "ann" not in link
    assert "example.com/c/" in link
    assert len(link.rsplit("/", 1)[1]) == 11 + 1 + 22
