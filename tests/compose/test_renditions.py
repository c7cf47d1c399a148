from __future__ import annotations

from digest.compose.environment import templates
from digest.compose.renditions import renditions, web_view
from digest.model.issue import RenditionKey
from digest.text import slots
from support.composing import BASE_URL, issue, newsroom, publication

ENV = templates()


def compose(*keys: RenditionKey):
    items, articles = newsroom()
    return renditions(publication(), issue(), items, articles, keys=keys, env=ENV, base_url=BASE_URL)


def test_each_key_gets_its_own_stories():
    everything, tech = RenditionKey((), "en", "html"), RenditionKey(("tech",), "en", "html")

    composed = compose(everything, tech)

    assert [one.key for one in composed.renditions] == [everything, tech]
    assert [one.subject for one in composed.renditions] == ["Headline 1", "Headline 3"]
    for part in (composed.renditions[1].html, composed.renditions[1].text):
        assert "Headline 6" in part
        assert "Headline 1" not in part
        assert "Headline 5" not in part


def test_a_key_without_any_item_is_reported_and_not_rendered():
    sport = RenditionKey(("sport",), "en", "html")

    composed = compose(sport)

    assert composed.renditions == ()
    assert composed.empty_keys == (sport,)


def test_a_reader_of_plain_text_gets_no_page():
    page, plain = compose(RenditionKey((), "en", "html"), RenditionKey((), "en", "text")).renditions

    assert plain.html == ""
    assert plain.text == page.text


def test_equal_keys_are_composed_once():
    assert len(compose(RenditionKey((), "en", "html"), RenditionKey((), "en", "html")).renditions) == 1


def test_a_locale_changes_dates_and_direction():
    (arabic,) = compose(RenditionKey((), "ar", "html")).renditions

    assert 'dir="rtl"' in arabic.html
    assert "نوفمبر" in arabic.text


def test_the_web_view_shows_all_topics_and_nothing_personal():
    items, articles = newsroom()
    page = web_view(publication(), issue(), items, articles, env=ENV, base_url=BASE_URL)

    assert all(f"Headline {number}" in page.html for number in range(1, 7))
    assert slots.slots_in(page.html + page.text) == frozenset()
