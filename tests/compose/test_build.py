from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from digest.compose.build import build_context, preheader_for, subject_for
from digest.compose.context import Copy, Image
from digest.compose.environment import templates
from digest.compose.render import render
from digest.model.issue import RenditionKey, Role
from support.composing import ALL, BASE_URL, NOW, article, context_of, issue, item, newsroom, publication


def test_items_become_lead_sections_and_briefs_numbered_in_reading_order():
    items, articles = newsroom()

    context = context_of(items, articles)

    assert (context.lead.title, context.lead.number) == ("Headline 1", 1)
    shape = [
        (section.title, [(story.title, story.number) for story in section.stories]) for section in context.sections
    ]
    assert shape == [("World", [("Headline 2", 2)]), ("Tech", [("Headline 3", 3), ("Headline 4", 4)])]
    assert [(brief.title, brief.number) for brief in context.briefs] == [("Headline 5", 5), ("Headline 6", 6)]


def test_a_section_stays_together_when_its_stories_are_placed_apart():
    items = [item(1), item(2), item(3, section="tech", section_title="Tech"), item(4)]

    context = context_of(items, {number: article(number) for number in range(1, 5)})

    assert [[story.number for story in section.stories] for section in context.sections] == [[2, 3], [4]]


def test_a_topic_filter_leaves_out_the_rest_and_promotes_the_first_item_left():
    items, articles = newsroom()

    context = context_of(items, articles, key=RenditionKey(("tech",), "en", "html"))

    assert context.lead.title == "Headline 3"
    assert [story.title for section in context.sections for story in section.stories] == ["Headline 4"]
    assert [brief.title for brief in context.briefs] == ["Headline 6"]
    assert context.subject == "Headline 3"
    assert context.preheader == "Plus: Headline 4 · Headline 6"


def test_a_filter_that_leaves_nothing_is_a_programming_fault():
    items, articles = newsroom()

    with pytest.raises(ValueError, match="has no item"):
        context_of(items, articles, key=RenditionKey(("sport",), "en", "html"))


def test_the_issue_carries_number_date_in_the_readers_language_and_addresses():
    items, articles = newsroom()

    context = context_of(items, articles, key=RenditionKey((), "de", "html"))

    assert context.issue.number == 412
    assert context.issue.date == "Freitag, 20. November 2026"
    assert context.issue.web_url == "https://news.example.com/meridian/412"
    assert (context.lang, context.dir) == ("de", "ltr")
    assert context.publication.postal_address == "14 Harbour Lane, Northport NP1 4XX"


def test_an_issue_without_a_number_links_to_the_publication():
    items, articles = newsroom()

    context = build_context(publication(), issue(number=None), items, articles, key=ALL, base_url=BASE_URL + "/")

    assert context.issue.web_url == "https://news.example.com/meridian"


def test_of_many_other_places_three_are_named_and_the_rest_counted():
    places = tuple((f"Place {number}", f"https://p{number}.example/x") for number in range(1, 10))
    context = context_of([item(1, also_at=places), item(2, also_at=places[:3])], {1: article(1), 2: article(2)})
    rendered = render(context, env=templates())

    assert [copy.source for copy in context.lead.also_at] == ["Place 1", "Place 2", "Place 3"]
    assert (rendered.html.count("and 6 more"), rendered.text.count("and 6 more")) == (1, 1)
    assert (rendered.html.count(" more<"), "and 0 more" in rendered.text) == (1, False)


def test_what_its_publisher_changed_before_it_is_sent_says_so():
    known = {1: article(1, updated_at=NOW), 2: article(2)}
    context = context_of([item(1), item(2)], known)
    rendered = render(context, env=templates())

    assert context.lead.is_updated
    assert not context.sections[0].stories[0].is_updated
    assert (rendered.html.count("updated"), rendered.text.count("updated")) == (1, 1)


def test_reading_minutes_are_those_of_the_digest_itself():
    items = [item(1, teaser=" ".join(["w"] * 100))]
    long = [replace(items[0], article_id=n, position=n, teaser="wort " * 50) for n in range(1, 20)]

    assert context_of(items, {1: article(1)}).issue.reading_minutes == 1
    assert context_of(long, {n: article(n) for n in range(1, 20)}).issue.reading_minutes == 4


def test_an_articles_reading_time_is_unknown_when_only_an_excerpt_is_kept():
    assert context_of([item(1)], {1: article(1, word_count=460)}).lead.minutes == 2
    assert context_of([item(1)], {1: article(1, word_count=40)}).lead.minutes is None


