from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest import feeds
from digest.model.article import ParsedArticle
from digest.model.errors import FeedMalformed
from digest.text import html

_PAGE = """<!doctype html><html lang="en"><head><title>Baths to reopen | Example News</title>
<meta property="og:title" content="Baths to reopen"><meta property="og:site_name" content="Example News">
<link rel="canonical" href="https://news.example.com/baths">{head}</head><body><nav><a href="/">Home</a></nav>
<article><h1>Baths to reopen</h1><ul><li>by: {author}</li><li>08/20/2025</li></ul>
<p>The city council voted on Tuesday to reopen the old harbour baths next spring, after nine years of closure.</p>
<p>Repairs to the roof and to the seawater pumps will cost two million, most of it from the regional fund.</p>
<p>Swimmers' clubs had gathered eleven thousand signatures in support of the plan since the winter.</p></article>
<footer>© 2025 Example News. All rights reserved.</footer></body></html>"""


def _article(text: str, name: str = "/articles/a.txt") -> ParsedArticle:
    return feeds.parse_file(text.encode(), name=name).entries[0]


def test_the_seed_article_exactly(shared_data: Path):
    folder = shared_data / "articles"
    want = json.loads((folder / "seed-article.expected.json").read_text("utf-8"))

    feed = feeds.parse_file((folder / "seed-article.txt").read_bytes(), name="/articles/seed-article.txt")

    article = feed.entries[0]
    paragraphs = html.paragraphs(article.content_html)
    body = "\n\n".join(paragraphs)
    assert (feed.kind, len(feed.entries), feed.title) == ("article", 1, want["site"])
    assert (article.title, article.author) == (want["title"], want["author"])
    assert article.published_at == datetime.fromisoformat(want["date"]).replace(hour=12, tzinfo=UTC)
    assert article.published_is_day
    assert len(paragraphs) == want["n_paragraphs"]
    assert body.startswith(want["first_words"])
    assert body.endswith(want["last_words"])
    assert want["chars_min"] <= len(body) <= want["chars_max"]
    assert [text for text in want["must_not_contain"] if text in article.content_html] == []


def test_every_local_file_of_the_newsroom_is_read(shared_data: Path):
    folder = shared_data / "articles/newsroom-day"
    gold = [one for one in json.loads((folder / "gold.json").read_text("utf-8"))["articles"] if one.get("local")]

    wrong = []
    for want in gold:
        for name in want["local"]:
            article = feeds.parse_file((folder / name).read_bytes(), name=name).entries[0]
            paragraphs = html.paragraphs(article.content_html)
            if (
                article.title != want["title"]
                or len(paragraphs) != want["n_paras"]
                or not paragraphs[0].startswith(want["first_words"])
                or not paragraphs[-1].endswith(want["last_words"])
                or article.published_at is None
                or article.published_at.date() != datetime.fromisoformat(want["dt"]).date()
            ):
                wrong.append(name)

    assert len(gold) >= 6
    assert wrong == []


def test_plain_text_with_byline_and_date():
    article = _article(
        "Logo\n\nBaths to reopen\n\nBy Ann Example\nAugust 20, 2025\n\nFirst line\nwrapped.\n\nSecond.\n"
    )

    assert (article.title, article.author) == ("Baths to reopen", "Ann Example")
    assert article.published_at == datetime(2025, 8, 20, 12, tzinfo=UTC)
    assert html.paragraphs(article.content_html) == ("First line wrapped.", "Second.")


def test_plain_text_without_anything_but_a_body():
    article = _article("Baths to reopen\n\nBy Tuesday the council will know.\n\nMore.")

    assert (article.author, article.published_at) == (None, None)
    assert html.paragraphs(article.content_html) == ("By Tuesday the council will know.", "More.")


