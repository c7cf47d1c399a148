"""Real input, end to end: the day of a newsroom over HTTP and the seed article from disk, to 500 readers over SMTP.

The command is the real one in a process of its own, the mail server is another; every captured mail is read again
by a checker that shares no code with the builder.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from digest.cli.main import run
from support.feedserver import serving
from support.mailcheck import CheckedMessage, check_message
from support.sink import start_sink

READERS = 500
ADDRESS = "14 Harbour Lane, Northport"
FEEDS = (
    *("alpha-herald/rss.xml", "alpha-herald/world.xml", "bay-courier/atom.xml", "cable-wire/feed.rdf"),
    *("echo-times/feed.xml", "fjord-quotidien/rss.xml", "gazette-north/rss.xml", "harbor-news/index.xml"),
    "iron-mail/091.xml",
)


async def command(*arguments: str, expect: int = 0) -> str:
    """The real `digest` in its own process; gives stdout."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from digest.cli.main import main; main()",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == expect, err.decode() + out.decode()
    return out.decode()


async def here(*arguments: str) -> None:
    """The same commands without a new process, for setting up."""
    assert await asyncio.to_thread(run, list(arguments)) == 0


def write_readers(path: Path) -> None:
    rows = ["email,name,format,locale"]
    rows += [f"reader{n}@example.com,Reader {n},{'text' if n % 50 == 0 else 'html'}," for n in range(1, READERS + 1)]
    path.write_text("\n".join(rows) + "\n")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_the_newsroom_day_and_the_seed_article_reach_500_readers_once_each(
    kind: str, request: pytest.FixtureRequest, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    if kind == "postgres":
        monkeypatch.setenv("DIGEST_DATABASE__URL", request.getfixturevalue("postgres_database"))
    site = shared_data / "articles" / "newsroom-day" / "site"
    headline = json.loads((shared_data / "articles" / "seed-article.expected.json").read_text())["title"]
    async with serving(site) as server:
        with start_sink(tmp_path / "mail") as sink:
            settings = {
                "DIGEST_SITE__BASE_URL": "https://news.example.com",
                "DIGEST_RELAYS__DEFAULT__PORT": str(sink.port),
                "DIGEST_COLLECT__ALLOW_PRIVATE_NETWORKS": "true",
            }
            for name, value in settings.items():
                monkeypatch.setitem(os.environ, name, value)
            await here("init", ".", "--json")
            sender = ["--from", "The Day <news@example.com>", "--postal-address", ADDRESS, "--send-at", "18:00"]
            await here("publication", "add", "day", "--name", "The Day", *sender, "--timezone", "Europe/Dublin")
            for feed in FEEDS:
                await here("source", "add", "day", f"{server.base}/{feed}", "--json")
            await here("source", "add", "day", str(shared_data / "articles" / "seed-article.txt"), "--weight", "3")
            write_readers(tmp_path / "readers.csv")
            await here("subscriber", "import", "readers.csv", "--publication", "day", "--json")

            sent = json.loads(await command("run", "day", "--at", "2025-08-20T22:30:00Z", "--json"))
            again = await command("run", "day", "--at", "2025-08-20T22:40:00Z", "--json", expect=3)
            audit = json.loads(await command("issue", "audit", sent["issue"]["id"], "--json"))
            arrived, mails = sink.recipients(), sink.messages()

    assert sent["counts"]["sent"] == READERS
    assert json.loads(again)["error"]["code"] == "nothing-to-do"
    assert audit["balanced"] is True
    assert audit["counts"]["sent"] == audit["audience"] == READERS
    assert arrived == Counter({f"reader{n}@example.com": 1 for n in range(1, READERS + 1)})
    checked = [check_message(raw, postal_address=ADDRESS) for raw in mails]
    assert len({mail.message_id for mail in checked}) == READERS
    assert len({mail.unsubscribe_https for mail in checked}) == READERS
    for mail in checked:
        check_contents(mail, headline)
    assert sum(mail.html is None for mail in checked) == READERS // 50


def check_contents(mail: CheckedMessage, headline: str) -> None:
    """The seed article leads, both parts carry the same stories, and every link goes where it should."""
    assert mail.sender_email == "news@example.com"
    assert " ".join(headline.split()) in " ".join(mail.text.split())
    assert "Get latest news delivered daily" not in mail.text
    stories = [url for url in mail.links_text if "127.0.0.1:8808" in url or "/articles/" in url]
    assert len(stories) >= 20, "twenty stories, and the copies some of them were merged from"
    assert "https://news.example.com/day/1" in mail.links_text
    assert mail.unsubscribe_https in mail.links_text
    if mail.html is not None:
        assert headline in mail.html
        assert set(mail.links_text) <= set(mail.links_html)
