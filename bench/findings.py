"""What a group of measurements gives: tables, verdicts on goals, and remarks that belong beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeGuard

from bench.lab import Lab
from bench.measure import FAILED, Case, Figures, Goal, Round, Verdict, judge, measure


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under a header; the first columns are text, the others figures."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """``failures`` are runs that broke: the measurement as a whole has failed with them."""

    tables: tuple[Table, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    remarks: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Measurements that belong together. ``about`` says what was measured and how, in a sentence or three.

    ``rounds`` None: as many as the person who measures asked for.
    """

    name: str
    title: str
    about: str
    run: Callable[[Lab], Findings]
    rounds: int | None = 1


def comparison(
    name: str,
    title: str,
    about: str,
    *,
    cases: Sequence[Case],
    goals: Sequence[Goal],
    rounds: int | None = None,
    shows_whole: bool = False,
) -> Group:
    """A group of cases measured in rounds; ``rounds`` None takes what the person who measures asked for."""

    def run(lab: Lab) -> Findings:
        done = measure(lab, cases, rounds=min(rounds or lab.rounds, lab.rounds))
        return Findings(
            tables=(case_table(cases, done, shows_whole=shows_whole),),
            verdicts=tuple(judge(goal, done) for goal in goals),
            remarks=reasons(done[0]),
            failures=tuple(told for one in done for told in one.values() if is_failure(told)),
        )

    return Group(name=name, title=title, about=about, run=run, rounds=rounds)


def is_failure(found: object) -> TypeGuard[str]:
    """Whether an attempt came to nothing because a run broke, not because something is missing here."""
    return isinstance(found, str) and found.startswith(FAILED)


def case_table(cases: Sequence[Case], rounds: Sequence[Round], *, shows_whole: bool) -> Table:
    """Medians over the rounds, and how far apart they lie."""
    header = ["sender", "messages", "CPU µs a message", "min–max", "messages/s", "sink µs"]
    header += ["seconds in all", "peak MB"] if shows_whole else []
    has_server = any(isinstance(found, Figures) and found.server_us for one in rounds for found in one.values())
    header += ["server µs"] if has_server else []
    rows = []
    for case in cases:
        found = [figures for one in rounds if isinstance(figures := one[case.name], Figures)]
        if not found:
            rows.append(absent_row(case.name, len(header)))
            continue
        costs = [figures.cpu_us for figures in found]
        spread = f"{min(costs):,.1f}–{max(costs):,.1f}" if len(costs) > 1 else ""
        row = [case.name, f"{found[0].count:,}", f"{median(costs):,.1f}", spread]
        row += [f"{median(figures.per_s for figures in found):,.0f}", _middle([f.sink_us for f in found])]
        if shows_whole:
            row += [f"{median(f.wall_s for f in found):,.1f}", f"{median(f.peak_mb for f in found):,.0f}"]
        row += [_middle([figures.server_us for figures in found])] if has_server else []
        rows.append(tuple(row))
    return Table(tuple(header), tuple(rows))


def absent_row(name: str, width: int) -> tuple[str, ...]:
    """The row of something that has no figures: it says so in their place; `reasons` tells why."""
    return (name, "**not measured**", *[""] * (width - 2))


def reasons(found: Mapping[str, object]) -> tuple[str, ...]:
    """Why things were not measured, each reason once with what it kept from being measured."""
    by_reason: dict[str, list[str]] = {}
    for name, one in found.items():
        if isinstance(one, str):
            by_reason.setdefault(one.splitlines()[0], []).append(name)
    return tuple(f"**No figures** for {'; '.join(names)}. {why}." for why, names in by_reason.items())


def _middle(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):,.1f}" if known else "–"
