"""The mails about one reader: what they say of what was chosen, in any language."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest

from digest.compose.catalogues import catalogues
from digest.compose.environment import templates
from digest.compose.fixtures import load_fixture
from digest.compose.folders import package_templates
from digest.compose.kinds import MailKind, slots_of
from digest.compose.notices import Terms, build_notice
from digest.compose.render import render
from digest.text import slots
from support.composing import publication

ENV = templates()
TERMS = Terms("weekdays", time(7, 30), "Europe/Dublin", alerts=True, topics=("Sport",))
END = datetime(2026, 11, 21, 9, 12, tzinfo=UTC)


def notice(kind: MailKind, language: str = "en", **more: object):
    t = catalogues([package_templates()]).translator(language)
    made = replace(publication(), timezone="Europe/Dublin")
    return build_notice(made, kind=kind, language=language, base_url="https://news.example.com", t=t, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind.is_notice])
@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_every_notice_is_written_in_every_language_with_the_slots_of_its_kind(kind: MailKind, language: str):
    terms = TERMS if kind in {MailKind.CONFIRM, MailKind.WELCOME} else None
    rendered = render(notice(kind, language, terms=terms, ends_at=END), env=ENV)
    own = slots_of(kind, preferences=kind is MailKind.WELCOME)

    assert slots.slots_in(rendered.html) == slots.slots_in(rendered.text) == own
    assert f'lang="{language}"' in rendered.html
    assert "The Meridian" in rendered.subject


def test_a_confirmation_says_what_was_chosen_and_until_when_its_link_works():
    text = render(notice(MailKind.CONFIRM, terms=TERMS, ends_at=END), env=ENV).text

    assert "Monday to Friday at 7:30" in text
    assert "Ireland Time" in text
    assert "Breaking news as it happens" in text
    assert "Your topics: Sport" in text
    assert "Saturday, November 21, 2026, 9:12" in text


def test_who_wants_breaking_news_alone_is_told_no_times():
    text = render(notice(MailKind.CONFIRM, terms=Terms("", time(7), "UTC", alerts=True)), env=ENV).text

    assert "Breaking news as it happens" in text
    assert "Every day" not in text


def test_a_reminder_is_the_confirmation_under_another_subject():
    reminder = notice(MailKind.CONFIRM, terms=TERMS, words="reminder")

    assert reminder.subject == "Still want The Meridian? One tap is left"
    assert render(reminder, env=ENV).text == render(notice(MailKind.CONFIRM, terms=TERMS), env=ENV).text


def test_a_welcome_brings_the_headlines_of_the_latest_issue_and_leads_to_it():
    latest = load_fixture("default", personal=False)
    welcome = notice(MailKind.WELCOME, terms=TERMS, latest=latest)
    text = render(welcome, env=ENV).text

    assert latest.lead is not None
    assert latest.issue is not None
    assert welcome.briefs[0].title == latest.lead.title
    assert len(welcome.briefs) == 5
    assert latest.issue.web_url in text
