"""What is remembered of hosts, pages, hubs, moves and changes, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from digest.model.article import Child, NewArticle, Source, SourceKind
from digest.model.fetching import HostRecord, PageState, WebSubState
from digest.store import articles, audit, hosts, pages, sources, websub
from digest.store.engine import Store, Tx
from digest.store.pages import Wanted
from support.factories import make_publication
from support.site import new_article

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _source(tx: Tx, path: str = "feed") -> Source:
    return sources.add(tx, SourceKind.RSS, url=f"https://example.com/{path}", title=path, now=_NOW)


def _article(number: int, **changes: object) -> NewArticle:
    url = f"https://example.com/{number}"
    values = {"identity": f"{number:064x}", "guid_hash": f"{number:064x}", "url": url, "canonical_url": url}
    return new_article(**{**values, "content_hash": f"{number:064d}", **changes})


def _recorded(tx: Tx, source: Source, *news: NewArticle, at: datetime = _NOW) -> None:
    from digest.collect import ingest  # noqa: PLC0415 - the way collecting records them

    ingest.store(tx, source.id, list(news), now=at)


def _wanted(new: NewArticle, **changes: object) -> Wanted:
    return replace(Wanted(new.url, new.canonical_url, new), **changes)  # type: ignore[arg-type]


def test_what_a_host_told_is_kept_whole(store: Store):
    record = HostRecord("example.com:443", 2, _NOW + _HOUR, "User-agent: *", 200, _NOW + _DAY)
    with store.write() as tx:
        assert hosts.get(tx, "example.com:443") == HostRecord("example.com:443")
        hosts.put(tx, record)
        hosts.put(tx, replace(record, refusals=0, held_until=None))
        hosts.put(tx, replace(record, name="other.example:80"))

        assert hosts.get(tx, "example.com:443") == replace(record, refusals=0, held_until=None)
        assert hosts.held(tx, now=_NOW) == {"other.example:80": _NOW + _HOUR}
        assert hosts.held(tx, now=_NOW + _HOUR) == {}


def test_a_floor_hides_a_source_from_those_that_are_due(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        source = _source(tx)
        sources.link(tx, publication.id, source.id)
        sources.record_success(
            tx, source.id, at=_NOW, next_poll_at=_NOW, not_before=_NOW + _HOUR, etag=None, last_modified=None
        )

        assert sources.due(tx, publication.id, _NOW + 59 * _MINUTE) == []
        assert [one.id for one in sources.due(tx, publication.id, _NOW + _HOUR)] == [source.id]
        assert [one.id for one in sources.active(tx, publication.id)] == [source.id]


def test_what_is_learned_of_a_source_comes_back_as_it_was(store: Store):
    children = (Child("https://example.com/a", '"1"', "then", "h"), Child("https://example.com/b"))
    gaps = (("2026-01-04", 3600.5), ("2026-01-05", 60.0))
    with store.write() as tx:
        source = _source(tx)
        sources.record_success(
            tx, source.id, at=_NOW, next_poll_at=_NOW, etag=None, last_modified=None, children=children
        )
        sources.record_news(tx, source.id, at=_NOW, gaps=gaps)
        sources.configure(tx, source.id, timezone="Europe/Berlin", insecure_tls=True, full_text=False)
        found = sources.get(tx, source.id)
        sources.configure(tx, source.id, timezone="", title="New")

        assert (found.children, found.gaps, found.last_new_at) == (children, gaps, _NOW)
        assert (found.timezone, found.insecure_tls, found.full_text) == ("Europe/Berlin", True, False)
        assert (sources.get(tx, source.id).timezone, sources.get(tx, source.id).title) == (None, "New")


def test_a_kind_is_learned_unless_another_source_has_it(store: Store):
    with store.write() as tx:
        imported, lonely = _source(tx, "a"), _source(tx, "b")
        sources.add(tx, SourceKind.ATOM, url=imported.url, title="Twin", now=_NOW)
        for source in (imported, lonely):
            sources.learn(tx, source, kind=SourceKind.ATOM, home_url="https://example.com/", language="en")

        assert sources.get(tx, imported.id).kind is SourceKind.RSS
        assert sources.get(tx, lonely.id).kind is SourceKind.ATOM
        assert sources.get(tx, lonely.id).home_url == "https://example.com/"
        assert sources.by_url(tx, lonely.url) == sources.get(tx, lonely.id)


def test_seen_for_the_first_time_and_brought_by_another_are_counted(store: Store):
    with store.write() as tx:
        first, second = _source(tx, "a"), _source(tx, "b")
        _recorded(tx, first, _article(1), _article(2))
        _recorded(tx, second, _article(2), _article(3), _article(4), at=_NOW + _HOUR)

        assert sources.seen_now(tx, first.id, at=_NOW) == (2, 0)
        assert sources.seen_now(tx, second.id, at=_NOW + _HOUR) == (3, 1)
        assert sources.seen_now(tx, second.id, at=_NOW) == (0, 0)


def test_a_page_waits_once_for_whoever_brought_its_article(store: Store):
    with store.write() as tx:
        first, second = _source(tx, "a"), _source(tx, "b")
        news = [_article(1), _article(2), _article(3)]
        _recorded(tx, first, *news)
        _recorded(tx, second, news[0])
        _recorded(tx, first, _article(4), at=_NOW - 3 * _DAY)
        ask = {"first_seen_from": _NOW - 2 * _DAY, "now": _NOW}

        assert pages.ask_for(tx, second.id, [_wanted(news[0])], **ask) == 0, "its text is another's"
        assert pages.ask_for(tx, first.id, [*map(_wanted, news[:2]), _wanted(news[2], is_passed=True)], **ask) == 3
        assert pages.ask_for(tx, first.id, [_wanted(news[0])], **ask) == 0, "once"
        assert pages.ask_for(tx, first.id, [_wanted(_article(4))], **ask) == 0, "too old"
        assert pages.ask_for(tx, first.id, [_wanted(_article(5))], **ask) == 0, "not in the ledger"
        assert pages.ask_for(tx, first.id, [Wanted("https://example.com/9", "https://example.com/9", None)], **ask) == 1
        waiting = pages.waiting(tx, first.id, now=_NOW, limit=10)

        assert sorted(page.url for page in waiting) == [f"https://example.com/{n}" for n in (1, 2, 9)]
        assert pages.sources_waiting(tx, now=_NOW) == {first.id}
        assert pages.counts(tx, first.id)[PageState.PASSED] == 1


def test_a_taken_text_stays_until_the_feed_says_something_else(store: Store):
    teaser, full = _article(1, text="Teaser"), _article(1, text="The whole text", content_hash="f" * 64, title="Same")
    with store.write() as tx:
        source = _source(tx)
        _recorded(tx, source, teaser)
        pages.ask_for(tx, source.id, [_wanted(teaser)], first_seen_from=_NOW, now=_NOW)
        (page,) = pages.waiting(tx, source.id, now=_NOW, limit=1)
        assert page.article_id is not None
        assert pages.with_full_texts(tx, [teaser], now=_NOW) == [teaser], "nothing is taken yet"
        articles.enrich(tx, page.article_id, full)
        pages.settle(tx, page, state=PageState.TAKEN, now=_NOW)

        (same,) = pages.with_full_texts(tx, [teaser], now=_NOW)
        assert (same.text, same.content_hash) == ("The whole text", "f" * 64)
        assert pages.waiting(tx, source.id, now=_NOW, limit=1) == []

        changed = replace(teaser, title="Corrected", content_hash="e" * 64)
        (told,) = pages.with_full_texts(tx, [changed], now=_NOW + _HOUR)
        assert (told.title, told.text) == ("Corrected", "The whole text")
        assert told.content_hash not in {"f" * 64, "e" * 64}
        (again,) = pages.waiting(tx, source.id, now=_NOW + _HOUR, limit=1)
        assert (again.feed_hash, again.tries) == ("e" * 64, 0)


def test_enriching_gives_a_date_only_where_there_is_none(store: Store):
    with store.write() as tx:
        source = _source(tx)
        _recorded(tx, source, _article(1, published_at=None), _article(2, published_at=_NOW))
        keys = {one.url: one.id for one in articles.list_recent(tx)}
        for number in (1, 2):
            articles.enrich(tx, keys[f"https://example.com/{number}"], _article(number, published_at=_NOW - _DAY))

        found = {one.url[-1]: one for one in articles.list_recent(tx)}
        assert (found["1"].published_at, found["2"].published_at) == (_NOW - _DAY, _NOW)
        assert found["1"].updated_at is None


def test_changes_are_told_latest_first(store: Store):
    with store.write() as tx:
        for number, subject in enumerate(("source:1", "source:2", "source:1")):
            at = _NOW + number * _HOUR
            audit.note(tx, at=at, actor=audit.OPERATOR, action="source.set", subject=subject, detail=str(number))

        assert [entry.detail for entry in audit.of_subject(tx, "source:1")] == ["2", "0"]
        assert [entry.detail for entry in audit.of_subject(tx, "source:1", limit=1)] == ["2"]


@pytest.mark.parametrize("what", ["hub_url", "topic_url"])
def test_another_hub_or_topic_begins_anew(store: Store, what: str):
    named = {"hub_url": "https://hub.example/", "topic_url": "https://example.com/f"}
    with store.write() as tx:
        source = _source(tx)
        first = websub.want(tx, source.id, token="a" * 32, secret="s", now=_NOW, **named)
        websub.change(tx, source.id, state=WebSubState.ACTIVE, lease_until=_NOW + _DAY, next_try_at=_NOW + 20 * _HOUR)

        assert websub.want(tx, source.id, token="b" * 32, secret="t", now=_NOW, **named) is None
        assert first == replace(
            websub.by_token(tx, "a" * 32), state=WebSubState.WANTED, lease_until=None, next_try_at=_NOW
        )
        assert websub.is_active(tx, source.id, now=_NOW + 23 * _HOUR)
        assert not websub.is_active(tx, source.id, now=_NOW + 25 * _HOUR)
        assert websub.due(tx, now=_NOW + 19 * _HOUR) == []
        assert [one.source_id for one in websub.due(tx, now=_NOW + 20 * _HOUR)] == [source.id]
        other = websub.want(
            tx, source.id, token="c" * 32, secret="t", now=_NOW, **{**named, what: "https://other.example/"}
        )
        assert other is not None
        assert (other.token, other.state) == ("c" * 32, WebSubState.WANTED)
        assert websub.by_token(tx, "a" * 32) is None
        sources.set_paused(tx, source.id, True)
        assert websub.due(tx, now=_NOW + _DAY) == []
