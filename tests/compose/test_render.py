from __future__ import annotations

import quopri
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from digest.compose.context import DigestContext, Story
from digest.compose.environment import templates
from digest.compose.fixtures import fixture_names, load_fixture
from digest.compose.kinds import MailKind, slots_of
from digest.compose.render import Rendered, render
from digest.text import slots
from digest.text.wording import display_width
from support.composing import SLOT_VALUES, article, context_of, item, newsroom

ENV = templates()
SAMPLE = load_fixture()


def tree_of(rendered: Rendered) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(slots.fill_html(rendered.html, SLOT_VALUES))


def stories_of(context: DigestContext) -> list[Story]:
    return [context.lead, *(story for section in context.sections for story in section.stories)]


@pytest.fixture(scope="module")
def sample() -> Rendered:
    return render(SAMPLE, env=ENV)


def test_the_page_says_its_language_and_direction_twice(sample: Rendered):
    root = tree_of(sample)
    wrapper = root.xpath("//div[@role='article']")[0]

    for element in (root, wrapper):
        assert (element.get("lang"), element.get("dir")) == ("en-IE", "ltr")
    assert wrapper.get("aria-label") == root.findtext(".//title") == SAMPLE.subject


def test_headings_step_down_without_a_skip(sample: Rendered):
    levels = [int(heading.tag[1]) for heading in tree_of(sample).xpath("//h1|//h2|//h3|//h4")]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_table_is_layout_and_says_so(sample: Rendered):
    assert {table.get("role") for table in tree_of(sample).iter("table")} == {"presentation"}
    assert sample.html.count("<table") == sample.html.count('role="presentation"')


def test_every_picture_has_an_alternative_text_and_a_width(sample: Rendered):
    images = list(tree_of(sample).iter("img"))

    assert len(images) == 5
    assert all(image.get("alt") is not None and image.get("width") for image in images)


def test_a_picture_link_is_no_second_stop_for_the_keyboard_and_silent_without_alt(sample: Rendered):
    links = tree_of(sample).xpath("//a[img]")

    assert {link.get("tabindex") for link in links} == {"-1"}
    assert [link.get("aria-hidden") for link in links] == [
        None if link.find("img").get("alt") else "true" for link in links
    ]


def test_more_headlines_are_a_real_list(sample: Rendered):
    assert [link.text for link in tree_of(sample).xpath("//ul/li/a")] == [brief.title for brief in SAMPLE.briefs]


def test_nothing_in_the_page_is_active_or_loaded_besides_its_pictures(sample: Rendered):
    root = tree_of(sample)

    assert not root.xpath("//script|//link|//iframe|//form|//object|//base|//*[@*[starts-with(name(),'on')]]")
    assert "@import" not in sample.html
    assert "url(" not in sample.html
    assert {image.get("src").split("/")[2] for image in root.iter("img")} == {"pictures.example.com"}


def test_inline_styles_hold_no_variable_and_nothing_that_beats_dark_mode(sample: Rendered):
    styles = "".join(tree_of(sample).xpath("//@style"))

    assert "var(" not in styles
    assert "!important" not in styles


def test_dark_mode_reaches_every_text_and_in_a_block_of_its_own_for_outlook(sample: Rendered):
    media, hooks = tree_of(sample).xpath("//style/text()")
    inked = tree_of(sample).xpath("//h1|//h2|//h3|//p|//a[not(img)]|//li/span|//ul")

    assert "prefers-color-scheme:dark" in media
    assert "data-ogsc" not in media
    assert "[data-ogsc] .ink" in hooks
    assert "[data-ogsb] .card" in hooks
    assert all(re.search(r"\b(ink|tx|mu|ac)\b", element.get("class", "")) for element in inked)


def test_a_normal_day_stays_under_25_kb_on_the_wire(sample: Rendered):
    stories = stories_of(SAMPLE)
    filled = slots.fill_html(sample.html, SLOT_VALUES).encode()

    assert (len(stories), len(SAMPLE.sections), len(SAMPLE.briefs)) == (9, 3, 6)
    assert len(quopri.encodestring(filled)) < 22_000
    # the links of the sample have 45 characters or so; content systems and trackers make them 95
    assert len(quopri.encodestring(filled)) + 50 * sample.html.count("href=") < 25_000
    assert len("".join(re.findall(r"<style.*?</style>", sample.html, re.DOTALL))) < 16_000


def test_both_parts_carry_the_same_stories_and_links_in_the_same_order(sample: Rendered):
    text = slots.fill_text(sample.text, SLOT_VALUES)
    root = tree_of(sample)
    links = [link.get("href") for link in root.xpath("//a[not(@tabindex)]")]

    assert re.findall(r"^\s*(https?://\S+)$", text, re.MULTILINE) == links
    flat = " ".join(text.split())
    for story in [*stories_of(SAMPLE), *SAMPLE.briefs]:
        assert f"{story.number}. {story.title}" in flat
        assert story.source in flat
    for story in stories_of(SAMPLE):
        assert story.teaser in flat


def test_both_parts_end_with_reason_way_out_and_postal_address(sample: Rendered):
    page = " ".join(tree_of(sample).text_content().split())
    text = " ".join(slots.fill_text(sample.text, SLOT_VALUES).split())

    for part in (page, text):
        assert "You get The Meridian at reader@example.com because you signed up on 3 March 2025." in part
        assert "Unsubscribe" in part
        assert part.endswith("Meridian Press, 14 Harbour Lane, Northport NP1 4XX, Ireland")


