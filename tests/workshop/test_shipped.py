"""The mails we ship, before our own checks and before the eyes of others: every kind, fixture and theme."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.folders import theme_names
from digest.compose.kinds import MailKind
from digest.workshop.axe import axe_findings
from digest.workshop.browser import opened_page
from digest.workshop.checks import Severity, check
from digest.workshop.mail import Mail, lay_out
from digest.workshop.spam import spam_score
from digest.workshop.sweep import Wanted, is_never_sent, sweep
from support.missing import missing
from support.planting import BODY, Own, shipped
from support.secondopinion import by_html_validate, by_spamassassin, html_validate


def mails_of(theme: str, fixtures: set[str] | None = None) -> list[Mail]:
    """The mails of a theme that are ever sent, with these fixtures or all."""
    env, mapped = templates(theme=theme), templates(theme=theme, source_map=True)
    found = []
    for kind in MailKind:
        for name in fixture_names(kind):
            context = load_fixture(name, kind=kind)
            if (fixtures is None or name in fixtures) and not is_never_sent(context):
                found.append(lay_out(context, env=env, mapped_env=mapped, fixture=name))
    return found


def test_nothing_breaks_or_degrades_in_any_mail_of_ours():
    found = sweep(Wanted())

    assert found.mails >= 34
    assert [
        (one.finding.rule, one.finding.template, one.finding.line, one.finding.message, one.mails[0])
        for one in found.told
        if one.finding.severity is not Severity.NOTE and not one.finding.ignored_because
    ] == []


def test_no_public_page_of_ours_holds_what_belongs_to_one_reader():
    context = load_fixture("default", personal=False)
    env, mapped = templates(), templates(source_map=True)

    assert [one for one in check(lay_out(context, env=env, mapped_env=mapped)) if one.breaks] == []


@pytest.mark.browser
def test_axe_finds_nothing_in_light_or_dark(chromium_path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHROMIUM", chromium_path)
    mails = [(theme, mail) for theme in theme_names() for mail in mails_of(theme, {"default"})]
    mails += [("meridian", mail) for mail in mails_of("meridian") if mail.fixture != "default"]
    with opened_page() as page:
        found = [
            (theme, mail.kind, mail.fixture, dark, one.rule, one.template, one.line, one.selector)
            for theme, mail in mails
            for dark in (False, True)
            for one in axe_findings(page, mail, dark=dark)
        ]

    assert found == []


@pytest.mark.browser
def test_axe_finds_what_is_planted(chromium_path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CHROMIUM", chromium_path)
    own = Own(tmp_path)
    line = own.plant(
        BODY, '<tr><td><img src="https://example.com/a.png" width="9" height="9"></td></tr>', behind="content %}"
    )
    with opened_page() as page:
        found = axe_findings(page, own.mail(), dark=False)

    assert [(one.rule, one.template, one.line, one.breaks) for one in found] == [("axe-image-alt", BODY, line, True)]


def test_html_validate_finds_nothing_beyond_what_mail_has_to_do(tmp_path: Path):
    if html_validate() is None:
        missing("html-validate", "run `make machine` with Node 20.18 or newer and npm")
    pages = {
        f"{theme}-{mail.kind}-{mail.fixture}": mail.rendered.html
        for theme in theme_names()
        for mail in mails_of(theme, {"default", "rtl", "hostile"})
    }
    pages["planted"] = "<!DOCTYPE html>\n<html><body><p>words</div></body></html>\n"

    found = by_html_validate(pages, tmp_path)
    assert any(one.startswith("planted:") for one in found)
    assert [one for one in found if not one.startswith("planted:")] == []


def test_spamassassin_gives_every_kind_less_than_a_point(tmp_path: Path):
    """Opt-in: runs where SpamAssassin is installed (`apt-get install spamassassin`)."""
    if shutil.which("spamassassin") is None:
        pytest.skip("SpamAssassin is not installed")
    lines = by_spamassassin([one.eml for one in mails_of("meridian", {"default"})], tmp_path)

    scores = [float(found[1]) for line in lines if (found := re.search(r"score=(-?[\d.]+)", line))]
    assert len(scores) == len(MailKind)
    assert max(scores) < 1.0, lines


def test_rspamd_gives_every_kind_less_than_two_points():
    """Opt-in: ``DIGEST_TEST_RSPAMD=http://127.0.0.1:11333`` names one that runs."""
    url = os.environ.get("DIGEST_TEST_RSPAMD")
    if not url:
        pytest.skip("DIGEST_TEST_RSPAMD names no rspamd")
    now, env, mapped = datetime.now(UTC), templates(), templates(source_map=True)
    for kind in MailKind:
        mail = lay_out(load_fixture(kind=kind), env=env, mapped_env=mapped, now=now)
        found = spam_score(mail.eml, url)
        assert found.score < 2.0, (kind, found)


def test_the_default_digest_is_laid_out_as_it_is_sent():
    mail = shipped("default")

    assert mail.eml.count(b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") == 1
    assert mail.eml.endswith(b"\r\n")


@pytest.mark.parametrize("kind", [one for one in MailKind if one.is_notice])
def test_a_notice_is_laid_out_without_the_fields_of_a_list(kind: MailKind):
    head = shipped("default", kind=kind).eml.partition(b"\r\n\r\n")[0]

    assert b"\r\nList-" not in head
    assert b"\r\nAuto-Submitted: auto-generated" in head
