"""What is read from an article page: every fact by its own rules, on pages of our own writing."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.feeds import webpage
from digest.model.article import Barrier, ParsedArticle
from digest.model.errors import FeedMalformed
from digest.text import html
from support.pages import PAGE, SENTENCES

URL = "https://news.example.com/2025/08/20/baths"
LONG = " ".join(SENTENCES) * 3


def page(head: str = "", body: str = "", *, title: str = "", lang: str = "en") -> ParsedArticle:
    paragraphs = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES * 2)
    text = f'<!doctype html><html lang="{lang}"><head><title>{title}</title>{head}</head><body>{body}{paragraphs}</body></html>'  # noqa: E501 - a page on a line
    return webpage.read(text.encode(), url=URL)


def linked(**facts: object) -> str:
    document = {"@context": "https://schema.org", "@type": "NewsArticle", **facts}
    return f'<script type="application/ld+json">{json.dumps(document)}</script>'


def published(told: str, *, path: str, line: str, modified: str = "") -> datetime:
    facts = linked(datePublished=told, **({"dateModified": modified} if modified else {}))
    text = (
        f"<html><head>{facts}</head><body><h1>Baths to reopen</h1><p><span>{line}</span></p><p>{LONG}</p></body></html>"
    )
    found = webpage.read(text.encode(), url=f"https://news.example.com{path}").published_at
    assert found is not None
    return found


def og(**facts: str) -> str:
    return "".join(f'<meta property="og:{key}" content="{value}">' for key, value in facts.items())


class TestHeadline:
    @pytest.mark.parametrize(
        ("title", "head", "body", "want"),
        [
            ("Baths to reopen | Example News", "", "<h1>Baths to reopen</h1>", "Baths to reopen"),
            ("Baths to reopen - Example News", og(site_name="Example News"), "", "Baths to reopen"),
            ("Example News: world", og(title="Baths to reopen — news.example.com"), "", "Baths to reopen"),
            ("Baths to reopen in spring | City | Example", "", "", "Baths to reopen in spring"),
            ("x", linked(headline="Baths to reopen"), "<h1>Example News</h1><h1>Other</h1>", "Baths to reopen"),
            ("", linked(headline="Baths &amp;amp; more"), "", "Baths & more"),
            ("Example News", "", "<h1>Baths to reopen</h1>", "Baths to reopen"),
            ("Baths to reopen: a long time coming - Notes", "", "<h1>Baths to reopen</h1>", "Baths to reopen"),
            ("", "", "<h1>Example News</h1><h1>Baths to reopen</h1>", "Baths to reopen"),
            ("", "", "", ""),
        ],
    )
    def test_names_of_the_site_are_left_out(self, title: str, head: str, body: str, want: str):
        assert page(head, body, title=title).title == want

    def test_of_two_told_headlines_the_one_that_is_not_the_window_title_again(self):
        window = "Council vote: baths to reopen next spring"
        head = linked(headline=window) + og(title="After nine years, the baths are back")

        assert (
            page(head, f"<h1>{window}</h1>", title=f"{window} | Example").title
            == "After nine years, the baths are back"
        )

    def test_a_headline_cut_for_search_engines_is_completed(self):
        whole = "The city council has voted to reopen the old harbour baths next spring, after nine years of closure and debate"  # noqa: E501 - a page on a line

        assert page(linked(headline=whole[:95]), f"<h1>{whole}</h1>").title == whole


class TestAuthor:
    @pytest.mark.parametrize(
        ("head", "body", "want"),
        [
            (linked(author={"@type": "Person", "name": "Ann Example"}), "", "Ann Example"),
            (linked(author=[{"name": "Ann Example"}, {"name": "Ben Other"}]), "", "Ann Example, Ben Other"),
            (linked(author={"givenName": "Ann", "familyName": "Example"}), "", "Ann Example"),
            (linked(author="By Ann Example and Ben Other"), "", "Ann Example, Ben Other"),
            (linked(author={"@type": "Organization", "name": "Reuters"}), "", "Reuters"),
            (linked(author={"@type": "Organization", "name": "Example News"}) + og(site_name="Example News"), "<p class='byline'>By Ann Example</p>", "Ann Example"),  # noqa: E501 - a page on a line
            (linked(author={"@type": "Organization", "name": "Example News"}) + og(site_name="Example News"), "", "Example News"),  # noqa: E501 - a page on a line
            ('<meta name="author" content="Ann Example"><meta property="og:type" content="article">', "", "Ann Example"),  # noqa: E501 - a page on a line
            ('<meta name="author" content="admin"><meta property="og:type" content="article">', "", None),
            ('<meta name="author" content="Harbour Trust GmbH"><meta property="og:type" content="article">', "", None),
            ('<meta name="author" content="https://facebook.com/example"><meta property="og:type" content="article">', "", None),  # noqa: E501 - a page on a line
            ('<meta name="author" content="Ann Example">', "", None),
            ("", '<a rel="author" href="/x">Ann Example</a>', "Ann Example"),
            ("", '<span itemprop="author"><span itemprop="name">Ann Example</span></span>', "Ann Example"),
            ("", '<div class="article-byline">By <a href="/authors/ann">Ann Example</a>, Correspondent</div>', "Ann Example"),  # noqa: E501 - a page on a line
            ("", '<a href="/people/ann-example">Ann Example</a>', "Ann Example"),
            ("", "<ul><li>by: Jo Keller</li><li>08/20/2025</li></ul>", "Jo Keller"),
            ("", "<ul><li>by: </li><li>08/20/2025</li></ul>", None),
            ("", "<p>Autorin: Eva Muster</p>", "Eva Muster"),
            ("", "<p>(责编：牛镛、岳弘彬)</p>", "牛镛, 岳弘彬"),
            ("", '<div class="comments"><span class="author">Angry Reader</span></div>', None),
            ("", '<aside><a rel="author" href="/x">Somebody Else</a></aside>', None),
            ("", "<p>Von Jagdschein bis Wildbret</p>", None),
        ],
    )  # fmt: skip
    def test_people_are_found_and_nobody_is_made_up(self, head: str, body: str, want: str | None):
        assert page(head, f"<h1>Baths to reopen</h1>{body}", title="Baths to reopen").author == want

    def test_references_within_json_ld_are_followed(self):
        graph = {
            "@graph": [
                {"@type": "Article", "headline": "Baths", "author": {"@id": "#ann"}},
                {"@type": "Person", "@id": "#ann", "name": "Ann Example"},
            ]
        }

        assert page(f'<script type="application/ld+json">{json.dumps(graph)}</script>').author == "Ann Example"

    def test_a_name_like_the_sites_is_still_a_name(self):
        assert webpage.read(PAGE.format(head="", author="Ann Example").encode(), url=URL).author == "Ann Example"


class TestDate:
    @pytest.mark.parametrize(
        ("head", "body", "want"),
        [
            (linked(datePublished="2025-08-19T10:00:00Z", dateModified="2025-08-21T10:00:00Z"), "", datetime(2025, 8, 19, 10, tzinfo=UTC)),  # noqa: E501 - a page on a line
            ('<meta property="article:published_time" content="2025-08-19T10:00:00+02:00">', "", datetime(2025, 8, 19, 8, tzinfo=UTC)),  # noqa: E501 - a page on a line
            ("", '<time datetime="2025-08-20T06:00:00Z">today</time>', datetime(2025, 8, 20, 6, tzinfo=UTC)),
            ("", "<p>Nothing.</p>", datetime(2025, 8, 20, 12, tzinfo=UTC)),  # from the address
        ],
    )  # fmt: skip
    def test_the_day_of_publication(self, head: str, body: str, want: datetime):
        assert page(head, body).published_at == want

    def test_the_instant_keeps_the_zone_the_page_writes_it_in(self):
        found = page(linked(datePublished="2025-08-20T00:30:00+08:00")).published_at

        assert found is not None
        assert (found.day, found.astimezone(UTC).day) == (20, 19)

    @pytest.mark.parametrize(
        ("told", "path", "line", "want"),
        [
            ("2025-08-20T02:18:11Z", "/2025/08/19/baths", "", "2025-08-19T23:18:11-03:00"),
            ("2025-08-20T00:38:07Z", "/baths", "Aug 19, 2025 at 4:38 PM", "2025-08-19T16:38:07-08:00"),
            ("2025-08-20T03:15:00Z", "/baths", "August 20, 2025 8:45 am", "2025-08-20T08:45:00+05:30"),
            ("2025-08-19T22:10:00Z", "/baths", "20 agosto 2025", "2025-08-20T00:10:00+02:00"),
            ("2025-08-19T22:10:00+00:00", "/baths", "20.08.2025", "2025-08-20T00:10:00+02:00"),
            ("2025-08-20T00:00:00Z", "/baths", "19.08.2025", "2025-08-19T23:00:00-01:00"),
            ("2025-08-20T12:00:00Z", "/baths", "20.08.2025", "2025-08-20T12:00:00+00:00"),
        ],
    )
    def test_an_instant_told_in_utc_falls_on_the_day_the_page_shows(self, told: str, path: str, line: str, want: str):
        found = published(told, path=path, line=line)

        assert found.isoformat() == want

    @pytest.mark.parametrize(
        ("told", "path", "line", "modified"),
        [
            ("2025-08-20T10:04:00Z", "/2025/08/19/baths", "", ""),  # nobody lives eleven hours west of Greenwich
            ("2025-08-19T09:00:00Z", "/baths", "20.08.2025", ""),  # nor so far east
            ("2025-08-19T22:10:00Z", "/baths", "20.08.2025", "2025-08-20T08:00:00Z"),  # the day of the change
            ("2025-08-19T22:10:00Z", "/baths", "Aug 19, 2025 at 4:48 PM", ""),  # another moment
            ("2025-08-19T22:10:00-04:00", "/2025/08/20/baths", "", ""),  # the publisher's own zone
        ],
    )
    def test_another_day_on_the_page_does_not_move_it_too_far(self, told: str, path: str, line: str, modified: str):
        found = published(told, path=path, line=line, modified=modified)

        assert found == datetime.fromisoformat(told)
        assert found.utcoffset() == datetime.fromisoformat(told).utcoffset()

    def test_a_date_behind_the_window_title_is_the_pages(self):
        others = "<ul><li>24.04.2023</li></ul>"
        text = f"<html><head><title>Baths | City | EX | 28.04.2023</title></head><body><h1>Baths</h1>{others}<p>{LONG}</p></body></html>"  # noqa: E501 - a page on a line

        found = webpage.read(text.encode(), url="https://news.example.com/baths")

        assert (found.published_at, found.published_is_day) == (datetime(2023, 4, 28, 12, tzinfo=UTC), True)

    def test_a_date_beside_the_headline_is_a_day(self):
        text = f"<html><body><h1>Baths to reopen</h1><ul><li>08/20/2025</li></ul><p>{LONG}</p></body></html>"

        found = webpage.read(text.encode(), url="https://news.example.com/baths")

        assert (found.published_at, found.published_is_day) == (datetime(2025, 8, 20, 12, tzinfo=UTC), True)


class TestText:
    def test_what_stands_around_the_text_is_left_out(self):
        furniture = (
            "<p>Share this article</p><p>Read more: The pier is next</p><p>Sign up for our newsletter</p><p>Advertisement</p>"  # noqa: E501 - a page on a line
            "<p>Lesen Sie auch: Das Bad</p><p>Follow us on Facebook</p><p>© 2025 Example News</p><p>By Ann Example</p>"
        )
        text = html.to_text(page(body=f"<article><h1>Baths</h1>{furniture}").content_html)

        assert all(sentence in text for sentence in SENTENCES)
        for junk in ("Share", "pier", "newsletter", "Advert", "Lesen", "Facebook", "©", "Ann", "Baths"):
            assert junk not in text.replace("harbour baths", "")

    def test_elements_that_never_hold_the_text_are_left_out_with_all_they_hold(self):
        around = "".join(f"<{tag}><p>{LONG.replace('baths', tag)}</p></{tag}>" for tag in ("nav", "aside", "footer"))

        text = html.to_text(page(body=f"<article><h1>Baths</h1><p>{LONG}</p></article>{around}").content_html)

        assert LONG in text
        assert not any(f"old harbour {tag}" in text for tag in ("nav", "aside", "footer"))

    def test_what_trafilatura_misses_of_a_text_its_other_readers_find(self):
        """Of two articles its own rules take the first alone, which is the shorter."""
        first = f"<p>{SENTENCES[0] * 5}</p>"
        rest = "".join(f"<p>{number}: {sentence}</p>" for number in range(9) for sentence in SENTENCES)
        text = f"<html><body><article>{first}</article><article>{rest}</article></body></html>"

        found = webpage.read(text.encode(), url=URL)

        assert all(f"{number}: {SENTENCES[1]}" in html.to_text(found.content_html) for number in range(9))

    def test_sentences_that_begin_like_furniture_stay(self):
        told = "Subscribe to this view and you will find that nothing of what the council has said in nine years was ever true."  # noqa: E501 - a page on a line
        body = f"<article><p>{told} {SENTENCES[0]}</p>"

        assert told in html.to_text(page(body=body).content_html)

    def test_a_text_that_only_a_script_would_show_is_found(self):
        content = json.dumps("".join(f"<p>{sentence}</p>" for sentence in SENTENCES * 3)).replace("<", "\\u003c")
        text = f'<html><body><div id="app"></div><script>window.state = {{"contentHtml": {content}}}</script></body></html>'  # noqa: E501 - a page on a line

        assert SENTENCES[1] in html.to_text(webpage.read(text.encode(), url=URL).content_html)

    def test_json_ld_stands_in_where_the_page_has_next_to_nothing(self):
        head = linked(headline="Baths", articleBody="\n".join(SENTENCES * 2))
        text = f"<html><head>{head}</head><body><h1>Baths</h1><div>Loading</div></body></html>"

        assert SENTENCES[1] in html.to_text(webpage.read(text.encode(), url=URL).content_html)

    def test_headings_lists_and_quotations_keep_their_meaning(self):
        body = f"<article><h1>Baths</h1><p>{LONG}</p><h2>What comes next</h2><ul><li>{SENTENCES[0]}</li><li>{SENTENCES[1]}</li></ul><blockquote>{SENTENCES[2]}</blockquote><p>{LONG}</p></article>"  # noqa: E501 - a page on a line
        found = webpage.read(f"<html><body>{body}</body></html>".encode(), url=URL).content_html

        assert "<h3>What comes next</h3>" in found
        assert f"<ul>\n<li>{SENTENCES[0]}</li>\n<li>{SENTENCES[1]}</li>\n</ul>" in found

    def test_the_fast_reader_gives_the_text_too(self):
        found = webpage.read(PAGE.format(head="", author="Ann").encode(), url=URL, quick=True)

        assert [sentence in found.content_html for sentence in SENTENCES] == [True, True, True]


class TestBarriers:
    def test_a_paywall_is_said(self):
        text = f"<html><head>{linked(headline='Baths', isAccessibleForFree=False)}</head><body><article><p>{SENTENCES[0]}</p></article></body></html>"  # noqa: E501 - a page on a line

        assert webpage.read(text.encode(), url=URL).barrier is Barrier.PAYWALL

    def test_words_that_ask_for_money_are_understood(self):
        text = f"<html><body><article><h1>Baths</h1><p>{SENTENCES[0]}</p></article><div>Subscribe now to continue reading</div></body></html>"  # noqa: E501 - a page on a line

        assert webpage.read(text.encode(), url=URL).barrier is Barrier.PAYWALL

    def test_a_wall_is_seen_where_no_text_is_looked_for(self):
        wall = "<aside><button>Subscribe now to continue reading</button></aside>"
        text = f"<html><body><article><h1>Baths</h1><p>{SENTENCES[0]}</p></article>{wall}</body></html>"

        assert webpage.read(text.encode(), url=URL).barrier is Barrier.PAYWALL

    def test_a_question_for_consent_is_no_article(self):
        text = "<html><head><title>Before you continue to Example</title></head><body><p>We and our 800 partners store cookies.</p></body></html>"  # noqa: E501 - a page on a line

        assert webpage.read(text.encode(), url=URL).barrier is Barrier.CONSENT

    def test_a_whole_article_is_behind_no_wall(self):
        body = f"<article><h1>Baths</h1><p>{LONG}</p><p>{LONG}</p><p>{LONG}</p></article><div>Subscribe to continue reading</div>"  # noqa: E501 - a page on a line
        found = webpage.read(f"<html><body>{body}</body></html>".encode(), url=URL)

        assert found.barrier is None


def test_a_declared_language_is_checked_against_the_text():
    german = (
        "<p>Der Stadtrat hat am Dienstag beschlossen, das alte Hafenbad im nächsten Frühjahr wieder zu öffnen, nach neun Jahren.</p>"  # noqa: E501 - a page on a line
        * 4
    )
    text = f'<html lang="en"><body><article><h1>Das Bad</h1>{german}</article></body></html>'

    assert webpage.read(text.encode(), url=URL).language == "de"


def test_nothing_is_refused_with_a_hint():
    with pytest.raises(FeedMalformed, match="empty") as caught:
        webpage.read(b"", url=URL)

    assert caught.value.hint


_PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<div class='byline author'>", "</div>", "<h1>", "</h1>", "<article>", "<script type='application/ld+json'>",  # noqa: E501 - a page on a line
        "</script>", '{"@type":"Article","author":', "[[[[", "]}", "<meta property='og:title' content='", "'>", "<table><tr><td>",  # noqa: E501 - a page on a line
        "<li>by: ", "08/20/2025", "<time datetime='", "9999-99-99T", "<a rel=author href='//[", "<base href='http://[x'>", "&#0;&#xD800;",  # noqa: E501 - a page on a line
        "\x00", "\ud7ff", "<svg><foreignObject>", "<!--", "-->", "<![CDATA[", "]]>", "<noscript>", "<form>", "<ul><li>", "By John Smith",  # noqa: E501 - a page on a line
        "<title>A | B - C</title>", "http://", "© 2025", SENTENCES[0], "<br>" * 50, "<b>" * 60, "日本語の文章です。", "<pre>\n\n  • by:\n",  # noqa: E501 - a page on a line
        '<link rel="canonical" href="', '"articleBody":"', "<html lang='xx-\x0b'>", "<body class='", "<p itemprop=author>", "%s{0}",  # noqa: E501 - a page on a line
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES | st.text(max_size=30), max_size=60).map("".join), st.booleans())
def test_no_page_makes_it_raise_or_hang(text: str, quick: bool):  # noqa: FBT001 - hypothesis gives arguments by position
    started = time.process_time()
    try:
        found = webpage.read(text.encode("utf-8", "surrogatepass"), url=URL, quick=quick)
    except FeedMalformed as refused:
        assert refused.hint  # noqa: PT017 - a refusal is one of two right answers
    else:
        assert "<script" not in found.content_html
        assert found.published_at is None or found.published_at.tzinfo is not None
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "text",
    [
        "<div>" * 20_000 + SENTENCES[0],
        "<p>" + "a" * 2_000_000,
        "<b><i>" * 10_000,
        "<table>" * 3_000,
        '<script type="application/ld+json">' + "[" * 100_000 + "</script><p>x</p>",
        '<script type="application/ld+json">{"@graph":['
        + '{"@type":"Article","headline":"x"},' * 20_000
        + "{}]}</script>",
        "<meta name='author' content='" + "a, " * 100_000 + "'>",
        "<li>by: " + " and ".join(["Ann Example"] * 5_000) + "</li>",
        "<title>" + " - x" * 20_000 + "</title>",
        "<h1>" + " | x" * 20_000 + "</h1>",
        "<p>" + "click here " * 50_000,
    ],
    ids=range(11),
)
def test_pages_made_to_be_slow_are_not(text: str):
    started = time.process_time()
    with contextlib.suppress(FeedMalformed, RecursionError):
        webpage.read(f"<html><body>{text}".encode(), url=URL)
    assert time.process_time() - started < 10
