"""Feeds: real ones, damaged ones, conformance cases, and every file without a crash."""

from __future__ import annotations

import time
from pathlib import Path

from bench.collect import gold
from bench.collect.rows import Row
from digest import feeds
from digest.model.errors import FeedMalformed

NAME = "feeds"


def measure(data: Path) -> list[Row]:
    """Shares of feeds read fully right, and documents that raised anything but FeedMalformed."""
    folder = data / "feeds"
    real = {name: gold.share(gold.real(folder, parser)) for name, parser in gold.PARSERS.items()}
    damaged = {name: gold.share(gold.damaged(folder, parser)) for name, parser in gold.PARSERS.items()}
    crashes, slowest = survey(data)
    return [
        Row(NAME, "real feeds fully right", gold.share(gold.real(folder, gold.ours)), 98.5, "%", True, real),
        Row(NAME, "damaged feeds right", gold.share(gold.damaged(folder, gold.ours)), 95, "%", True, damaged),
        Row(NAME, "documents that crash it", len(crashes), 0, "", False, {}),
        Row(NAME, "slowest document", 1000 * slowest, 1000, "ms", False, {}),
    ]


def survey(data: Path) -> tuple[list[str], float]:
    """(documents that raise anything but FeedMalformed, CPU seconds of the slowest) of all there are."""
    crashes, slowest = [], 0.0
    for name in ("feeds", "opml", "sitemaps", "robots"):
        for path in sorted(path for path in (data / name).rglob("*") if path.is_file() and path.suffix != ".jsonl"):
            started = time.process_time()
            try:
                feeds.examine(path.read_bytes(), url="https://example.com/feed", fetched_at=gold.NOW)
            except FeedMalformed:
                pass
            except Exception as error:  # noqa: BLE001 - counting them is the measurement
                crashes.append(f"{path.name}: {error!r}")
            slowest = max(slowest, time.process_time() - started)
    return crashes, slowest
