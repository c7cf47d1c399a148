"""From publishers' pictures to the ones an issue shows: fetched, made small, kept, served, exported."""

from __future__ import annotations

import asyncio
import io
import re
import time
import urllib.request
from collections.abc import AsyncIterator
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import pytest
from PIL import Image

from digest.app import editions
from digest.app import line as steps
from digest.app.illustrating import illustrate
from digest.app.line import Line
from digest.model.image import ImageSize
from digest.model.issue import Issue, IssueState
from digest.store import images, issues, renditions
from digest.store.engine import Store
from digest.web.asgi import create_app
from support.feedserver import FeedServer, serving
from support.paper import MORNING, a_line, a_paper
from support.site import running

COLLECT = {"allow_private_networks": True, "timeout_s": 5}


def picture(width: int = 1600, height: int = 900) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 40).convert("RGB").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with serving() as opened:
        yield opened


def write(folder: Path, name: str, url: str) -> None:
    folder.mkdir(exist_ok=True)
    text = " ".join(f"{name}{number}" for number in range(60))  # nothing in common: no two are one story
    (folder / f"{name}.md").write_text(f"---\ntitle: News of {name}\nimage: {url}\n---\n\n{text}\n")


async def curated(line: Line) -> Issue:
    issue = steps.open_due(line, line.publication.cadences[0], by_clock=False)
    issue = await steps.collect(line, issue)
    issue = steps.curate(line, issue)
    assert issue.state is IssueState.CURATED
    return issue


async def a_curated_line(store: Store, folder: Path, urls: dict[str, str], **sections: object) -> tuple[Line, Issue]:
    for name, url in urls.items():
        write(folder / "articles", name, url)
    container = await asyncio.to_thread(a_paper, store, folder, articles=0, **{"collect": COLLECT, **sections})
    line = a_line(container, at=MORNING)
    return line, await curated(line)


async def test_an_issue_shows_our_own_copies_with_their_size(store: Store, tmp_path: Path, server: FeedServer):
    urls = {name: server.rule(f"/{name}.png", picture()) for name in ("one", "two")}
    line, issue = await a_curated_line(store, tmp_path, urls)

    made = await illustrate(line, issue)
    issue = await asyncio.to_thread(steps.compose, line, issue)

    assert made == 2
    with store.read() as tx:
        mail = next(one for one in renditions.of_issue(tx, issue.id) if one.key.format == "html")
        copies = images.of_articles(tx, [item.article_id for item in issues.items(tx, issue.id)])
    lead = re.search(r'<img class="hero [^>]*>', mail.html)
    thumb = re.search(r'<img class="thumb [^>]*>', mail.html)
    assert lead is not None
    assert thumb is not None
    assert 'width="600" height="338"' in lead.group()
    assert 'width="112" height="112"' in thumb.group()
    shown = set(re.findall(r"https://news\.example\.com/images/([0-9a-f]{64})\.jpg", mail.html))
    assert shown <= {copy.hash for sizes in copies.values() for copy in sizes.values()}
    assert len(shown) == 2
    assert "127.0.0.1" not in mail.html
    assert {size: (copy.width, copy.height) for sizes in copies.values() for size, copy in sizes.items()} == {
        ImageSize.LEAD: (1200, 675),
        ImageSize.THUMB: (224, 224),
    }


async def test_a_repeated_run_fetches_nothing_again(store: Store, tmp_path: Path, server: FeedServer):
    line, issue = await a_curated_line(store, tmp_path, {"one": server.rule("/one.png", picture())})

    await illustrate(line, issue)
    again = await illustrate(line, issue)

    assert again == 0
    assert server.paths().count("/one.png") == 1


async def test_what_fails_leaves_a_story_without_picture_and_nothing_else(
    store: Store, tmp_path: Path, server: FeedServer
):
    urls = {
        "good": server.rule("/good.png", picture()),
        "gone": server.rule("/gone.png", statuses=(404,)),
        "page": server.rule("/page.png", b"<html>not found</html>"),
        "cut": server.rule("/cut.png", picture()[:2000]),
    }
    line, issue = await a_curated_line(store, tmp_path, urls)

    made = await illustrate(line, issue)
    issue = await asyncio.to_thread(steps.compose, line, issue)

    assert made == 1
    assert issue.state is IssueState.COMPOSED
    with store.read() as tx:
        mail = next(one for one in renditions.of_issue(tx, issue.id) if one.key.format == "html")
    assert "127.0.0.1" not in mail.html


async def test_the_issue_waits_for_no_picture_longer_than_it_may(store: Store, tmp_path: Path, server: FeedServer):
    urls = {
        "good": server.rule("/good.png", picture(400, 300)),
        "slow": server.rule("/slow.png", picture(), delay_s=30),
    }
    # Two hosts: one request to a host at a time is the rule of fetching.
    urls["slow"] = urls["slow"].replace("127.0.0.1", "localhost")
    line, issue = await a_curated_line(store, tmp_path, urls, images={"deadline_s": 4.0})

    started = time.monotonic()
    made = await illustrate(line, issue)

    assert time.monotonic() - started < 12
    assert made == 1


@pytest.mark.parametrize("mode", ["remote", "none"])
async def test_other_modes_fetch_nothing(store: Store, tmp_path: Path, server: FeedServer, mode: str):
    url = server.rule("/one.png", picture())
    line, issue = await a_curated_line(store, tmp_path, {"one": url}, images={"mode": mode})

    assert await illustrate(line, issue) == 0
    assert server.requests == []


async def test_own_is_the_default_only_where_mail_clients_can_fetch_safely(store: Store, tmp_path: Path):
    container = await asyncio.to_thread(a_paper, store, tmp_path, site={"base_url": "http://127.0.0.1:8025"})

    assert container.settings.images.mode is None
    assert container.settings.image_mode == "remote"


async def test_copies_are_served_for_good_and_exported(store: Store, tmp_path: Path, server: FeedServer):
    line, issue = await a_curated_line(store, tmp_path, {"one": server.rule("/one.png", picture())})
    await illustrate(line, issue)
    issue = await asyncio.to_thread(steps.compose, line, issue)

    written = await asyncio.to_thread(editions.export, line.container, issue.id, tmp_path / "out")

    pictures = [path for path in written if path.suffix == ".jpg"]
    assert len(pictures) == 1
    pages = [path for path in written if path.suffix == ".html"]
    assert all(f"images/{pictures[0].name}" in page.read_text() for page in pages)
    assert not any("https://news.example.com/images/" in page.read_text() for page in pages)
    with running(create_app(line.container)) as base:
        status, headers, body = await asyncio.to_thread(fetched, f"{base}/images/{pictures[0].name}")
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert body == pictures[0].read_bytes()
        known = {"If-None-Match": headers["ETag"]}
        assert (await asyncio.to_thread(fetched, f"{base}/images/{pictures[0].name}", known))[0] == 304
        for missing in ("0" * 64, "../etc/passwd", "x"):
            assert (await asyncio.to_thread(fetched, f"{base}/images/{missing}.jpg"))[0] == 404


def fetched(url: str, headers: dict[str, str] | None = None) -> tuple[int, Message, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        return error.code, error.headers, error.read()
