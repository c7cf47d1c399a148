"""Exports of other systems: known by their headers, mapped column by column."""

from __future__ import annotations

import io

import pytest

from digest.audience.importing import ImportReport, import_csv
from digest.model.errors import BadInput
from digest.model.subscriber import Subscription
from support.readers import Desk

MAILCHIMP = (
    '"Email Address","First Name","Last Name",TAGS,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CC,LEID,EUID,NOTES\n'
    'ann@example.com,Ann,Birk,"""vip"",""berlin""",4,"2024-03-14 09:12:31",192.0.2.1,"2024-03-14 09:14:00",DE,1,x,\n'
    "bo@example.com,,,,2,,,,,2,y,\n"
)
LEFT = (
    '"Email Address","First Name",OPTIN_TIME,UNSUB_TIME,UNSUB_REASON,LEID\n'
    "ann@example.com,Ann,2024-03-14 09:12:31,2025-01-02 08:00:00,N/A,1\n"
)
LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    'u1,ann@example.com,Ann Birk,"{""city"": ""Rome"", ""tags"": [""a"", ""b""], ""n"": 3}",enabled,'
    "2024-03-14 09:12:31.5+00:00,x\n"
    "u2,bo@example.com,Bo,{},blocklisted,2024-03-14T09:12:31Z,x\n"
)
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers\n"
    'm1,ann@example.com,Ann Birk,,true,false,,2024-03-14T09:12:31.000Z,,"vip,berlin",Free\n'
    "m2,bo@example.com,Bo,,false,false,,2024-03-14T09:12:31.000Z,,,\n"
)
SUBSTACK = (
    "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
    "ann@example.com,true,2027-01-01T00:00:00Z,yearly,false,2024-03-14T09:12:31.000Z,\n"
    "bo@example.com,false,,other,true,2024-03-14,\n"
)


def take(desk: Desk, text: str, dialect: str = "auto") -> ImportReport:
    return import_csv(
        desk.store, "morning", file=io.BytesIO(text.encode()), keyring=desk.keys, now=desk.now, dialect=dialect
    )


def has(desk: Desk, email: str) -> Subscription:
    found = desk.has(email)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "text", "bo", "attributes"),
    [
        (
            "mailchimp",
            MAILCHIMP,
            "active",
            {"tags": "vip;berlin", "cc": "DE", "member_rating": "4"},
        ),
        ("listmonk", LISTMONK, "unsubscribed", {"city": "Rome", "tags": "a;b", "n": "3"}),
        ("ghost", GHOST, "unsubscribed", {"labels": "vip;berlin", "tiers": "Free"}),
        (
            "substack",
            SUBSTACK,
            "unsubscribed",
            {"plan": "yearly", "active_subscription": "true", "expiry": "2027-01-01T00:00:00Z"},
        ),
    ],
)
def test_an_export_is_recognised_and_every_column_finds_its_place(
    counter: Desk, name: str, text: str, bo: str, attributes: dict
):
    report = take(counter, text)
    first, second = has(counter, "ann@example.com"), has(counter, "bo@example.com")
    again = take(counter, text)

    assert (report.dialect, report.created, report.refused) == (name, 2, ())
    assert (first.state.value, second.state.value) == ("active", bo)
    assert first.subscriber.name == ("" if name == "substack" else "Ann Birk")
    assert first.subscriber.attributes == attributes
    assert first.consent_at is not None
    assert (first.consent_at.isoformat()[:16], first.consent_source) in {
        ("2024-03-14T09:12", name),
        ("2024-03-14T09:14", name),
    }
    assert (again.created, again.unchanged) == (0, 2)


def test_mailchimps_file_of_those_who_left_ends_subscriptions(counter: Desk):
    take(counter, MAILCHIMP)
    take(counter, LEFT)

    assert has(counter, "ann@example.com").state.value == "unsubscribed"
    assert has(counter, "bo@example.com").state.value == "active"


def test_what_has_no_place_is_named(counter: Desk):
    assert "optin_ip" in take(counter, MAILCHIMP).warnings[0]


def test_an_operator_may_say_whose_export_it_is_and_is_told_when_it_is_not(counter: Desk):
    with pytest.raises(BadInput, match="no export of ghost: the column 'complimentary_plan' is missing"):
        take(counter, SUBSTACK, "ghost")
    with pytest.raises(BadInput) as caught:
        take(counter, SUBSTACK, "sendgrid")

    assert "mailchimp" in caught.value.hint
    assert take(counter, "email,name\nann@example.com,Ann\n", "digest").dialect == "digest"
