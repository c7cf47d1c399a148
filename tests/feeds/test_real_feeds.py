"""The parsers measured on real and on damaged documents. The floors only go up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.collect import conformance, gold, lists
from bench.collect.feeds import survey


@pytest.fixture(scope="module")
def data(shared_data: Path) -> Path:
    return shared_data / "articles"


def test_real_feeds_are_read_fully_right(data: Path):
    verdicts = gold.real(data / "feeds", gold.ours)

    wrong = {name: why for name, why in verdicts.items() if why}
    assert len(verdicts) > 200
    # the one left has a relative link and an xml:base that is only a fragment: ours is absolute, the gold's is not
    assert len(wrong) <= 1, wrong


def test_damaged_feeds_are_read_right(data: Path):
    verdicts = gold.damaged(data / "feeds", gold.ours)

    assert len(verdicts) >= 100
    assert {name: why for name, why in verdicts.items() if why} == {}


def test_no_document_makes_it_raise_anything_but_feed_malformed(data: Path):
    crashes, slowest = survey(data)

    assert crashes == []
    assert slowest < 2.0


def test_conformance_cases_for_readers_of_news_hold(data: Path):
    told = dict(conformance.cases(data / "feeds"))

    assert len(told) > 200
    assert sum(told.values()) / len(told) >= 0.95, [name for name, is_right in told.items() if not is_right]


def test_nothing_dangerous_is_left_after_cleaning(data: Path):
    dangerous, fragments = conformance.unsafe(data / "feeds")

    assert fragments > 100
    assert dangerous == 0


def test_opml_lists_are_read_right(data: Path):
    wrong = [one["file"] for one in gold.records(data / "opml.gold.jsonl") if not lists.opml_right(data, one)]

    # two names stand for three files each in the data, and only the last of them is there
    assert set(wrong) <= {"opml/listparser--outline_text.xml"}


def test_sitemaps_are_read_right(data: Path):
    records = [one for one in gold.records(data / "sitemaps.gold.jsonl") if one["n"]]

    assert [one["file"] for one in records if not lists.sitemap_right(data, one)] == []


def test_the_listing_page_gives_its_articles_and_nothing_else(data: Path):
    assert lists.listing(data) == (30, 0)
