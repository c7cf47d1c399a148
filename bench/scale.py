"""From a thousand readers to a million: cost a message and memory must not grow with the list."""

from __future__ import annotations

from collections.abc import Mapping

from bench.findings import comparison
from bench.measure import Case, Figures, Goal, at_most, dearer
from bench.senders import Digest

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_SMALL, _BIG = 10_000, 1_000_000


def name_of(readers: int) -> str:
    """The case with so many readers."""
    return f"Digest, unsigned, PIPELINING, {readers:,} readers"


_SIGNED = "Digest, RSA, PIPELINING, 100,000 readers"
_POSTGRES = "Digest, unsigned, PIPELINING, PostgreSQL, 100,000 readers"
_READY = "Digest, unsigned, PIPELINING, 100,000 readers, audience frozen before"


def _growth_mb(one: Mapping[str, Figures]) -> float:
    return one[name_of(_BIG)].peak_mb - one[name_of(_SMALL)].peak_mb


def _peak_mb(one: Mapping[str, Figures]) -> float:
    return one[name_of(_BIG)].peak_mb


SCALE = comparison(
    "scale",
    "A million readers",
    "The whole command from the composed issue on: the audience is frozen, every outcome is recorded, the journal and "
    "the progress bar are on. One round; peak memory is the sending process's.",
    cases=[
        *(Case(name=name_of(readers), sender=Digest(), count=readers) for readers in SIZES),
        Case(name=_READY, sender=Digest(state="sending"), count=100_000),
        Case(name=_SIGNED, sender=Digest(signs="rsa"), count=100_000),
        Case(name=_POSTGRES, sender=Digest(database="postgres"), count=100_000),
    ],
    goals=[
        dearer(
            "G10",
            "CPU a message at 1,000,000 takes times that at 10,000",
            name_of(_BIG),
            name_of(_SMALL),
            goal=at_most(1.1),
        ),
        Goal(
            id="G10",
            text="peak memory at 1,000,000 above that at 10,000",
            of=_growth_mb,
            needs=(name_of(_BIG), name_of(_SMALL)),
            goal=at_most(10),
            unit="MB",
        ),
        Goal(
            id="G10",
            text="peak memory at 1,000,000",
            of=_peak_mb,
            needs=(name_of(_BIG),),
            goal=at_most(100),
            aim=at_most(100),
            unit="MB",
        ),
    ],
    rounds=1,
    shows_whole=True,
)
