"""`digest collect`: fetch what is due, with a bar on a terminal and a line for each source afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from digest.app import collecting
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import opened
from digest.collect.fetch import utc_now
from digest.collect.refresh import Outcome, SourceReport
from digest.config.logging import configure
from digest.store import publications, sources

Tell = Callable[[SourceReport], None]


def collect(
    context: typer.Context,
    publication: Annotated[str | None, typer.Argument(help="Only this publication's sources.")] = None,
    *,
    all_sources: Annotated[
        bool, typer.Option("--all", help="Also sources that are not due yet, where their servers allow it.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch sources that are due and store their new articles. Exits 3 when none is due."""
    with opened(context) as container:
        configure(container.settings.logging, unless_told="error")
        now = utc_now()
        with container.store.read() as tx:
            chosen = [publications.get(tx, publication)] if publication else publications.list_all(tx)
            total = sum(
                len(sources.active(tx, one.id) if all_sources else sources.due(tx, one.id, now)) for one in chosen
            )
        reports: list[SourceReport] = []
        with _bar(total, quiet=as_json) as tell:
            for item in chosen:
                reports += asyncio.run(
                    collecting.collect(
                        container,
                        item.id,
                        now=now,
                        all_sources=all_sources,
                        skip=frozenset(report.source_id for report in reports),
                        progress=tell,
                    )
                )
    if not reports and not as_json:
        output.say("No source is due. Use --all to fetch them anyway.")
        return 3
    output.emit_list(
        reports,
        as_json=as_json,
        columns={
            "SOURCE": lambda report: report.title or report.url,
            "OUTCOME": lambda report: report.outcome,
            "NEW": lambda report: report.new,
            "UPDATED": lambda report: report.updated,
            "MERGED": lambda report: report.merged,
            "PAGES": lambda report: report.pages,
            "TROUBLE": lambda report: report.error or "",
        },
        empty="",
    )
    return _exit_code(reports)


def _exit_code(reports: list[SourceReport]) -> int:
    """1 when everything that was tried failed, 3 when nothing could be tried."""
    tried = [report for report in reports if report.outcome is not Outcome.WAITING]
    if not tried:
        return 3
    return 1 if all(report.error for report in tried) else 0


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[Tell]:
    """A bar on stderr, where that is a terminal; gone when the work is done."""
    progress = Progress(
        TextColumn("collecting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=output.stderr,
        transient=True,
        disable=quiet or not output.stderr.is_terminal,
    )
    seen: Counter[str] = Counter()

    def tell(report: SourceReport) -> None:
        seen["new"] += report.new
        seen["failed"] += report.outcome is Outcome.FAILED
        text = f"{seen['new']:,} new" + (f", {seen['failed']} failed" if seen["failed"] else "")
        progress.update(task, advance=1, description=text)

    with progress:
        task = progress.add_task("", total=total or None)
        yield tell
