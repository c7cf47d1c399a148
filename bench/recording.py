"""What it costs to know what became of a message: claim, mark and record, beside the message itself."""

from __future__ import annotations

import json
import sys
from functools import partial
from statistics import median

from bench import ROOT
from bench.findings import Findings, Group, Table, absent_row, is_failure, reasons
from bench.lab import Lab
from bench.measure import Case, at_most, attempt, run_case, verdict
from bench.runs import run
from bench.senders import Digest, write_config
from bench.sinks import SENDER_CORE

_READERS = 20_000
_STEPS = ("claim", "mark", "record")


def bookkeeping(lab: Lab, count: int, database: str) -> dict[str, float]:
    """CPU microseconds a delivery, by step; in the sending process, the server's is not in it."""
    with lab.databases.project(count, database=database, state="sending") as project:
        write_config(project, {})
        told = run(
            [sys.executable, "-m", "bench.bookkeeping", project.folder, "--readers", count], cwd=ROOT, core=SENDER_CORE
        )
    return {step: float(cost) for step, cost in json.loads(told.output).items()}


def _run(lab: Lab) -> Findings:
    count = lab.scaled(_READERS)
    header = ("database", "deliveries", *(f"{step} µs" for step in _STEPS), "all µs")
    rows, verdicts, failures = [], [], []
    recorded: list[float] = []
    absent: dict[str, object] = {}
    why = ""
    for database in ("sqlite", "postgres"):
        found = [attempt(partial(bookkeeping, lab, count, database)) for _ in range(lab.rounds)]
        good = [one for one in found if not isinstance(one, str)]
        failures += [one for one in found if is_failure(one)]
        if not good:
            absent[database] = why = str(found[0])
            rows.append(absent_row(database, len(header)))
            continue
        middle = [median(one[step] for one in good) for step in _STEPS]
        rows.append((database, f"{count:,}", *(f"{cost:.1f}" for cost in middle), f"{sum(middle):.1f}"))
        if database == "sqlite":
            recorded = [one["record"] for one in good]
    case = Case(name="signed", sender=Digest(signs="rsa"), count=_READERS)
    signed = attempt(partial(run_case, lab, case))
    share = [] if isinstance(signed, str) else [cost / signed.cpu_us * 100 for cost in recorded]
    verdicts.append(
        verdict("G11", "recording an outcome, batches of 50", recorded, unit="µs", goal=at_most(8), why=why)
    )
    text = "recording an outcome, of what a signed message costs"
    why = signed if isinstance(signed, str) else why
    verdicts.append(verdict("G11", text, share, unit="%", goal=at_most(3), why=why))
    return Findings(
        tables=(Table(header, tuple(rows)),),
        verdicts=tuple(verdicts),
        remarks=reasons(absent),
        failures=tuple(failures),
    )


RECORDING = Group(
    name="recording",
    title="Bookkeeping",
    about="The store's own steps on real deliveries without sending anything, each in a transaction of its own that is "
    "synced to disk; CPU of the calling process.",
    run=_run,
    rounds=None,
)
