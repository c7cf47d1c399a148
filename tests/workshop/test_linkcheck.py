"""Links that are asked for: politely, within limits, and never the ones that do something."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from digest.collect.guard import Guard
from digest.workshop.findings import Severity
from digest.workshop.linkcheck import link_findings, links_of
from support.planting import BODY, Own

HERE = Guard(allows_private=True)


class Site(BaseHTTPRequestHandler):
    """Answers by the path, and remembers what was asked."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        status = {
            "/gone": 404,
            "/broken": 500,
            "/only-get": 405 if self.command == "HEAD" else 200,
            "/moved": 301,
            "/loop": 302,
        }
        self.send_response(status.get(self.path, 200))
        if self.path in {"/moved", "/loop"}:
            self.send_header("Location", "/gone" if self.path == "/moved" else "/loop")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneSite", (Site,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """A mail with no links but those a test plants."""
    own = Own(tmp_path)
    own.write(BODY, '{% extends "email/layout.html" %}\n{% block content %}\n{% endblock %}\n')
    return own


def planted(own: Own, *urls: str) -> None:
    for url in reversed(urls):
        own.plant(BODY, f'<tr><td><a href="{url}">words</a></td></tr>', behind="content %}")


async def test_links_that_lead_nowhere_are_found_on_their_lines(own: Own, site: tuple[str, list[str]]):
    base, asked = site
    planted(own, *(f"{base}{path}" for path in ("/fine", "/gone", "/broken", "/only-get", "/moved", "/loop")))

    found = {one.line: (one.rule, one.severity) for one in await link_findings(own.mail(), guard=HERE)}
    assert found == {
        4: ("link-dead", Severity.BREAKS),
        5: ("link-dead", Severity.DEGRADES),
        7: ("link-dead", Severity.BREAKS),
        8: ("link-dead", Severity.DEGRADES),
    }
    assert "HEAD /fine" in asked
    assert "GET /fine" not in asked
    assert "GET /only-get" in asked


async def test_private_addresses_are_refused(own: Own, site: tuple[str, list[str]]):
    base, asked = site
    planted(own, f"{base}/fine")

    found = await link_findings(own.mail())
    assert [(one.severity, "not a public address" in one.message) for one in found] == [(Severity.BREAKS, True)]
    assert asked == []


def test_links_that_do_something_are_never_asked_for(own: Own):
    own.plant(BODY, '<tr><td><a href="{{ slots.unsubscribe_url }}">words</a></td></tr>', behind="content %}")

    assert links_of(own.mail()) == ()


def test_an_address_is_asked_for_once_and_at_most_a_hundred_are(own: Own):
    planted(own, *(f"https://example.com/{number % 150}#part" for number in range(300)))

    links = links_of(own.mail())
    assert len(links) == 100
    assert len({one.url for one in links}) == 100
