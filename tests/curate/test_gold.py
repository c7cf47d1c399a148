"""Real news with gold: one setting for every set, held to the goals of the design."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.collect import stories as measured


@pytest.fixture
def dups(shared_data: Path) -> Path:
    return shared_data / "articles" / "dups"


def test_three_outlets_on_one_event_are_one_story(dups: Path):
    docs = measured._basil(dups)
    told = measured._tell(docs)

    assert len(docs) >= 100
    assert measured._pair_f1(told.stories, [doc.story for doc in docs]) >= 0.91


def test_two_events_of_one_kind_are_kept_apart(dups: Path):
    docs = measured._ecb(dups)
    told = measured._tell(docs)
    gold = [doc.story for doc in docs]

    assert measured._pair_f1(told.stories, gold) >= 0.78
    assert measured._b_cubed_f1(told.stories, gold) >= 0.89


def test_one_article_about_another_event_of_the_kind_mostly_stays_alone(dups: Path):
    """Of every second event only one article is left: nothing but its words says that it is another event."""
    docs, seen = [], set()
    for doc in measured._ecb(dups):
        if str(doc.story).endswith("a"):
            if doc.story in seen:
                continue
            seen.add(doc.story)
        docs.append(doc)
    told = measured._tell(docs)

    assert measured._b_cubed_f1(told.stories, [doc.story for doc in docs]) >= 0.92


def test_news_that_comes_in_twelve_parts_tells_nearly_the_stories_of_all_at_once(dups: Path):
    """The bound, where every event has a twin in the same window: .05 of B-cubed F1 (measured: .04)."""
    docs = measured._basil(dups) + measured._ecb(dups)[::2]
    gold = [doc.story for doc in docs]
    at_once = measured._b_cubed_f1(measured._tell(docs).stories, gold)

    assert measured._b_cubed_f1(measured._tell_in_parts(docs, 12), gold) >= at_once - 0.05


def test_the_rule_calls_copies_what_the_gold_does(dups: Path):
    copies = {row.what: row for row in measured._wire_copies(dups)}

    assert copies["copies by the rule, precision"].measured >= 0.99
    assert copies["copies by the rule, recall"].measured >= 0.95


def test_wire_copies_are_found_through_the_index_as_by_comparing_all_with_all(dups: Path):
    """Where the sources differ; within a source what is alike is mostly its furniture."""
    records = list(measured._records(dups / "copies.docs.jsonl"))
    docs = [measured.Doc(one["id"], one["source"], one["title"] or "", one["text"]) for one in records]
    told = measured._tell(docs).copy_of
    group = [told.get(key, key) for key in range(1, len(docs) + 1)]
    crossing = [(a, b) for a, b in measured._by_rule(docs) if docs[a].source != docs[b].source]
    found = sum(group[a] == group[b] for a, b in crossing)

    assert len(crossing) >= 10
    assert found >= 0.9 * len(crossing)