def test_sign_up_words_in_the_middle_of_a_body_stay():
    body = "Intro paragraph.\n\nSubscribe to this view, she said.\n\nThe end of the story."

    assert (
        len(
            html.paragraphs(
                _article(f"Title\n\n{body}\n\nSign up for our newsletter\n\n© 2025 example.com").content_html
            )
        )
        == 3
    )


def test_markup_in_plain_text_is_only_text():
    article = _article("Title\n\nUse <b> & <script>alert(1)</script> here.")

    assert html.paragraphs(article.content_html) == ("Use <b> & <script>alert(1)</script> here.",)


def test_one_paragraph_a_line_without_blank_lines():
    article = _article("Title\n" + "\n".join("Long words in a line. " * 12 for _ in range(3)))

    assert len(html.paragraphs(article.content_html)) == 3


def test_markdown_with_front_matter():
    text = (
        '---\ntitle: "Baths: reopen"\ndate: 2025-08-20\nauthor: Ann Example\ntags: [Parks, city]\n'
        "url: https://news.example.com/baths\n---\n\n# Baths: reopen\n\n"
        "The *old* [baths](https://example.com).\n\n- one\n"
    )

    article = _article(text, "/articles/a.md")

    assert (article.title, article.author, article.labels) == ("Baths: reopen", "Ann Example", ("Parks", "city"))
    assert (article.url, article.published_is_day) == ("https://news.example.com/baths", True)
    assert article.content_html.startswith("<p>The <em>old</em>")
    assert "<h1>" not in article.content_html


def test_markdown_without_front_matter_takes_its_heading():
    assert _article("Baths\n=====\n\nText.\n", "a.markdown").title == "Baths"
    assert _article("# Baths #\n\nText.\n", "a.md").title == "Baths"


@pytest.mark.parametrize("matter", ["title: a: b", "title: [", "date: 2025-02-31\ntitle: x"])
def test_broken_front_matter_is_an_error_with_a_hint(matter: str):
    with pytest.raises(FeedMalformed, match="front matter") as caught:
        _article(f"---\n{matter}\n---\n\nText.", "/articles/bad.md")

    assert "bad.md" in str(caught.value)
    assert caught.value.hint


def test_a_page_gives_headline_author_day_and_text_only():
    article = _article(_PAGE.format(head="", author="Ann Example"), "/articles/a.html")

    assert (article.title, article.author, article.url) == (
        "Baths to reopen",
        "Ann Example",
        "https://news.example.com/baths",
    )
    assert article.published_at == datetime(2025, 8, 20, 12, tzinfo=UTC)
    assert len(html.paragraphs(article.content_html)) == 3
    for junk in ("Home", "rights reserved", "by:", "08/20/2025"):
        assert junk not in article.content_html


def test_an_empty_byline_on_a_page_is_no_author():
    assert _article(_PAGE.format(head="", author=""), "a.html").author is None


def test_json_ld_comes_first():
    linked = (
        '<script type="application/ld+json">{"@graph": [{"@type": "NewsArticle", "headline": "Baths to reopen",'
        '"author": [{"name": "Ben Other"}], "datePublished": "2025-08-19T10:00:00Z"}]}</script>'
        '<script type="application/ld+json">{broken</script>'
    )

    article = _article(_PAGE.format(head=linked, author="Ann Example"), "a.html")

    assert article.author == "Ben Other"
    assert article.published_at == datetime(2025, 8, 19, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"), [("a.txt", ""), ("a.txt", "Only a title"), ("a.html", ""), ("a.md", "\n\n"), ("a.pdf", "x")]
)
def test_a_file_without_an_article_is_an_error_with_a_hint(name: str, text: str):
    with pytest.raises(FeedMalformed, match=name) as caught:
        _article(text, name)

    assert caught.value.hint


def test_a_file_in_another_charset_is_read():
    feed = feeds.parse_file("Bäder öffnen\n\nDas alte Bad öffnet “wieder”.".encode("cp1252"), name="a.txt")

    assert feed.entries[0].title == "Bäder öffnen"
