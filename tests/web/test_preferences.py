"""The preference centre over real HTTP: what is chosen is stored, whole or not at all, and said back."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from digest.config.secrets import Purpose
from digest.model.publication import Archive
from digest.model.subscriber import Format, Subscription, SubscriptionState
from digest.store import subscriptions
from support.factories import make_publication
from support.journey import Town, everything_in, link_of

ANN = "ann@example.org"


@pytest.fixture
def settings_link(town: Town) -> str:
    town.subscribe(ANN)
    return link_of(town.latest(ANN, "Welcome"), "p")


def now_has(town: Town) -> Subscription:
    has = town.has(ANN)
    assert has is not None
    return has


def test_looking_at_settings_shows_what_is_stored_and_changes_nothing(town: Town, settings_link: str):
    before = everything_in(town.store)
    page = town.get(settings_link).body

    assert "About 20 stories every day at 07:00, UTC." in page
    assert len(page.encode()) <= 30_000
    assert ANN not in page
    assert "a•••@example.org" in page
    assert everything_in(town.store) == before


def test_everything_is_saved_at_once_and_said_back_after_a_redirect(town: Town, settings_link: str):
    chosen = {
        "morning__digest": "1",
        "morning__alerts": "1",
        "morning__cadence": "weekly",
        "morning__topics": ("city", "sport"),
        "morning__deliver_at": "06:00",
        "morning__format": "text",
        "timezone": "Asia/Tokyo",
        "language": "de",
    }
    reply = town.post(settings_link, **chosen)
    has = now_has(town)
    page = town.get(reply.headers["location"]).body

    assert reply.status == 303
    assert (has.digest, has.alerts, has.cadence, has.topics) == (True, True, "weekly", ("city", "sport"))
    assert (has.deliver_at, has.format) == (time(6), Format.TEXT)
    assert (has.subscriber.timezone, has.subscriber.locale) == ("Asia/Tokyo", "de")
    assert "Saved." in page
    assert "once a week at 06:00, Asia/Tokyo. Breaking news as it happens." in page


def test_a_pause_ends_on_the_morning_of_its_day_where_the_reader_lives(town: Town, settings_link: str):
    day = (town.now() + timedelta(days=20)).date()
    reply = town.post(
        settings_link,
        morning__digest="1",
        morning__cadence="pause",
        morning__pause=day.isoformat(),
        timezone="America/New_York",
    )
    has = now_has(town)
    page = town.get(reply.headers["location"]).body
    town.post(settings_link, morning__digest="1", morning__cadence="daily")
    again = now_has(town)

    assert (has.state, has.cadence) == (SubscriptionState.PAUSED, "daily")
    assert has.paused_until is not None
    assert has.paused_until.strftime("%H:%M") in {"04:00", "05:00"}
    assert f"Nothing until {day.day} " in page
    assert (again.state, again.cadence) == (SubscriptionState.ACTIVE, "daily")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"morning__cadence": "pause", "morning__pause": "2020-01-01"}, "A pause ends on a day after today"),
        ({"morning__cadence": "pause", "morning__pause": "not a day"}, "A pause ends on a day after today"),
        ({"morning__cadence": "hourly"}, "no longer on offer"),
        ({"morning__topics": "opera"}, "no longer on offer"),
        ({"morning__deliver_at": "25:00"}, "no longer on offer"),
        ({"timezone": "Mars/Olympus"}, "no longer on offer"),
        ({"language": "xx-nonsense"}, "no longer on offer"),
    ],
)
def test_what_is_not_on_offer_is_said_and_nothing_is_saved(quiet_town: Town, fields: dict[str, str], says: str):
    town = quiet_town
    has = town.has(ANN) or town.subscribe(ANN)
    settings_link = f"/p/{town.container.keyring.sign(Purpose.PREFERENCES, has.token_id)}"
    before = everything_in(town.store)
    reply = town.post(settings_link, **{"morning__digest": "1", "morning__alerts": "1", **fields})

    assert reply.status == 422
    assert says in reply.body
    assert everything_in(town.store) == before


def test_taking_away_both_ticks_is_leaving(town: Town, settings_link: str):
    town.post(settings_link, morning__cadence="daily")
    page = town.get(settings_link).body

    assert now_has(town).state is SubscriptionState.UNSUBSCRIBED
    assert "Nothing: you have left." in page


def test_another_publication_of_ours_can_be_had_with_two_ticks_but_not_one_that_lists_nothing(
    town: Town, settings_link: str
):
    with town.store.write() as tx:
        make_publication(tx, "evening", name="The Evening Post")
        make_publication(tx, "hidden", name="Somebody else's letter", archive=Archive.OFF)
    page = town.get(settings_link).body
    town.post(settings_link, morning__digest="1", evening__digest="1", hidden__digest="1")
    with town.store.read() as tx:
        mine = {one.publication_slug: one.state for one in subscriptions.of_subscriber(tx, now_has(town).subscriber.id)}

    assert "The Evening Post" in page
    assert "Somebody else" not in page
    assert mine == {"morning": SubscriptionState.ACTIVE, "evening": SubscriptionState.ACTIVE}


def test_a_lost_link_is_mailed_to_readers_and_the_page_says_the_same_to_everybody(town: Town, settings_link: str):
    known = town.post("/morning/preferences", email=ANN)
    unknown = town.post("/morning/preferences", email="bob@example.org")
    wrong = town.post("/morning/preferences", email="bob")
    town.settle()

    assert known.body.replace(ANN, "…") == unknown.body.replace("bob@example.org", "…")
    assert "is on its way to it" in known.body
    assert (wrong.status, "This is no email address" in wrong.body) == (422, True)
    assert [str(mail["Subject"])[:9] for mail in town.mails(ANN)][-1] == "Your link"
    assert town.mails("bob@example.org") == []
    assert settings_link != link_of(town.latest(ANN, "Your link"), "p")
