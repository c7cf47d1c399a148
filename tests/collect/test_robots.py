from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.collect.fetch import Fetcher, Purpose
from digest.collect.hosts import Hosts
from digest.collect.robots import parse
from digest.collect.troubles import FetchFailed, Trouble
from digest.config.settings import CollectSettings
from digest.store.engine import Store
from support.feedserver import FeedServer
from support.names import Names

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
_SETTINGS = CollectSettings(allow_private_networks=True, timeout_s=5, page_delay_s=0)


async def _get(url: str, *, store: Store | None = None, at: datetime = _NOW, purpose: Purpose = Purpose.PAGE) -> bytes:
    hosts = Hosts(store, clock=lambda: at)
    async with Fetcher(_SETTINGS, base_url="https://digest.example.com", hosts=hosts, clock=lambda: at) as fetcher:
        return (await fetcher.get(url, purpose=purpose)).body or b""


async def test_a_page_that_robots_may_not_read_is_left_alone_and_a_feed_is_read(server: FeedServer):
    server.rule("/robots.txt", b"User-agent: *\nDisallow: /private")
    closed, opened = server.rule("/private/1", b"x"), server.rule("/news/1", b"y")

    with pytest.raises(FetchFailed, match=r"its robots\.txt does not allow it") as caught:
        await _get(closed)

    assert caught.value.trouble is Trouble.ROBOTS
    assert await _get(opened) == b"y"
    assert await _get(closed, purpose=Purpose.FEED) == b"x"
    assert "/private/1" in server.paths()
    assert server.paths().count("/robots.txt") == 2


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        (b"User-agent: Digest\nDisallow: /\n\nUser-agent: *\nAllow: /", False),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: digest\nAllow: /", True),
        (b"User-agent: *\nDisallow: /a/\nAllow: /a/b", True),
        (b"User-agent: *\nDisallow: /*.html$", False),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /", False),
        (b"<html>not found</html>", True),
        (b"", True),
        (b"User-agent: *\nDisallow: /\x00\xff\xfe", True),
    ],
    ids=["named", "named wins", "longest", "wildcard", "byte order mark", "a web page", "empty", "garbage"],
)
async def test_rules_are_read_as_rfc_9309_has_them(server: FeedServer, rules: bytes, allowed: bool):  # noqa: FBT001
    server.rule("/robots.txt", rules)
    url = server.rule("/a/b.html", b"x")

    if allowed:
        assert await _get(url) == b"x"
    else:
        with pytest.raises(FetchFailed):
            await _get(url)


@pytest.mark.parametrize(
    ("status", "allowed"), [(404, True), (403, True), (410, True), (429, False), (500, False), (503, False)]
)
async def test_no_robots_txt_opens_a_site_and_a_broken_one_closes_it(
    server: FeedServer,
    status: int,
    allowed: bool,  # noqa: FBT001
):
    server.rule("/robots.txt", b"", statuses=(status,))
    url = server.rule("/a", b"x")

    if allowed:
        assert await _get(url) == b"x"
    else:
        with pytest.raises(FetchFailed, match=r"robots\.txt answered"):
            await _get(url)
        assert "/a" not in server.paths()


async def test_a_redirected_robots_txt_is_followed(server: FeedServer):
    server.rule("/robots.txt", statuses=(301,), location="/r")
    server.rule("/r", b"User-agent: *\nDisallow: /")

    with pytest.raises(FetchFailed, match="does not allow it"):
        await _get(server.rule("/a", b"x"))


async def test_where_a_redirect_leads_is_asked_for_too(server: FeedServer):
    server.rule("/robots.txt", b"User-agent: *\nDisallow: /private")
    server.rule("/private/1", b"x")

    with pytest.raises(FetchFailed, match="does not allow it"):
        await _get(server.rule("/a", statuses=(302,), location="/private/1"))

    assert "/private/1" not in server.paths()


async def test_it_is_asked_once_a_day_even_over_a_restart(server: FeedServer, store: Store):
    server.rule("/robots.txt", b"User-agent: *\nAllow: /")
    url = server.rule("/a", b"x")

    for hours in (0, 1, 23, 25):
        await _get(url, store=store, at=_NOW + timedelta(hours=hours))

    assert server.paths().count("/robots.txt") == 2


async def test_a_crawl_delay_is_kept_but_where_the_operator_wants_no_pause_on_own_servers(server: FeedServer):
    server.rule("/robots.txt", b"User-agent: *\nCrawl-delay: 0.2")
    server.rule("/a", b"x")
    public = f"http://news.example:{server.base.rpartition(':')[2]}/a"
    names = Names(everything="127.0.0.1")

    async def gap(url: str, page_delay_s: float) -> float:
        settings = _SETTINGS.model_copy(update={"page_delay_s": page_delay_s})
        async with Fetcher(settings, base_url="https://digest.example.com", resolver=names) as fetcher:
            for _ in range(3):
                await fetcher.get(url, purpose=Purpose.PAGE)
        at = [request.at for request in server.requests if request.path == "/a"]
        server.requests.clear()
        return min(after - before for before, after in itertools.pairwise(at))

    assert await gap(public, 0) >= 0.199
    assert await gap(server.base + "/a", 0.01) >= 0.199
    assert await gap(server.base + "/a", 0) < 0.1


@pytest.mark.parametrize(("said", "kept"), [(b"120", 30.0), (b"-1", 0.0), (b"nan", 0.0), (b"x", 0.0), (b"1e400", 0.0)])
async def test_no_crawl_delay_stops_a_run(server: FeedServer, said: bytes, kept: float):
    server.rule("/robots.txt", b"User-agent: *\nCrawl-delay: " + said)
    async with Fetcher(_SETTINGS, base_url="https://digest.example.com") as fetcher:
        assert (await fetcher._robots.permission(server.base + "/a")).delay_s == kept


def test_every_real_robots_txt_is_read(shared_data: Path):
    files = [file for file in (shared_data / "articles/robots").iterdir() if file.is_file()]

    for file in files:
        rules = parse(file.read_bytes().decode("utf-8", "replace"))
        assert isinstance(rules.can_fetch("https://example.com/news/1", "Digest"), bool)
        assert rules.crawl_delay("Digest") is None or rules.crawl_delay("Digest") >= 0
    assert len(files) >= 10
