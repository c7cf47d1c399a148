"""A million readers from a CSV file: by the command, by the ORM as its documentation shows it, and with nothing at all.

The command checks every address, keeps consent, and may be repeated; the others only insert. SQLite's own ``.import``
and PostgreSQL's ``COPY`` load the file's columns into a single table with one unique index: no import can be faster.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import HERE, ROOT
from bench.databases import Project
from bench.findings import Findings, Group, Table, absent_row, is_failure, reasons
from bench.lab import Lab
from bench.measure import Bound, Verdict, at_least, at_most, attempt, verdict
from bench.readers import address
from bench.runs import Cost, RunFailed, run
from bench.senders import SLUG, write_config
from bench.sinks import SENDER_CORE
from bench.workshop import DIGEST

_ROWS = 1_000_000
_ORM_SHARE = 5  # the ORM gets a fifth of the file: its time a row is what counts, and it takes long
_COMMAND, _ORM, _RAW = "digest subscriber import", "SQLAlchemy ORM, add_all", "sqlite3, executemany"
_AGAIN = f"{_COMMAND}, once more"
_SHELL, _COPY = "sqlite3 shell, .import, one table", "psql, COPY, one table"
_TABLE = "CREATE TABLE plain (email TEXT NOT NULL UNIQUE, name TEXT, consent_at TEXT, consent_source TEXT)"
_POSTGRES = f"{_COMMAND}, PostgreSQL"


def write_csv(path: Path, rows: int) -> Path:
    """A file of readers with names and consent."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "name", "consent_at", "consent_source"])
        for number in range(1, rows + 1):
            writer.writerow([address(number), f"Reader {number}", "2026-03-01T09:30:00+00:00", "sign-up form"])
    return path


def import_by_command(project: Project, file: Path, rows: int, *, outcome: str = "created") -> Cost:
    """`digest subscriber import`. Raises RunFailed when not every row came to ``outcome``."""
    command = [DIGEST, "subscriber", "import", file, "--publication", SLUG, "--json"]
    cost = run(command, cwd=project.folder, core=SENDER_CORE)
    told = json.loads(cost.output)
    if told[outcome] != rows:
        raise RunFailed(f"{told[outcome]} of {rows} rows were {outcome}")
    return cost


def page_times(project: Project, rows: int) -> dict[str, float]:
    """Milliseconds of the worst keyset page, and of usual ones at the beginning and at the end of the list."""
    words = [sys.executable, "-m", "bench.paging", project.folder, "--readers", rows]
    return {name: float(took) for name, took in json.loads(run(words, cwd=ROOT, core=SENDER_CORE).output).items()}


@dataclass(frozen=True, slots=True)
class _Done:
    """The command's first run, a second that changes nothing, and pages of what is there then."""

    first: Cost
    again: Cost
    pages: dict[str, float]
    copied: Cost | None = None


def _command_and_pages(lab: Lab, file: Path, rows: int, database: str) -> _Done:
    with lab.databases.project(0, database=database, state="empty") as project:
        write_config(project, {})
        copied = _copy(project, file) if database == "postgres" else None
        first = import_by_command(project, file, rows)
        again = import_by_command(project, file, rows, outcome="unchanged")
        return _Done(first, again, page_times(project, rows), copied)


def _copy(project: Project, file: Path) -> Cost:
    words = [
        "psql",
        project.url.replace("+psycopg", ""),
        "-q",
        "-c",
        _TABLE,
        "-c",
        f"\\copy plain FROM '{file}' CSV HEADER",
    ]
    return run([*words, "-c", "DROP TABLE plain"], cwd=project.folder, core=SENDER_CORE)


def _shell(lab: Lab, file: Path) -> Cost:
    with lab.folder("import") as folder:
        words = ["sqlite3", "readers.db", "PRAGMA journal_mode=WAL", _TABLE, f".import --csv --skip 1 {file} plain"]
        return run(words, cwd=folder, core=SENDER_CORE)


def _script(lab: Lab, name: str, file: Path) -> Cost:
    with lab.folder("import") as folder:
        command = [sys.executable, HERE / "baselines" / name, file, folder / "readers.db"]
        return run(command, cwd=folder, core=SENDER_CORE)


