"""What tests ask of a page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from playwright.sync_api import Page

from digest.workshop.axe import axe_source

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async (tags) => {
  const found = await axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']});
  return found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target[0]}`));
}"""


def faults_of(page: Page, *, schemes: tuple[Any, ...] = ("light", "dark")) -> list[str]:
    """What axe-core finds on a page in each colour scheme, and whether it is wider than its window at 320 px."""
    if not page.evaluate("typeof axe === 'object'"):
        # By the page's own policy no script of ours could be put into it; the debugger's may.
        page.evaluate(axe_source())
    faults = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        faults += [f"{scheme}: {fault}" for fault in page.evaluate(_RUN, _TAGS)]
    page.emulate_media(color_scheme="light")
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    wide = page.evaluate("document.documentElement.scrollWidth")
    if size:
        page.set_viewport_size(size)
    return [*faults, *([f"{wide} px wide at 320"] if wide > 320 else [])]


@contextmanager
def another_site(html: str) -> Iterator[str]:
    """A site of somebody else with one page; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
