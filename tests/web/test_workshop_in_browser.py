"""The workshop under real hands: Chromium, one page for most of it, and a list of every request it made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from digest.compose.folders import package_templates
from digest.web.preview import create_preview_app
from digest.workshop.axe import axe_source
from support.factories import NOW
from support.site import running

pytestmark = pytest.mark.browser

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BODY, PARTS = "email/digest/body.html", "email/components.html"
NOW_SHOWN = "#frames iframe:not(.arriving)"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "email" / "digest").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def base(own: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("VISUAL", "vim")
        with running(create_preview_app(search_path=[own], clock=lambda: NOW)) as address:
            yield address


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Every address the browser asked for, in all tests here."""
    return []


@pytest.fixture(scope="module")
def one_page(browser: Browser, asked: list[str]) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})

    def note(request: Request) -> None:
        if request.failure != "csp":  # what the policy of the page stopped went to nobody
            asked.append(request.url)

    page.on("requestfinished", note)
    page.on("requestfailed", note)
    yield page
    page.close()


@pytest.fixture
def page(one_page: Page, base: str, own: Path) -> Iterator[Page]:
    """The page at its start, with no own template; whatever it complains of fails the test."""
    errors: list[str] = []
    one_page.on("pageerror", lambda error: errors.append(str(error)))
    one_page.goto(f"{base}/preview/digest")
    expect(one_page.locator("html")).to_have_class("js")
    yield one_page
    for path in own.rglob("*.html"):
        path.unlink()
    assert errors == []


def shipped(name: str) -> str:
    return (package_templates() / name).read_text(encoding="utf-8")


def mail(page: Page) -> Any:
    return page.frame_locator(NOW_SHOWN).first


def save(own: Path, name: str, before: str, after: str) -> None:
    text = shipped(name)
    assert before in text
    (own / name).write_text(text.replace(before, after, 1), encoding="utf-8")


def test_switching_fixture_colours_width_and_pane_by_keys_is_all_in_the_address(page: Page):
    page.keyboard.press("[")
    expect(page.locator("#bar select[name=f]")).to_have_value("rtl")
    expect(mail(page).locator("html")).to_have_attribute("dir", "rtl")
    page.keyboard.press("d")
    expect(mail(page).locator("body")).to_have_css("background-color", "rgb(15, 17, 19)")
    page.keyboard.press("3")
    expect(page.locator("#frames figure")).to_have_count(2)
    page.keyboard.press("t")
    expect(page.locator("#pane pre")).to_contain_text("http")
    query = urlsplit(page.url).query
    page.reload()

    assert query == "f=rtl&w=600,375&s=dark&p=text"
    expect(page.locator("#frames figure")).to_have_count(2)
    page.go_back()
    expect(page.locator("#pane")).to_have_class("pane-checks")


def test_the_menus_change_the_mail_the_data_and_the_client_without_leaving_the_page(page: Page):
    page.evaluate("window.stays = true")
    page.locator("#bar select[name=kind]").select_option("confirm")
    expect(page.locator("#rail [data-name=kind][aria-current]")).to_have_text("confirm")
    page.locator("#bar select[name=c]").select_option("gmail-app")
    expect(page.locator(".badge")).to_contain_text("close")
    page.locator("#bar select[name=c]").select_option("text")
    expect(page.locator("figure.text-40 pre")).to_be_visible()
    page.get_by_role("link", name="rtl", exact=True).click()

    expect(page.locator("#bar select[name=f]")).to_have_value("rtl")
    assert page.evaluate("window.stays") is True


def test_keys_work_while_the_mail_has_the_focus_and_links_in_it_go_elsewhere(page: Page):
    mail(page).locator("h1").click()
    page.keyboard.press("h")

    expect(page.locator("#pane")).to_contain_text("multipart/alternative")
    assert mail(page).locator("base").get_attribute("target") == "_blank"


def test_saving_changes_the_mail_in_place_without_a_flash_and_keeps_its_scroll(page: Page, own: Path):
    page.evaluate(f"document.querySelector('{NOW_SHOWN}').contentWindow.scrollTo(0, 400)")
    page.evaluate(
        """() => { window.bare = 0; new MutationObserver(() => {
          const shown = [...document.querySelectorAll('#frames iframe:not(.arriving)')];
          if (shown.length !== 1) window.bare += 1;
        }).observe(document.body, {childList: true, subtree: true, attributes: true, attributeFilter: ['class']}); }"""
    )
    save(own, BODY, "{% block content %}", "{% block content %}<p>Saved just now</p>")

    expect(mail(page).get_by_text("Saved just now")).to_be_attached()
    expect(page.locator("#live")).to_contain_text("live")
    assert page.evaluate(f"document.querySelector('{NOW_SHOWN}').contentWindow.scrollY") == 400
    assert page.evaluate("window.bare") == 0


