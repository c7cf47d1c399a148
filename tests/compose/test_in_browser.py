"""What only a real browser can tell: widths, colours, and that nothing is fetched but the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from digest.compose.context import DigestContext
from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.folders import theme_names
from digest.compose.kinds import MailKind
from digest.compose.pictures import picture
from digest.compose.render import render
from digest.text import slots
from support.composing import SLOT_VALUES, article, context_of, item

pytestmark = pytest.mark.browser
ENV = templates()
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LUMINANCE = """(selector) => [...document.querySelectorAll(selector)].map(element => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const level = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let ground = element;
  while (ground && parse(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
  const a = level(parse(getComputedStyle(element).color));
  const b = level(parse(getComputedStyle(ground).backgroundColor));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
})"""


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        yield opened
        opened.close()


def hostile() -> DigestContext:
    endless = "https://example.com/" + "long/" * 28
    words = [endless, "Donaudampfschifffahrtsgesellschaftskapitänswitwe" * 3, "A" * 150, "漢字" * 70, "🚀" * 80]
    articles = {
        number: article(number, title=word, source_title=word, image_url="https://pictures.example.com/a.png")
        for number, word in enumerate(words, start=1)
    }
    items = [
        item(number, teaser=word, section=f"s{number}", section_title=word, also_at=((word, "https://example.com/x"),))
        for number, word in enumerate(words, start=1)
    ]
    return context_of(items, articles, name="N" * 120, postal_address="P" * 120)


CONTEXTS = {"default": load_fixture(), "hostile": hostile()}
SMALL = picture("dusk", width=64, height=64)


def open_page(browser: Browser, context: DigestContext, *, width: int, scheme: str = "light") -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type] # "light" or "dark"
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=SMALL, content_type="image/png")

    page.route("**/*", answer)
    page.set_content(slots.fill_html(render(context, env=ENV).html, SLOT_VALUES | {"email": f"{'e' * 60}@example.com"}))
    return page, asked


# Every kind in every theme, every digest in one, light and dark by turns: each meets each somewhere.
CASES = [
    *((theme, kind, "default") for theme in theme_names() for kind in MailKind),
    *((theme, kind, "rtl") for theme in theme_names() for kind in MailKind if kind is not MailKind.DIGEST),
    *((theme, kind, "hostile") for theme in theme_names() for kind in MailKind),
    *(
        (theme_names()[turn % 4], MailKind.DIGEST, name)
        for turn, name in enumerate(fixture_names(MailKind.DIGEST))
        if name != "forty"
    ),
]
TEXTS = "h1, h2, h3, h3 a, p, p a, li, li a, li span, td.pre, td.quote, b, a.btn, td.no, img"


def test_no_mail_scrolls_sideways_and_every_text_can_be_read_in_light_and_dark(browser: Browser):
    """Failures are collected: one run names all that is wrong."""
    page = browser.new_page(viewport={"width": 320, "height": 700})
    page.route("**/*", lambda route: route.fulfill(body=SMALL, content_type="image/png"))
    wrong = []
    for theme, kind, name in CASES:
        html = render(load_fixture(name, kind=kind), env=templates(theme=theme)).html
        page.set_content(slots.fill_html(html, SLOT_VALUES), wait_until="commit")
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > 320:
            wrong.append(f"{theme} {kind} {name}: {wide} px wide at 320")
        grounds = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # "light" or "dark"
            ratios = page.evaluate(LUMINANCE, TEXTS)
            grounds.append(page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor"))
            if min(ratios) < 4.5:
                wrong.append(f"{theme} {kind} {name} {scheme}: contrast {min(ratios):.2f}")
        if len(set(grounds)) != 2:
            wrong.append(f"{theme} {kind} {name}: dark colours are not applied")
    page.close()

    assert wrong == []


@pytest.mark.parametrize("width", [320, 680])
def test_endless_words_and_names_do_not_widen_the_page(browser: Browser, width: int):
    page, _ = open_page(browser, CONTEXTS["hostile"], width=width)

    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_thumbs_are_squares_that_shrink_on_a_phone(browser: Browser):
    sizes = {}
    for width in (680, 375):
        page, _ = open_page(browser, CONTEXTS["default"], width=width)
        box = page.locator("img.thumb").first.bounding_box()
        sizes[width] = box and (box["width"], box["height"])
        page.close()

    assert sizes == {680: (112, 112), 375: (84, 84)}


def test_nothing_is_fetched_but_the_pictures(browser: Browser):
    page, asked = open_page(browser, CONTEXTS["default"], width=680)

    assert asked
    assert all(url.startswith("https://pictures.example.com/") for url in asked)
    page.close()


def test_a_mail_without_any_picture_leaves_no_hole(browser: Browser):
    daily = CONTEXTS["default"]
    bare = replace(daily, lead=replace(daily.lead, image=None), sections=(), briefs=())
    page, asked = open_page(browser, bare, width=680)

    assert asked == []
    assert page.evaluate("document.querySelector('h2').getBoundingClientRect().top") < 220
    page.close()
