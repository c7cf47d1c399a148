"""The page reader measured on a fifth of the real pages, in the way of `make bench-collect`. The floors only go up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.collect import pages
from bench.collect.pages import Gold, Read

FLOORS = {
    "main text F1, fundus": 0.965,
    "main text F1, aeb": 0.985,
    "pages half right or better": 1.0,
    "segment F1, trafeval": 0.94,
    "title right, fundus": 0.86,
    "title right, trafeval": 0.92,
    "author found, fundus": 0.95,
    "no author where none, trafeval": 0.8,
    "date right, fundus": 1.0,
    "date right, trafeval": 1.0,
    "date right, mediacloud": 0.8,
}


@pytest.fixture(scope="module")
def measured(shared_data: Path) -> tuple[list[Gold], dict[str, Read]]:
    chosen = [
        (gold, raw) for number, (gold, raw) in enumerate(pages.gold_pages(shared_data / "articles")) if number % 5 == 0
    ]
    return [gold for gold, _ in chosen], {gold["file"]: pages.ours(raw, gold["url"]) for gold, raw in chosen}


@pytest.mark.parametrize("what", list(FLOORS))
def test_no_fact_is_read_worse_than_before(what: str, measured: tuple[list[Gold], dict[str, Read]]):
    score = next(score for name, _, _, score in pages.GOALS if name == what)

    assert score(*measured) >= FLOORS[what]


def test_no_page_is_slow(measured: tuple[list[Gold], dict[str, Read]]):
    assert max(read.cpu_s for read in measured[1].values()) < 3.0
