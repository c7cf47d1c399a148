"""What a source's server says of time, place and failure, and what is remembered of it (F1–F7, F25)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.collect.children import read_children
from digest.collect.fetch import Fetcher
from digest.collect.refresh import Outcome
from digest.config.settings import Settings
from digest.model.article import Child, Source, SourceKind
from digest.model.errors import SourceUnreachable
from digest.model.health import SourceState
from digest.store import audit, sources
from digest.store.engine import Store
from support.collecting import Desk
from support.feeddocs import rss, rss_item
from support.feedserver import FeedServer
from support.names import Names

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def test_validators_stay_over_304_and_take_new_values_from_it(desk: Desk, server: FeedServer, now: datetime):
    headers = {"ETag": '"1"', "Last-Modified": "Wed, 20 Aug 2025 06:00:00 GMT"}
    source = desk.add(server.rule("/f", rss(rss_item(1)), headers=headers, conditional=True), now=now)
    await desk.run(now)
    server.rules["/f"].headers.pop("Last-Modified")  # a 304 that says less

    again = await desk.run(now + _HOUR)

    after = desk.source(source)
    assert again[0].outcome is Outcome.UNCHANGED
    assert (after.etag, after.last_modified) == ('"1"', "Wed, 20 Aug 2025 06:00:00 GMT")


async def test_a_new_body_without_validators_forgets_the_old_ones(desk: Desk, server: FeedServer, now: datetime):
    source = desk.add(server.rule("/f", rss(rss_item(1)), headers={"ETag": '"1"'}), now=now)
    await desk.run(now)
    server.rule("/f", rss(rss_item(2)))

    await desk.run(now + _HOUR)

    assert desk.source(source).etag is None


@pytest.mark.parametrize("status", [200, 304, 429, 500])
async def test_nobody_asks_before_max_age_is_over_not_even_all(
    desk: Desk, server: FeedServer, *, now: datetime, status: int
):
    headers = {"Cache-Control": "max-age=7200", "ETag": '"1"'}
    source = desk.add(server.rule("/f", rss(rss_item(1)), headers=headers), now=now)
    if status == 304:
        await desk.run(now - _DAY, all_sources=True)
    server.rules["/f"].statuses = (status,)
    await desk.run(now, all_sources=True)
    asked = len(server.requests)

    early = await desk.run(now + 119 * _MINUTE, all_sources=True)

    assert [report.outcome for report in early] == [Outcome.WAITING]
    assert "before 2025-08-20 14:00 UTC" in (early[0].error or "")
    assert len(server.requests) == asked
    assert desk.source(source).failures == (1 if status >= 400 else 0)
    await desk.run(now + 121 * _MINUTE, all_sources=True)
    assert len(server.requests) == asked + 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_source_is_held_as_long_as_its_server_says(
    desk: Desk, server: FeedServer, *, now: datetime, status: int
):
    source = desk.add(server.rule("/f", statuses=(status,), headers={"Retry-After": "10800"}), now=now)
    await desk.run(now)

    held = desk.health(source, now=now + _MINUTE)
    assert held.state is SourceState.HELD
    assert "held until 2025-08-20 15:00 UTC" in held.words
    assert await desk.run(now + 2 * _HOUR) == []
    assert (await desk.run(now + 2 * _HOUR, all_sources=True))[0].outcome is Outcome.WAITING
    assert len(server.requests) == 1
    await desk.run(now + 3 * _HOUR)
    assert len(server.requests) == 2


async def test_a_503_holds_the_feed_and_not_the_host(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/down", statuses=(503,), headers={"Retry-After": "300"}), now=now)
    desk.add(server.rule("/up", rss(rss_item(1))), now=now)

    assert [report.outcome for report in await desk.run(now)] == [Outcome.FAILED, Outcome.FETCHED]


async def test_a_host_that_refuses_twice_in_a_row_is_held_and_each_feed_has_its_turn_in_the_end(
    desk: Desk, server: FeedServer, now: datetime
):
    """Many feeds on one limited host: two requests an hour, and never the same feeds again and again."""
    added = [
        desk.add(server.rule(f"/{n}", rss(rss_item(n)), statuses=(429,), headers={"Retry-After": "86400"}), now=now)
        for n in range(6)
    ]
    first = await desk.run(now)

    assert [report.outcome for report in first] == [Outcome.FAILED] * 2 + [Outcome.WAITING] * 4
    assert all(desk.source(source).failures == 0 for source in added[2:])
    assert [r.outcome for r in await desk.run(now + 59 * _MINUTE)] == [Outcome.WAITING] * 4
    assert len(server.requests) == 2
    for rule in server.rules.values():
        rule.statuses = (200,)
    later = await desk.run(now + 61 * _MINUTE)
    assert [report.outcome for report in later] == [Outcome.FETCHED] * 4
    assert server.paths() == ["/0", "/1", "/2", "/3", "/4", "/5"]


async def test_back_off_survives_a_restart_and_success_forgives(desk: Desk, server: FeedServer, now: datetime):
    source = desk.add(server.rule("/f", rss(rss_item(1)), statuses=(500, 502, 200)), now=now)

    await desk.run(now)
    desk.store = Store(desk.store.url.render_as_string(hide_password=False))
    assert await desk.run(now + 59 * _MINUTE) == []
    await desk.run(now + 60 * _MINUTE)
    assert await desk.run(now + 179 * _MINUTE) == []
    recovered = await desk.run(now + 180 * _MINUTE)

    after = desk.source(source)
    desk.store.close()
    assert recovered[0].outcome is Outcome.FETCHED
    assert (after.failures, after.failing_since, after.last_error) == (0, None, None)


async def test_a_source_that_is_gone_is_not_asked_again_until_somebody_resumes_it(
    desk: Desk, server: FeedServer, now: datetime
):
    source = desk.add(server.rule("/f", statuses=(410,)), now=now)
    await desk.run(now)

    gone = desk.health(source, now=now)
    assert gone.state is SourceState.GONE
    assert gone.needs_somebody
    assert "it is not asked any more" in gone.words
    assert await desk.run(now + 7 * _DAY, all_sources=True) == []
    assert len(server.requests) == 1
    with desk.store.write() as tx:
        sources.set_paused(tx, source.id, False)
    await desk.run(now + 7 * _DAY)
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_failing_five_times_over_three_days_is_lasting_and_tried_daily(
    desk: Desk, server: FeedServer, *, now: datetime, status: int
):
    source = desk.add(server.rule("/f", statuses=(status,)), now=now)
    at, states = now, []
    for _ in range(9):
        await desk.run(at)
        states.append(desk.health(source, now=at).state)
        assert desk.source(source).last_polled_at == at
        at = desk.source(source).next_poll_at

    lasting = desk.health(source, now=at)
    hours = [1, 2, 4, 8, 16, 24, 24, 24, 24]
    assert at - now == sum(hours) * _HOUR
    # 1 + 2 + 4 + 8 + 16 + 24 + 24 h is the first time that three days are over
    assert states == [SourceState.RETRYING] * 7 + [SourceState.FAILING] * 2
    assert "failing since 2025-08-20 12:00 UTC, 9 times" in lasting.words


async def test_a_permanent_redirect_is_believed_on_the_third_poll_after_a_day(
    desk: Desk, server: FeedServer, now: datetime
):
    server.rule("/new", rss(rss_item(1)))
    old = server.rule("/old", statuses=(301,), location="/new")
    source = desk.add(old, now=now)

    seen = []
    for hours in (0, 1, 2, 23, 25):
        await desk.run(now + hours * _HOUR, all_sources=True)
        seen.append(desk.source(source).url)
    with desk.store.read() as tx:
        entries = audit.of_subject(tx, f"source:{source.id}")

    assert seen == [old] * 4 + [server.base + "/new"]
    assert [(entry.action, entry.actor) for entry in entries] == [("source.moved", "collector")]
    assert f"from {old} to {server.base}/new" in entries[0].detail
    assert [report.new for report in await desk.run(now + 27 * _HOUR)] == [0]
    assert server.paths()[-1] == "/new"


async def test_one_poll_without_the_redirect_begins_the_count_anew(desk: Desk, server: FeedServer, now: datetime):
    server.rule("/new", rss(rss_item(1)))
    source = desk.add(server.rule("/old", rss(rss_item(1)), statuses=(301, 301, 200, 301), location="/new"), now=now)

    for days in range(5):
        await desk.run(now + days * _DAY)

    assert desk.source(source).url == server.base + "/old"
    assert desk.source(source).moved_seen == 2


@pytest.mark.parametrize("status", [302, 303, 307])
async def test_a_temporary_redirect_is_never_believed(desk: Desk, server: FeedServer, *, now: datetime, status: int):
    server.rule("/new", rss(rss_item(1)))
    source = desk.add(server.rule("/old", statuses=(status,), location="/new"), now=now)

    for days in range(5):
        await desk.run(now + days * _DAY)

    assert desk.source(source).url == server.base + "/old"


async def test_a_source_does_not_move_to_where_another_one_is(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/new", rss(rss_item(1))), now=now)
    source = desk.add(server.rule("/old", statuses=(301,), location="/new"), now=now)

    for days in range(6):
        await desk.run(now + days * _DAY)
    with desk.store.read() as tx:
        entries = audit.of_subject(tx, f"source:{source.id}")

    assert desk.source(source).url == server.base + "/old"
    assert [entry.action for entry in entries] == ["source.doubled"]


async def test_a_dead_http_address_is_tried_over_https_once(desk: Desk, now: datetime):
    """Both are dead here: it is the http address that is told, and neither is asked twice."""
    desk.names = Names({"news.example": ["127.0.0.9"]})
    source = desk.add("http://news.example/feed", now=now)

    reports = await desk.run(now)

    assert "news.example does not accept connections on port 80" in (reports[0].error or "")
    assert desk.names.asked["news.example"] <= 2
    assert desk.source(source).failures == 1


async def test_a_host_that_takes_no_connection_is_tried_twice_a_run_and_its_feeds_take_turns(desk: Desk, now: datetime):
    desk.names = Names({"news.example": ["127.0.0.9"]})
    added = [desk.add(f"https://news.example/{n}", now=now) for n in range(5)]

    first = await desk.run(now, all_sources=True)
    second = await desk.run(now + _MINUTE)

    assert [report.outcome for report in first] == [Outcome.FAILED] * 2 + [Outcome.WAITING] * 3
    assert "news.example takes no connections" in (first[2].error or "")
    assert [report.source_id for report in second if report.outcome is Outcome.FAILED] == [one.id for one in added[2:4]]
    assert [desk.source(source).failures for source in added] == [1, 1, 1, 1, 0]


async def test_a_feed_that_turns_into_a_web_page_is_an_error_and_gives_no_articles(
    desk: Desk, server: FeedServer, now: datetime
):
    source = desk.add(server.rule("/f", rss(rss_item(1))), now=now)
    await desk.run(now)
    server.rule("/f", b"<!doctype html><html><body><h1>Site under construction</h1><p>Come back.</p></body></html>")

    reports = await desk.run(now + _HOUR)

    assert reports[0].outcome is Outcome.FAILED
    assert "web page" in (reports[0].error or "")
    assert len(desk.articles()) == 1
    assert desk.source(source).item_count == 1


async def test_entries_that_another_source_brought_are_told_apart(desk: Desk, server: FeedServer, now: datetime):
    desk.add(server.rule("/a", rss(rss_item(1), rss_item(2))), now=now)
    await desk.run(now)
    desk.add(server.rule("/b", rss(rss_item(2), rss_item(3))), now=now)

    reports = await desk.run(now + _MINUTE)

    assert [(report.new, report.updated, report.merged) for report in reports] == [(1, 0, 1)]


async def test_a_habit_is_learned_and_silence_beyond_it_is_told(desk: Desk, server: FeedServer, now: datetime):
    source = desk.add(server.rule("/f", rss(rss_item(0))), now=now)
    for day in range(8):
        server.rule("/f", rss(rss_item(day)))
        await desk.run(now + day * _DAY)
    last = now + 7 * _DAY

    assert [seconds for _, seconds in desk.source(source).gaps] == [86400.0] * 7
    for hours in (30, 37):
        await desk.run(last + hours * _HOUR)
    assert desk.health(source, now=last + 30 * _HOUR).words == "ok"
    silent = desk.health(source, now=last + 37 * _HOUR)
    assert silent.state is SourceState.OK
    assert silent.words == "nothing new for 37 hours; usually something comes within 24 hours"
    assert silent.needs_somebody


async def test_a_run_ends_by_its_deadline_with_what_is_there(desk: Desk, server: FeedServer, now: datetime):
    desk.names = Names(everything="127.0.0.1")
    desk.collect = {"deadline_s": 0.6}
    port = server.base.rpartition(":")[2]
    server.rule("/slow", rss(rss_item(1)), delay_s=3)
    server.rule("/good", rss(rss_item(2)))
    slow = desk.add(f"http://a.example:{port}/slow", now=now)
    desk.add(f"http://b.example:{port}/good", now=now)

    reports = await desk.run(now)

    assert [report.outcome for report in reports] == [Outcome.LATE, Outcome.FETCHED]
    assert "0.6 seconds" in (reports[0].error or "")
    assert len(desk.articles()) == 1
    assert (desk.source(slow).failures, desk.source(slow).next_poll_at) == (0, now)


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("Wed, 20 Aug 2025 10:00:00", 8),
        ("2025-08-20T10:00:00", 8),
        ("2025-08-20 10:00", 8),
        ("20 August 2025 10:00", 8),
        ("Wed, 20 Aug 2025 10:00:00 GMT", 10),
        ("Wed, 20 Aug 2025 10:00:00 +0000", 10),
        ("Wed, 20 Aug 2025 10:00:00 EDT", 14),
        ("2025-08-20T10:00:00Z", 10),
        ("2025-08-20T10:00:00-04:00", 14),
    ],
)
async def test_a_time_without_a_zone_is_the_sources_local_time(
    desk: Desk, server: FeedServer, *, now: datetime, written: str, hour: int
):
    source = desk.add(server.rule("/f", rss(rss_item(1, pubDate=written))), now=now)
    with desk.store.write() as tx:
        sources.configure(tx, source.id, timezone="Europe/Berlin")

    await desk.run(now + _DAY)

    assert desk.articles()[0].published_at == datetime(2025, 8, 20, hour, tzinfo=UTC)


async def test_a_local_source_is_looked_at_again_after_a_quarter_of_an_hour(desk: Desk, tmp_path: Path, now: datetime):
    (tmp_path / "a.txt").write_text("One\n\nText of one.")
    source = desk.add(str(tmp_path / "a.txt"), now=now, kind=SourceKind.FILE)

    await desk.run(now)

    assert desk.source(source).next_poll_at == now + 15 * _MINUTE


# --- sitemaps of an index ---


def _index(*children: Child) -> Source:
    return Source(
        *(1, SourceKind.SITEMAP, "https://example.com/index.xml", "Index", None, None, None, None, None),
        *(datetime(2025, 8, 20, tzinfo=UTC), 0, None, None, 0, False),
        children=children,
    )


async def test_the_newest_sitemaps_of_an_index_are_read_and_a_missing_one_is_not_fatal(
    settings: Settings, server: FeedServer, now: datetime
):
    listed = [server.rule(f"/{n}", rss(rss_item(n)), headers={"ETag": f'"{n}"'}, conditional=True) for n in range(7)]
    del server.rules["/1"]

    async with Fetcher(settings.collect, base_url="https://digest.example.com") as fetcher:
        first = await read_children(fetcher, _index(), listed, now=now)
        second = await read_children(fetcher, _index(*first.records), listed, now=now)

    assert [url for url, _ in first.feeds] == [listed[0], *listed[2:5]]
    assert [odd.code for odd in first.warnings] == ["child-failed"]
    assert second.feeds == ()
    assert second.records == first.records
    assert server.paths() == ["/0", "/1", "/2", "/3", "/4"] * 2


async def test_an_index_of_which_nothing_can_be_read_is_a_failure(
    settings: Settings, server: FeedServer, now: datetime
):
    async with Fetcher(settings.collect, base_url="https://digest.example.com") as fetcher:
        with pytest.raises(SourceUnreachable, match="none of the sitemaps"):
            await read_children(fetcher, _index(), [server.base + "/x", server.base + "/y"], now=now)


async def test_entries_in_unwanted_languages_never_reach_the_ledger(desk: Desk, server: FeedServer, now: datetime):
    def entry(number: int, language: str) -> str:
        name = f"<news:publication><news:name>A</news:name><news:language>{language}</news:language></news:publication>"
        news = f"<news:news>{name}<news:title>Item {number} in {language}</news:title></news:news>"
        return f"<url><loc>https://a.example/{number}.html</loc>{news}</url>"

    spaces = (
        'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        ' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    )
    child = server.rule("/1.xml", f"<urlset {spaces}>{entry(1, 'en')}{entry(2, 'fr')}</urlset>".encode())
    index = f"<sitemapindex {spaces}><sitemap><loc>{child}</loc></sitemap></sitemapindex>".encode()
    desk.add(server.rule("/index.xml", index), now=now, kind=SourceKind.SITEMAP)
    desk.collect = {"languages": ("en", "ga"), "full_text": False}

    await desk.run(now)

    assert [article.title for article in desk.articles()] == ["Item 1 in en"]
