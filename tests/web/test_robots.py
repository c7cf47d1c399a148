"""Robots that open every link of every mail: nothing they do changes anything, whatever runs in their browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import sync_playwright

from support.browsing import QUIET
from support.journey import Town, everything_in, link_of, links_of

ANN, BOB, NEW = "ann@example.org", "bob@example.net", "ann.new@example.com"


def every_kind_of_mail(town: Town) -> list[str]:
    """Have every kind of mail sent; gives the links in them that lead to this site."""
    town.subscribe(ANN)
    town.publish()
    town.sign_up(ANN)  # known already: a link to the settings
    fresh = link_of(town.latest(ANN, "Your link"), "p")
    town.post(fresh, act="move", email=NEW)
    town.settle()
    town.post(link_of(town.latest(NEW), "a"))
    town.settle()
    third = "ann.third@example.com"
    town.post(fresh, act="move", email=third)
    town.sign_up(BOB)
    town.ahead = timedelta(hours=25)
    town.tick()
    leaver = "cy@example.org"
    town.ahead = timedelta()
    town.subscribe(leaver)
    town.post(link_of(town.latest(leaver, "Welcome"), "u"))
    town.settle()
    mails = [mail for one in (ANN, NEW, third, BOB, leaver) for mail in town.mails(one)]
    subjects = " / ".join(str(mail["Subject"]) for mail in mails)
    for about in ("Confirm your sub", "Welcome", "Your link", "new address", "another address", "Still want", "left"):
        assert about in subjects, about
    found = dict.fromkeys(link for mail in mails for link in links_of(mail) if link.startswith(town.base))
    places = {link.removeprefix(town.base).split("/")[1] for link in found}
    assert places >= {"a", "b", "c", "p", "u", "morning"}
    return list(found)


@pytest.mark.browser
def test_opening_every_link_of_every_mail_leaves_the_database_as_it_was(each_town: Town, chromium_path: str):
    town = each_town
    links = every_kind_of_mail(town)
    before = everything_in(town.store)
    for link in links:
        for method in ("HEAD", "GET", "OPTIONS"):
            assert town.get(link, method=method).status < 500, (method, link)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        page = browser.new_page()
        for link in links:
            page.goto(link, wait_until="load")
            page.keyboard.press("Tab")
        browser.close()

    assert len(links) >= 10
    assert everything_in(town.store) == before


def test_web_views_and_the_archive_carry_nothing_of_anybody(town: Town):
    has = town.subscribe(ANN)
    town.publish()
    digest = town.mails(ANN)[-1]
    shared = [link for link in links_of(digest) if not any(f"/{place}/" in link for place in "upcab")]
    pages = [town.get(link).body for link in shared if link.startswith(town.base)]
    pages += [town.get(path).body for path in ("/morning", "/morning/archive", "/morning/feed.xml", "/morning/box")]

    assert len(pages) >= 5
    for page in pages:
        assert has.token_id not in page
        assert "ann@" not in page