def test_an_error_lies_over_the_last_good_mail_and_goes_when_it_is_mended(page: Page, own: Path):
    save(own, PARTS, "story.source", "story.sorce")
    fault = page.get_by_role("alert")
    expect(fault).to_contain_text(f"{PARTS}:")
    expect(fault).to_contain_text("Did you mean 'source'?")
    expect(fault.locator(".chain")).to_contain_text(f"{BODY}:")
    expect(fault.locator(".here")).to_contain_text("story.sorce")
    expect(page.locator("#frames")).to_have_css("opacity", "0.35")
    expect(page.locator("#aloud")).to_contain_text(f"Error in {PARTS}")
    expect(mail(page).locator("h1")).to_be_attached()
    (own / PARTS).unlink()

    expect(fault).to_have_count(0)
    expect(page.locator("#frames")).to_have_css("opacity", "1")


def test_a_click_on_an_element_leads_to_its_line_and_e_opens_the_editor(page: Page):
    page.keyboard.press("i")
    expect(page.locator("body.inspecting")).to_be_attached()
    mail(page).locator("h3").first.hover()
    expect(page.locator(".spot span")).to_contain_text("components.html:")
    mail(page).locator("h3").first.click()
    expect(page.locator("#pane .row.here")).to_contain_text("<h3")
    chosen = page.locator("#here .number").get_attribute("title")
    page.keyboard.press("e")

    assert chosen is not None
    expect(page.locator(".told")).to_contain_text(f"vim +{chosen.rpartition(':')[2]} ")
    expect(page.locator(".told")).to_contain_text(PARTS)


def test_a_patch_is_laid_over_the_data_and_kept_as_a_fixture(page: Page, own: Path):
    page.keyboard.press("s")
    expect(page.locator("#fixture-name")).to_be_focused()
    page.locator("#patch").fill('{"lead": {"title": "Told by hand"}}')
    page.get_by_role("button", name="Apply").click()
    expect(mail(page).get_by_text("Told by hand").first).to_be_attached()
    page.locator("#fixture-name").fill("by-hand")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".told")).to_contain_text("by-hand.json")
    expect(page.locator("#bar select[name=f]")).to_have_value("by-hand")
    kept = json.loads((own / "email" / "fixtures" / "by-hand.json").read_text())
    assert kept == {"extends": "default", "patch": {"lead": {"title": "Told by hand"}}}
    (own / "email" / "fixtures" / "by-hand.json").unlink()


def test_two_states_are_compared_by_sides_by_a_slider_and_by_their_pixels(page: Page, base: str):
    other = quote("digest?patch=" + quote('{"lead":{"title":"Another headline altogether"}}'))
    page.goto(f"{base}/preview/digest?v=compare&vs={other}")
    expect(page.locator("#pair figure")).to_have_count(2)
    expect(page.locator("#changes")).to_contain_text("Another headline altogether")
    page.get_by_role("link", name="Pixel difference").click()
    expect(page.locator("#differs")).to_contain_text("pixels differ")
    assert page.evaluate(
        """() => { const canvas = document.querySelector('#difference canvas');
          const drawn = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return drawn.some((value, at) => at % 4 === 0 && value === 200 && drawn[at + 1] === 20); }"""
    )
    page.get_by_role("link", name="Swipe").click()
    slider = page.locator("#swipe")
    slider.focus()
    slider.press("End")

    assert (
        page.evaluate("getComputedStyle(document.querySelector('[data-side=B]')).clipPath") == "inset(0px 0px 0px 0%)"
    )
    page.goto(f"{base}/preview/digest?v=compare&vs=digest&by=diff")
    expect(page.locator("#differs")).to_have_text("No pixel differs")


def test_the_working_tree_is_compared_with_the_last_commit(page: Page, own: Path):
    page.keyboard.press("v")

    expect(page.locator("#pair figcaption").nth(1)).to_contain_text("last commit")
    expect(page.locator("#changes, .same")).to_have_count(1)


