# ruff: noqa: E501 - documents read best as they are written

from __future__ import annotations

import pytest

from digest.feeds import discovery

_URL = "https://town.example/news/index.html"


def _page(head: str = "", body: str = "") -> str:
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


@pytest.mark.parametrize(
    "link",
    [
        '<link rel="alternate" type="application/rss+xml" href="/feed.xml">',
        '<LINK REL="Alternate" TYPE="application/atom+xml; charset=utf-8" HREF="../feed.xml">',
        "<link rel=alternate type=application/feed+json href=//town.example/feed.xml>",
        '<link rel="alternate" type="text/xml" href="/feed.xml" title="News">',
        '<link rel="feed" href="/feed.xml">',
        '<base href="https://town.example/x/"><link rel="alternate" type="application/rss+xml" href="../feed.xml">',
    ],
)
def test_a_feed_the_page_names_is_found(link: str):
    assert discovery.named(_page(link), _URL) == ("https://town.example/feed.xml",)


@pytest.mark.parametrize(
    "link",
    [
        '<link rel="alternate" type="application/rss+xml" title="Town » Comments Feed" href="/feed2">',
        '<link rel="alternate" type="application/rss+xml" href="/comments/feed/">',
        '<link rel="alternate" type="application/json" href="/wp-json/wp/v2/pages/2">',
        '<link rel="alternate" type="application/json+oembed" href="/oembed?url=feed">',
        '<link rel="alternate" hreflang="de" href="/de/feed-the-birds">',
        '<link rel="stylesheet" type="text/css" href="/feed.css">',
        '<link rel="alternate" type="application/rss+xml" href="javascript:x">',
        "",
    ],
)
def test_what_is_no_feed_is_not_named(link: str):
    assert discovery.named(_page(link), _URL) == ()


def test_without_a_named_feed_links_come_first_then_common_paths():
    body = '<a href="/rss/all">RSS</a><a href="/news/">News</a><a href="https://else.example/feed">x</a><a href="/feed.pdf">x</a>'

    found = discovery.candidates(_page(body=body), _URL)

    assert found[0] == "https://town.example/rss/all"
    assert found[1:3] == ("https://town.example/news/feed", "https://town.example/news/rss.xml")
    assert "https://town.example/feed.json" in found
    assert "https://else.example/feed" not in found
    assert len(found) == len(set(found))


def test_websub_headers_name_hub_and_self():
    headers = ['<https://hub.example/>; rel="hub", </feed.xml>; rel=self', '<https://x.example/a,b>; rel="next prev"']

    assert discovery.hubs(headers, _URL) == ("https://hub.example/", "https://town.example/feed.xml")
    assert discovery.hubs(["nonsense", "<>; rel=hub"], _URL) == ("", "")


def test_robots_names_sitemaps_news_first():
    robots = "\ufeffUser-agent: *\nDisallow:\nSitemap: /a.xml\n sitemap : https://town.example/news-sitemap.xml # x\nSITEMAP: /a.xml\nSitemap:\n"

    assert discovery.sitemaps(robots, "https://town.example/robots.txt") == (
        "https://town.example/news-sitemap.xml",
        "https://town.example/a.xml",
    )
