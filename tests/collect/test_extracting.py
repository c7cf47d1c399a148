"""Pages read in processes of their own, from addresses and files."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from digest.cli.main import build
from digest.collect.extracting import Extractor, extract_from
from digest.collect.sandboxed import article_document, article_of
from digest.config.collecting import CollectSettings
from digest.config.settings import Settings
from digest.feeds import webpage
from digest.model.article import Barrier
from digest.model.errors import BadInput, FeedMalformed, SourceUnreachable
from digest.text import html
from support.feedserver import FeedServer
from support.pages import PAGE, SENTENCES

#: A page on which trafilatura takes far longer than is allowed: thousands of nested blocks with links.
SLOW = (
    "<html><head><title>Slow page of the day</title></head><body><article><h1>Slow page of the day</h1>"
    + "".join(
        f"<div><p>{SENTENCES[0]} {n}</p><ul>" + "<li><a href='/x'>y z</a></li>" * 30 + "</ul></div>" for n in range(900)
    )
    + "</article></body></html>"
)


async def test_a_page_is_the_same_from_the_other_process():
    page = PAGE.format(head="", author="Ann Example").encode()
    here = webpage.read(page, url="https://news.example.com/baths")

    async with Extractor(workers=1) as extractor:
        there = await extractor.extract(page, url="https://news.example.com/baths")

    assert there == here
    assert there.title == "Baths to reopen"


def test_documents_between_processes_lose_nothing():
    found = webpage.read(PAGE.format(head="", author="Ann").encode(), url="https://news.example.com/baths")
    odd = replace(found, barrier=Barrier.PAYWALL, labels=("a", "b"))

    assert article_of(json.loads(json.dumps(article_document(odd)))) == odd


async def test_a_page_that_takes_too_long_is_read_by_the_fast_reader():
    async with Extractor(workers=1, limit_s=1.0) as extractor:
        started = time.monotonic()
        found = await extractor.extract(SLOW.encode(), url="https://example.com/slow")
        took = time.monotonic() - started

    assert extractor.fallbacks == 1
    assert found.title == "Slow page of the day"
    assert SENTENCES[0] in html.to_text(found.content_html)
    assert took < 30


async def test_a_page_that_nobody_can_read_is_told_in_words():
    async with Extractor(workers=1, limit_s=0.02) as extractor:
        with pytest.raises(FeedMalformed, match=r"example\.com cannot be read") as caught:
            await extractor.extract(SLOW.encode(), url="https://example.com/slow")

    assert caught.value.hint


async def test_an_empty_page_is_refused_and_costs_no_second_try():
    async with Extractor(workers=1) as extractor:
        with pytest.raises(FeedMalformed, match="empty"):
            await extractor.extract(b"  ", url="https://example.com/")
        assert extractor.fallbacks == 0


async def test_an_address_is_fetched_and_read(server: FeedServer, settings: Settings):
    url = server.rule(
        "/a.html", PAGE.format(head="", author="Ann Example").encode(), headers={"Content-Type": "text/html"}
    )

    found = await extract_from(url, settings=settings)

    assert (found.article.title, found.article.author) == ("Baths to reopen", "Ann Example")
    assert found.site == "news.example.com"


async def test_files_of_every_kind(tmp_path: Path, settings: Settings):
    (tmp_path / "a.html").write_text(PAGE.format(head="", author="Ann Example"))
    (tmp_path / "saved").write_text(PAGE.format(head="", author="Ann Example"))
    (tmp_path / "a.txt").write_text("Baths to reopen\n\nBy Ann Example\n\n" + "\n\n".join(SENTENCES))
    (tmp_path / "a.md").write_text("# Baths to reopen\n\n" + "\n\n".join(SENTENCES))

    found = {
        name: (await extract_from(str(tmp_path / name), settings=settings)).article
        for name in ("a.html", "saved", "a.txt", "a.md")
    }

    assert {article.title for article in found.values()} == {"Baths to reopen"}
    assert {article.language for article in found.values()} == {"en"}
    assert all(SENTENCES[1] in html.to_text(article.content_html) for article in found.values())


async def test_what_is_no_article_is_told_in_words(server: FeedServer, tmp_path: Path, settings: Settings):
    feed = server.rule("/feed", b'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title></channel></rss>')
    wall = server.rule("/wall", b"<html><head><title>Before you continue</title></head><body></body></html>")
    (tmp_path / "empty.html").write_text("<html></html>")

    with pytest.raises(BadInput, match="is a feed"):
        await extract_from(feed, settings=settings)
    with pytest.raises(FeedMalformed, match="consent"):
        await extract_from(wall, settings=settings)
    with pytest.raises(FeedMalformed, match="no article found"):
        await extract_from(str(tmp_path / "empty.html"), settings=settings)
    with pytest.raises(BadInput, match="is a folder"):
        await extract_from(str(tmp_path), settings=settings)
    with pytest.raises(SourceUnreachable):
        await extract_from(str(tmp_path / "missing.html"), settings=settings)


def test_the_command_prints_one_document(tmp_path: Path, shared_data: Path):
    want = json.loads((shared_data / "articles/seed-article.expected.json").read_text("utf-8"))
    lines = (shared_data / "articles/seed-article.txt").read_text("utf-8").splitlines()
    wrapped = tmp_path / "seed.html"
    wrapped.write_text("<html><body>" + "".join(f"<p>{line}</p>\n" for line in lines) + "</body></html>", "utf-8")

    for path in (shared_data / "articles/seed-article.txt", wrapped):
        result = CliRunner().invoke(build(), ["article", "extract", str(path), "--json"])
        document = json.loads(result.stdout)

        assert result.exit_code == 0
        assert (document["title"], document["author"]) == (want["title"], want["author"])
        assert document["published_at"] == want["date"]
        assert document["language"] == "en"
        assert len(document["paragraphs"]) == want["n_paragraphs"]
        assert document["text"].startswith(want["first_words"])
        assert document["text"].endswith(want["last_words"])
        assert want["chars_min"] <= len(document["text"]) <= want["chars_max"]
        assert [text for text in want["must_not_contain"] if text in document["text"]] == []
        assert document["excerpt"].endswith("2025.")


def test_the_command_needs_no_project_and_takes_a_base(tmp_path: Path):
    page = PAGE.format(head='<meta property="og:image" content="/pictures/baths.jpg">', author="Ann")
    (tmp_path / "a.html").write_text(page.replace('<link rel="canonical" href="https://news.example.com/baths">', ""))

    result = CliRunner().invoke(
        build(), ["article", "extract", str(tmp_path / "a.html"), "--url", "https://news.example.com/baths", "--json"]
    )
    document = json.loads(result.stdout)

    assert document["canonical_url"] == "https://news.example.com/baths"
    assert document["image_url"] == "https://news.example.com/pictures/baths.jpg"


def test_settings_of_collecting_hold_for_it(tmp_path: Path):
    settings = Settings(base_dir=tmp_path, collect=CollectSettings(max_bytes=10))
    (tmp_path / "a.html").write_text(PAGE)

    with pytest.raises(SourceUnreachable, match="larger"):
        asyncio.run(extract_from(str(tmp_path / "a.html"), settings=settings))
