"""The archive, its search and its feeds, as anybody may use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import feedparser
import pytest
from lxml import html as lxml_html

from digest.model.publication import Archive, Publication
from digest.store import publications
from digest.store.engine import Store
from digest.web.asgi import create_app
from support.factories import NOW, make_publication
from support.published import BASE, News, publish
from support.site import Reply, ask, container_of, running

PICTURE = "https://pictures.example.com/harbour.jpg"
HOSTILE = News('Fish & <b>chips</b> "tax"', "Up 5 < 6 %.")


@dataclass(frozen=True)
class Site:
    base: str
    store: Store
    publication: Publication

    def get(self, path: str, **headers: str) -> Reply:
        return ask(self.base, "GET", f"/morning/{path}", headers=headers)

    def change(self, **values: object) -> None:
        with self.store.write() as tx:
            publications.change(tx, self.publication.id, values)


@pytest.fixture
def site(sqlite_database: str, tmp_path: Path) -> Iterator[Site]:
    store = Store(sqlite_database)  # the statements are tried on both databases in tests/store/test_archive.py
    with store.write() as tx:
        publication = make_publication(tx)
        publish(tx, publication, date(2026, 10, 31), [News("The harbour opens", image_url=PICTURE), HOSTILE])
        publish(tx, publication, date(2026, 11, 2), [News("A bridge for cyclists")])
    with running(create_app(container_of(store, tmp_path), clock=lambda: NOW)) as base:
        yield Site(base, store, publication)
    store.close()


def test_the_archive_lists_issues_by_month_newest_first(site: Site):
    page = lxml_html.fromstring(site.get("archive").body)

    assert [heading.text for heading in page.iter("h2")] == ["November 2026", "October 2026"]
    links = [(link.text, link.get("href")) for link in page.iterfind(".//h3/a")]
    assert links == [("A bridge for cyclists", "/morning/2"), ("The harbour opens", "/morning/1")]
    canonical = page.xpath("//link[@rel='canonical']/@href")
    assert canonical == [f"{BASE}/morning/archive"]


def test_a_search_shows_the_headlines_it_found(site: Site):
    reply = site.get("archive?q=CHIPS")
    page = lxml_html.fromstring(reply.body)

    assert [link.get("href") for link in page.iterfind(".//h3/a")] == ["/morning/1"]
    assert [item.text for item in page.xpath("//ul[@class='issues']//ul/li")] == [HOSTILE.title]
    assert reply.headers["x-robots-tag"] == "noindex"
    assert "<b>chips" not in reply.body


@pytest.mark.parametrize(
    "query", ["q=submarine", "q=%3F%21", "q=%00", "q=" + "x" * 5000, "q=%25&before=-1", "before=9" * 9]
)
def test_a_search_that_finds_nothing_or_means_nothing_is_an_answer_too(site: Site, query: str):
    assert site.get(f"archive?{query}").status == 200


def test_older_issues_are_a_page_further(site: Site):
    with site.store.write() as tx:
        for day in range(1, 31):
            publish(tx, site.publication, date(2026, 9, day), [News(f"September {day}")])
            publish(tx, site.publication, date(2026, 8, day), [News(f"August {day}")])
    first = lxml_html.fromstring(site.get("archive").body)
    (older,) = first.xpath("//a[@rel='next']/@href")
    second = lxml_html.fromstring(ask(site.base, "GET", older).body)

    assert len(first.findall(".//h3/a")) == 60
    assert [link.get("href") for link in second.iterfind(".//h3/a")] == ["/morning/2", "/morning/1"]


def test_both_feeds_hold_the_issues_with_their_headlines(site: Site):
    atom, feed = site.get("feed.xml"), site.get("feed.json")
    parsed, read = feedparser.parse(atom.body), json.loads(feed.body)

    assert not parsed.bozo
    assert [(entry.title, entry.link) for entry in parsed.entries] == [
        ("A bridge for cyclists", f"{BASE}/morning/2"),
        ("The harbour opens", f"{BASE}/morning/1"),
    ]
    assert parsed.entries[1].updated == "2026-10-31T06:00:00Z"
    assert "Fish &amp; &lt;b&gt;chips" in parsed.entries[1].content[0].value
    assert read["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["id"] for item in read["items"]] == [f"{BASE}/morning/2", f"{BASE}/morning/1"]
    assert read["items"][1]["date_published"] == "2026-10-31T06:00:00Z"
    assert (atom.headers["content-type"], feed.headers["content-type"]) == (
        "application/atom+xml",
        "application/feed+json",
    )


def test_an_unchanged_feed_is_not_sent_again(site: Site):
    tag = site.get("feed.xml").headers["etag"]
    same = site.get("feed.xml", **{"If-None-Match": tag})
    with site.store.write() as tx:
        publish(tx, site.publication, date(2026, 11, 3), [News("New")])

    assert (same.status, same.body) == (304, "")
    assert site.get("feed.xml", **{"If-None-Match": tag}).status == 200


def test_an_issue_on_the_web_says_what_it_is_and_leads_to_its_neighbours(site: Site):
    reply = site.get("1")
    page = lxml_html.fromstring(reply.body)
    facts = {one.get("property"): one.get("content") for one in page.xpath("//meta[@property]")}

    assert page.xpath("//link[@rel='canonical']/@href") == [f"{BASE}/morning/1"]
    assert facts["og:title"] == "The harbour opens"
    assert facts["og:description"] == f"Plus: {HOSTILE.title}"
    assert facts["og:url"] == f"{BASE}/morning/1"
    assert page.xpath("//a[@rel='next']/@href") == ["/morning/2"]
    assert page.xpath("//a[@rel='prev']/@href") == []
    assert len(page.findall(".//main")) == 1
    assert page.xpath("//meta[@name='robots']") == []
    assert "x-robots-tag" not in reply.headers


def test_an_unlisted_archive_shows_an_issue_to_whoever_has_its_address_only(site: Site):
    site.change(archive=Archive.UNLISTED.value)
    reply = site.get("1")
    page = lxml_html.fromstring(reply.body)

    assert [site.get(path).status for path in ("archive", "feed.xml", "feed.json")] == [404, 404, 404]
    assert reply.status == 200
    assert reply.headers["x-robots-tag"] == "noindex"
    assert page.xpath("//a[@rel='next'] | //link[@rel='alternate']") == []
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]


def test_an_archive_that_is_off_shows_nothing(site: Site):
    site.change(archive=Archive.OFF.value)

    assert [site.get(path).status for path in ("1", "archive", "feed.xml")] == [404, 404, 404]


def test_search_engines_are_kept_away_from_a_publication_that_says_so(site: Site):
    site.change(is_indexed=False)

    assert site.get("archive").headers["x-robots-tag"] == "noindex"
    assert site.get("1").headers["x-robots-tag"] == "noindex"


def test_another_publication_has_no_archive_of_this_one(site: Site):
    assert ask(site.base, "GET", "/evening/archive").status == 404
