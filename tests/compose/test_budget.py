from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.compose.budget import BUDGET_BYTES, fit, shortened, wire_bytes
from digest.compose.context import DigestContext
from digest.compose.environment import templates
from digest.compose.fixtures import load_fixture
from digest.compose.render import render
from digest.compose.renditions import renditions, web_view
from digest.model.issue import RenditionKey
from support.composing import BASE_URL, article, issue, item, publication

DRAW = partial(render, env=templates())
FORTY = load_fixture("forty")


def titles(context: DigestContext) -> list[str]:
    stories = [context.lead, *(story for section in context.sections for story in section.stories)]
    return [one.title for one in (*stories, *context.briefs) if one]


def test_a_normal_day_and_forty_stories_with_thumbs_stay_within_their_bars():
    default, forty = DRAW(load_fixture()), DRAW(FORTY)

    assert wire_bytes(default.html) <= 25_000
    assert wire_bytes(forty.html) <= 80_000
    assert forty.html.count("<img") == 40
    assert len(default.text.encode()) <= 10_000


def test_what_fits_is_left_as_it_is():
    fitted = fit(FORTY, draw=DRAW)

    assert fitted.context is FORTY
    assert (fitted.briefed, fitted.left_out) == (0, 0)


@settings(max_examples=12, deadline=None)
@given(budget=st.integers(9_000, 75_000))
def test_a_mail_over_budget_is_shortened_no_more_than_it_takes_and_keeps_its_footer(budget: int):
    fitted = fit(FORTY, draw=DRAW, budget_bytes=budget)
    kept = titles(fitted.context)
    numbers = [story.number for section in fitted.context.sections for story in section.stories]
    numbers += [brief.number for brief in fitted.context.briefs]

    assert fitted.size_bytes <= budget
    assert set(kept) <= set(titles(FORTY))
    assert len(kept) + fitted.left_out == 40
    assert fitted.context.lead == FORTY.lead
    assert numbers == list(range(2, len(kept) + 1))
    for part in (fitted.rendered.html, fitted.rendered.text):
        assert "Meridian Press, 14 Harbour Lane" in part
        assert "\ue000unsubscribe_url\ue001" in part
    if fitted.left_out:
        assert f"{fitted.left_out} more stor" in fitted.rendered.html
        assert f"{fitted.left_out} more stor" in fitted.rendered.text
        less = shortened(FORTY, briefed=fitted.briefed, left_out=fitted.left_out - 1)
        assert wire_bytes(DRAW(less).html) > budget
    elif fitted.briefed:
        assert wire_bytes(DRAW(shortened(FORTY, briefed=fitted.briefed - 1, left_out=0)).html) > budget


def test_the_least_weighty_lose_their_teaser_first_wherever_they_stand():
    sections = [
        {"title": "A", "stories": [{"title": "a", "url": "", "rank": 4}, {"title": "b", "url": "", "rank": 2}]},
        {"title": "B", "stories": [{"title": "c", "url": "", "rank": 3}]},
    ]
    context = load_fixture(patch={"sections": sections, "briefs": [{"title": "d", "url": ""}]})
    once, twice = (shortened(context, briefed=count, left_out=0) for count in (1, 2))

    assert [brief.title for brief in once.briefs] == ["a", "d"]
    assert [section.title for section in once.sections] == ["A", "B"]
    assert [brief.title for brief in twice.briefs] == ["c", "a", "d"]
    assert [section.title for section in twice.sections] == ["A"]
    assert [brief.title for brief in shortened(context, briefed=2, left_out=2).briefs] == ["c"]


def test_nothing_but_the_lead_and_the_footer_is_what_is_left_at_the_least():
    fitted = fit(FORTY, draw=DRAW, budget_bytes=100)

    assert titles(fitted.context) == [FORTY.lead.title]
    assert fitted.left_out == 39


@pytest.mark.parametrize("count", [100])
def test_an_issue_of_a_hundred_long_stories_goes_out_within_the_budget_and_whole_on_the_web(count: int):
    articles = {n: article(n, title=f"Headline {n} " + "word " * 25) for n in range(1, count + 1)}
    items = [item(n, teaser=f"{n} " + "long words " * 24, section=f"s{n % 7}", score=1 / n) for n in articles]
    key = RenditionKey((), "en", "html")
    made = renditions(publication(), issue(), items, articles, keys=[key], env=templates(), base_url=BASE_URL)
    page = web_view(publication(), issue(), items, articles, env=templates(), base_url=BASE_URL)

    html = made.renditions[0].html
    assert wire_bytes(page.html) > BUDGET_BYTES
    assert BUDGET_BYTES * 0.97 < wire_bytes(html) <= BUDGET_BYTES
    assert "Headline 1 " in html
    assert "14 Harbour Lane" in html
