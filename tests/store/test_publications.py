"""Publications, cadences and topics in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from digest.model.errors import AlreadyExists, NotFound
from digest.model.publication import Cadence, CadenceRule, CatchUp
from digest.store import publications
from digest.store.engine import Store
from support.factories import NOW, make_publication, make_subscription, make_topic
from support.sending import composed_issue

WEEKLY = Cadence("weekly", CadenceRule.WEEKLY, time(6, 5), CatchUp.NONE, timedelta(hours=1, minutes=30))


def test_a_publication_comes_back_as_it_was_given(store: Store):
    with store.write() as tx:
        made = make_publication(
            tx, cadence=WEEKLY, reply_to="editor@example.com", locale="de-AT", min_items=3, max_items=9, template="own"
        )

        assert publications.get(tx, "morning") == publications.by_id(tx, made.id) == made

    assert made.cadences == (WEEKLY,)
    assert (made.created_at, made.reply_to, made.min_items, made.max_items) == (NOW, "editor@example.com", 3, 9)


def test_a_taken_slug_is_refused(store: Store):
    with store.write() as tx:
        make_publication(tx)
    with pytest.raises(AlreadyExists, match="'morning'") as caught, store.write() as tx:
        make_publication(tx)

    assert "another slug" in caught.value.hint


def test_an_unknown_slug_names_the_known_ones(store: Store):
    with store.write() as tx:
        with pytest.raises(NotFound) as first:
            publications.get(tx, "noon")
        make_publication(tx, "morning")
        make_publication(tx, "evening")
        with pytest.raises(NotFound) as later:
            publications.get(tx, "noon")

    assert first.value.hint == "add one with `digest publication add`"
    assert later.value.hint == "known publications: evening, morning"


def test_a_cadence_is_added_replaced_by_its_name_and_dropped(store: Store):
    with store.write() as tx:
        made = make_publication(tx)
        publications.put_cadence(tx, made.id, WEEKLY)
        publications.put_cadence(tx, made.id, replace(WEEKLY, send_at=time(23, 59)))
        both = publications.by_id(tx, made.id).cadences
        publications.drop_cadence(tx, made.id, "daily")
        left = publications.by_id(tx, made.id).cadences

    assert both == (*made.cadences, replace(WEEKLY, send_at=time(23, 59)))
    assert left == both[1:]


def test_named_columns_change_and_nothing_else_does(store: Store):
    with store.write() as tx:
        made, other = make_publication(tx), make_publication(tx, "evening")
        publications.change(tx, made.id, {"name": "The New Post", "reply_to": None})
        publications.change(tx, made.id, {})

        assert publications.list_all(tx) == [other, replace(made, name="The New Post")]


def test_a_publication_without_issues_can_be_removed_with_its_readers_relation(store: Store):
    with store.write() as tx:
        made = make_publication(tx, topics=("city",))
        make_subscription(tx, made, topics=("city",))

        assert publications.remove(tx, made.id)
        assert publications.list_all(tx) == []


def test_a_publication_with_an_issue_stays(store: Store):
    with store.write() as tx:
        made = make_publication(tx)
        composed_issue(tx, made)

        assert not publications.remove(tx, made.id)
        assert publications.list_all(tx) == [made]


def test_a_topic_is_made_once_and_keeps_its_first_name(store: Store):
    with store.write() as tx:
        made, other = make_publication(tx), make_publication(tx, "evening")
        first = publications.ensure_topic(tx, made.id, slug="city", name="City Life")
        again = publications.ensure_topic(tx, made.id, slug="city", name="Town")
        art = make_topic(tx, made, "art")

        assert first == again
        assert publications.topics(tx, made.id) == [art, first]
        assert publications.topics(tx, other.id) == []


def test_only_a_topic_that_nobody_uses_is_taken_back(store: Store):
    with store.write() as tx:
        made = make_publication(tx, topics=("art", "city"))
        make_subscription(tx, made, topics=("city",))
        for slug in ("art", "city", "made-up"):
            publications.drop_unused_topic(tx, made.id, slug=slug)

        assert [topic.slug for topic in publications.topics(tx, made.id)] == ["city"]
