"""Articles added one by one: known by what they are, chosen like others, asked of nobody."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from digest.app.pushing import Became, Given, push, push_markdown
from digest.collect.refresh import refresh
from digest.model.article import SourceKind
from digest.model.errors import BadInput, FeedMalformed, NotFound, SourceUnreachable
from digest.model.health import health
from digest.store import articles, issues, sources
from digest.store.engine import Store
from support.feedserver import serving
from support.pages import PAGE
from support.paper import MORNING, a_paper, run_paper, write_article
from support.sink import start_sink

NOTE = b"""---
title: The harbour opens again
url: https://harbour.example/opens
author: Ann Example
date: 2026-11-01
---

After nine years the harbour opens on Monday, and all who helped are asked to come. """


def titles(store: Store, issue_id: int) -> list[str]:
    with store.read() as tx:
        return [one.title for one in articles.by_ids(tx, [item.article_id for item in issues.items(tx, issue_id)])]


def test_what_is_added_is_in_the_next_issue_however_old(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        done = push_markdown(paper, "morning", NOTE, now=MORNING)
        issue = run_paper(paper).issue

    assert (done.became, done.article.author) == (Became.ADDED, "Ann Example")
    assert "The harbour opens again" in titles(store, issue.id)


def test_adding_it_again_changes_nothing_and_other_words_are_an_update(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    first = push_markdown(paper, "morning", NOTE, now=MORNING)
    again = push_markdown(paper, "morning", NOTE, now=MORNING)
    changed = push_markdown(
        paper, "morning", NOTE + b"There is free coffee for everybody who comes early. " * 3, now=MORNING
    )

    assert [one.became for one in (first, again, changed)] == [Became.ADDED, Became.KNOWN, Became.UPDATED]
    assert first.article.id == changed.article.id


def test_an_article_of_another_source_stays_the_one_it_is(store: Store, tmp_path: Path):
    write_article(tmp_path / "articles", "harbour", title="The harbour opens again")
    paper = a_paper(store, tmp_path, articles=0)
    known = asyncio.run(push(paper, "morning", str(tmp_path / "articles" / "harbour.md"), now=MORNING))

    asyncio.run(refresh(store, 1, settings=paper.settings, now=MORNING + timedelta(minutes=1), all_sources=True))
    with store.read() as tx:
        assert [one.id for one in articles.list_recent(tx)] == [known.article.id]
        assert len(articles.sightings(tx, known.article.id)) == 2


async def test_a_page_is_read_as_one_article_and_its_site_is_its_source(store: Store, tmp_path: Path):
    paper = await asyncio.to_thread(a_paper, store, tmp_path, collect={"allow_private_networks": True})
    async with serving() as server:
        address = server.rule(
            "/page.html", PAGE.format(head="", author="Ann").encode(), headers={"Content-Type": "text/html"}
        )
        done = await push(paper, "morning", address, now=MORNING, given=Given(summary="In short."))

    assert (done.became, done.article.title, done.article.summary) == (Became.ADDED, "Baths to reopen", "In short.")
    assert (done.article.url, done.article.source_title) == ("https://news.example.com/baths", "news.example.com")


def test_nobody_asks_where_articles_are_added(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    push_markdown(paper, "morning", NOTE, now=MORNING, given=Given(source="The harbour office"))
    reports = asyncio.run(refresh(store, 1, settings=paper.settings, now=MORNING, all_sources=True))

    with store.read() as tx:
        own = next(link.source for link in sources.list_sources(tx, 1) if link.source.kind is SourceKind.PUSH)
    assert own.title == "The harbour office"
    assert own.id not in {report.source_id for report in reports}
    assert health(own, now=MORNING + timedelta(days=90)).words == "ok: articles are added by hand"


@pytest.mark.parametrize(("address", "error"), [("/nowhere/at/all.md", SourceUnreachable), ("", BadInput)])
def test_what_cannot_be_read_leaves_nothing_behind(store: Store, tmp_path: Path, address: str, error: type[Exception]):
    paper = a_paper(store, tmp_path)
    with pytest.raises(error):
        asyncio.run(push(paper, "morning", address, now=MORNING))
    with pytest.raises(FeedMalformed):
        push_markdown(paper, "morning", b"   ", now=MORNING)
    with pytest.raises(NotFound):
        push_markdown(paper, "evening", NOTE, now=MORNING)

    with store.read() as tx:
        assert all(link.source.kind is not SourceKind.PUSH for link in sources.list_sources(tx, 1))
