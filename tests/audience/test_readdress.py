"""Another address counts once it has been confirmed at its own mailbox."""

from __future__ import annotations

from datetime import timedelta

from digest.audience import readdress
from digest.config.secrets import Purpose
from digest.model.mailbox import SuppressReason
from digest.model.notice import NoticeKind
from digest.store import suppressions
from support.readers import Desk

NEW = "ann.new@example.org"


def ask(desk: Desk, email: str = NEW) -> bool:
    mine = desk.has()
    assert mine is not None
    return readdress.ask(
        desk.store,
        desk.links,
        token=desk.keys.sign(Purpose.PREFERENCES, mine.token_id),
        email=email,
        post=desk.post,
        limits=desk.limits,
        now=desk.now,
    )


def press(desk: Desk, token: str = "") -> readdress.Readdressed | None:
    wanted = token or desk.token(NoticeKind.ADDRESS, "confirm")
    return readdress.confirm(desk.store, desk.links, token=wanted, post=desk.post, now=desk.now)


def test_a_new_address_counts_when_its_mailbox_has_confirmed_it_and_the_old_one_is_told(desk: Desk):
    mine = desk.subscribed(topics=("city",))
    ask(desk)
    unmoved = desk.has()
    seen = readdress.look(desk.store, desk.links, token=desk.token(NoticeKind.ADDRESS, "confirm"), now=desk.now)
    done = press(desk)
    moved = desk.has(NEW)

    assert unmoved is not None
    assert seen is not None
    assert not seen.is_done
    assert done is not None
    assert done.is_done
    assert desk.has() is None
    assert moved is not None
    assert (moved.token_id, moved.topics) == (mine.token_id, ("city",))
    assert [(mail.kind, mail.email) for mail in desk.mails[2:]] == [
        (NoticeKind.ADDRESS, NEW),
        (NoticeKind.MOVED, "ann@example.com"),
    ]


def test_the_button_works_once_and_for_two_days(desk: Desk):
    desk.subscribed()
    ask(desk)
    token = desk.token(NoticeKind.ADDRESS, "confirm")
    press(desk)
    again = press(desk, token)
    ask_again = desk.has(NEW)
    assert ask_again is not None
    readdress.ask(
        desk.store,
        desk.links,
        token=desk.keys.sign(Purpose.PREFERENCES, ask_again.token_id),
        email="third@example.org",
        post=desk.post,
        limits=desk.limits,
        now=desk.now,
    )
    desk.now += timedelta(days=3)

    assert again is None
    assert press(desk) is None


def test_an_address_that_somebody_has_is_not_taken_over(desk: Desk):
    desk.subscribed(email=NEW)
    desk.subscribed()
    said = ask(desk)
    done = press(desk)

    assert said
    assert done is not None
    assert (done.is_done, done.is_taken) == (False, True)
    assert desk.has() is not None


def test_what_barred_the_old_address_stays_with_it_and_the_new_one_is_free(desk: Desk):
    mine = desk.subscribed()
    with desk.store.write() as tx:
        suppressions.suppress(
            tx,
            desk.keys.address_hash("ann@example.com"),
            subscriber_id=mine.subscriber.id,
            reason=SuppressReason.BOUNCED,
            detail="",
            now=desk.now,
        )
    ask(desk)
    press(desk)
    with desk.store.read() as tx:
        old = suppressions.of_address(tx, desk.keys.address_hash("ann@example.com"), now=desk.now)
        new = suppressions.of_address(tx, desk.keys.address_hash(NEW), now=desk.now)

    assert (len(old), new) == (1, [])


def test_an_address_that_complained_gets_no_button(counter: Desk):
    counter.subscribed()
    with counter.store.write() as tx:
        suppressions.suppress(
            tx,
            counter.keys.address_hash(NEW),
            subscriber_id=None,
            reason=SuppressReason.COMPLAINED,
            detail="",
            now=counter.now,
        )

    assert ask(counter)
    assert [mail.kind for mail in counter.mails] == [NoticeKind.CONFIRM, NoticeKind.WELCOME]