def test_the_matrix_shows_every_fixture_and_leads_back_to_one(page: Page):
    page.keyboard.press("m")
    expect(page.locator(".card")).to_have_count(16)
    page.get_by_label("cjk, 375 pixels, light").click()

    expect(page.locator("#bar select[name=f]")).to_have_value("cjk")
    assert urlsplit(page.url).query == "f=cjk&w=375"


def test_the_palette_finds_anything_by_its_name(page: Page):
    page.keyboard.press("Control+k")
    page.keyboard.type("outlook win")
    expect(page.locator("#found li").first).to_contain_text("Outlook on Windows")
    page.keyboard.press("Enter")

    expect(page.locator("#bar select[name=c]")).to_have_value("outlook-windows")
    expect(page.locator(".badge")).to_contain_text("rough")


def test_findings_are_walked_through_and_lead_to_their_line(page: Page, own: Path):
    save(own, PARTS, '<h3 class="ink">', '<h3 class="ink" style="display:flex;padding:3px">')
    expect(page.locator(".finding").first).to_be_attached()
    page.keyboard.press("n")
    expect(page.locator(".finding.current")).to_have_count(1)
    page.keyboard.press("n")
    expect(page.locator("#aloud")).not_to_be_empty()
    page.locator(".finding.current .goes").click()

    expect(page.locator("#pane .listing, #pane .findings").first).to_be_visible()


def test_help_and_less_chrome_come_and_go_by_keys(page: Page):
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()
    page.keyboard.press(".")
    expect(page.locator("#rail")).not_to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#rail")).to_be_visible()


def test_a_script_in_a_template_does_not_run(page: Page, own: Path):
    planted = "{% block content %}<p>Planted</p><script>parent.document.title='owned'</script>"
    save(own, BODY, "{% block content %}", f"{planted}<img src=x onerror=\"parent.document.title='owned'\">")
    expect(mail(page).get_by_text("Planted")).to_be_attached()

    assert "owned" not in page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_workshop_itself_has_no_fault_that_axe_knows(one_page: Page, base: str, own: Path, scheme: Any):
    found = {}
    one_page.emulate_media(color_scheme=scheme)
    panes = ("", "?p=source", "?v=compare&vs=HEAD&by=swipe")
    for name in (*panes, "?p=data", "?v=matrix") if scheme == "light" else panes:
        one_page.goto(f"{base}/preview/digest{name}")
        expect(one_page.locator("html")).to_have_class("js")
        one_page.evaluate(axe_source())
        result = one_page.evaluate(
            "axe.run(document, {iframes: false, resultTypes: ['violations']}).then(found => found.violations"
            ".map(rule => [rule.id, rule.nodes.map(node => node.html.slice(0, 120))]))"
        )
        if result:
            found[name] = result
    one_page.emulate_media(color_scheme="light")

    assert found == {}


def test_below_900_pixels_the_rails_are_sheets_and_nothing_scrolls_sideways(browser: Browser, base: str):
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.goto(f"{base}/preview/digest?w=375")
    wide = page.evaluate("document.documentElement.scrollWidth")
    expect(page.locator("#rail")).not_to_be_visible()
    page.get_by_role("link", name="Mails", exact=True).click()
    expect(page.locator("#rail")).to_be_visible()
    page.locator("#rail").get_by_role("link", name="Close").click()
    expect(page.locator("#rail")).not_to_be_visible()

    assert wide == 375
    page.close()


def test_every_state_is_reached_without_a_script(browser: Browser, base: str):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{base}/preview/digest")
    page.locator("#bar select[name=c]").select_option("images-off")
    page.locator("#bar form:has(select[name=c]) button").click()
    page.get_by_role("link", name="Dark", exact=True).click()
    page.get_by_role("link", name="Data", exact=True).click()
    page.locator("#patch").fill('{"subject": "By a form"}')
    page.get_by_role("button", name="Apply").click()

    assert urlsplit(page.url).query.startswith("s=dark&c=images-off&p=data&patch=")
    expect(page.locator(".gmail .subject")).to_have_text("By a form")
    context.close()


def test_nothing_of_all_that_asked_anybody_else(asked: list[str], base: str):
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith("data:")}

    assert len(asked) > 50
    assert hosts == {urlsplit(base).netloc}
