"""A week of six feeds whose publishers change everything they can: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from digest.app.run import run
from digest.app.why import why
from digest.collect.check import add_source
from digest.model.issue import IssueState
from digest.store import articles, issues
from digest.store.engine import Store
from support.factories import make_publication, make_subscription
from support.feeddocs import rss, rss_item
from support.feedserver import FeedServer, serving
from support.paper import a_line
from support.sending import make_container
from support.sink import start_sink

MONDAY = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)
FEEDS = ("ids", "scheme", "dates", "slugs", "both", "flaky")
A_DAY, KEPT = 4, 14
WORDS = [
    a + b for a in ("bar", "cel", "dor", "fen", "gri", "hul", "jam", "kos") for b in ("ta", "vin", "lo", "rem", "du")
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One article as its publisher shows it today."""

    title: str
    guid: str
    link: str
    text: str
    date: datetime

    def item(self) -> str:
        return rss_item(
            title=self.title, guid=self.guid, link=self.link, description=self.text, pubDate=format_datetime(self.date)
        )


class Publisher:
    """A feed of the last fourteen articles, with four new ones a day."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.dice = random.Random(seed)  # noqa: S311 - a story generator
        self.entries: list[Entry] = []
        self.titles: list[str] = []

    def publish(self, today: datetime) -> None:
        for number in range(A_DAY):
            at = len(self.titles)
            title = f"{' '.join(self.dice.sample(WORDS, 4)).capitalize()} in the {self.name} paper, part {at}"
            text = " ".join(self.dice.choice(WORDS) for _ in range(120))
            link = f"http://{self.name}.example/{today:%Y/%m/%d}/{at}-story.html"
            entry = Entry(title, f"http://{self.name}.example/?p={at}", link, text, today - timedelta(hours=number + 1))
            self.titles.append(title)
            self.entries.insert(0, entry)

    def document(self, change: Callable[[Entry], Entry], *, keep: int = KEPT) -> bytes:
        return rss(*(change(entry).item() for entry in self.entries[:keep]))


def shown(name: str, day: int, today: datetime) -> Callable[[Entry], Entry]:
    """What the publisher has changed by that day of the week, from then on for good."""
    changes: dict[str, tuple[int, Callable[[Entry], Entry]]] = {
        "ids": (1, lambda entry: replace(entry, guid=f"tag:new,{entry.guid.partition('=')[2]}")),
        "scheme": (
            2,
            lambda entry: replace(
                entry, guid=entry.guid.replace("http:", "https:"), link=entry.link.replace("http:", "https:")
            ),
        ),
        "dates": (3, lambda entry: replace(entry, date=today - timedelta(minutes=5))),
        "slugs": (4, lambda entry: replace(entry, link=entry.link.replace("-story", "-a-better-slug"))),
        "both": (
            4,
            lambda entry: replace(
                entry, guid=f"{entry.guid}&v=2", link=entry.link.replace("/2026/", "/news/2026/").replace("-story", "")
            ),
        ),
    }
    since, change = changes.get(name, (99, lambda entry: entry))
    return change if day >= since else lambda entry: entry


@contextmanager
def the_day(server: FeedServer, publishers: list[Publisher], day: int) -> Iterator[datetime]:
    """The feeds as they are on a day of the week, at the time of the run."""
    today = MONDAY + timedelta(days=day)
    for publisher in publishers:
        publisher.publish(today)
        status = 500 if publisher.name == "flaky" and day == 5 else 200
        keep = 2 if publisher.name == "flaky" and day == 3 else KEPT
        body = publisher.document(shown(publisher.name, day, today), keep=keep)
        server.rule(f"/{publisher.name}.xml", body, statuses=(status,), headers={"Content-Type": "application/rss+xml"})
    yield today


@pytest.mark.timeout(180)
async def test_every_article_of_a_restless_week_is_mailed_exactly_once(store: Store, tmp_path: Path):
    publishers = [Publisher(name, seed) for seed, name in enumerate(FEEDS)]
    async with serving() as server:
        with start_sink(tmp_path, keep=False) as sink:
            relays = {"default": {"host": "127.0.0.1", "port": sink.port}}
            container = make_container(store, relays=relays, collect={"allow_private_networks": True})
            with store.write() as tx:
                publication = make_publication(tx, timezone="UTC", max_items=100)
                make_subscription(tx, publication, "reader@example.com")
            states = []
            for day in range(7):
                with the_day(server, publishers, day) as today:
                    if day == 0:
                        for name in FEEDS:
                            address = f"{server.base}/{name}.xml"
                            await add_source(store, publication.id, address, settings=container.settings, now=today)
                    line = a_line(container, at=today)
                    states.append((await run(line, line.publication.cadences[0])).issue.state)
            mailed = sink.recipients()
    with store.read() as tx:
        carried = Counter(
            article.title
            for issue in issues.list_recent(tx)
            for article in articles.by_ids(tx, [item.article_id for item in issues.items(tx, issue.id)])
        )
        stored = Counter(article.title for article in articles.list_recent(tx, limit=1000))

    published = Counter(title for publisher in publishers for title in publisher.titles)
    assert len(published) == 7 * A_DAY * len(FEEDS)
    assert states == [IssueState.SENT] * 7
    assert mailed == Counter({"reader@example.com": 7})
    assert stored - published == Counter(), "stored twice"
    assert published - stored == Counter(), "lost"
    # A shrunken and a failed fetch only put things off: what was missed then is in the next day's issue.
    assert carried == published


async def test_why_tells_of_an_article_that_moved(store: Store, tmp_path: Path):
    publisher = Publisher("slugs", 1)
    async with serving() as server:
        container = make_container(store, collect={"allow_private_networks": True})
        with store.write() as tx:
            publication = make_publication(tx, timezone="UTC")
        publisher.publish(MONDAY)
        address = server.rule("/slugs.xml", publisher.document(lambda entry: entry))
        await add_source(store, publication.id, address, settings=container.settings, now=MONDAY)
        line = a_line(container, at=MONDAY)
        await run(line, line.publication.cadences[0])
        moved = shown("slugs", 6, MONDAY)
        server.rule("/slugs.xml", publisher.document(moved))
        line = a_line(container, at=MONDAY + timedelta(days=1))
        await run(line, line.publication.cadences[0])

    old, new = publisher.entries[0].link, moved(publisher.entries[0]).link
    assert why(store, old).article.id == why(store, new).article.id
