"""Hubs (F24): a real fake hub that asks back, real requests at our callback, signatures, leases."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from digest.collect import websub
from digest.collect.refresh import refresh, takes_hubs
from digest.config.settings import CollectSettings, Settings, SiteSettings
from digest.model.article import Source, SourceKind
from digest.model.fetching import WebSub, WebSubState
from digest.store import articles, sources, stories
from digest.store import websub as stored
from digest.store.engine import Store
from digest.web.asgi import create_app
from support.factories import NOW, make_publication
from support.feeddocs import rss, rss_item
from support.feedserver import FeedServer, serving
from support.site import Reply, ask, container_of, running

_RNG = Random(1)  # noqa: S311 - jitter, no secret
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Hub:
    """Takes subscriptions, verifies them at once or never, and delivers."""

    lease_s: int = 864_000
    status: int = 202
    verifies: bool = True
    url: str = ""
    forms: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    async def subscribe(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        if self.status == 202 and self.verifies:
            await self.verify(form)
        return web.Response(status=self.status)

    async def verify(self, form: dict[str, str], **changes: str) -> tuple[int, str]:
        question = {
            "hub.mode": "subscribe",
            "hub.topic": form["hub.topic"],
            "hub.challenge": "chal lenge",
            "hub.lease_seconds": str(self.lease_s),
            **changes,
        }
        async with aiohttp.ClientSession() as session, session.get(form["hub.callback"], params=question) as answer:
            self.answers.append((answer.status, await answer.text()))
        return self.answers[-1]


@asynccontextmanager
async def _hub(hub: Hub) -> AsyncIterator[Hub]:
    app = web.Application()
    app.router.add_post("/", hub.subscribe)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield hub
    finally:
        await runner.cleanup()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Desk:
    store: Store
    settings: Settings
    clock: Clock
    base: str

    async def poll(self) -> Any:
        return await refresh(self.store, 1, settings=self.settings, now=self.clock.now, rng=_RNG)

    async def keep_up(self) -> int:
        return await websub.keep_up(self.store, settings=self.settings, now=self.clock.now, rng=_RNG)

    def hub_of(self, source: Source) -> WebSub:
        with self.store.read() as tx:
            found = stored.get(tx, source.id)
        assert found is not None
        return found

    def source(self, source: Source) -> Source:
        with self.store.read() as tx:
            return sources.get(tx, source.id)

    def titles(self) -> set[str]:
        with self.store.read() as tx:
            return {article.title for article in articles.list_recent(tx)}

    def places(self) -> set[int]:
        """The articles that have a story."""
        with self.store.read() as tx:
            return set(stories.places(tx, [article.id for article in articles.list_recent(tx)]))

    async def deliver(self, source: Source, body: bytes, signature: str, *, token: str = "") -> Reply:
        path = f"/websub/{token or self.hub_of(source).token}"
        headers = {"Content-Type": "application/rss+xml", "X-Hub-Signature": signature}
        return await asyncio.to_thread(ask, self.base, "POST", path, body=body, headers=headers)


@pytest.fixture
def desk(sqlite_database: str, tmp_path: Path) -> Iterator[Desk]:
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    clock = Clock()
    collect = CollectSettings(allow_private_networks=True, timeout_s=5, full_text=False, websub="on")  # type: ignore[arg-type]
    container = container_of(store, tmp_path)
    settings = container.settings.model_copy(update={"collect": collect})
    object.__setattr__(container, "settings", settings)
    with running(create_app(container, clock=clock)) as base:
        reachable = settings.model_copy(update={"site": SiteSettings(base_url=base)})
        yield Desk(store, reachable, clock, base)
    store.close()


@asynccontextmanager
async def _feed(desk: Desk, hub: Hub, *, by_header: bool = True) -> AsyncIterator[tuple[FeedServer, Source]]:
    async with serving() as server, _hub(hub):
        links = f'<{hub.url}>; rel="hub", <{server.base}/f>; rel="self"'
        head = (
            ""
            if by_header
            else (
                f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="hub" href="{hub.url}"/>'
                f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="self" href="{server.base}/f"/>'
            )
        )
        url = server.rule("/f", rss(rss_item(1), head=head), headers={"Link": links} if by_header else {})
        with desk.store.write() as tx:
            source = sources.add(tx, SourceKind.RSS, url=url, title="News", now=NOW)
            sources.link(tx, 1, source.id)
        yield server, source


def _signed(body: bytes, secret: str, method: str = "sha256") -> str:
    return f"{method}={hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()}"


@pytest.mark.parametrize("by_header", [True, False], ids=["Link header", "in the feed"])
async def test_a_feed_that_names_a_hub_is_subscribed_verified_and_polled_daily(desk: Desk, *, by_header: bool):
    hub = Hub()
    async with _feed(desk, hub, by_header=by_header) as (server, source):
        await desk.poll()
        assert desk.hub_of(source).state is WebSubState.WANTED
        assert await desk.keep_up() == 1
        assert await desk.keep_up() == 0

        found = desk.hub_of(source)
        assert found.state is WebSubState.ACTIVE
        assert found.lease_until == NOW + 10 * _DAY
        assert hub.answers == [(200, "chal lenge")]
        assert hub.forms[0] == {
            "hub.mode": "subscribe",
            "hub.topic": f"{server.base}/f",
            "hub.callback": f"{desk.base}/websub/{found.token}",
            "hub.lease_seconds": "864000",
            "hub.secret": found.secret,
        }
        desk.clock.now = NOW + _HOUR
        await desk.poll()
        assert desk.source(source).next_poll_at - desk.clock.now > 21 * _HOUR
        assert desk.hub_of(source).token == found.token


async def test_delivered_news_has_a_story_soon_after_the_answer(desk: Desk):
    async with _feed(desk, Hub()) as (_, source):
        await desk.poll()
        await desk.keep_up()
        body = rss(rss_item(2, title="Night trains are back"))
        await desk.deliver(source, body, _signed(body, desk.hub_of(source).secret, "sha256"))

        for _ in range(200):
            if desk.places() == {1, 2}:
                return
            await asyncio.sleep(0.05)
        pytest.fail("nobody told its story")


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
async def test_signed_news_is_in_the_ledger_at_once(desk: Desk, method: str):
    async with _feed(desk, Hub()) as (server, source):
        await desk.poll()
        await desk.keep_up()
        before, body = desk.source(source), rss(rss_item(2))

        reply = await desk.deliver(source, body, _signed(body, desk.hub_of(source).secret, method))

        assert reply.status == 202
        assert desk.titles() == {"Story number 1", "Story number 2"}
        assert desk.source(source).next_poll_at == before.next_poll_at
        assert desk.source(source).body_hash == before.body_hash
        assert server.paths() == ["/f"]


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=00", "md5=00", "sha256", "sha256=é"])
async def test_what_is_not_signed_as_agreed_is_dropped_without_a_word(desk: Desk, signature: str):
    async with _feed(desk, Hub()) as (_, source):
        await desk.poll()
        await desk.keep_up()
        body = rss(rss_item(2))

        reply = await desk.deliver(source, body, signature.encode().decode("latin-1"))
        wrong = await desk.deliver(source, body, _signed(body, "another secret"))

        assert (reply.status, wrong.status) == (202, 202)
        assert desk.titles() == {"Story number 1"}


async def test_a_token_nobody_has_is_not_found_and_malformed_news_harms_nothing(desk: Desk):
    async with _feed(desk, Hub()) as (_, source):
        await desk.poll()
        await desk.keep_up()
        body = b"this is no feed"

        assert (await desk.deliver(source, body, "sha256=00", token="0" * 32)).status == 404
        assert (await desk.deliver(source, body, _signed(body, desk.hub_of(source).secret))).status == 202
        assert (await desk.deliver(source, bytes(5_000_001), "sha256=00")).status == 413
        assert desk.titles() == {"Story number 1"}
        assert desk.source(source).failures == 0


async def test_only_what_we_asked_for_is_confirmed(desk: Desk):
    hub = Hub(verifies=False)
    async with _feed(desk, hub) as (_, source):
        await desk.poll()
        await desk.keep_up()
        (form,) = hub.forms

        assert (await hub.verify(form, **{"hub.topic": "https://other.example/f"}))[0] == 404
        assert (await hub.verify(form, **{"hub.mode": "unsubscribe"}))[0] == 404
        assert (await hub.verify({**form, "hub.callback": f"{desk.base}/websub/{'0' * 32}"}))[0] == 404
        assert desk.hub_of(source).state is WebSubState.REQUESTED
        assert await hub.verify(form) == (200, "chal lenge")
        assert desk.hub_of(source).state is WebSubState.ACTIVE


async def test_a_lease_is_renewed_when_four_fifths_of_it_are_over(desk: Desk):
    hub = Hub(lease_s=86_400)
    async with _feed(desk, hub) as (_, source):
        await desk.poll()
        await desk.keep_up()
        asked = []
        for hours in (10, 19, 20, 24):
            desk.clock.now = NOW + hours * _HOUR
            asked.append(await desk.keep_up())

        assert asked == [0, 0, 1, 0]
        assert desk.hub_of(source).lease_until == NOW + 44 * _HOUR


@pytest.mark.parametrize("case", ["refuses", "denies", "is silent", "is dead"])
async def test_a_hub_that_will_not_is_asked_again_later_and_the_feed_is_polled_as_ever(desk: Desk, case: str):
    hub = Hub(status=500 if case == "refuses" else 202, verifies=False)
    async with _feed(desk, hub) as (_, source):
        await desk.poll()
        if case == "is dead":
            with desk.store.write() as tx:
                stored.change(tx, source.id, hub_url="http://127.0.0.1:9/")
        await desk.keep_up()
        if case == "denies":
            denied = {"hub.mode": "denied", "hub.reason": "no"}
            assert (await hub.verify(hub.forms[0], **denied))[0] == 200

        found = desk.hub_of(source)
        assert found.state is (WebSubState.REQUESTED if case == "is silent" else WebSubState.REFUSED)
        assert bool(found.detail) is (case != "is silent")
        assert found.next_try_at is not None
        assert found.next_try_at > NOW + 50 * timedelta(minutes=1)
        desk.clock.now = NOW + _HOUR
        await desk.poll()
        assert desk.source(source).next_poll_at - desk.clock.now < _HOUR


@pytest.mark.parametrize(
    ("base_url", "takes"),
    [
        ("http://127.0.0.1:8025", False),
        ("http://localhost:8025", False),
        ("http://192.168.1.5", False),
        ("https://news.lan", False),
        ("http://news", False),
        ("https://news.example.com", True),
        ("https://93.184.215.14", True),
    ],
)
def test_hubs_are_asked_only_where_they_can_reach_us(base_url: str, *, takes: bool):
    assert takes_hubs(Settings(site=SiteSettings(base_url=base_url))) is takes
    assert takes_hubs(Settings(collect=CollectSettings(websub="on")))  # type: ignore[arg-type]
    assert not takes_hubs(Settings(site=SiteSettings(base_url=base_url), collect=CollectSettings(websub="off")))  # type: ignore[arg-type]
