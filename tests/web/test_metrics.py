"""Who may read `/metrics`: nobody by accident, neighbours where nothing stands in between, a token from anywhere.

Peers are real connections on loopback; an address that this machine has not is put into the ASGI scope.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from digest.app.metrics import Metrics
from digest.config.settings import Settings
from digest.model.errors import ConfigInvalid
from digest.store.engine import Store
from digest.web.asgi import create_app
from digest.web.metrics import metrics_app, route
from support.sending import make_container
from support.site import Reply, ask, running

TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC, LOCAL = {"base_url": "https://news.example.com"}, {"base_url": "http://127.0.0.1:8025"}


def numbers(store: Store, **sections: Any) -> tuple[Settings, Metrics]:
    container = make_container(store, **sections)
    return container.settings, Metrics(container.settings, store, container.counts)


def pages(store: Store, **sections: Any) -> Starlette:
    """The readers' pages with the numbers beside them, as `digest serve` has them."""
    container = make_container(store, **sections)
    metrics = Metrics(container.settings, store, container.counts)
    return create_app(container, beside=[route(container.settings, metrics)])


def get(app: Starlette, **headers: str) -> Reply:
    with running(app) as base:
        return ask(base, "GET", "/metrics", headers={name.replace("_", "-"): value for name, value in headers.items()})


def status_for(app: Starlette | Route, peer: str | None, **headers: str) -> int:
    """What a peer with that address is answered."""
    statuses: list[int] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/metrics",
        "raw_path": b"/metrics",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": (peer, 40000) if peer else None,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return statuses[0]


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "metrics.token"
    path.write_text(f"{TOKEN}\n")
    return str(path)


def test_on_the_pages_of_this_machine_the_neighbourhood_reads_them(store: Store):
    reply = get(pages(store, site=LOCAL))

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert reply.headers["cache-control"] == "no-store"
    assert "digest_database_up 1.0" in reply.body


def test_behind_a_public_address_nobody_reads_them_without_a_token_not_even_this_machine(store: Store):
    """Whoever comes through the proxy has the proxy's address, so an address says nothing there."""
    reply = get(pages(store, site=PUBLIC))

    assert reply.status == 403
    assert "metrics.token_file" in reply.body
    assert "digest_" not in reply.body


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip"])
def test_no_header_makes_a_stranger_a_neighbour(store: Store, header: str):
    app = pages(store, site=LOCAL)
    claims = {"forwarded": "for=127.0.0.1"}.get(header, "127.0.0.1")

    assert status_for(app, "203.0.113.9", **{header: claims}) == 403


def test_a_header_does_not_make_a_neighbour_a_stranger(store: Store):
    """The server reads no such header either: with uvicorn's default this request would come from 203.0.113.9."""
    assert get(pages(store, site=LOCAL), X_Forwarded_For="203.0.113.9").status == 200


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("10.1.2.3", 200),
        ("172.18.0.1", 200),
        ("192.168.1.20", 200),
        ("fd12:3456::1", 200),
        ("fe80::1%eth0", 200),
        ("::ffff:192.168.1.20", 200),
        ("203.0.113.9", 403),
        ("2001:db8::1", 403),
        ("::ffff:203.0.113.9", 403),
        ("100.64.0.1", 403),
        ("172.32.0.1", 403),
        ("testclient", 403),
        (None, 403),
    ],
)
def test_a_port_of_its_own_serves_private_addresses_only(sqlite_database: str, peer: str | None, status: int):
    store = Store(sqlite_database)
    settings, metrics = numbers(store, site=PUBLIC)

    assert status_for(metrics_app(settings, metrics), peer) == status
    store.close()


@pytest.mark.parametrize("site", [PUBLIC, LOCAL], ids=["public", "local"])
def test_with_a_token_set_it_is_all_that_counts(store: Store, token_file: str, site: dict[str, str]):
    app = pages(store, site=site, metrics={"token_file": token_file})

    assert get(app, Authorization=f"Bearer {TOKEN}").status == 200
    assert status_for(app, "203.0.113.9", authorization=f"Bearer {TOKEN}") == 200
    for wrong in ({}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": TOKEN}, {"authorization": "Bearer "}):
        assert status_for(app, "127.0.0.1", **wrong) == 401


def test_a_refusal_for_want_of_a_token_says_what_is_wanted(store: Store, token_file: str):
    reply = get(pages(store, site=PUBLIC, metrics={"token_file": token_file}))

    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("content", ["", "\n", "short\n"])
def test_a_token_that_keeps_nobody_out_is_refused_at_the_start(sqlite_database: str, tmp_path: Path, content: str):
    store = Store(sqlite_database)
    (tmp_path / "metrics.token").write_text(content)
    settings, metrics = numbers(store, metrics={"token_file": str(tmp_path / "metrics.token")})

    with pytest.raises(ConfigInvalid):
        route(settings, metrics)
    store.close()


def test_a_scraper_that_asks_for_openmetrics_gets_it(store: Store):
    reply = get(pages(store, site=LOCAL), Accept="application/openmetrics-text; version=1.0.0")

    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.body.endswith("# EOF\n")


def test_the_numbers_are_only_read(store: Store):
    with running(pages(store, site=LOCAL)) as base:
        assert ask(base, "POST", "/metrics").status == 405


def test_an_app_without_them_has_no_such_page(store: Store):
    assert get(create_app(make_container(store, site=LOCAL))).status == 404
