"""The whole journey of a reader in a real browser, from the sign-up box to erasure, with mails from a real mail server.

At every page axe-core looks for faults of accessibility, in light and in dark.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import time, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from digest.model.subscriber import SubscriptionState
from support.browsing import QUIET, faults_of
from support.journey import Town, link_of, links_of

pytestmark = pytest.mark.browser

ANN = "ann.reader@gmail.com"


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 375, "height": 700}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(8000)
    yield opened
    context.close()


def clean(page: Page) -> None:
    assert faults_of(page) == []


def sign_up(town: Town, page: Page, *, alerts: bool) -> None:
    page.goto(f"{town.base}/morning")
    clean(page)
    page.get_by_label("Email address").fill(ANN)
    if alerts:
        page.get_by_label("Breaking news").check()
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    expect(page.get_by_role("link", name="Open Gmail")).to_be_visible()
    clean(page)
    town.settle()


def confirm(town: Town, page: Page) -> None:
    page.goto(link_of(town.latest(ANN, "Confirm"), "c"))
    expect(page.get_by_role("button", name="Confirm subscription")).to_be_focused()
    clean(page)
    assert state_of(town) is SubscriptionState.PENDING
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You’re in")).to_be_visible()
    clean(page)
    town.settle()


def read(town: Town, page: Page) -> EmailMessage:
    """The digest arrives; its web view knows nobody, and the box shows it to the next reader."""
    town.publish()
    digest = town.mails(ANN)[-1]
    assert "News of" in str(digest["Subject"])
    page.goto(next(link for link in links_of(digest) if link.endswith("/morning/1")))
    shown = page.content()
    assert [part for part in (ANN, "/u/", "/p/") if part in shown] == []
    page.goto(f"{town.base}/morning")
    expect(page.get_by_role("heading", name="The latest issue")).to_be_visible()
    clean(page)
    return digest


def choose(town: Town, page: Page, link: str) -> None:
    page.goto(link)
    clean(page)
    assert ANN not in page.content()
    page.get_by_label("Once a week").check()
    expect(page.locator(".says")).to_contain_text("once a week")
    page.get_by_label("Breaking news").uncheck()
    page.get_by_label("Sport").check()
    page.get_by_label("At what time").select_option("18:00")
    expect(page.locator(".says")).to_contain_text("18:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    clean(page)
    has = town.has(ANN)
    assert has is not None
    assert (has.cadence, has.alerts, has.topics, has.deliver_at) == ("weekly", False, ("sport",), time(18))


def leave_and_come_back(town: Town, page: Page, link: str) -> None:
    page.goto(link)
    clean(page)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You’re out")).to_be_visible()
    clean(page)
    assert state_of(town) is SubscriptionState.UNSUBSCRIBED
    page.get_by_role("button", name="Too many mails").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    clean(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    clean(page)
    has = town.has(ANN)
    assert has is not None
    assert (has.state, has.cadence) == (SubscriptionState.ACTIVE, "weekly")


def export_and_erase(town: Town, page: Page, link: str) -> None:
    """The everlasting link of a digest gets a new one mailed; that one opens what cannot be taken back."""
    page.goto(link)
    assert page.get_by_role("button", name="Delete me").count() == 0
    page.get_by_role("button", name="Send me that link").click()
    expect(page.get_by_role("status").filter(has_text="on its way")).to_be_visible()
    town.settle()
    fresh = link_of(town.latest(ANN, "Your link"), "p")
    page.goto(fresh)
    clean(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my data").click()
    mine = json.loads(Path(download.value.path()).read_text())
    assert mine["email"] == ANN
    assert {entry["act"] for entry in mine["consents"]} >= {"asked", "confirmed", "withdrawn", "undone"}

    page.get_by_role("button", name="Delete me").click()
    expect(page.get_by_role("heading", name="Delete everything?")).to_be_visible()
    clean(page)
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("heading", name="You are deleted")).to_be_visible()
    clean(page)
    assert town.has(ANN) is None
    page.goto(fresh)
    expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()


def state_of(town: Town) -> SubscriptionState | None:
    has = town.has(ANN)
    return has.state if has else None


def test_from_the_sign_up_box_to_erasure(each_town: Town, page: Page):
    town = each_town
    sign_up(town, page, alerts=True)
    confirm(town, page)
    has = town.has(ANN)
    assert has is not None
    assert (has.state, has.digest, has.alerts) == (SubscriptionState.ACTIVE, True, True)
    assert link_of(town.latest(ANN, "Welcome"), "p")
    digest = read(town, page)
    choose(town, page, link_of(digest, "p"))
    leave_and_come_back(town, page, link_of(digest, "u"))
    export_and_erase(town, page, link_of(digest, "p"))

    page.goto(link_of(digest, "u"))
    expect(page.get_by_role("heading", name="You are not subscribed")).to_be_visible()


def test_an_address_moves_once_its_new_mailbox_says_so(town: Town, page: Page):
    new = "ann.moved@example.org"
    sign_up(town, page, alerts=False)
    confirm(town, page)
    page.goto(f"{town.base}/morning/preferences")
    clean(page)
    page.get_by_label("Email address").fill(ANN)
    page.get_by_role("button", name="Send me the link").click()
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    town.settle()

    page.goto(link_of(town.latest(ANN, "Your link"), "p"))
    page.get_by_label("Email address").fill(new)
    page.get_by_role("button", name="Change address").click()
    expect(page.get_by_role("status").filter(has_text="new address")).to_be_visible()
    assert town.has(ANN) is not None
    town.settle()
    page.goto(link_of(town.latest(new), "a"))
    clean(page)
    page.get_by_role("button", name="Use this address").click()
    expect(page.get_by_role("heading", name="Moved")).to_be_visible()
    clean(page)
    town.settle()

    assert town.has(ANN) is None
    moved = town.has(new)
    assert moved is not None
    assert moved.state is SubscriptionState.ACTIVE
    assert "another address" in str(town.latest(ANN)["Subject"])


def test_who_does_not_confirm_is_reminded_once_and_forgotten(town: Town, page: Page):
    sign_up(town, page, alerts=False)
    town.ahead = timedelta(hours=25)
    town.tick()
    town.tick()
    reminders = [str(mail["Subject"]) for mail in town.mails(ANN)]
    town.ahead = timedelta(days=8)
    town.tick()

    assert len(reminders) == 2
    assert reminders[1].startswith("Still want")
    assert town.has(ANN) is None
