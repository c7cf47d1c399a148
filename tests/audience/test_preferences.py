"""The preference centre: a signed link opens it, a change is whole, and it counts in a running send."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.audience import preferences
from digest.audience.preferences import Change, Choice, Preferences
from digest.config.secrets import Purpose
from digest.model.consent import ConsentAct
from digest.model.errors import BadInput
from digest.model.notice import NoticeKind
from digest.model.subscriber import Format, Subscription, SubscriptionState
from digest.store import consents, subscriptions
from support.readers import Desk


def token(desk: Desk) -> str:
    mine = desk.has()
    assert mine is not None
    return desk.keys.sign(Purpose.PREFERENCES, mine.token_id)


def change(desk: Desk, choice: Choice | None = None, *, slug: str = "morning", **about: str) -> Preferences | None:
    wanted = Change({} if choice is None else {slug: choice}, **about)
    return preferences.change(desk.store, desk.links, token=token(desk), change=wanted, now=desk.now)


def has(desk: Desk, slug: str = "morning") -> Subscription:
    found = desk.has(publication=slug)
    assert found is not None
    return found


def acts(desk: Desk) -> list[tuple[str, bool, bool]]:
    with desk.store.read() as tx:
        lines = consents.of_reader(tx, None, email_hash=desk.keys.address_hash("ann@example.com"))
    return [(line.act.value, line.digest, line.alerts) for line in lines]


def test_the_link_shows_every_publication_and_what_the_reader_has_of_it(desk: Desk):
    desk.subscribed(topics=("city",))
    seen = preferences.look(desk.store, desk.links, token=token(desk), now=desk.now)

    assert seen is not None
    assert seen.email_masked == "a•••@example.com"
    assert [(offer.publication.slug, offer.has is not None) for offer in seen.offers] == [
        ("evening", False),
        ("morning", True),
    ]
    assert [topic.slug for topic in seen.offers[1].topics] == ["city", "sport"]


def test_everything_can_be_changed_at_once(desk: Desk):
    desk.subscribed()
    choice = Choice(alerts=True, topics=("sport",), cadence="weekly", format=Format.TEXT, deliver_at="19:30")
    change(desk, choice, name="Ann", locale="pt_br", timezone="America/Bahia")
    now = has(desk)

    assert (now.alerts, now.topics, now.cadence, now.format) == (True, ("sport",), "weekly", Format.TEXT)
    assert now.deliver_at is not None
    assert now.deliver_at.isoformat() == "19:30:00"
    assert (now.subscriber.name, now.subscriber.locale, now.subscriber.timezone) == ("Ann", "pt-BR", "America/Bahia")
    assert acts(desk)[-1] == (ConsentAct.CHANGED.value, True, True)


@pytest.mark.parametrize(
    "bad",
    [
        Choice(cadence="hourly"),
        Choice(topics=("opera",)),
        Choice(deliver_at="25:00"),
        Choice(pause_until=None, deliver_at="noon"),
    ],
)
def test_one_wrong_choice_and_nothing_is_stored(counter: Desk, bad: Choice):
    counter.subscribed()
    before = has(counter)
    with pytest.raises(BadInput):
        preferences.change(
            counter.store,
            counter.links,
            token=token(counter),
            change=Change({"evening": Choice(), "morning": bad}, name="Ann"),
            now=counter.now,
        )

    assert has(counter) == before
    assert counter.has(publication="evening") is None


@pytest.mark.parametrize("days", [-1, 0, 400])
def test_a_pause_has_an_end_in_the_future_and_within_a_year(counter: Desk, days: int):
    counter.subscribed()
    with pytest.raises(BadInput):
        change(counter, Choice(pause_until=counter.now + timedelta(days=days)))


def test_a_pause_ends_by_itself_on_its_day(desk: Desk):
    desk.subscribed()
    until = desk.now + timedelta(days=3)
    change(desk, Choice(pause_until=until))
    paused = has(desk)
    with desk.store.write() as tx:
        early = subscriptions.resume_due(tx, now=until - timedelta(seconds=1))
        due = subscriptions.resume_due(tx, now=until)

    assert (paused.state, paused.paused_until) == (SubscriptionState.PAUSED, until)
    assert (early, due) == (0, 1)
    assert (has(desk).state, has(desk).paused_until) == (SubscriptionState.ACTIVE, None)


def test_other_choices_leave_a_pause_and_going_on_ends_it(counter: Desk):
    counter.subscribed()
    change(counter, Choice(is_paused=True))
    change(counter, Choice(cadence="weekly"))
    still = has(counter)
    change(counter, Choice(is_paused=False))

    assert (still.state, still.cadence, still.paused_until) == (SubscriptionState.PAUSED, "weekly", None)
    assert has(counter).state is SubscriptionState.ACTIVE


def test_another_publication_is_taken_up_and_given_up_in_the_same_place(desk: Desk):
    desk.subscribed()
    change(desk, Choice(), slug="evening")
    taken = has(desk, "evening").state
    change(desk, Choice(is_wanted=False), slug="evening")

    assert taken is SubscriptionState.ACTIVE
    assert has(desk, "evening").state is SubscriptionState.UNSUBSCRIBED
    assert has(desk).state is SubscriptionState.ACTIVE
    assert acts(desk)[-2:] == [("changed", True, False), ("withdrawn", False, False)]


def test_who_wants_neither_choice_has_left(counter: Desk):
    counter.subscribed()
    change(counter, Choice(digest=False, alerts=False))

    assert has(counter).state is SubscriptionState.UNSUBSCRIBED


def test_links_of_another_purpose_are_refused(counter: Desk):
    mine = counter.subscribed()
    for purpose in Purpose:
        if purpose is not Purpose.PREFERENCES:
            other = counter.keys.sign(purpose, mine.token_id)
            assert preferences.look(counter.store, counter.links, token=other, now=counter.now) is None
            wanted = Change({"morning": Choice(is_wanted=False)})
            assert preferences.change(counter.store, counter.links, token=other, change=wanted, now=counter.now) is None
    assert has(counter).state is SubscriptionState.ACTIVE


def lost(desk: Desk, email: str) -> bool:
    return preferences.send_lost_link(
        desk.store, desk.links, "morning", email=email, post=desk.post, limits=desk.limits, now=desk.now
    )


def test_a_lost_link_goes_to_the_reader_for_a_day_and_the_page_says_the_same_to_everybody(desk: Desk):
    desk.subscribed()
    answers = [lost(desk, "ann@example.com"), lost(desk, "nobody@example.com")]
    mail = desk.mails[-1]
    link = mail.links["preferences"].rsplit("/", 1)[1]
    opened = preferences.look(desk.store, desk.links, token=link, now=desk.now + timedelta(hours=23))
    late = preferences.look(desk.store, desk.links, token=link, now=desk.now + timedelta(hours=25))

    assert answers == [True, True]
    assert [one.kind for one in desk.mails[2:]] == [NoticeKind.PREFERENCES]
    assert opened is not None
    assert late is None
