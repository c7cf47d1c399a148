"""What an operator says about a publication is checked before anything is stored."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest

from digest.app import publishing, rhythms
from digest.model.errors import BadInput
from digest.model.publication import Cadence, CadenceRule, CatchUp, NewPublication

DAILY = rhythms.new_cadence(CadenceRule.DAILY, send_at="07:00")


def made(slug: str = "morning", **more: Any) -> NewPublication:
    defaults: dict[str, Any] = {
        "name": "The Morning",
        "sender": "The Morning <news@example.com>",
        "timezone": "Europe/Dublin",
        "postal_address": "1 Example Street, Exampleton",
        "cadence": DAILY,
    }
    return publishing.new_publication(slug, **(defaults | more))


def refusal(**more: Any) -> BadInput:
    with pytest.raises(BadInput) as caught:
        made(**more)
    return caught.value


def test_a_publication_is_taken_apart_and_the_rest_keeps_its_defaults():
    new = made(reply_to=None, min_items=None)

    assert (new.slug, new.sender_name, new.sender_email) == ("morning", "The Morning", "news@example.com")
    assert (new.reply_to, new.locale, new.min_items, new.max_items) == (None, "en", 1, 20)
    assert new.cadence == Cadence("daily", CadenceRule.DAILY, time(7, 0), CatchUp.LATEST, timedelta(hours=6))


@pytest.mark.parametrize("slug", ["d", "0", "morning-brief-2", "a" * 64])
def test_a_slug_is_lower_case_letters_digits_and_dashes(slug: str):
    assert made(slug).slug == slug


@pytest.mark.parametrize("slug", ["", "-a", "Morning", "a b", "a/b", "a" * 65, "ä", "morning\n", "..", "a_b"])
def test_any_other_slug_is_refused(slug: str):
    assert "morning-brief" in refusal(slug=slug).hint


@pytest.mark.parametrize("slug", ["u", "static", "healthz", "preview", "admin"])
def test_a_slug_that_is_an_address_of_the_web_server_is_refused(slug: str):
    assert "reserved" in refusal(slug=slug).hint


def test_a_sender_needs_a_name():
    assert "The Morning <news@example.com>" in refusal(sender="news@example.com").hint


@pytest.mark.parametrize("sender", ["", "The Morning", "The Morning <news@>", "A <a@example.com>, B <b@example.com>"])
def test_a_sender_without_one_right_address_is_refused(sender: str):
    assert refusal(sender=sender).message


@pytest.mark.parametrize("field", ["name", "postal_address"])
def test_what_readers_see_is_one_line_and_not_empty(field: str):
    assert getattr(made(**{field: "  Two\n lines\t here "}), field) == "Two lines here"
    assert "empty" in refusal(**{field: " \n"}).message


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Berlin", "did you mean Europe/Berlin?"),
        ("europe/dublin", "did you mean Europe/Dublin?"),
        ("Mars/Olympus", "use an IANA name such as Europe/Dublin"),
        ("", "use an IANA name such as Europe/Dublin"),
        ("../etc/passwd", "use an IANA name such as Europe/Dublin"),
    ],
)
def test_an_unknown_time_zone_is_refused_with_the_nearest_one(zone: str, hint: str):
    assert refusal(timezone=zone).hint == hint


@pytest.mark.parametrize("tag", ["en", "de-AT", "pt_BR", "zh-Hant-TW"])
def test_a_known_language_is_taken(tag: str):
    assert made(locale=tag).locale == tag


@pytest.mark.parametrize("tag", ["", "xx", "english", "e n", "en-"])
def test_an_unknown_language_is_refused(tag: str):
    assert "pt-BR" in refusal(locale=tag).hint


def test_the_address_for_answers_is_checked():
    assert made(reply_to="Editor@EXAMPLE.com").reply_to == "Editor@example.com"
    assert refusal(reply_to="nobody").message


@pytest.mark.parametrize("limits", [{"min_items": 9, "max_items": 8}, {"min_items": 21}])
def test_limits_that_no_issue_can_meet_are_refused(limits: dict[str, int]):
    assert "--min-items" in refusal(**limits).hint


def test_equal_limits_are_taken():
    assert made(min_items=8, max_items=8).min_items == 8


def test_changes_are_only_what_is_named():
    assert publishing.changes(name=None, locale="de", reply_to="") == {"locale": "de", "reply_to": ""}
    assert publishing.changes() == {}


@pytest.mark.parametrize(("text", "at"), [("00:00", time(0)), ("7:05", time(7, 5)), ("23:59", time(23, 59))])
def test_a_time_of_day_is_read(text: str, at: time):
    assert rhythms.new_cadence(CadenceRule.WEEKLY, send_at=text).send_at == at


@pytest.mark.parametrize("text", ["", "24:00", "7", "07:60", "07:00:00", "7am", "-1:00", "07:00 "])
def test_any_other_time_of_day_is_refused(text: str):
    with pytest.raises(BadInput, match="not a time of day") as caught:
        rhythms.new_cadence(CadenceRule.DAILY, send_at=text)

    assert "HH:MM" in caught.value.hint


@pytest.mark.parametrize("hours", [-0.1, 168.1])
def test_a_lateness_outside_a_week_is_refused(hours: float):
    with pytest.raises(BadInput, match="between 0 and 168 hours"):
        rhythms.new_cadence(CadenceRule.DAILY, send_at="07:00", max_lateness=timedelta(hours=hours))
    with pytest.raises(BadInput, match="between 0 and 168 hours"):
        rhythms.changed_cadence(DAILY, send_at=None, catch_up=None, max_lateness_h=hours)


def test_a_cadence_changes_in_what_is_named_and_keeps_its_name():
    changed = rhythms.changed_cadence(DAILY, send_at="18:30", catch_up=CatchUp.NONE, max_lateness_h=0)

    assert changed == Cadence("daily", CadenceRule.DAILY, time(18, 30), CatchUp.NONE, timedelta())
    assert rhythms.changed_cadence(DAILY, send_at=None, catch_up=None, max_lateness_h=None) == DAILY


@pytest.mark.parametrize(
    ("rule", "on", "day"),
    [(CadenceRule.WEEKLY, "Friday", 5), (CadenceRule.WEEKLY, "mon", 1), (CadenceRule.MONTHLY, "31", 31)],
)
def test_a_weekly_or_monthly_issue_has_a_day(rule: CadenceRule, on: str, day: int):
    assert rhythms.new_cadence(rule, send_at="07:00", on=on).day == day


@pytest.mark.parametrize(
    ("rule", "on"),
    [
        (CadenceRule.DAILY, "monday"),
        (CadenceRule.WEEKLY, "x"),
        (CadenceRule.WEEKLY, "5"),
        (CadenceRule.MONTHLY, "32"),
        (CadenceRule.MONTHLY, "friday"),
    ],
)
def test_a_day_that_makes_no_sense_is_refused(rule: CadenceRule, on: str):
    with pytest.raises(BadInput):
        rhythms.new_cadence(rule, send_at="07:00", on=on)


def test_days_off_are_sorted_and_kept_once():
    assert rhythms.days_off("12-26, 2026-05-01 12-25,12-26") == "12-25 12-26 2026-05-01"


@pytest.mark.parametrize(
    "text", ["christmas", "13-01", "2026-02-30", "1225", ",".join(f"01-{n:02}" for n in range(1, 32)) * 5]
)
def test_what_is_no_day_off_is_refused(text: str):
    with pytest.raises(BadInput):
        rhythms.days_off(text)
