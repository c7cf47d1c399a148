"""What only a real browser can tell: keyboard, widths, contrast, and how the preview behaves under the hands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from digest.compose.environment import package_templates
from digest.config.secrets import Purpose
from digest.model.subscriber import SubscriptionState
from digest.store import subscriptions
from digest.store.engine import Store
from digest.web.asgi import create_app
from digest.web.preview.asgi import create_preview_app
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
BODY = "email/digest/body.html"
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
    page.get_by_role("button").click()
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
    box = page.get_by_role("button").bounding_box()

    assert box is not None
    assert box["height"] >= 44
    page.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own" / "email" / "digest").mkdir(parents=True)
    return tmp_path / "own"


@pytest.fixture
def preview(folder: Path, browser: Browser) -> Iterator[Page]:
    with running(create_preview_app(search_path=[folder])) as base:
        page = open_page(browser, width=1280)
        page.goto(base)
        page.frame_locator("iframe").locator("h1").wait_for()
        yield page
        page.close()


def test_preview_keys_change_the_view_and_the_address(preview: Page):
    preview.keyboard.press("2")
    expect(preview.locator("#paper")).to_have_class("w375")
    preview.keyboard.press("d")
    expect(preview.locator("#paper")).to_have_class("w375 dark")
    expect(preview.locator("iframe")).to_have_count(1)
    card = preview.frame_locator("iframe").locator("table.card")
    expect(card).to_have_css("background-color", "rgb(25, 28, 32)")
    assert preview.url.endswith("/?w=375&dark=1")

    preview.keyboard.press("t")
    expect(preview.locator("pre.plain")).to_contain_text("Unsubscribe:")
    preview.keyboard.press("h")
    expect(preview.locator("pre.code")).to_contain_text("List-Unsubscribe-Post")
    preview.keyboard.press("u")
    expect(preview.locator("pre.numbered")).to_contain_text("<!DOCTYPE html>")
    assert preview.url.endswith("/?tab=source&w=375&dark=1")

    preview.keyboard.press("u")
    expect(preview.locator("iframe")).to_have_count(1)


def test_preview_keys_work_while_the_mail_has_the_focus(preview: Page):
    preview.frame_locator("iframe").locator("h1").click()
    preview.keyboard.press("t")
    expect(preview.locator("pre.plain")).to_be_visible()


def test_saving_changes_the_mail_in_place_and_keeps_its_scroll(preview: Page, folder: Path):
    preview.evaluate("document.querySelector('iframe').contentWindow.scrollTo(0, 400)")
    source = (package_templates() / BODY).read_text(encoding="utf-8")
    (folder / BODY).write_text(source.replace("{{ ui.footer(", "<tr><td>Saved just now</td></tr>{{ ui.footer("))
    expect(preview.frame_locator("iframe:not(.arriving)").get_by_text("Saved just now")).to_be_attached()

    assert preview.evaluate("document.querySelector('iframe').contentWindow.scrollY") == 400
    assert preview.evaluate("document.querySelectorAll('iframe').length") == 1


def test_a_fault_lies_over_the_last_good_mail_and_goes_when_it_is_mended(preview: Page, folder: Path):
    source = (package_templates() / BODY).read_text(encoding="utf-8")
    (folder / BODY).write_text(source.replace("ui.lead(lead)", "publication.nmae"))
    expect(preview.get_by_role("alert")).to_contain_text(f"{BODY}:")
    expect(preview.get_by_role("alert")).to_contain_text("Did you mean 'name'?")
    expect(preview.locator("#paper")).to_have_css("opacity", "0.3")
    expect(preview.frame_locator("iframe").locator("h1")).to_be_attached()

    (folder / BODY).write_text(source)
    expect(preview.get_by_role("alert")).to_have_count(0)
    expect(preview.locator("#paper")).to_have_css("opacity", "1")


def test_a_script_in_a_template_does_not_run(preview: Page, folder: Path):
    said: list[str] = []
    preview.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    source = (package_templates() / BODY).read_text(encoding="utf-8")
    planted = "<tr><td>Planted<script>parent.document.title='owned';alert(1)</script></td></tr>{{ ui.footer("
    (folder / BODY).write_text(source.replace("{{ ui.footer(", planted))
    expect(preview.frame_locator("iframe:not(.arriving)").get_by_text("Planted")).to_be_attached()

    assert said == []
    assert "owned" not in preview.title()
