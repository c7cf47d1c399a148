"""A real browser for what only a browser knows: Chromium on this machine, driven by Playwright.

Rules: optional, so it is imported when it is asked for. The browser asks nobody: every request is refused unless the
caller answers it. One page serves for many mails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from digest.model.errors import DigestError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)


class BrowserMissing(DigestError):
    """There is no browser to look with."""

    code = "browser-missing"


def find_chromium() -> str:
    """The browser's program: ``CHROMIUM``, else what is installed. Raises BrowserMissing."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found:
        raise BrowserMissing("there is no Chromium on this machine", hint="install it, or set CHROMIUM to its path")
    return found


@contextmanager
def opened_page(*, width: int = 640, height: int = 900) -> Iterator[Any]:
    """A blank page of a browser that lasts as long as the block; it can reach nothing. Raises BrowserMissing."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional: the extra `checks`
    except ImportError as error:
        raise BrowserMissing(
            "Playwright, which drives the browser, is not installed", hint="pip install 'digest-mail[checks]'"
        ) from error
    program = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.route("**/*", lambda route: route.abort())
            yield page
        finally:
            browser.close()


@lru_cache(maxsize=1)
def has_axe() -> bool:
    """Whether axe and a browser to run it in are on this machine; looked for once."""
    try:
        find_chromium()
    except BrowserMissing:
        return False
    return all(find_spec(name) for name in ("playwright", "axe_playwright_python"))
