"""Full texts (F20): pages are fetched politely, once, within the deadline, and never instead of the feed's own text."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from html import escape

import pytest

from digest.model.article import Source
from digest.model.fetching import Page, PageState
from digest.store import articles, pages, sources
from digest.store.pages import Wanted
from digest.text import url as urls
from support.articlepages import article_page, words
from support.collecting import Desk
from support.feeddocs import rss, rss_item
from support.feedserver import FeedServer

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def desk(desk: Desk, server: FeedServer) -> Desk:
    desk.collect = {"full_text": True, "page_delay_s": 0}
    server.rule("/robots.txt", b"User-agent: *\nAllow: /")
    return desk


def _teaser(server: FeedServer, number: int, **fields: str) -> str:
    opening = words(number, sentences=2)
    return rss_item(number, link=f"{server.base}/{number}", description=escape(f"<p>{opening}</p>"), **fields)


def _pages(desk: Desk) -> list[Page]:
    with desk.store.read() as tx:
        return [page for article in articles.list_recent(tx) for page in pages.of_article(tx, article.id)]


def _asked(server: FeedServer) -> list[str]:
    return [path for path in server.paths() if path not in {"/f", "/robots.txt"}]


async def test_a_teaser_gets_the_text_of_its_page_and_a_whole_text_stays(desk: Desk, server: FeedServer, now: datetime):
    whole = rss_item(2, link=f"{server.base}/2", description=escape(f"<p>{words(2)}</p>"))
    desk.add(server.rule("/f", rss(_teaser(server, 1), whole)), now=now)
    server.rule("/1", article_page(1), headers={"Content-Type": "text/html"})

    reports = await desk.run(now)

    texts = {article.title: article for article in desk.articles()}
    assert [(report.new, report.pages) for report in reports] == [(2, 1)]
    assert texts["Story number 1"].text.startswith("Sentence 1 of story 1 tells")
    assert "Sentence 14 of story 1" in texts["Story number 1"].text
    assert "Sport" not in texts["Story number 1"].text
    assert texts["Story number 1"].updated_at is None
    assert _asked(server) == ["/1"]


async def test_a_site_whose_rules_cannot_be_had_is_left_alone_for_now(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/f", rss(_teaser(server, 1))), now=now)
    server.rule("/1", article_page(1))
    server.rule("/robots.txt", b"", statuses=(503, 200))

    await desk.run(now)
    assert [page.state for page in _pages(desk)] == [PageState.WAITING]
    assert _asked(server) == []
    await desk.run(now + 2 * _HOUR)

    assert [page.state for page in _pages(desk)] == [PageState.TAKEN]


async def test_a_page_is_fetched_once_and_its_text_survives_the_feed(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/f", rss(_teaser(server, 1))), now=now)
    server.rule("/1", article_page(1))
    await desk.run(now)
    server.rule("/f", rss(_teaser(server, 1), rss_item(9, description=escape(f"<p>{words(9)}</p>"))))

    reports = await desk.run(now + _HOUR)

    article = next(one for one in desk.articles() if one.title == "Story number 1")
    assert [(report.new, report.updated) for report in reports] == [(1, 0)]
    assert "Sentence 14 of story 1" in article.text
    assert article.updated_at is None
    assert _asked(server) == ["/1"]


async def test_a_changed_entry_has_its_page_fetched_again(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/f", rss(_teaser(server, 1))), now=now)
    server.rule("/1", article_page(1))
    await desk.run(now)
    server.rule("/f", rss(_teaser(server, 1, title="Story number one, corrected")))
    server.rule("/1", article_page(1, title="Story number one, corrected", text=words(1, sentences=20)))

    reports = await desk.run(now + _HOUR)

    (article,) = desk.articles()
    assert [(report.new, report.updated) for report in reports] == [(0, 1)]
    assert article.title == "Story number one, corrected"
    assert "Sentence 20 of story 1" in article.text
    assert _asked(server) == ["/1", "/1"]


async def test_the_feeds_own_text_is_there_whatever_becomes_of_the_page(desk: Desk, server: FeedServer, now: datetime):
    numbers = range(1, 6)
    desk.add(server.rule("/f", rss(*(_teaser(server, number) for number in numbers))), now=now)
    server.rule("/1", statuses=(404,))
    server.rule("/2", statuses=(500,))
    server.rule("/3", b"%PDF-1.7", headers={"Content-Type": "application/pdf"})
    server.rule("/4", b"<html></html>")
    server.rule("/robots.txt", b"User-agent: *\nDisallow: /5")

    reports = await desk.run(now)

    states = {page.url.rpartition("/")[2]: page.state for page in _pages(desk)}
    assert [(report.new, report.pages, report.error) for report in reports] == [(5, 0, None)]
    assert [article.text for article in desk.articles()] == [words(number, sentences=2) for number in numbers]
    assert {states[number] for number in "135"} == {PageState.FAILED}
    assert states["2"] is PageState.WAITING
    assert states["4"] in {PageState.KEPT, PageState.FAILED}
    assert all(page.detail for page in _pages(desk))


async def test_what_may_pass_is_tried_three_times_and_then_left(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/f", rss(_teaser(server, 1)), headers={"Cache-Control": "max-age=86400"}), now=now)
    server.rule("/1", statuses=(503,))

    for hours in (0, 0.5, 1, 2.5, 3, 10, 23):
        await desk.run(now + hours * _HOUR)

    assert _asked(server) == ["/1"] * 3
    assert [page.state for page in _pages(desk)] == [PageState.FAILED]


async def test_pages_left_over_from_a_run_are_fetched_by_the_next_without_asking_the_feed(
    desk: Desk, server: FeedServer, now: datetime
):
    desk.collect |= {"deadline_s": 0.8, "page_delay_s": 0.5}
    headers = {"Cache-Control": "max-age=86400"}
    desk.add(server.rule("/f", rss(*(_teaser(server, number) for number in (1, 2, 3))), headers=headers), now=now)
    for number in (1, 2, 3):
        server.rule(f"/{number}", article_page(number))

    first = await desk.run(now)
    got = len(_asked(server))
    desk.collect |= {"deadline_s": 20, "page_delay_s": 0}
    await desk.run(now + _MINUTE)

    assert [report.new for report in first] == [3]
    assert 1 <= got < 3
    assert len(set(_asked(server))) == 3
    assert [page.state for page in _pages(desk)] == [PageState.TAKEN] * 3
    assert server.paths().count("/f") == 1


async def test_a_source_can_do_without_full_texts(desk: Desk, server: FeedServer, now: datetime):
    source = desk.add(server.rule("/f", rss(_teaser(server, 1))), now=now)
    with desk.store.write() as tx:
        sources.configure(tx, source.id, full_text=False)

    await desk.run(now)

    assert _asked(server) == []


async def test_two_sources_of_one_article_fetch_its_page_once(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/f", rss(_teaser(server, 1))), now=now)
    desk.add(server.rule("/g", rss(_teaser(server, 1))), now=now)
    server.rule("/1", article_page(1))

    await desk.run(now)

    assert server.paths().count("/1") == 1
    assert "Sentence 14 of story 1" in desk.articles()[0].text


async def test_one_address_for_several_entries_is_no_articles_page(desk: Desk, server: FeedServer, now: datetime):
    entries = [rss_item(number, link=f"{server.base}/live") for number in (1, 2)]
    desk.add(server.rule("/f", rss(*entries)), now=now)

    await desk.run(now)

    assert _asked(server) == []
    assert len(desk.articles()) == 2


async def test_a_page_of_which_only_the_address_was_known_becomes_an_article(
    desk: Desk, server: FeedServer, now: datetime
):
    source = desk.add(server.rule("/f", rss(rss_item(9, description=escape(words(9))))), now=now)
    canonical = f'<link rel="canonical" href="{server.base}/1">'
    server.rule("/amp/1", article_page(1, head=canonical))
    server.rule("/2", b"<html><body>nothing</body></html>")
    _ask(desk, source, f"{server.base}/amp/1", f"{server.base}/2", now=now)

    await desk.run(now)

    (article,) = [one for one in desk.articles() if one.title == "Story number 1"]
    assert article.url == server.base + "/1"
    assert "Sentence 14 of story 1" in article.text
    assert len(desk.articles()) == 2


def _ask(desk: Desk, source: Source, *found: str, now: datetime) -> None:
    wanted = [Wanted(url, urls.canonical(url), None) for url in found]
    with desk.store.write() as tx:
        pages.ask_for(tx, source.id, wanted, first_seen_from=now - _DAY, now=now)


async def test_forty_pages_of_a_host_come_one_at_a_time_and_a_pause_apart(
    desk: Desk, server: FeedServer, now: datetime
):
    desk.collect |= {"page_delay_s": 0.05}
    numbers = range(1, 41)
    desk.add(server.rule("/f", rss(*(_teaser(server, number) for number in numbers))), now=now)
    for number in numbers:
        server.rule(f"/{number}", article_page(number))

    reports = await desk.run(now)

    asked = [request.at for request in server.requests if request.path not in {"/f", "/robots.txt"}]
    gaps = [after - before for before, after in itertools.pairwise(asked)]
    assert reports[0].pages == 40
    assert server.most_at_once == 1
    assert min(gaps) >= 0.049
    assert server.paths()[:2] == ["/f", "/robots.txt"]
    assert server.paths().count("/robots.txt") == 1
