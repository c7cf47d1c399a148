from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from digest import feeds
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed

_NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)
_V11 = "https://jsonfeed.org/version/1.1"


def _parse(document: Any, url: str = "https://news.example.com/feed.json") -> ParsedFeed:
    return feeds.parse(json.dumps(document).encode(), url=url, fetched_at=_NOW)


def _feed(*items: Any, **head: Any) -> dict[str, Any]:
    return {
        "version": _V11,
        "title": "News",
        "home_page_url": "https://news.example.com/",
        "items": list(items),
        **head,
    }


def _item(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "url": "/1.html", "title": "A & B", "date_published": "2025-08-20T10:00:00+02:00", **fields}


def test_a_feed_of_version_1_1():
    item = _item(
        content_html="<p>Hi</p>",
        summary="Short <text>",
        date_modified="2025-08-20T11:00:00Z",
        authors=[{"name": "Ann"}, {"name": "Ben"}],
        image="/i.jpg",
        tags=["Parks", "Parks", ""],
        language="de",
        attachments=[{"url": "/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 12}],
    )

    feed = _parse(
        _feed(item, language="en", hubs=[{"type": "WebSub", "url": "https://hub.example/"}], feed_url="feed.json")
    )

    one = feed.entries[0]
    assert (feed.kind, feed.title, feed.home_url, feed.language) == ("json", "News", "https://news.example.com/", "en")
    assert (feed.hub_url, feed.self_url) == ("https://hub.example/", "https://news.example.com/feed.json")
    assert (one.guid, one.url, one.title) == ("1", "https://news.example.com/1.html", "A & B")
    assert (one.author, one.labels, one.language) == ("Ann, Ben", ("Parks",), "de")
    assert one.published_at == datetime(2025, 8, 20, 8, tzinfo=UTC)
    assert one.updated_at == datetime(2025, 8, 20, 11, tzinfo=UTC)
    assert (one.summary, one.content_html) == ("Short &lt;text&gt;", "<p>Hi</p>")
    assert one.image_url == "https://news.example.com/i.jpg"
    assert (one.enclosures[0].url, one.enclosures[0].length) == ("https://news.example.com/a.mp3", 12)


def test_a_feed_of_version_1_has_one_author():
    feed = _parse(_feed(_item(), version="https://jsonfeed.org/version/1", author={"name": "Ann"}))

    assert feed.entries[0].author == "Ann"


def test_plain_text_becomes_paragraphs():
    assert _parse(_feed(_item(content_text="a < b\n\nc"))).entries[0].content_html == "<p>a &lt; b</p><p>c</p>"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 17),
        ("title", None),
        ("authors", "Ann"),
        ("authors", [None, {"name": 3}]),
        ("tags", "a"),
        ("attachments", {"url": "x"}),
        ("attachments", [{"url": 1}, "x"]),
        ("date_published", "yesterday"),
        ("date_published", 1748937900),
        ("content_html", ["x"]),
    ],
)
def test_a_member_of_another_type_costs_only_itself(field: str, value: Any):
    feed = _parse(_feed(_item(**{field: value})))

    assert feed.entries[0].url == "https://news.example.com/1.html"


def test_items_that_are_no_objects_are_told():
    feed = _parse(_feed(_item(), "x", None))

    assert len(feed.entries) == 1
    assert [odd.code for odd in feed.warnings] == ["entries-lost"]


def test_an_id_that_is_an_address_stands_in_for_the_link():
    assert _parse(_feed({"id": "https://a.example/1", "title": "T"})).entries[0].url == "https://a.example/1"


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"{}", b'{"items": {}}', b'{"items": [{"price": 3}]}', b"[" * 100_000])
def test_json_that_is_no_feed_is_refused(raw: bytes):
    with pytest.raises(FeedMalformed, match="JSON") as caught:
        feeds.parse(raw, fetched_at=_NOW)

    assert caught.value.hint
