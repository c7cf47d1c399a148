"""The parser layer measured on real and on damaged feeds. The floors only go up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from digest import feeds
from digest.model.errors import FeedMalformed
from support import feedgold


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "articles/feeds"


def test_real_feeds_are_read_fully_right(folder: Path):
    gold = [one for one in feedgold.records(folder / "real.gold.jsonl") if one["kind"] != "json"]

    wrong = {
        one["file"]: why
        for one in gold
        if (
            why := feedgold.verdict(
                (folder / one["file"]).read_bytes(), one, low=one["n"], high=one["n"], keep=one["n"]
            )
        )
    }

    # 198 feeds; the one left has relative links and no address to start from
    assert len(gold) > 190
    assert len(wrong) <= 1, wrong


def test_damaged_feeds_are_read_right(folder: Path):
    gold = {one["file"]: one for one in feedgold.records(folder / "real.gold.jsonl")}
    broken = [one for one in feedgold.records(folder / "broken.gold.jsonl") if gold[one["base"]]["kind"] != "json"]

    wrong = {
        one["file"]: why
        for one in broken
        if (
            why := feedgold.verdict(
                (folder / one["file"]).read_bytes(),
                gold[one["base"]],
                low=one["n_min"],
                high=one["n_max"],
                keep=one["entries_keep"],
                titles=one["check_titles"],
            )
        )
    }

    assert len(broken) >= 100
    assert wrong == {}


def test_no_document_makes_it_raise_anything_but_feed_malformed(folder: Path):
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".jsonl"]
    hints: list[str] = []
    slowest = 0.0
    for file in files:
        started = time.process_time()
        try:
            feeds.parse(file.read_bytes(), url="https://example.com/feed", fetched_at=feedgold.NOW)
        except FeedMalformed as error:
            hints.append(error.hint)
        slowest = max(slowest, time.process_time() - started)

    assert len(files) > 1500
    assert len(files) - len(hints) > 1400
    assert all(hints)
    assert slowest < 5.0