def test_text_lines_keep_to_72_columns_unless_they_are_an_address(sample: Rendered):
    lines = slots.fill_text(sample.text, SLOT_VALUES).split("\n")

    assert [line for line in lines if display_width(line) > 72 and "://" not in line] == []
    assert not [line for line in lines if line != line.rstrip()]


def test_the_web_view_holds_no_slot_and_nothing_about_a_reader():
    rendered = render(load_fixture(personal=False), env=ENV)

    for part in (rendered.html, rendered.text):
        assert slots.slots_in(part) == frozenset()
        assert "nsubscribe" not in part
        assert "because you" not in part
        assert "Meridian Press, 14 Harbour Lane" in part


def test_the_same_context_gives_the_same_bytes():
    assert render(SAMPLE, env=ENV) == render(load_fixture(), env=templates())


@pytest.mark.parametrize("kind", MailKind)
def test_every_fixture_of_every_kind_renders_with_the_slots_of_its_kind(kind: MailKind):
    for name in fixture_names(kind):
        rendered = render(load_fixture(name, kind=kind), env=ENV)

        assert slots.slots_in(rendered.html) == slots.slots_in(rendered.text) == slots_of(kind), name


def test_right_to_left_pages_turn_around():
    root = tree_of(render(load_fixture("rtl"), env=ENV))

    assert {element.get("dir") for element in root.xpath("//*[@dir]")} == {"rtl"}
    assert {cell.get("align") for cell in root.xpath("//td[contains(@class,'th')]")} == {"left"}


@settings(max_examples=15, deadline=None)
@given(
    address=st.text(alphabet="ab&<>\"'=;漢 ", min_size=1, max_size=30),
    url=st.text(alphabet="ab&<>\"'=;#", min_size=1, max_size=30),
)
def test_filling_slots_of_a_finished_page_shows_exactly_the_values(address: str, url: str):
    values = {"email": address, "signed_up_on": "3 March", "unsubscribe_url": f"https://example.com/{url}"}
    page = lxml_html.document_fromstring(slots.fill_html(render(SAMPLE, env=ENV).html, values))

    assert f"at {address} because" in page.xpath("//p[contains(@class,'foot')]")[0].text_content()
    assert page.xpath("//a[.='Unsubscribe']")[0].get("href") == f"https://example.com/{url}"


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><script>alert(1)</script>",
    "{{ 7 * 7 }} {% raw %} ${x} %%email%%",
    "=?utf-8?B?PHNjcmlwdD4=?=",
    "&amp;lt; &#60;b&#62;",
    "<!--[if mso]><p>mso</p><![endif]--> -->",
    "A" * 150,
    "🚀" * 80,
    "line\u2028break\u2029and\x85next\x00nul",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_words_stay_words(title: str):
    items, articles = newsroom()
    evil = {
        number: replace(
            one, title=title, summary=title, source_title=title, image_url=f'https://x/{title}"', image_alt=title
        )
        for number, one in articles.items()
    }
    context = context_of(
        [replace(one, teaser=title, section_title=title, also_at=((title, f'https://x/"{title}'),)) for one in items],
        evil,
        name=title,
        sender_name=title,
        postal_address=title,
    )
    rendered = render(context, env=ENV)
    root = tree_of(rendered)
    clean = render(context_of(items, articles, name="The Meridian"), env=ENV)

    shown = root.xpath("//h3")[0].text_content().replace("\u200b", "")
    assert shown == context.lead.title
    assert not root.xpath("//script|//*[@onerror]|//b")
    assert root.xpath("count(//table)") >= tree_of(clean).xpath("count(//table)")
    assert slots.slots_in(rendered.html) == slots_of(MailKind.DIGEST, preferences=True)
    assert "\n" not in rendered.subject
    longest = max(re.split(r"[\s\u200b]+", root.xpath("//h3")[0].text_content()), key=len)
    assert len(longest) <= 30 or display_width(longest) == 2 * len(longest)


def test_an_article_without_address_picture_teaser_or_source_is_a_plain_headline():
    bare = article(1, url="", summary="", source_title="", word_count=0)
    rendered = render(context_of([item(1, teaser="")], {1: bare}), env=ENV)
    cell = tree_of(rendered).xpath("//h3/..")[0]

    assert not cell.xpath(".//a|.//img|.//p")
    assert cell.xpath("h3")[0].text_content() == "Headline 1"
    assert " 1. Headline 1\n\n---" in rendered.text


def test_the_subject_is_not_escaped():
    lead = {1: article(1, title='Salt & vinegar: <now> "here"')}

    assert render(context_of([item(1)], lead), env=ENV).subject == 'Salt & vinegar: <now> "here"'


def test_a_publications_own_template_folder_is_used(tmp_path: Path):
    folder = tmp_path / "email" / "brief"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ publication.name }}: {{ subject }}")
    (folder / "body.txt").write_text("{{ lead.title }}")
    (folder / "body.html").write_text("<p>{{ lead.title }}</p>")

    rendered = render(SAMPLE, env=templates([tmp_path]), template="brief")

    assert rendered.subject == f"The Meridian: {SAMPLE.subject}"
    assert rendered.text == f"{SAMPLE.lead.title}\n"


def test_the_publications_name_may_be_long():
    items, articles = newsroom()
    rendered = render(context_of(items, articles, name="N" * 200), env=ENV)

    assert max(map(display_width, rendered.text.split("\n"))) <= 72
