"""What only a real browser can tell of the readers' pages: keyboard, widths, contrast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from digest.config.secrets import Purpose
from digest.model.subscriber import SubscriptionState
from digest.store import subscriptions
from digest.store.engine import Store
from digest.web.asgi import create_app
from support.factories import NOW, make_publication, make_subscription
from support.site import KEYRING, container_of, running

pytestmark = pytest.mark.browser

Scheme = Literal["dark", "light"]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONG_NAME = "The Donaudampfschifffahrtsgesellschaftskapitänswitwen-Rundschau"
LOWEST_CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const level = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratios = [...document.querySelectorAll("h1, p, button, a")].map((element) => {
    let ground = element;
    while (parse(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const colours = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
    const [a, b] = colours.map((colour) => level(parse(colour)));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
  return Math.min(...ratios);
}"""


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        yield opened
        opened.close()


@dataclass(frozen=True)
class Site:
    base: str
    store: Store
    token_id: str

    @property
    def leave_url(self) -> str:
        return f"{self.base}/u/{KEYRING.sign(Purpose.UNSUBSCRIBE, self.token_id)}"

    def state(self) -> SubscriptionState | None:
        with self.store.read() as tx:
            found = subscriptions.by_token_id(tx, self.token_id)
        return found.state if found else None


@pytest.fixture
def site(sqlite_database: str, tmp_path: Path) -> Iterator[Site]:
    store = Store(sqlite_database)
    with store.write() as tx:
        reader = make_subscription(tx, make_publication(tx, name=LONG_NAME), "a@a-rather-long-domain-name.example.com")
    with running(create_app(container_of(store, tmp_path), clock=lambda: NOW)) as base:
        yield Site(base, store, reader.token_id)
    store.close()


def open_page(browser: Browser, *, width: int = 1100, scheme: Scheme = "light") -> Page:
    return browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme, java_script_enabled=True)


def test_leaving_takes_the_keyboard_alone_and_its_focus_is_visible(site: Site, browser: Browser):
    page = open_page(browser)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(site.leave_url)
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("You’re out")

    assert outline == "solid"
    assert page.url == site.leave_url
    assert site.state() is SubscriptionState.UNSUBSCRIBED
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []
    page.close()


def test_leaving_works_without_javascript(site: Site, browser: Browser):
    page = browser.new_page(java_script_enabled=False)
    page.goto(site.leave_url)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing more from")

    assert site.state() is SubscriptionState.UNSUBSCRIBED
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 1100])
def test_pages_fit_their_screen_and_are_readable(site: Site, browser: Browser, width: int, scheme: Scheme):
    page = open_page(browser, width=width, scheme=scheme)
    seen = {}
    for name, url in {"leave": site.leave_url, "404": f"{site.base}/u/x"}.items():
        page.goto(url)
        seen[name] = (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(LOWEST_CONTRAST))
    page.goto(site.leave_url)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.locator("h1")).to_have_text("You’re out")
    seen["left"] = (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(LOWEST_CONTRAST))
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert {name: wide for name, (wide, _) in seen.items()} == dict.fromkeys(seen, width)
    assert min(contrast for _, contrast in seen.values()) >= 4.5
    assert ground == ("rgb(15, 17, 19)" if scheme == "dark" else "rgb(244, 243, 239)")
    page.close()


def test_the_button_is_large_enough_for_a_thumb(site: Site, browser: Browser):
    page = open_page(browser, width=320)
    page.goto(site.leave_url)
    boxes = [button.bounding_box() for button in page.get_by_role("button").all()]

    assert len(boxes) >= 2
    assert [box for box in boxes if box is None or box["height"] < 44] == []
    page.close()
