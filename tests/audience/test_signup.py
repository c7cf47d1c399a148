"""The sign-up box: one answer for everybody, and only the owner of an address learns more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.audience import keeping, proofofwork, signup, suppress
from digest.audience.signup import Taken
from digest.config.secrets import Keyring, Purpose
from digest.model.consent import ConsentAct, SignUpState
from digest.model.errors import NotFound
from digest.model.mailbox import DomainVerdict, SuppressReason
from digest.model.notice import NoticeKind
from digest.model.subscriber import SubscriptionState
from digest.store import consents, publications, subscribers, suppressions
from support.factories import make_subscription
from support.readers import BOX, Desk
from support.working import solve

ANN = "ann@example.com"


def bar(desk: Desk, reason: SuppressReason, email: str = ANN) -> None:
    with desk.store.write() as tx:
        suppressions.suppress(
            tx, desk.keys.address_hash(email), subscriber_id=None, reason=reason, detail="", now=desk.now
        )


def kinds(desk: Desk) -> list[str]:
    return [mail.kind.value for mail in desk.mails]


def test_an_unknown_address_becomes_pending_and_gets_one_button_to_confirm_with(desk: Desk):
    mails = desk.sign_up(alerts=True, topics=("city",), cadence="weekly", timezone="Europe/Berlin", locale="de")
    has = desk.has()

    assert [mail.kind for mail in mails] == [NoticeKind.CONFIRM]
    assert (mails[0].email, mails[0].language, set(mails[0].links)) == (ANN, "de", {"confirm"})
    assert has is not None
    assert (has.state, has.cadence, has.topics) == (SubscriptionState.PENDING, "weekly", ("city",))
    assert has.consent_at is None


def test_the_request_goes_into_the_ledger_with_network_page_and_wording_and_no_whole_ip_address(desk: Desk):
    desk.subscribed(alerts=True)
    with desk.store.read() as tx:
        asked, confirmed = consents.of_reader(tx, None, email_hash=desk.keys.address_hash(ANN))

    assert (asked.act, asked.digest, asked.alerts) == (ConsentAct.ASKED, True, True)
    assert (asked.origin.network, asked.origin.page, asked.origin.wording) == ("192.0.2.0/24", "/morning", "2026-12")
    assert confirmed.act is ConsentAct.CONFIRMED
    assert confirmed.origin.how == "button"
    assert confirmed.origin.mail.startswith("confirm:signup:")


def test_the_answer_is_the_same_for_the_known_the_unknown_the_suppressed_and_the_trapped(desk: Desk):
    desk.subscribed(email="known@example.com")
    bar(desk, SuppressReason.COMPLAINED, "angry@example.com")
    answers = [
        replace(desk.fill_in(**said), signup_id=None)
        for said in (
            {"email": "known@example.com"},
            {"email": "new@example.com"},
            {"email": "angry@example.com"},
            {"email": "robot@example.com", "trap": "http://spam.example"},
        )
    ]

    assert answers == [signup.SignUpResult(Taken.CHECK_INBOX)] * 4


def test_a_known_reader_gets_the_way_to_their_preferences_and_nothing_changes(desk: Desk):
    before = desk.subscribed()
    mails = desk.sign_up()

    assert [(mail.kind, set(mail.links)) for mail in mails] == [
        (NoticeKind.PREFERENCES, {"preferences", "unsubscribe"})
    ]
    assert desk.has() == before


def test_a_reader_who_asks_for_alerts_too_must_confirm_them_and_keeps_the_digest(desk: Desk):
    desk.subscribed(cadence="weekly")
    mails = desk.sign_up(digest=False, alerts=True)
    still = desk.has()
    desk.confirm()
    now = desk.has()

    assert [mail.kind for mail in mails] == [NoticeKind.CONFIRM]
    assert still is not None
    assert (still.state, still.alerts) == (SubscriptionState.ACTIVE, False)
    assert now is not None
    assert (now.digest, now.alerts, now.cadence) == (True, True, "weekly")


@pytest.mark.parametrize("reason", [SuppressReason.COMPLAINED, SuppressReason.OPERATOR])
def test_who_complained_or_was_barred_by_hand_gets_no_mail_and_is_not_stored(counter: Desk, reason: SuppressReason):
    bar(counter, reason)
    counter.sign_up()

    assert counter.mails == []
    assert counter.has() is None


@pytest.mark.parametrize("reason", [SuppressReason.ERASED, SuppressReason.BOUNCED])
def test_the_owner_of_an_erased_or_bounced_address_may_come_back_by_confirming(desk: Desk, reason: SuppressReason):
    bar(desk, reason)
    desk.subscribed()
    with desk.store.read() as tx:
        assert suppressions.of_address(tx, desk.keys.address_hash(ANN), now=desk.now) == []


def test_a_domain_that_takes_no_mail_gets_none(counter: Desk):
    counter.answer(counter.fill_in(), DomainVerdict.NO_MAIL)

    assert counter.mails == []
    assert counter.has() is None


def test_an_address_gets_three_such_mails_a_day_whoever_asks(counter: Desk):
    for number in range(5):
        counter.sign_up(address=f"198.51.{number}.1")
    today = len(counter.mails)
    counter.now += timedelta(hours=25)
    counter.sign_up()

    assert today == 3
    assert len(counter.mails) == 4


def test_a_network_is_held_back_whatever_addresses_it_asks_for(counter: Desk):
    counter.limits = counter.limits.model_copy(update={"network_per_hour": 3})
    said = [counter.fill_in(email=f"a{n}@example.com", address=f"192.0.2.{n}").taken for n in range(4)]
    elsewhere = counter.fill_in(address="203.0.113.9").taken
    counter.now += timedelta(hours=1)

    assert said == [Taken.CHECK_INBOX] * 3 + [Taken.TOO_MANY]
    assert elsewhere is Taken.CHECK_INBOX
    assert counter.fill_in().taken is Taken.CHECK_INBOX


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({"email": "ann"}, Taken.INVALID),
        ({"digest": False}, Taken.INVALID),
        ({"topics": ("opera",)}, Taken.INVALID),
        ({"cadence": "hourly"}, Taken.INVALID),
        ({"email": "ann@gmial.com"}, Taken.DOUBTFUL),
        ({"email": "ann@gmial.com", "as_written": True}, Taken.CHECK_INBOX),
        ({"timezone": "Mars/Olympus", "locale": "xx"}, Taken.CHECK_INBOX),
        ({"form_token": ""}, Taken.FORM_EXPIRED),
        ({"form_token": "x.y"}, Taken.FORM_EXPIRED),
    ],
)
def test_a_form_is_checked_before_anything_is_stored(counter: Desk, said: dict, taken: Taken):
    result = counter.fill_in(**said)

    assert result.taken is taken
    assert (result.signup_id is not None) is (taken is Taken.CHECK_INBOX)
    assert bool(result.problem) is (taken is Taken.INVALID)
    assert result.suggestion == ("ann@gmail.com" if taken is Taken.DOUBTFUL else "")


@pytest.mark.parametrize(
    ("age_s", "taken"),
    [
        (0, Taken.TOO_FAST),
        (1, Taken.TOO_FAST),
        (3, Taken.CHECK_INBOX),
        (86_000, Taken.CHECK_INBOX),
        (86_401, Taken.FORM_EXPIRED),
    ],
)
def test_a_form_is_neither_too_young_nor_too_old(counter: Desk, age_s: int, taken: Taken):
    token = signup.form_token(counter.keys, now=counter.now - timedelta(seconds=age_s))

    assert counter.fill_in(form_token=token).taken is taken


def test_a_token_of_another_purpose_or_installation_is_no_form(counter: Desk):
    end = counter.now + timedelta(hours=23)
    other = counter.keys.sign_until(Purpose.CONFIRM, "someid", expires_at=end)
    foreign = Keyring([b"another key, thirty-two bytes long.."])

    assert counter.fill_in(form_token=other).taken is Taken.FORM_EXPIRED
    assert counter.fill_in(form_token=signup.form_token(foreign, now=counter.now)).taken is Taken.FORM_EXPIRED


def test_a_proof_of_work_is_asked_for_and_counts_once(desk: Desk):
    desk.limits = desk.limits.model_copy(update={"proof_of_work": 2000})
    work = solve(proofofwork.challenge(desk.keys, effort=2000, now=desk.now))

    assert desk.fill_in().taken is Taken.WORK_NEEDED
    assert desk.fill_in(work=work).taken is Taken.CHECK_INBOX
    assert desk.fill_in(work=work).taken is Taken.WORK_NEEDED


def test_an_answer_is_given_once_however_often_it_is_asked_for(desk: Desk):
    result = desk.fill_in()
    first, second = desk.answer(result), desk.answer(result)

    assert (first, second) == (SignUpState.MAILED, None)
    assert len(desk.mails) == 1


def test_an_answer_that_was_lost_with_its_process_is_given_by_the_clock(counter: Desk):
    counter.limits = counter.limits.model_copy(update={"check_domains": False})
    counter.fill_in()
    look_after(counter)
    early = len(counter.mails)
    counter.now += timedelta(minutes=3)
    look_after(counter)

    assert (early, len(counter.mails)) == (0, 1)


def look_after(desk: Desk) -> keeping.Kept:
    return keeping.look_after(desk.store, desk.links, post=desk.post, limits=desk.limits, now=desk.now)


def test_who_does_not_confirm_is_reminded_once_after_a_day_and_forgotten_after_a_week(desk: Desk):
    desk.sign_up()
    desk.now += timedelta(hours=23)
    look_after(desk)
    before = kinds(desk)
    desk.now += timedelta(hours=2)
    look_after(desk)
    look_after(desk)
    desk.now += timedelta(days=6)
    gone = look_after(desk)
    with desk.store.read() as tx:
        left = subscribers.by_norm(tx, ANN)

    assert before == ["confirm"]
    assert kinds(desk) == ["confirm", "reminder"]
    assert gone.forgotten == 1
    assert left is None


def test_the_reminders_button_confirms_as_well(desk: Desk):
    desk.sign_up()
    desk.now += timedelta(hours=25)
    look_after(desk)

    assert desk.confirm(kind=NoticeKind.REMINDER) is not None


def test_forgetting_leaves_a_reader_who_has_more_than_the_request(desk: Desk):
    with desk.store.write() as tx:
        make_subscription(tx, publications.get(tx, "evening"), ANN)
    desk.sign_up()
    desk.now += timedelta(days=8)
    look_after(desk)

    assert desk.has() is None
    assert desk.has(publication="evening") is not None


def test_a_suppressed_reader_who_never_confirmed_is_forgotten_and_stays_suppressed(desk: Desk):
    desk.sign_up()
    suppress.suppress(desk.store, desk.keys, email=ANN, publication_slug=None, why="", until=None, now=desk.now)
    with desk.store.write() as tx:
        paper = publications.get(tx, "evening")
        make_subscription(tx, paper, "bo@example.com", state=SubscriptionState.PENDING)
    desk.sign_up(email="bo@example.com")
    desk.now += timedelta(days=8)
    gone = look_after(desk)
    with desk.store.read() as tx:
        assert subscribers.by_norm(tx, ANN) is None
        assert len(suppressions.of_address(tx, desk.keys.address_hash(ANN), now=desk.now)) == 1

    assert gone.forgotten == 1
    assert desk.has("bo@example.com", "evening") is not None  # somebody else's word


def test_an_unknown_publication_is_said_to_be_unknown(counter: Desk):
    with pytest.raises(NotFound):
        signup.take(counter.store, counter.keys, "none", form=BOX, limits=counter.limits, now=counter.now)


def test_suppression_between_mail_and_button_is_respected(desk: Desk):
    desk.sign_up()
    suppress.suppress(desk.store, desk.keys, email=ANN, publication_slug="morning", why="", until=None, now=desk.now)
    has = desk.has()

    assert desk.confirm() is None
    assert has is not None
    assert has.state is SubscriptionState.PENDING
