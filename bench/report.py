"""Findings as words: Markdown that reads well on a terminal, too, and the results file that a page is written from."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.findings import Findings, Group, Table
from bench.measure import Verdict

_WIDTH = 118
_PASSED, _MISSED, _UNKNOWN = "reached", "**not reached**", "**not measured**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One group as it was measured, and when. ``busy`` is the share of the machine that others used just before."""

    group: str
    at: str
    commit: str
    rounds: int
    busy: float
    is_quick: bool
    findings: Findings


def result_of(group: Group, findings: Findings, *, commit: str, rounds: int, busy: float, is_quick: bool) -> Result:
    """A result of now."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Result(
        group=group.name, at=at, commit=commit, rounds=rounds, busy=round(busy, 2), is_quick=is_quick, findings=findings
    )


def save(results: Iterable[Result], path: Path) -> None:
    """Keep results for a page that is written later."""
    path.write_text(json.dumps({result.group: asdict(result) for result in results}, indent=1), encoding="utf-8")


def load_results(path: Path) -> dict[str, Result]:
    """What was kept, by group; nothing when there is no file yet."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {name: _result(one) for name, one in kept.items()}


def _result(kept: dict[str, object]) -> Result:
    found = kept.pop("findings")
    assert isinstance(found, dict)
    tables = tuple(
        Table(tuple(one["header"]), tuple(tuple(row) for row in one["rows"]), one["text_columns"])
        for one in found["tables"]
    )
    return Result(
        **kept,  # type: ignore[arg-type]
        findings=Findings(
            tables=tables,
            verdicts=tuple(Verdict(**one) for one in found["verdicts"]),
            remarks=tuple(found["remarks"]),
            failures=tuple(found["failures"]),
        ),
    )


def markdown(table: Table) -> str:
    """A table whose columns line up; figures to the right."""
    widths = [max(3, *(len(row[at]) for row in (table.header, *table.rows))) for at in range(len(table.header))]

    def line(words: Sequence[str]) -> str:
        cells = (
            word.ljust(width) if at < table.text_columns else word.rjust(width)
            for at, (word, width) in enumerate(zip(words, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    rule = ("-" * width if at < table.text_columns else "-" * (width - 1) + ":" for at, width in enumerate(widths))
    return "\n".join([line(table.header), f"| {' | '.join(rule)} |", *(line(row) for row in table.rows)])


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Goals with what was measured, the median and its spread over the rounds."""
    header = ("goal", "what", "measured", "min–max", "promised", "", "aimed at", "")
    return Table(header, tuple(_verdict_row(verdict) for verdict in verdicts), text_columns=2)


def _verdict_row(verdict: Verdict) -> tuple[str, ...]:
    if verdict.value is None or verdict.low is None or verdict.high is None:
        measured, spread = "–", "–"
    else:
        measured = f"{_number(verdict.value)} {verdict.unit}".strip()
        spread = f"{_number(verdict.low)}–{_number(verdict.high)}" if verdict.low != verdict.high else ""
    return (
        verdict.id,
        verdict.text,
        measured,
        spread,
        verdict.goal,
        _word(verdict.goal, verdict.is_reached, is_known=verdict.value is not None),
        verdict.aim,
        _word(verdict.aim, verdict.is_aim_reached, is_known=verdict.value is not None),
    )


def _number(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}"


def _word(bound: str, holds: bool | None, *, is_known: bool) -> str:  # noqa: FBT001 - the answer itself
    if not bound:
        return ""
    if not is_known:
        return _UNKNOWN
    return _PASSED if holds else _MISSED


def shortfalls(verdicts: Iterable[Verdict]) -> list[str]:
    """What was promised or aimed at and is not there, a sentence each."""
    told = []
    for verdict in verdicts:
        if verdict.value is None:
            why = verdict.why.splitlines()[0] if verdict.why else "nothing was measured"
            told.append(f"{verdict.id}, {verdict.text}: not measured, {why}.")
            continue
        found = f"{_number(verdict.value)} {verdict.unit}".strip()
        if verdict.is_reached is False:
            told.append(f"{verdict.id}, {verdict.text}: {found}, promised {verdict.goal}.")
        elif verdict.is_aim_reached is False:
            told.append(f"{verdict.id}, {verdict.text}: {found}, aimed at {verdict.aim}.")
    return told


def filled(text: str) -> str:
    """A paragraph in lines of the usual length."""
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def section(result: Result, group: Group) -> str:
    """A group as text: what was measured, the tables, the verdicts."""
    findings = result.findings
    parts = [f"## {group.title}", filled(group.about), *(markdown(table) for table in findings.tables)]
    parts += [filled(remark) for remark in findings.remarks]
    if findings.verdicts:
        parts.append(markdown(verdict_table(findings.verdicts)))
    how = "1 round" if result.rounds == 1 else f"{result.rounds} rounds"
    others = f"others used {result.busy:.0%} of the machine just before"
    quick = " A quick look with a tenth of the messages: the figures are not to be quoted." if result.is_quick else ""
    return "\n\n".join([*parts, f"Measured {result.at} at {result.commit}, {how}; {others}.{quick}"])
