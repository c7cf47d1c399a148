"""Fetching a document: what is asked, followed, waited for and given up."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from digest.collect.fetch import Fetcher, Purpose
from digest.collect.hosts import Hosts
from digest.collect.troubles import FetchFailed, Trouble
from support.feedserver import FeedServer
from support.fetching import BODY, OURS, failure_of, fetch, settings_with
from support.names import Names


async def test_a_document_comes_with_what_the_server_says_of_it(server: FeedServer):
    headers = {
        "ETag": 'W/"a b"',
        "Last-Modified": "yesterday",
        "Cache-Control": "public, max-age=7200",
        "Content-Type": "text/xml",
        "Link": '<https://hub.example.com/>; rel="hub", </f>; rel="self"',
    }

    got = await fetch(server.rule("/f", BODY, headers=headers))

    assert (got.body, got.etag, got.last_modified, got.fresh_for) == (BODY, 'W/"a b"', "yesterday", timedelta(hours=2))
    assert got.content_type == "text/xml"
    assert got.links == {"hub": "https://hub.example.com/", "self": server.base + "/f"}
    assert got.body_hash
    assert len(got.body_hash) == 64


async def test_validators_go_back_byte_for_byte(server: FeedServer):
    url = server.rule("/f", BODY, headers={"ETag": 'W/"a b"', "Last-Modified": "yesterday"}, conditional=True)
    first = await fetch(url)

    second = await fetch(url, validators=first)

    assert second.body is None
    assert server.requests[1].headers["If-None-Match"] == 'W/"a b"'
    assert server.requests[1].headers["If-Modified-Since"] == "yesterday"


async def test_not_modified_without_having_asked_is_an_error(server: FeedServer):
    assert "304" in str(await failure_of(server.rule("/f", statuses=(304,))))


async def test_it_says_honestly_who_it_is_and_whom_to_write_to(server: FeedServer):
    url = server.rule("/f", BODY)
    await fetch(url)
    await fetch(url, contact="feeds@example.com")

    agents = [request.headers["User-Agent"] for request in server.requests]
    assert all(agent.startswith("Digest/") for agent in agents)
    assert agents[0].endswith(f"(+{OURS})")
    assert agents[1].endswith("(+feeds@example.com)")


async def test_no_cookie_is_kept(server: FeedServer):
    url = server.rule("/f", BODY, headers={"Set-Cookie": "who=me"})
    async with Fetcher(settings_with(), base_url=OURS) as fetcher:
        await fetcher.get(url)
        await fetcher.get(url)

    assert "Cookie" not in server.requests[1].headers


# --- redirects (F6) ---


async def test_redirects_are_followed_to_the_end(server: FeedServer):
    server.rule("/f", BODY)
    server.rule("/b", statuses=(302,), location="f")
    url = server.rule("/a", statuses=(301,), location=server.base + "/b")

    got = await fetch(url)

    assert (got.body, got.url) == (BODY, server.base + "/f")


@pytest.mark.parametrize(
    ("statuses", "moved_to"),
    [((301,), "/1"), ((308,), "/1"), ((302,), None), ((303,), None), ((307,), None), ((307, 308), None),
     ((301, 302), "/1"), ((308, 301), "/2")],
)  # fmt: skip
async def test_only_permanent_redirects_move_a_source(
    server: FeedServer, statuses: tuple[int, ...], moved_to: str | None
):
    for place, status in enumerate(statuses):
        server.rule(f"/{place}", statuses=(status,), location=f"/{place + 1}")
    server.rule(f"/{len(statuses)}", BODY)

    got = await fetch(server.base + "/0")

    assert got.moved_to == (server.base + moved_to if moved_to else None)


async def test_a_redirect_in_a_circle_is_stopped_when_it_closes(server: FeedServer):
    server.rule("/a", statuses=(302,), location="/b")
    server.rule("/b", statuses=(302,), location="/a")

    assert "in a circle" in str(await failure_of(server.base + "/a"))
    assert server.paths() == ["/a", "/b"]


async def test_five_hops_are_followed_and_no_more(server: FeedServer):
    for place in range(7):
        server.rule(f"/{place}", statuses=(302,), location=f"/{place + 1}")

    assert "more than 5 times" in str(await failure_of(server.base + "/0"))
    assert len(server.requests) == 6
    server.rule("/7", BODY)
    assert (await fetch(server.base + "/2")).body == BODY


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "data:text/xml,<rss/>", ""]
)
async def test_only_web_addresses_are_followed(server: FeedServer, target: str):
    url = server.rule("/f", statuses=(302,), location=target or "#", headers={})
    if not target:
        server.rules["/f"].location = ""

    assert "redirects" in str(await failure_of(url))


async def test_credentials_stay_with_the_host_they_are_for(server: FeedServer):
    names = Names({"a.example": ["127.0.0.1"], "b.example": ["127.0.0.1"]})
    port = server.base.rpartition(":")[2]
    server.rule("/same", statuses=(302,), location="/away")
    server.rule("/away", statuses=(302,), location=f"http://other:secret@b.example:{port}/f")
    server.rule("/f", BODY)

    got = await fetch(f"http://me:secret@a.example:{port}/same", names=names)

    assert [("Authorization" in request.headers, request.path) for request in server.requests] == [
        (True, "/same"),
        (True, "/away"),
        (False, "/f"),
    ]
    assert "secret" not in got.url


# --- failures in words (F25) ---


@pytest.mark.parametrize(
    ("status", "words", "trouble"),
    [
        (401, "401 Unauthorized", Trouble.REFUSED),
        (403, "403 Forbidden", Trouble.REFUSED),
        (404, "404 Not Found", Trouble.REFUSED),
        (410, "410 Gone", Trouble.GONE),
        (429, "429", Trouble.TOO_MANY),
        (500, "500", Trouble.SERVER),
        (503, "503", Trouble.UNAVAILABLE),
        (204, "204", Trouble.SERVER),
        (799, "799", Trouble.SERVER),
    ],
)
async def test_a_bad_status_is_said_in_words(server: FeedServer, status: int, words: str, trouble: Trouble):
    failure = await failure_of(server.rule("/f", statuses=(status,)))

    assert words in str(failure)
    assert failure.trouble is trouble


async def test_how_long_to_stay_away_comes_with_the_failure(server: FeedServer):
    headers = {"Retry-After": "120", "Cache-Control": "max-age=60"}

    failure = await failure_of(server.rule("/f", statuses=(503,), headers=headers))

    assert (failure.retry_after, failure.fresh_for) == (timedelta(minutes=2), timedelta(minutes=1))


async def test_nobody_listening_is_an_error_in_words(server: FeedServer):
    failure = await failure_of("http://127.0.0.1:9/")

    assert "does not accept connections on port 9" in str(failure)
    assert failure.trouble is Trouble.DEAD


async def test_an_unknown_name_is_an_error_in_words():
    assert "the name nowhere.example is not known" in str(await failure_of("http://nowhere.example/", names=Names()))


@pytest.mark.parametrize("url", ["http://", "http://exa mple.com/", "http://[x/", "http://2130706433:9/"])
async def test_a_wrong_address_is_an_error_in_words(url: str):
    await failure_of(url)


async def test_a_link_header_nobody_can_read_costs_nothing(server: FeedServer):
    assert (await fetch(server.rule("/f", BODY, headers={"Link": '<http://[x>; rel="hub"'}))).body == BODY


# --- time (F9) ---


async def test_a_slow_answer_is_given_up(server: FeedServer):
    failure = await failure_of(server.rule("/f", BODY, delay_s=2), timeout_s=0.2)

    assert failure.trouble is Trouble.TIME


async def test_a_dripping_answer_is_given_up(server: FeedServer):
    started = time.monotonic()

    failure = await failure_of(server.rule("/f", BODY * 10, drip_bytes_per_s=50), timeout_s=0.3)

    assert "within 0.3 seconds" in str(failure)
    assert time.monotonic() - started < 2


async def test_all_hops_together_have_the_time_of_one_fetch(server: FeedServer):
    for place in range(5):
        server.rule(f"/{place}", statuses=(302,), location=f"/{place + 1}", delay_s=0.2)
    started = time.monotonic()

    await failure_of(server.base + "/0", timeout_s=0.5)

    assert time.monotonic() - started < 1


async def test_waiting_for_a_turn_is_not_the_servers_slowness(server: FeedServer):
    urls = [server.rule(f"/{number}", BODY, delay_s=0.3) for number in range(4)]

    async with Fetcher(settings_with(timeout_s=0.6), base_url=OURS) as fetcher:
        got = await asyncio.gather(*(fetcher.get(url) for url in urls))

    assert [one.body for one in got] == [BODY] * 4


# --- size (F8) ---


async def test_too_large_a_document_is_stopped_while_it_comes(server: FeedServer):
    failure = await failure_of(server.rule("/f", b"x" * 2000), max_bytes=1000)

    assert "larger than 1,000 bytes" in str(failure)
    assert failure.trouble is Trouble.SIZE


async def test_gzip_is_unpacked_and_counted_unpacked(server: FeedServer):
    assert (await fetch(server.rule("/f", BODY, gzip=True))).body == BODY
    assert "larger than" in str(
        await failure_of(server.rule("/g", b"<x>" + _noise(40_000) * 40, gzip=True), max_bytes=1_000_000)
    )


def _noise(size: int) -> bytes:
    return bytes((number * 7919) % 251 for number in range(size))


@pytest.mark.parametrize("as_file", [True, False], ids=["a gzip file", "a gzip encoding"])
async def test_a_bomb_costs_neither_time_nor_memory(server: FeedServer, *, as_file: bool):
    bomb = gzip.compress(bytes(200_000_000), 9)
    url = server.rule("/f", bomb, headers={} if as_file else {"Content-Encoding": "gzip"})
    tracemalloc.start()
    started = time.monotonic()

    failure = await failure_of(url)

    took, (_, peak) = time.monotonic() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "200 times its size" in str(failure)
    assert took < 2
    assert peak < 20_000_000


async def test_a_large_body_is_refused_by_what_it_announces(server: FeedServer):
    failure = await failure_of(server.rule("/f", _noise(100), announce=10_000_001))

    assert "10,000,001 bytes are announced" in str(failure)


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(BODY), ""),
        (gzip.compress(gzip.compress(BODY)), "gzip"),
        (gzip.compress(BODY), "x-gzip"),
        (zlib.compress(BODY), "deflate"),
        (zlib.compress(BODY)[2:-4], "deflate"),
        (gzip.compress(zlib.compress(BODY)), "deflate, gzip"),
        (gzip.compress(BODY[:5]) + gzip.compress(BODY[5:]), "gzip"),
        (gzip.compress(BODY) + b"padding", "gzip"),
        (BODY, "gzip"),
        (BODY, "identity"),
    ],
    ids=["file", "file in encoding", "x-gzip", "zlib", "raw deflate", "two", "joined", "padded", "a lie", "identity"],
)
async def test_every_usual_packing_is_unpacked(server: FeedServer, packed: bytes, encoding: str):
    url = server.rule("/f", packed, headers={"Content-Encoding": encoding} if encoding else {})

    assert (await fetch(url)).body == BODY


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(BODY * 100)[:-20], "gzip"),
        (b"\x1f\x8bnot gzip", "gzip"),
        (gzip.compress(BODY * 100)[:-20], ""),
        (BODY, "br"),
        (BODY, ", ".join(["gzip"] * 9)),
    ],
    ids=["cut off", "broken", "a file cut off", "not asked for", "too many layers"],
)
async def test_a_damaged_packing_is_an_error_in_words(server: FeedServer, packed: bytes, encoding: str):
    failure = await failure_of(server.rule("/f", packed, headers={"Content-Encoding": encoding} if encoding else {}))

    assert "damaged" in str(failure)


async def test_an_answer_that_breaks_off_is_an_error_in_words(server: FeedServer):
    failure = await failure_of(server.rule("/f", BODY, announce=len(BODY) + 100))

    assert "broke off" in str(failure)


# --- politeness (F4, F12) ---


async def test_one_request_to_a_host_at_a_time(server: FeedServer):
    urls = [server.rule(f"/{number}", BODY, delay_s=0.02) for number in range(5)]

    async with Fetcher(settings_with(), base_url=OURS) as fetcher:
        await asyncio.gather(*(fetcher.get(url) for url in urls))

    assert len(server.requests) == 5
    assert server.most_at_once == 1


async def test_hosts_do_not_wait_for_each_other(server: FeedServer):
    names = Names(everything="127.0.0.1")
    port = server.base.rpartition(":")[2]
    server.rule("/f", BODY, delay_s=0.2)
    started = time.monotonic()

    async with Fetcher(settings_with(), base_url=OURS, resolver=names) as fetcher:
        await asyncio.gather(*(fetcher.get(f"http://{name}.example:{port}/f") for name in "abcdef"))

    assert time.monotonic() - started < 0.8
    assert server.most_at_once == 1


async def test_pages_of_a_host_are_a_pause_apart(server: FeedServer):
    server.rule("/robots.txt", b"User-agent: *\nAllow: /")
    urls = [server.rule(f"/{number}", BODY) for number in range(4)]

    async with Fetcher(settings_with(page_delay_s=0.15), base_url=OURS) as fetcher:
        await asyncio.gather(*(fetcher.get(url, purpose=Purpose.PAGE) for url in urls))

    at = [request.at for request in server.requests if request.path != "/robots.txt"]
    assert server.paths().count("/robots.txt") == 1
    assert all(after - before >= 0.149 for before, after in itertools.pairwise(at))


async def test_a_hold_of_the_host_needs_a_second_refusal_in_a_row(server: FeedServer):
    """One limited feed of a host that carries many must not starve the others (FreshRSS #7870)."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    limited = [server.rule(f"/limited{n}", statuses=(429,), headers={"Retry-After": "7200"}) for n in (1, 2)]
    good = server.rule("/good", BODY)
    hosts = Hosts(clock=lambda: now)

    async with Fetcher(settings_with(), base_url=OURS, hosts=hosts, clock=lambda: now) as fetcher:
        for url in (limited[0], good, limited[1], limited[0]):
            if url == good:
                assert (await fetcher.get(url)).body == BODY
                continue
            with pytest.raises(FetchFailed) as refused:
                await fetcher.get(url)
            assert refused.value.retry_after == timedelta(hours=2)
        with pytest.raises(FetchFailed, match="left alone until 2026-01-01 01:00 UTC") as held:
            await fetcher.get(good)
        now += timedelta(hours=1)
        assert (await fetcher.get(good)).body == BODY

    assert held.value.trouble is Trouble.HELD
    assert server.paths() == ["/limited1", "/good", "/limited2", "/limited1", "/good"]
