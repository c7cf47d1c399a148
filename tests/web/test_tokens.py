"""Tokens in links do what they are for, once where that is all, and nothing else; and they are never logged."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from digest.config.secrets import Keyring, Purpose
from digest.model.subscriber import SubscriptionState
from support.journey import Town, everything_in, link_of

ANN = "ann@example.org"
PLACES = {
    "c": Purpose.CONFIRM,
    "a": Purpose.READDRESS,
    "p": Purpose.PREFERENCES,
    "u": Purpose.UNSUBSCRIBE,
    "b": Purpose.UNDO,
}
ACTS = ({}, {"act": "erase", "sure": "yes"}, {"act": "export"}, {"act": "link"}, {"why": "other"}, {"instead": "pause"})


def test_forged_truncated_foreign_and_cross_purpose_tokens_change_nothing_anywhere(town: Town):
    has = town.subscribe(ANN)
    keys = town.container.keyring
    signed = {purpose: keys.sign(purpose, has.token_id) for purpose in Purpose}
    whole = signed[Purpose.PREFERENCES]
    stranger = Keyring([b"another key, thirty-two bytes long.."])
    wrong = [
        has.token_id,
        f"{has.token_id}.",
        whole[:-1],
        whole[: len(whole) // 2],
        f"x{whole}",
        f"{whole[:-9]}{'A' if whole[-9] != 'A' else 'B'}{whole[-8:]}",
        stranger.sign(Purpose.PREFERENCES, has.token_id),
        "%00",
        "é.ü",
        "~",
        "." * 200,
    ]
    town.settle()
    before = everything_in(town.store)
    for place, purpose in PLACES.items():
        stranger_made = stranger.sign(purpose, has.token_id)
        fit = {purpose, Purpose.LEAVE_ALERTS} if purpose is Purpose.UNSUBSCRIBE else {purpose}
        crossed = [token for other, token in signed.items() if other not in fit]
        for token in [*wrong, *crossed, stranger_made]:
            path = f"/{place}/{quote(token, safe='%~.')}"
            statuses = {town.get(path).status} | {town.post(path, **act).status for act in ACTS}
            assert statuses == {404}, (place, token, statuses)

    assert everything_in(town.store) == before


def test_a_link_with_an_end_is_refused_from_then_on_and_asks_for_a_new_one(town: Town):
    town.sign_up(ANN)
    confirm = link_of(town.latest(ANN), "c")
    town.ahead = timedelta(days=8)
    late = town.get(confirm)
    pressed = town.post(confirm)
    town.ahead = timedelta()

    assert (late.status, pressed.status) == (404, 404)
    assert "had its day" in late.body
    assert 'href="/morning"' in late.body
    assert town.post(confirm).status == 200


def test_a_settings_link_that_was_asked_for_ends_after_a_day_and_only_it_opens_what_is_final(town: Town):
    town.subscribe(ANN)
    everlasting = link_of(town.latest(ANN, "Welcome"), "p")
    for act in ({"act": "erase", "sure": "yes"}, {"act": "export"}, {"act": "move", "email": "b@example.org"}):
        refused = town.post(everlasting, **act)
        assert "need a link" in refused.body
    town.post("/morning/preferences", email=ANN)
    town.settle()
    fresh = link_of(town.latest(ANN, "Your link"), "p")
    exported = town.post(fresh, act="export")
    asked = town.post(fresh, act="erase")
    town.ahead = timedelta(hours=25)
    late = town.post(fresh, act="erase", sure="yes")

    assert exported.headers["content-disposition"].startswith("attachment")
    assert "Delete everything?" in asked.body
    assert late.status == 404
    assert town.has(ANN) is not None
    assert town.mails("b@example.org") == []


def test_what_was_done_once_is_not_done_again(town: Town):
    town.sign_up(ANN)
    confirm = link_of(town.latest(ANN), "c")
    town.post(confirm)
    town.settle()
    welcomes = len(town.mails(ANN))
    leave = link_of(town.latest(ANN, "Welcome"), "u")
    town.post(leave)
    replayed = town.post(confirm)
    town.settle()
    has = town.has(ANN)

    assert "confirmed before" in replayed.body
    assert has is not None
    assert has.state is SubscriptionState.UNSUBSCRIBED
    assert [str(mail["Subject"]) for mail in town.mails(ANN)[welcomes:]] == ["You have left The Morning Post"]


def test_leaving_can_be_taken_back_once_from_the_mail_about_it(town: Town):
    town.subscribe(ANN)
    leave = link_of(town.latest(ANN, "Welcome"), "u")
    town.post(leave)
    town.settle()
    back = link_of(town.latest(ANN, "left"), "b")
    asked = town.get(back)
    first, second = town.post(back), town.post(back)
    state = town.has(ANN)
    town.post(leave)
    third = town.post(back)
    again = town.has(ANN)

    assert "Take it back?" in asked.body
    assert "Welcome back" in first.body
    assert "Nothing to take back" in second.body
    assert "Nothing to take back" in third.body
    assert state is not None
    assert again is not None
    assert (state.state, again.state) == (SubscriptionState.ACTIVE, SubscriptionState.UNSUBSCRIBED)


@pytest.mark.parametrize(
    ("instead", "says"),
    [("weekly", "once a week"), ("pause", "for 30 days"), ("alerts-only", "and nothing else")],
)
def test_a_softer_choice_keeps_the_reader_and_can_be_undone(town: Town, instead: str, says: str):
    before = town.subscribe(ANN)
    leave = link_of(town.latest(ANN, "Welcome"), "u")
    done = town.post(leave, instead=instead)
    less = town.has(ANN)
    undo = done.body.split('action="/b/')[1].split('"')[0]
    town.post(f"/b/{undo}")
    after = town.has(ANN)

    assert says in done.body
    assert less is not None
    assert less.state is not SubscriptionState.UNSUBSCRIBED
    assert (less.cadence, less.state, less.digest) != (before.cadence, before.state, before.digest)
    assert after is not None
    assert (after.cadence, after.state, after.digest) == (before.cadence, before.state, before.digest)


def test_no_token_and_no_address_is_logged(town: Town):
    with capture_logs() as logs:
        has = town.subscribe(ANN)
        welcome = town.latest(ANN, "Welcome")
        for place in "pu":
            town.get(link_of(welcome, place))
            town.post(link_of(welcome, place))
        assert town.post("/morning/preferences", email=ANN).status == 200
        town.get("/healthz")  # a line is written when its answer is out: by now the last one is
    said = str(logs)
    routes = {str(line.get("route")) for line in logs if line["event"] == "request.answered"}

    assert routes >= {
        "/c/{token}",
        "/p/{token}",
        "/u/{token}",
        "/{publication}/preferences",
        "/{publication:publication}",
    }
    assert has.token_id not in said
    assert ANN not in said


@pytest.mark.parametrize("place", sorted(PLACES))
def test_pages_of_tokens_are_not_stored_nor_indexed_nor_passed_on_and_run_nothing_of_others(town: Town, place: str):
    has = town.subscribe(ANN)
    for reply in (
        town.get(f"/{place}/x.y"),
        town.get(f"/p/{town.container.keyring.sign(Purpose.PREFERENCES, has.token_id)}"),
    ):
        policy = reply.headers["content-security-policy"]

        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in reply.headers["x-robots-tag"]
        assert reply.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, True),
        ({}, True),
    ],
)
def test_forms_of_other_sites_are_refused_but_for_signing_up_and_leaving(
    town: Town, headers: dict[str, str], *, is_taken: bool
):
    town.subscribe(ANN)
    welcome = town.latest(ANN, "Welcome")
    saved = town.post(link_of(welcome, "p"), headers=headers, morning__digest="1", morning__cadence="weekly")
    lost = town.post("/morning/preferences", headers=headers, email=ANN)
    boxed = town.post("/morning", headers=headers, email="b@example.org", digest="1", form_token=town.form_token())
    has = town.has(ANN)
    left = town.post(link_of(welcome, "u"), headers=headers)

    assert saved.status == (303 if is_taken else 403)
    assert lost.status == (200 if is_taken else 403)
    assert has is not None
    assert (has.cadence == "weekly") is is_taken
    assert (boxed.status, left.status) == (200, 200)
