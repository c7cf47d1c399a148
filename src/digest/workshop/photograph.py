"""Pictures of mails for snapshots, by a Chromium that asks nobody: only pictures that we draw are answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from digest.compose.fixtures import PICTURES
from digest.compose.pictures import picture

_PICTURE = re.compile(re.escape(PICTURES) + r"/([\w-]+)\.png")


def photographer(page: Any) -> Callable[[str, int], bytes]:
    """What photographs whole pages, by HTML and width in pixels, in a Playwright page."""

    def answer(route: Any) -> None:
        name = route.request.url.rpartition("/")[2].removesuffix(".png")
        route.fulfill(body=picture(name), content_type="image/png")

    def photograph(html: str, width: int) -> bytes:
        page.set_viewport_size({"width": width, "height": 900})
        page.set_content(html, wait_until="load")
        shot: bytes = page.screenshot(full_page=True, animations="disabled")
        return shot

    page.route(_PICTURE, answer)
    return photograph
