"""The sign-up box over real HTTP: what it takes, what it says, and that nobody learns from it who reads us."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from playwright.sync_api import expect, sync_playwright

from digest.model.consent import ConsentAct
from digest.store import consents
from digest.store.engine import Store
from digest.web.reader_strings import WORDING
from support.browsing import QUIET, another_site, faults_of
from support.journey import Town, a_town
from support.sink import Sink

ANN = "ann@example.org"


def plain(body: str) -> str:
    """A page without what differs from one visit to the next."""
    return re.sub(r'name="form_token" value="[^"]*"', "", body)


def test_the_box_has_one_field_two_choices_and_only_the_digest_ticked(quiet_town: Town):
    town = quiet_town
    page = town.get("/morning").body

    assert page.count('type="email"') == 1
    assert 'autocomplete="email"' in page
    assert re.search(r'name="digest" value="1" checked', page)
    assert re.search(r'name="alerts" value="1">', page)
    assert page.count(" checked") == 1
    assert "placeholder" not in page
    assert "autofocus" not in page


def test_known_unknown_suppressed_and_trapped_get_the_very_same_page_in_the_same_time(town: Town):
    town.subscribe(ANN)
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    pages = set()
    for number in range(20):
        for kind, email in (("known", ANN), ("unknown", f"a{number:02}@example.org")):
            began = perf_counter()
            reply = town.post("/morning", email=email, digest="1", form_token=town.form_token())
            took[kind].append(perf_counter() - began)
            pages.add((reply.status, plain(reply.body).replace(email, "…"), tuple(sorted(reply.headers.keys()))))
    trapped = town.post("/morning", email=ANN, digest="1", form_token="x", company_fax="1")
    known, unknown = (median(took[kind]) for kind in ("known", "unknown"))

    assert len(pages) == 1
    assert plain(trapped.body).replace(ANN, "…") in {page for _, page, _ in pages}
    assert 0.5 < known / unknown < 2


def test_the_ledger_says_where_from_and_which_words_were_agreed_to(town: Town):
    has = town.subscribe(ANN, page="/news/harbour?utm=1", timezone="Asia/Tokyo", alerts="1")
    with town.store.read() as tx:
        asked, confirmed = consents.of_reader(tx, has.subscriber.id, email_hash="")

    assert (asked.act, asked.digest, asked.alerts) == (ConsentAct.ASKED, True, True)
    assert (asked.origin.page, asked.origin.wording, asked.origin.network) == ("/news/harbour", WORDING, "127.0.0.0/24")
    assert confirmed.origin.how == "button"
    assert has.subscriber.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"email": "ann"}, 422, "This is no email address"),
        ({"email": ""}, 422, "This is no email address"),
        ({"digest": ""}, 422, "Choose at least one"),
        ({"topics": "opera"}, 422, "no longer on offer"),
        ({"email": "ann@gmial.com"}, 200, "Did you mean ann@gmail.com?"),
        ({"email": "ann@gmial.com", "as_written": "1"}, 200, "Check your inbox"),
        ({"email": "ann@gmial.com", "fix": "ann@gmail.com"}, 200, "A mail to ann@gmail.com"),
        ({"form_token": ""}, 200, "One more press"),
        ({"form_token": "forged.token"}, 200, "One more press"),
    ],
)
def test_what_is_wrong_is_said_kindly_and_what_was_typed_is_kept(
    quiet_town: Town, fields: dict[str, str], status: int, says: str
):
    town = quiet_town
    sent = {"email": ANN, "digest": "1", "form_token": town.form_token(), **fields}
    reply = town.post("/morning", **sent)

    assert reply.status == status
    assert says in reply.body
    assert sent["email"] in reply.body or "fix" in fields


def test_a_form_without_a_token_needs_one_more_press_and_no_more(town: Town):
    first = town.post("/morning", email=ANN, alerts="1")
    token = re.search(r'name="form_token" value="([^"]+)"', first.body)
    assert token is not None
    second = town.post("/morning", email=ANN, alerts="1", form_token=token[1])
    town.settle()

    assert "One more press" in first.body
    assert 'name="alerts" value="1" checked' in first.body
    assert "Check your inbox" in second.body
    assert len(town.mails(ANN)) == 1


def test_a_robot_is_too_fast_and_a_network_too_many(sqlite_database: str, tmp_path: Path, post_office: Sink):
    with a_town(Store(sqlite_database), tmp_path, post_office, min_seconds=2, network_per_hour=2) as town:
        fast = town.post("/morning", email=ANN, digest="1", form_token=town.form_token())
        token = town.form_token()
        town.ahead = type(town.ahead)(seconds=3)
        replies = [
            town.post("/morning", email=f"a{number}@example.org", digest="1", form_token=token) for number in range(3)
        ]
        framed = town.post("/morning/box", email=ANN, digest="1", form_token=token)
        lost = town.post("/morning/preferences", email=ANN)

    assert (framed.status, "x-frame-options" in framed.headers) == (429, False)
    assert "That was fast" in fast.body
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].headers["retry-after"] == "3600"
    assert "It is not about you" in replies[2].body
    assert lost.status == 429


def test_asking_again_within_a_minute_asks_for_patience_and_sends_nothing(town: Town):
    town.sign_up(ANN)
    early = town.post("/morning", email=ANN, digest="1", form_token=town.form_token(), again="1", as_written="1")
    token = town.form_token()
    town.settle()
    sent = len(town.mails(ANN))
    town.ahead = type(town.ahead)(seconds=61)
    later = town.post("/morning", email=ANN, digest="1", form_token=token, again="1", as_written="1")
    town.settle()

    assert "Give it a minute" in early.body
    assert sent == 1
    assert "Check your inbox" in later.body
    assert len(town.mails(ANN)) == 2


def test_only_the_box_may_be_shown_by_other_sites_and_answers_inside_the_frame(town: Town):
    whole, framed = town.get("/morning"), town.get("/morning/box")
    answer = town.post("/morning/box", email=ANN, digest="1", form_token=town.form_token())

    assert whole.headers["x-frame-options"] == "DENY"
    for reply in (framed, answer):
        assert "x-frame-options" not in reply.headers
        assert "frame-ancestors *" in reply.headers["content-security-policy"]
    assert 'action="/morning/box"' in framed.body
    assert "Check your inbox" in answer.body
    assert "noindex" in framed.headers["x-robots-tag"]


def test_a_proxy_of_ours_is_believed_about_the_address_and_nobody_else(
    sqlite_database: str, tmp_path: Path, post_office: Sink
):
    with a_town(Store(sqlite_database), tmp_path, post_office, network_per_hour=1) as town:
        replies = [
            town.post(
                "/morning",
                headers={"X-Forwarded-For": f"203.0.{number}.1"},
                email=ANN,
                digest="1",
                form_token=town.form_token(),
            ).status
            for number in range(2)
        ]

    assert replies == [200, 429]


@pytest.mark.browser
def test_embeds_work_on_another_site_with_and_without_scripts(town: Town, chromium_path: str):
    codes = re.findall(r"<textarea[^>]*>(.*?)</textarea>", town.get("/morning/embed").body, re.DOTALL)
    html = "\n".join(code.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"') for code in codes)
    other = f"<!doctype html><title>Another site</title><h1>News</h1>{html}"
    with another_site(other) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        page = browser.new_page()
        page.goto(site)
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("button", name="Subscribe")).to_be_visible()
        page.wait_for_function("document.querySelector('iframe').style.height !== '34rem'")
        height = page.locator("iframe").evaluate("e => [e.clientHeight, e.contentWindow.length]")[0]
        frame.get_by_label("Email address").fill("framed@example.org")
        frame.get_by_role("button", name="Subscribe").click()
        expect(frame.get_by_role("heading", name="Check your inbox")).to_be_visible()

        page.locator("form").get_by_label("Email address").fill("formed@example.org")
        expect(page.locator("form input[name=form_token]")).not_to_have_value("")
        page.locator("form").get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()

        bare = browser.new_context(java_script_enabled=False).new_page()
        bare.goto(site)
        bare.locator("form").get_by_label("Email address").fill("bare@example.org")
        bare.keyboard.press("Enter")
        bare.get_by_role("button", name="Subscribe").focus()
        bare.keyboard.press("Enter")
        expect(bare.get_by_role("heading", name="Check your inbox")).to_be_visible()
        page.goto(f"{town.base}/morning/embed")
        faults = faults_of(page)
        browser.close()
    town.settle()

    assert 300 < height < 900
    assert faults == []
    for who in ("framed", "formed", "bare"):
        assert len(town.mails(f"{who}@example.org")) == 1


@pytest.mark.browser
def test_a_proof_of_work_is_done_by_the_browser_and_asked_of_everybody(
    sqlite_database: str, tmp_path: Path, post_office: Sink, chromium_path: str
):
    with (
        a_town(Store(sqlite_database), tmp_path, post_office, proof_of_work=3000) as town,
        sync_playwright() as playwright,
    ):
        without = town.post("/morning", email=ANN, digest="1", form_token=town.form_token())
        browser = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        page = browser.new_page()
        page.goto(f"{town.base}/morning")
        page.get_by_label("Email address").fill("ann@gmial.com")
        page.get_by_role("button", name="Subscribe").click()
        page.get_by_role("button", name="Yes, use ann@gmail.com").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        browser.close()
        asked = json.loads(town.get("/morning/challenge").body)

    assert "keep robots out" in without.body
    assert set(asked) == {"algorithm", "challenge", "maxnumber", "salt", "signature"}
