"""Random faults in real feeds: a fragment put in, a few bytes cut out or changed. How many entries does one cost?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from bench.collect import gold
from bench.collect.gold import Parser
from bench.collect.rows import Row
from digest.model.errors import FeedMalformed

NAME = "faults"

_FRAGMENTS = (b"<", b">", b"</p>", b"<p>", b"</item>", b"<item>", b"]]>", b"<![CDATA[", b'"', b"&", b"<!--")
_CUTS = (1, 20)
_LARGEST_BYTES = 30_000  # feedparser is slow


def measure(data: Path) -> list[Row]:
    """Share of faults that cost at most one entry, the same faults for every parser."""
    documents = [path.read_bytes() for path in sorted((data / "feeds" / "real").glob("*.xml"))]
    small = [document for document in documents if len(document) <= _LARGEST_BYTES]
    faulty = list(_faulty(small))
    shares = {name: _share(parser, faulty) for name, parser in {"Digest": gold.ours, **gold.PARSERS}.items()}
    what = f"faults that cost at most one entry, of {len(faulty)}"
    return [Row(NAME, what, shares.pop("Digest"), 99, "%", True, shares)]


def _faulty(documents: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """(document with one fault, entries it had before); the same ones in every run."""
    chance = Random(1)  # noqa: S311 - the same faults in every run
    for document in documents:
        before = len(gold.ours(document))
        for fragment in _FRAGMENTS:
            at = chance.randrange(len(document))
            yield document[:at] + fragment + document[at:], before
        for length in _CUTS:
            at = chance.randrange(len(document))
            yield document[:at] + document[at + length :], before
        at = chance.randrange(len(document))
        yield document[:at] + bytes([chance.randrange(256)]) + document[at + 1 :], before


def _share(parser: Parser, faulty: list[tuple[bytes, int]]) -> float:
    return 100 * sum(_count(parser, document) >= before - 1 for document, before in faulty) / len(faulty)


def _count(parser: Parser, document: bytes) -> int:
    try:
        return len(parser(document))
    except FeedMalformed:
        return 0
    except Exception:
        if parser is gold.ours:
            raise
        return 0
