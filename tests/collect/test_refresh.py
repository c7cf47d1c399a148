from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest import feeds
from digest.collect import refresh as module
from digest.collect.refresh import Outcome, SourceReport, refresh
from digest.config.settings import Settings
from digest.model.article import Source, SourceKind
from digest.model.publication import Publication
from digest.store import articles, sources
from digest.store.engine import Store
from support.feeddocs import rss, rss_item
from support.feedserver import FeedServer

_HOUR = timedelta(hours=1)


def _add(
    store: Store, publication: Publication, url: str, *, now: datetime, kind: SourceKind = SourceKind.RSS
) -> Source:
    with store.write() as tx:
        source = sources.add(tx, kind, url=url, title="News", now=now)
        sources.link(tx, publication.id, source.id)
    return source


def _get(store: Store, source: Source) -> Source:
    with store.read() as tx:
        return sources.get(tx, source.id)


async def test_due_sources_are_fetched_and_stored(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    raw = rss(rss_item(1), rss_item(2), head="<ttl>120</ttl>")
    source = _add(store, publication, server.rule("/f", raw, headers={"ETag": '"1"'}), now=now)

    reports = await refresh(store, publication.id, settings=settings, now=now)

    after = _get(store, source)
    assert [(report.outcome, report.new) for report in reports] == [(Outcome.FETCHED, 2)]
    assert (after.etag, after.item_count, after.failures, after.last_success_at) == ('"1"', 2, 0, now)
    assert abs(after.next_poll_at - now - 2 * _HOUR) <= 0.1 * 2 * _HOUR


async def test_a_source_not_due_is_left_alone_unless_all_are_asked_for(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    _add(store, publication, server.rule("/f", rss(rss_item(1))), now=now)
    await refresh(store, publication.id, settings=settings, now=now)

    assert await refresh(store, publication.id, settings=settings, now=now + timedelta(minutes=13)) == []
    assert len(await refresh(store, publication.id, settings=settings, now=now, all_sources=True)) == 1


@pytest.mark.parametrize("conditional", [True, False], ids=["304", "equal body"])
async def test_an_unchanged_feed_is_not_parsed_again(
    store: Store,
    *,
    publication: Publication,
    settings: Settings,
    server: FeedServer,
    now: datetime,
    conditional: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    url = server.rule("/f", rss(rss_item(1)), headers={"ETag": '"1"'}, conditional=conditional)
    source = _add(store, publication, url, now=now)
    await refresh(store, publication.id, settings=settings, now=now)
    monkeypatch.setattr(feeds, "parse", None)  # calling it would be a TypeError

    reports = await refresh(store, publication.id, settings=settings, now=now + _HOUR)

    assert reports[0].outcome is Outcome.UNCHANGED
    assert _get(store, source).last_success_at == now + _HOUR
    assert _get(store, source).etag == '"1"'


async def test_a_failing_source_costs_the_others_nothing(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    missing = _add(store, publication, server.base + "/missing", now=now)
    page = _add(store, publication, server.rule("/page", b"<html><body>x</body></html>"), now=now)
    good = _add(store, publication, server.rule("/f", rss(rss_item(1))), now=now)
    seen: list[SourceReport] = []

    reports = await refresh(store, publication.id, settings=settings, now=now, progress=seen.append)

    assert [report.outcome for report in reports] == [Outcome.FAILED, Outcome.FAILED, Outcome.FETCHED]
    assert sorted(report.source_id for report in seen) == [missing.id, page.id, good.id]
    assert _get(store, missing).last_error == "127.0.0.1 answered 404 Not Found"
    assert "web page" in (_get(store, page).last_error or "")
    assert all(report.hint for report in reports[:2])


async def test_failures_back_off_and_success_forgives(
    store: Store, publication: Publication, settings: Settings, server: FeedServer, now: datetime
):
    source = _add(store, publication, server.rule("/f", rss(rss_item(1)), statuses=(500, 502, 200)), now=now)

    waits = []
    for _ in range(3):
        await refresh(store, publication.id, settings=settings, now=now, all_sources=True)
        waits.append((_get(store, source).next_poll_at - now) / _HOUR)

    assert waits == pytest.approx([1, 2, 0.25], rel=0.1)
    assert (_get(store, source).failures, _get(store, source).last_error) == (0, None)


async def test_an_unforeseen_fault_in_one_source_is_its_own(
    store: Store,
    *,
    publication: Publication,
    settings: Settings,
    server: FeedServer,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
):
    _add(store, publication, server.rule("/bad", rss(rss_item(1))), now=now)
    _add(store, publication, server.rule("/good", rss(rss_item(2))), now=now)
    parse = feeds.parse

    def explode(raw: bytes, **options: object) -> object:
        if b"number 1" in raw:
            raise ZeroDivisionError
        return parse(raw, **options)  # type: ignore[arg-type]  # passed through as they came

    monkeypatch.setattr(module.feeds, "parse", explode)

    reports = await refresh(store, publication.id, settings=settings, now=now)

    assert [report.outcome for report in reports] == [Outcome.FAILED, Outcome.FETCHED]
    assert "ZeroDivisionError" in (reports[0].error or "")


async def test_a_local_file_read_twice_is_stored_once(
    store: Store, publication: Publication, settings: Settings, tmp_path: Path, now: datetime
):
    file = tmp_path / "baths.txt"
    file.write_text("Baths to reopen\n\n08/20/2025\n\nThe baths open again in spring.")
    _add(store, publication, str(file), now=now, kind=SourceKind.FILE)

    first = await refresh(store, publication.id, settings=settings, now=now)
    second = await refresh(store, publication.id, settings=settings, now=now, all_sources=True)
    file.write_text(
        file.read_text() + "\n\nTickets cost four euros for grown-ups and two for children, on every day of the week."
    )
    third = await refresh(store, publication.id, settings=settings, now=now, all_sources=True)

    with store.read() as tx:
        stored = articles.list_recent(tx)
        found = articles.find_by_url(tx, str(file))
    assert [(r.outcome, r.new, r.updated) for r in (*first, *second, *third)] == [
        (Outcome.FETCHED, 1, 0),
        (Outcome.UNCHANGED, 0, 0),
        (Outcome.FETCHED, 0, 1),
    ]
    assert [(article.title, article.url, article.published_is_day) for article in stored] == [
        ("Baths to reopen", "", True)
    ]
    assert found == stored[0]


async def test_a_folder_with_one_bad_file_gives_the_others(
    store: Store, publication: Publication, settings: Settings, tmp_path: Path, now: datetime
):
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "a.txt").write_text("One\n\nText of one.")
    (folder / "b.md").write_text("---\ntitle: [\n---\n\nText.")
    _add(store, publication, str(folder), now=now, kind=SourceKind.FOLDER)

    reports = await refresh(store, publication.id, settings=settings, now=now)

    assert (reports[0].outcome, reports[0].new) == (Outcome.FETCHED, 1)
    assert [odd.code for odd in reports[0].warnings] == ["file-skipped"]


async def test_the_seed_article_as_a_local_source(
    store: Store, publication: Publication, settings: Settings, shared_data: Path, now: datetime
):
    path = shared_data / "articles/seed-article.txt"
    _add(store, publication, str(path), now=now, kind=SourceKind.FILE)

    await refresh(store, publication.id, settings=settings, now=now)

    with store.read() as tx:
        article = articles.eligible(tx, publication.id, None)[0]
    assert article.title.startswith("Pentagon Explores European Troops Under U.S. Command")
    assert article.published_at == datetime(2025, 8, 20, 12, tzinfo=UTC)
    assert article.author is None
    assert len(article.text.split("\n\n")) == 3
