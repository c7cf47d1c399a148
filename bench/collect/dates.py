"""Raw date strings as feeds have them."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bench.collect import gold
from bench.collect.rows import Row
from digest.text import dates

NAME = "dates"

_Reader = Callable[[str], float | None]


def measure(data: Path) -> list[Row]:
    """Strings read right within a minute, wrong ones, and what one costs."""
    records = [one for one in gold.records(data / "dates" / "raw_dates.jsonl") if one["epoch"] is not None]
    others = {name: _score(records, reader) for name, reader in (("feedparser", _feedparser), ("email.utils", _email))}
    right, wrong, cost = _score(records, _ours)
    return [
        Row(NAME, "right", right, 100, "%", True, {name: score[0] for name, score in others.items()}),
        Row(NAME, "wrong", wrong, 0, "", False, {name: score[1] for name, score in others.items()}),
        Row(NAME, "mean CPU of one", cost, 50, "µs", False, {name: score[2] for name, score in others.items()}),
    ]


def _score(records: list[dict[str, object]], reader: _Reader) -> tuple[float, float, float]:
    """(share right in %, number wrong, mean CPU in µs); a day without a time is right on its day."""
    right = wrong = 0
    reader(str(records[0]["raw"]))  # what it loads when it is first asked is no date's cost
    started = time.process_time()
    told = [reader(str(one["raw"])) for one in records]
    cost = 1e6 * (time.process_time() - started) / len(records)
    for one, found in zip(records, told, strict=True):
        is_day = ":" not in str(one["raw"])
        allowed = 43_200 if is_day else 60
        right += found is not None and abs(found - float(str(one["epoch"]))) <= allowed
        wrong += found is not None and abs(found - float(str(one["epoch"]))) > allowed
    return 100 * right / len(records), wrong, cost


def _ours(raw: str) -> float | None:
    found = dates.parse(raw)
    return found.at.timestamp() if found else None


def _feedparser(raw: str) -> float | None:
    import calendar

    from feedparser.datetimes import _parse_date

    found = _parse_date(raw)
    return float(calendar.timegm(found)) if found else None


def _email(raw: str) -> float | None:
    try:
        found: datetime = email.utils.parsedate_to_datetime(raw)
    except (ValueError, TypeError):
        return None
    return found.timestamp()
