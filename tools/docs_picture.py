"""Draw docs/images/digest.png: the sample issue as a browser shows it, light and dark side by side.

Rules: nothing is downloaded, every picture is drawn by `compose.pictures`. Needs Chromium (``CHROMIUM`` names
another browser) and the development tools. Run it when the default template changes: ``python tools/docs_picture.py``.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Route, sync_playwright

from digest.compose.environment import templates
from digest.compose.fixtures import load_fixture
from digest.compose.pictures import picture
from digest.compose.render import render
from digest.text.slots import fill_html

TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "digest.png"
WIDTH, HEIGHT = 640, 968
# Flat squares compress far better than the large lead picture with its banded sky.
SMALL = {"width": 224, "height": 224}
READER = {
    "email": "reader@example.com",
    "signed_up_on": "3 March 2025",
    "unsubscribe_url": "https://news.example.com/u/example",
}
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def draw(browser: Browser) -> bytes:
    """Both halves in one picture: two frames of the same document, each told which colours its reader prefers."""
    html = fill_html(render(load_fixture(), env=templates()).html, READER)
    halves = [_half(browser, html, scheme) for scheme in ("light", "dark")]
    page = browser.new_page(viewport={"width": 2 * WIDTH, "height": HEIGHT})
    page.route(
        "**/*.png", lambda route: route.fulfill(body=halves["right" in route.request.url], content_type="image/png")
    )
    page.set_content(
        "<style>body{margin:0;display:flex}img{display:block}</style>"
        "<img src='https://pictures.example.com/left.png'><img src='https://pictures.example.com/right.png'>",
        wait_until="networkidle",
    )
    return page.screenshot()


def _half(browser: Browser, html: str, scheme: str) -> bytes:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)  # type: ignore[arg-type] # one of two literals
    page.route("**/*.png", _serve)
    page.set_content(html, wait_until="networkidle")
    return page.screenshot()


def _serve(route: Route) -> None:
    name = route.request.url.rpartition("/")[2].removesuffix(".png")
    size = {} if name.startswith("dusk") else SMALL
    route.fulfill(body=picture(name, **size), content_type="image/png")


def main() -> int:
    """Write the picture; exit code 1 without a browser."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        print("error: there is no Chromium; install it, or set CHROMIUM to a browser's path", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OFFLINE)
        drawn = draw(browser)
        browser.close()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(drawn)
    print(f"{TARGET.name}: {len(drawn) / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
