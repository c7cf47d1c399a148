"""What a feed costs: CPU of parsing, each parser in turn over the same documents."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean, median

from bench.collect import gold
from bench.collect.gold import Parser
from bench.collect.rows import Row

NAME = "speed"

_ROUNDS = 5


def measure(data: Path) -> list[Row]:
    """Mean, 99th percentile and rate over the real feeds; the median of five rounds, warmed up."""
    documents = [path.read_bytes() for path in sorted((data / "feeds" / "real").iterdir())]
    timed = {name: _times(documents, parser) for name, parser in {"Digest": gold.ours, **gold.PARSERS}.items()}
    means = {name: 1000 * mean(times) for name, times in timed.items()}
    tails = {name: 1000 * sorted(times)[int(len(times) * 0.99) - 1] for name, times in timed.items()}
    rates = {name: 1000 / value for name, value in means.items()}
    size = sum(map(len, documents)) / len(documents) / 1000
    return [
        _row(f"mean CPU of a feed of {size:.0f} kB", means, 4, "ms", at_least=False),
        _row("99th percentile", tails, 60, "ms", at_least=False),
        _row("feeds a second on one core", rates, 250, "/s", at_least=True),
    ]


def _row(what: str, figures: dict[str, float], target: float, unit: str, *, at_least: bool) -> Row:
    others = {name: value for name, value in figures.items() if name != "Digest"}
    return Row(NAME, what, figures["Digest"], target, unit, at_least, others)


def _times(documents: list[bytes], parser: Parser) -> list[float]:
    rounds = [[_time(document, parser) for document in documents] for _round in range(_ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _time(document: bytes, parser: Parser) -> float:
    started = time.process_time()
    try:
        parser(document)
    except Exception:
        if parser is gold.ours:
            raise
    return time.process_time() - started
