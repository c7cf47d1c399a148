"""`make bench`: measure everything, or some of it, tell it, and with ``--write`` put it on the page."""

from __future__ import annotations

import argparse
import os
import sys

from bench import BUILD, ROOT
from bench.databases import Databases
from bench.findings import Findings, Group
from bench.goals import GROUPS
from bench.lab import Lab
from bench.machine import busy_share, commit
from bench.page import page
from bench.report import Result, load_results, result_of, save, section, shortfalls
from bench.sinks import SENDER_CORE, SINK_CORE
from bench.workshop import NotHere, sink_program

_RESULTS = BUILD / "results.json"
_PAGE = ROOT / "docs" / "performance.md"
_ROUNDS = 3
#: With more than this going on beforehand the figures say more about the others.
_BUSY = 0.1


def parsed() -> argparse.Namespace:
    """The command line."""
    names = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="this group; repeat it for more")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round: does it all run?")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help=f"rounds of the comparisons (default {_ROUNDS})")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md from what was measured last")
    options = parser.parse_args()
    if options.write and options.quick:
        parser.error("a quick look is not for the page")
    if options.rounds < 1:
        parser.error("at least one round")
    return options


def measured(groups: list[Group], options: argparse.Namespace) -> dict[str, Result]:
    """Measure and tell group by group; what is done is kept even if a later group breaks."""
    results = {} if options.quick else load_results(_RESULTS)
    rounds = 1 if options.quick else options.rounds
    with Databases() as databases:
        lab = Lab(databases, is_quick=options.quick, rounds=rounds)
        for group in groups:
            before = busy_share()
            warning = ": the figures will be off" if before > _BUSY else ""
            lab.say(f"\n{group.title} (others use {before:.0%} of the machine{warning})")
            findings: Findings = group.run(lab)
            result = result_of(
                group,
                findings,
                commit=commit(),
                rounds=min(group.rounds or rounds, rounds),
                busy=before,
                is_quick=options.quick,
            )
            results[group.name] = result
            print(f"\n{section(result, group)}", flush=True)
            if not options.quick:
                save(results.values(), _RESULTS)
    return results


def main() -> int:
    """Measure as asked; exit code 1 when a run broke or a promise is not kept."""
    options = parsed()
    if not {SINK_CORE, SENDER_CORE} <= os.sched_getaffinity(0):
        print("error: measuring needs cores 0 and 1: one for the sink, one for the sender", file=sys.stderr)
        return 1
    try:
        sink_program()
    except NotHere as error:
        print(f"error: nothing can be measured without the sink: {error}", file=sys.stderr)
        return 1
    groups = [group for group in GROUPS if not options.only or group.name in options.only]
    results = measured(groups, options)
    if options.write:
        _PAGE.write_text(page(results, GROUPS), encoding="utf-8")
        print(f"\nwritten: {_PAGE.relative_to(ROOT)}")
    now = [results[group.name].findings for group in groups]
    short = shortfalls(verdict for findings in now for verdict in findings.verdicts)
    print("\n".join(["", "What falls short:", *(f"- {text}" for text in short)]) if short else "\nNothing falls short.")
    for failure in (failure for findings in now for failure in findings.failures):
        print(f"\n{failure}", file=sys.stderr)
    broken = any(findings.failures for findings in now)
    missed = any(verdict.is_reached is False for findings in now for verdict in findings.verdicts)
    return 1 if broken or missed else 0


if __name__ == "__main__":
    sys.exit(main())
