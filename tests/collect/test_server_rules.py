"""The misbehaving server of newsroom-day's server-rules.json, rule by rule and all in one run (F1–F11, F25)."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest.collect.refresh import Outcome
from digest.model.article import SourceKind
from digest.model.health import SourceState
from support.collecting import Desk
from support.feedserver import FeedServer, play_newsroom

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_GOOD = ("alpha-herald/rss.xml", "alpha-herald/world.xml", "bay-courier/atom.xml", "cable-wire/feed.rdf",
         "echo-times/feed.xml", "fjord-quotidien/rss.xml", "gazette-north/rss.xml", "harbor-news/index.xml",
         "iron-mail/091.xml")  # fmt: skip
_FAULTS = {
    "loop.xml": "in a circle",
    "gone.xml": "410 Gone",
    "missing.xml": "404 Not Found",
    "slow.xml": "did not finish answering",
    "drip.xml": "did not finish answering",
    "busy.xml": "429 Too Many Requests",
    "down.xml": "503 Service Unavailable",
    "flaky.xml": "500 Internal Server Error",
    "ssrf.xml": "private network",
    "file.xml": "redirects to 'file:///etc/passwd'",
    "bomb.xml": "too large",
    "empty.xml": "empty",
    "alpha-herald/huge.xml.gz": "too large",
}


@pytest.fixture
def newsroom(desk: Desk, server: FeedServer, shared_data: Path, now: datetime) -> Desk:
    play_newsroom(server, shared_data / "articles/newsroom-day", now=now)
    # 169.254.169.254 must be refused while this server, on 127.0.0.1, is allowed
    desk.collect = {"allow_private_networks": False, "allow_networks": ["127.0.0.1/32"], "timeout_s": 1}
    return desk


async def test_every_fault_in_one_run_costs_the_good_feeds_nothing(newsroom: Desk, server: FeedServer, now: datetime):
    server.rules["/drip.xml"].drip_bytes_per_s = 50
    added = {path: newsroom.add(f"{server.base}/{path}", now=now) for path in (*_FAULTS, *_GOOD)}
    tracemalloc.start()
    began = time.monotonic()

    reports = {report.url.removeprefix(server.base + "/"): report for report in await newsroom.run(now)}

    took, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for path, words in _FAULTS.items():
        assert words in (reports[path].error or ""), path
        assert newsroom.health(added[path], now=now).state is not SourceState.OK
    for path in _GOOD:
        assert (reports[path].outcome, reports[path].error) == (Outcome.FETCHED, None), path
        after = newsroom.source(added[path])
        assert after.last_success_at == now
        assert after.item_count > 0
        assert after.next_poll_at > now
    assert len(newsroom.articles()) > 150
    assert took < 15
    assert peak < 120_000_000


@pytest.mark.parametrize(
    ("path", "final", "moves"),
    [("old/rss.xml", "alpha-herald/rss.xml", True), ("temp/rss.xml", "bay-courier/atom.xml", False),
     ("hop1", "cable-wire/feed.rdf", False)],
)  # fmt: skip
async def test_redirects_are_followed_and_only_the_permanent_one_is_stored(
    newsroom: Desk, server: FeedServer, *, now: datetime, path: str, final: str, moves: bool
):
    source = newsroom.add(f"{server.base}/{path}", now=now)

    for days in range(4):
        assert (await newsroom.run(now + days * _DAY, all_sources=True))[0].error is None

    assert newsroom.source(source).url == f"{server.base}/{final if moves else path}"


async def test_the_second_poll_is_conditional_and_reads_nothing(newsroom: Desk, server: FeedServer, now: datetime):
    source = newsroom.add(server.base + "/etag.xml", now=now)
    await newsroom.run(now)

    again = await newsroom.run(now + _HOUR)

    sent = server.requests[1].headers
    assert sent["If-None-Match"] == server.rules["/etag.xml"].headers["ETag"] == newsroom.source(source).etag
    assert sent["If-Modified-Since"] == server.rules["/etag.xml"].headers["Last-Modified"]
    assert again[0].outcome is Outcome.UNCHANGED


@pytest.mark.parametrize(("path", "seconds"), [("busy.xml", 120), ("down.xml", 300)])
async def test_nothing_is_asked_before_retry_after(
    newsroom: Desk, server: FeedServer, *, now: datetime, path: str, seconds: int
):
    source = newsroom.add(f"{server.base}/{path}", now=now)
    await newsroom.run(now)

    for early in range(10, seconds, 30):
        await newsroom.run(now + timedelta(seconds=early), all_sources=True)

    assert server.paths() == [f"/{path}"]
    assert newsroom.source(source).not_before == now + timedelta(seconds=seconds)
    await newsroom.run(now + timedelta(seconds=seconds), all_sources=True)
    assert server.paths() == [f"/{path}"] * 2


async def test_a_flaky_feed_is_tried_again_with_back_off_until_it_comes(
    newsroom: Desk, server: FeedServer, now: datetime
):
    source = newsroom.add(server.base + "/flaky.xml", now=now)
    outcomes = []
    at = now
    while len(outcomes) < 3:
        outcomes += [report.outcome for report in await newsroom.run(at)]
        at += 15 * _MINUTE

    assert outcomes == [Outcome.FAILED, Outcome.FAILED, Outcome.FETCHED]
    assert at - now == 3 * _HOUR + 15 * _MINUTE
    assert newsroom.source(source).failures == 0


async def test_a_gone_feed_is_not_asked_twice(newsroom: Desk, server: FeedServer, now: datetime):
    newsroom.add(server.base + "/gone.xml", now=now)

    for days in range(3):
        await newsroom.run(now + days * _DAY, all_sources=True)

    assert server.paths() == ["/gone.xml"]


async def test_old_items_stay_when_a_feed_comes_empty(newsroom: Desk, server: FeedServer, now: datetime):
    source = newsroom.add(server.base + "/alpha-herald/rss.xml", now=now)
    await newsroom.run(now)
    before = newsroom.articles()
    server.rules["/alpha-herald/rss.xml"] = server.rules["/empty.xml"]

    reports = await newsroom.run(now + _HOUR)

    assert reports[0].outcome is Outcome.FAILED
    assert newsroom.articles() == before
    assert newsroom.source(source).item_count > 0


async def test_a_body_cut_off_in_the_middle_is_noticed_or_read_as_far_as_it_goes(
    newsroom: Desk, server: FeedServer, now: datetime
):
    newsroom.add(server.base + "/short-length.xml", now=now)

    (report,) = await newsroom.run(now)

    assert report.error or report.new > 0


async def test_an_unchanged_day_costs_less_than_a_kilobyte_a_feed(newsroom: Desk, server: FeedServer, now: datetime):
    for path in _GOOD:
        newsroom.add(f"{server.base}/{path}", now=now)
    await newsroom.run(now)
    server.requests.clear()

    reports = await newsroom.run(now + _HOUR)

    assert {report.outcome for report in reports} == {Outcome.UNCHANGED}
    assert Counter(server.paths()) == Counter(f"/{path}" for path in _GOOD)
    assert max(_request_bytes(request.headers, request.path) for request in server.requests) < 700


def _request_bytes(headers: dict[str, str], path: str) -> int:
    """Bytes of a request on the wire (RFC 9112 §3). An answer 304 has about 200 more, and no body."""
    return len(f"GET {path} HTTP/1.1\r\n\r\n") + sum(len(name) + len(value) + 4 for name, value in headers.items())


@pytest.mark.parametrize(
    ("path", "kind", "count"),
    [
        ("kestrel-online/sitemap_index.xml", SourceKind.SITEMAP, 30),
        ("lumen-local/index.html", SourceKind.PAGE, 30),
        ("echo-times/feed.xml", SourceKind.RSS, 33),
    ],
)
async def test_articles_get_their_text_from_their_pages(
    newsroom: Desk, server: FeedServer, *, now: datetime, path: str, kind: SourceKind, count: int
):
    server.written_for = "http://127.0.0.1:8808"
    newsroom.collect |= {"full_text": True, "page_delay_s": 0, "timeout_s": 10}
    newsroom.add(f"{server.base}/{path}", now=now, kind=kind)

    (report,) = await newsroom.run(now)
    again = await newsroom.run(now + _HOUR, all_sources=True)

    found = newsroom.articles()
    assert (report.error, report.new, report.pages) == (None, count, count)
    assert len(found) == count
    assert min(len(article.text) for article in found) > 250
    assert [(one.outcome, one.new, one.updated, one.pages) for one in again] == [(Outcome.UNCHANGED, 0, 0, 0)]
    assert not [number for path, number in Counter(server.paths()).items() if "/2025/" in path and number > 1]