def _run(lab: Lab) -> Findings:
    rows = lab.scaled(_ROWS)
    with lab.folder("csv") as folder:
        whole = write_csv(folder / "all.csv", rows)
        part = write_csv(folder / "part.csv", rows // _ORM_SHARE)
        raw = attempt(partial(_script, lab, "raw_import.py", whole))
        shell = attempt(partial(_shell, lab, whole))
        orm = attempt(partial(_script, lab, "orm_import.py", part))
        ours = attempt(partial(_command_and_pages, lab, whole, rows, "sqlite"))
        theirs = attempt(partial(_command_and_pages, lab, whole, rows, "postgres"))
    found: dict[str, tuple[int, Cost | str]] = {
        _SHELL: (rows, shell),
        _RAW: (rows, raw),
        _ORM: (rows // _ORM_SHARE, orm),
        _COMMAND: (rows, ours if isinstance(ours, str) else ours.first),
        _AGAIN: (rows, ours if isinstance(ours, str) else ours.again),
        _COPY: (rows, theirs if isinstance(theirs, str) else theirs.copied or ""),
        _POSTGRES: (rows, theirs if isinstance(theirs, str) else theirs.first),
        f"{_POSTGRES}, once more": (rows, theirs if isinstance(theirs, str) else theirs.again),
    }
    header = ("how", "rows", "seconds", "rows/s", "CPU µs a row", "peak MB")
    table = Table(header, tuple(_row(name, *one, width=len(header)) for name, one in found.items()))
    broken = tuple(one for _, one in found.values() if is_failure(one))
    pages = _pages({_COMMAND: ours, _POSTGRES: theirs})
    return Findings(
        tables=(table, pages),
        verdicts=_verdicts(rows, orm=orm, ours=ours),
        remarks=reasons({name: one for name, (_, one) in found.items()}),
        failures=broken,
    )


def _row(name: str, rows: int, cost: Cost | str, *, width: int) -> tuple[str, ...]:
    if isinstance(cost, str):
        return absent_row(name, width)
    per_row = f"{cost.cpu_s / rows * 1e6:,.1f}"
    return (name, f"{rows:,}", f"{cost.wall_s:,.1f}", f"{rows / cost.wall_s:,.0f}", per_row, f"{cost.peak_mb:,.0f}")


def _pages(found: dict[str, _Done | str]) -> Table:
    header = ("pages of 1,000 subscriptions", "at the beginning, ms", "at the end, ms", "the worst, ms")
    rows = [
        absent_row(name, len(header))
        if isinstance(one, str)
        else (name, *(f"{one.pages[which]:.1f}" for which in ("first", "last", "worst")))
        for name, one in found.items()
    ]
    return Table(header, tuple(rows))


def _verdicts(rows: int, *, orm: Cost | str, ours: _Done | str) -> tuple[Verdict, ...]:
    why = next((one for one in (ours, orm) if isinstance(one, str)), "")

    def told(text: str, values: Sequence[float], unit: str, goal: Bound) -> Verdict:
        return verdict("G13", text, values, unit=unit, goal=goal, why=why)

    times, peak, worst, depth = [], [], [], []
    if not isinstance(ours, str):
        peak, worst = [ours.first.peak_mb], [ours.pages["worst"]]
        depth = [ours.pages["last"]]
        if not isinstance(orm, str):
            times = [orm.wall_s * _ORM_SHARE / ours.first.wall_s]
    return (
        told("import, rows a second against ORM add_all", times, "×", at_least(5)),
        told(f"import of {rows:,} rows, peak memory", peak, "MB", at_most(120)),
        told("a keyset page at the end of the list", depth, "ms", at_most(10)),
        told("the worst keyset page", worst, "ms", at_most(10)),
    )


IMPORTING = Group(
    name="importing",
    title="Importing a million readers",
    about="One CSV file with address, name and consent. The command checks and normalises every address and writes "
    "three tables with seven indexes; executemany and the ORM write two tables and check nothing, and the databases' "
    "own loaders write one. The ORM gets a fifth of the file. Once more is the same file again, of which every row is "
    "compared and none changed. A page is what an export reads at once: subscriptions with their subscribers.",
    run=_run,
)