def test_titles_and_teasers_are_clamped_at_a_word():
    lead = context_of([item(1, teaser="some words " * 60)], {1: article(1, title="Long title " * 30)}).lead

    assert len(lead.title) <= 160
    assert lead.title.endswith("Long title Long…")
    assert 270 < len(lead.teaser) <= 280


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"title": "", "summary": "A summary"}, "Teaser 1."),
        ({"title": " \x00 "}, "Teaser 1."),
        ({"title": "On\r\nBcc: x@example.com"}, "On Bcc: x@example.com"),
        ({"title": "a\ue000email\ue001b"}, "aemailb"),
        ({"title": "\u202egnp.exe"}, "gnp.exe"),
    ],
)
def test_a_headline_is_one_clean_line_whatever_the_feed_gave(changes: dict[str, str], title: str):
    assert context_of([item(1)], {1: article(1, **changes)}).lead.title == title


def test_a_teaser_that_repeats_the_headline_is_dropped():
    lead = context_of([item(1, teaser="")], {1: article(1, title="Same", summary="Same")}).lead

    assert lead.teaser == ""


def test_an_article_without_any_text_is_called_untitled():
    bare = article(1, title="", summary="", text="", source_title="", url="")

    assert context_of([item(1, teaser="")], {1: bare}).lead.title == "Untitled"


@pytest.mark.parametrize("url", ["", "/home/editor/a.txt", "javascript:alert(1)", "data:text/html,x", "file:///a"])
def test_only_web_addresses_become_links(url: str):
    assert context_of([item(1)], {1: article(1, url=url)}).lead.url == ""


@pytest.mark.parametrize(
    "url",
    ["", "http://example.org/a.jpg", "https://example.org/a.svg", "https://example.org/a.WEBP?x=1", "data:image/png,"],
)
def test_pictures_that_mail_clients_leave_blank_are_left_out(url: str):
    assert context_of([item(1)], {1: article(1, image_url=url)}).lead.image is None


def test_a_picture_keeps_its_description():
    shown = article(1, image_url="https://example.org/a.jpg", image_alt="A\nboat")

    assert context_of([item(1)], {1: shown}).lead.image == Image("https://example.org/a.jpg", "A boat")


def test_copies_at_other_sources_are_named():
    copies = (("Post", "https://example.com/p"), ("Printed", ""))

    assert context_of([item(1, also_at=copies)], {1: article(1)}).lead.also_at == (
        Copy("Post", "https://example.com/p"),
        Copy("Printed", ""),
    )


@pytest.mark.parametrize(
    ("published_at", "is_day", "shown"),
    [
        (NOW, False, ""),
        (NOW - timedelta(days=1), False, ""),
        (NOW - timedelta(days=5), False, "Nov 15"),
        (None, False, ""),
        # 23:30 UTC is the next day in Auckland; a day without time must stay what it was
        (datetime(2026, 11, 17, 23, 30, tzinfo=UTC), False, "Nov 18"),
        (datetime(2026, 11, 17, 12, 0, tzinfo=UTC), True, "Nov 17"),
    ],
)
def test_only_old_articles_show_their_day_in_the_publications_zone(
    published_at: datetime | None,
    is_day: bool,  # noqa: FBT001 - a table of cases
    shown: str,
):
    told = article(1, published_at=published_at, published_is_day=is_day)

    assert context_of([item(1)], {1: told}, timezone="Pacific/Auckland").lead.day == shown


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Re: RE: Fwd: your order", "your order"),
        ("Re[2]: news", "news"),
        ("AW: Sitzung", "Sitzung"),
        ("Re:", "The Meridian"),
        ("Research: what we know", "Research: what we know"),
        ("word " * 30, "word " * 13 + "word…"),
    ],
)
def test_the_subject_is_the_leads_headline_and_never_poses_as_an_answer(title: str, subject: str):
    assert subject_for(publication(), [item(1)], {1: article(1, title=title)}) == subject


def test_the_preheader_of_a_single_story_is_its_teaser():
    assert preheader_for([item(1)], {1: article(1)}) == "Teaser 1."


def test_the_preheader_never_repeats_the_subject():
    items = [item(2), item(1), item(3)]
    articles = {number: article(number) for number in range(1, 4)}

    assert subject_for(publication(), items, articles) == "Headline 1"
    assert preheader_for(items, articles) == "Plus: Headline 2 · Headline 3"


def test_without_a_marked_lead_the_first_item_leads():
    items = [item(2, role=Role.STORY), item(3, role=Role.BRIEF)]

    assert context_of(items, {2: article(2), 3: article(3)}).lead.title == "Headline 2"
