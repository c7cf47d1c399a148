"""When an entry's page is looked at, and what is taken from there (collection.md F20)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from digest.feeds.fulltext import REASONS, FullText, better, needs_page, verdict
from digest.model.article import Barrier, ParsedArticle
from support.pages import SENTENCES

LONG = " ".join(SENTENCES * 3)
FEED = ParsedArticle(
    guid="1", url="https://e.com/a", title="Baths to reopen next spring", summary=SENTENCES[0], content_html=""
)
DATED = replace(FEED, published_at=datetime(2025, 8, 20, tzinfo=UTC))
FERRY = replace(FEED, title="Ferry found in fog", summary="A ferry that had been missing was found by fishermen.")
PAGE = ParsedArticle(
    guid="https://e.com/a",
    url="https://e.com/a",
    title="Baths to reopen next spring",
    content_html=f"<p>{LONG}</p>",
    author="Ann Example",
    published_at=datetime(2025, 8, 20, tzinfo=UTC),
    image_url="https://e.com/a.jpg",
    image_alt="The baths",
    language="en",
)


@pytest.mark.parametrize(
    ("content", "needed"),
    [
        ("", True),
        (f"<p>{LONG[:500]}</p>", True),
        (f"<p>{LONG}</p>", False),
        (f"<p>{LONG} …</p>", True),
        (f"<p>{LONG} [...]</p>", True),
        (f"<p>{LONG}</p><p><a href='/a'>Continue reading</a></p>", True),
        (f"<p>{LONG}</p><p>Read more »</p>", True),
        (f"<p>{LONG}</p><p>Weiterlesen</p>", True),
        (f"<p>{LONG}</p><p>The post Baths appeared first on Example News.</p>", False),
        (f"<p>{LONG} [&hellip;]</p><p>The post Baths appeared first on Example News.</p>", True),
    ],
)
def test_the_page_is_looked_at_when_the_feed_holds_only_the_beginning(content: str, needed: bool):  # noqa: FBT001
    assert needs_page(replace(DATED, content_html=content)) is needed


def test_a_long_summary_counts_as_text():
    assert not needs_page(replace(DATED, summary=LONG))


def test_a_page_is_asked_for_a_date_that_the_feed_does_not_give():
    assert needs_page(replace(FEED, content_html=f"<p>{LONG}</p>"))


@pytest.mark.parametrize("url", ["", "/srv/a.txt", "mailto:a@b"])
def test_what_has_no_page_needs_none(url: str):
    assert not needs_page(replace(FEED, url=url))


def test_a_longer_page_with_the_teaser_in_it_is_taken():
    found = better(FEED, PAGE)

    assert verdict(FEED, PAGE) is FullText.TAKEN
    assert found.content_html == PAGE.content_html
    assert (found.guid, found.title, found.summary) == (FEED.guid, FEED.title, FEED.summary)
    assert (found.author, found.image_url, found.image_alt, found.language) == (
        "Ann Example",
        PAGE.image_url,
        "The baths",
        "en",
    )
    assert found.published_at == PAGE.published_at


def test_what_the_feed_says_of_itself_stays():
    told = replace(
        FEED, author="Ben Other", published_at=datetime(2025, 8, 19, tzinfo=UTC), image_url="https://e.com/b.jpg"
    )

    found = better(told, PAGE)

    assert (found.author, found.published_at, found.image_url) == (told.author, told.published_at, told.image_url)
    assert found.image_alt == ""


def test_a_reworded_teaser_under_the_same_headline_is_the_same_article():
    assert verdict(replace(FEED, summary="Nine years on, swimmers get their pool back."), PAGE) is FullText.TAKEN


@pytest.mark.parametrize(
    ("feed", "page", "why"),
    [
        (FEED, replace(PAGE, content_html=""), FullText.EMPTY),
        (FEED, replace(PAGE, content_html="<p>Short.</p>"), FullText.SHORTER),
        (FEED, replace(PAGE, barrier=Barrier.PAYWALL), FullText.PAYWALL),
        (FEED, replace(PAGE, barrier=Barrier.CONSENT), FullText.CONSENT),
        (FERRY, PAGE, FullText.ANOTHER),
    ],
)  # fmt: skip
def test_else_the_feeds_text_is_kept_and_the_reason_known(feed: ParsedArticle, page: ParsedArticle, why: FullText):
    assert verdict(feed, page) is why
    assert better(feed, page).content_html == feed.content_html
    assert REASONS[why]


def test_another_article_or_a_wall_gives_nothing_at_all():
    assert better(FEED, replace(PAGE, barrier=Barrier.PAYWALL)) == FEED
    assert better(FERRY, PAGE) == FERRY
