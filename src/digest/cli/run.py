"""`digest run` and `digest tick`: the line by hand and by cron."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import typer

from digest.app import editions
from digest.app.clock import Turn, clock_from
from digest.app.clock import tick as turn
from digest.app.collecting import collect
from digest.app.container import Container
from digest.app.line import Line, Watch
from digest.app.run import RunResult
from digest.app.run import run as run_line
from digest.cli import loop, output
from digest.cli.instant import instant_of
from digest.cli.output import AsJson
from digest.cli.progress import watching_each, watching_one
from digest.cli.state import opened
from digest.collect.refresh import Outcome, SourceReport
from digest.config.logging import configure
from digest.engine.local import LocalEngine
from digest.model.delivery import DeliveryState
from digest.model.issue import IssueState
from digest.store import publications
from digest.web import server


def run(
    context: typer.Context,
    publication: Annotated[str, typer.Argument(help="The publication's slug.")],
    *,
    at: Annotated[str | None, typer.Option(help="Act as if it were this instant (ISO 8601).")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Collect and show the issue; compose and send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make and send the due issue: collect, curate, compose, deliver. Exits 3 when there is nothing to send."""
    clock = clock_from(instant_of(at))
    with opened(context) as container:
        configure(container.settings.logging, unless_told="error")
        with container.store.read() as tx:
            found = publications.get(tx, publication)
        if dry_run:
            return _dry_run(Line(container, found, LocalEngine(), clock), as_json=as_json)
        reports: list[SourceReport] = []
        with watching_one(quiet=as_json) as shown:
            watch = replace(shown, source=_both(shown.source, reports.append))
            result = loop.run(_until_stopped(Line(container, found, LocalEngine(), clock, watch)))
    for report in reports:
        if report.error and report.outcome is not Outcome.WAITING:
            output.note(f"source {report.title}: {report.error}")
    output.emit(_document(result), as_json=as_json, human=lambda: _tell(result))
    if result.issue.state is IssueState.SKIPPED:
        return 3
    sent, failed = (result.tally.counts[state] for state in (DeliveryState.SENT, DeliveryState.FAILED))
    nobody_got_it = failed and not sent
    return 0 if result.issue.state in {IssueState.SENT, IssueState.SENDING} and not nobody_got_it else 1


def _both(
    first: Callable[[SourceReport], None], second: Callable[[SourceReport], None]
) -> Callable[[SourceReport], None]:
    def tell(report: SourceReport) -> None:
        first(report)
        second(report)

    return tell


async def _until_stopped(line: Line) -> RunResult:
    with server.stop_signal() as stopped:
        return await run_line(line, line.publication.cadences[0], stop=stopped)


def _dry_run(line: Line, *, as_json: bool) -> int:
    container = line.container
    asyncio.run(collect(container, line.publication.id, now=line.clock(), all_sources=True))
    built = editions.build(container, line.publication.slug, now=line.clock())

    def human() -> None:
        for item in built.curation.items:
            output.say(f"  {item.position + 1:>3}  {item.role:<5}  {built.articles[item.article_id].title}")
        output.say(
            f"It would be skipped: {built.curation.skip}." if built.curation.skip else "Nothing was sent (dry run)."
        )

    output.emit({"skip": built.curation.skip, "items": built.curation.items}, as_json=as_json, human=human)
    return 3 if built.curation.skip else 0


def _document(result: RunResult) -> dict[str, Any]:
    return {
        "issue": result.issue,
        "audience": result.tally.audience,
        "counts": {str(state): count for state, count in result.tally.counts.items()},
        "failures": [{"reason": reason, "count": count} for reason, count in result.tally.failures.items()],
        "next_try_at": result.next_try_at,
        "waiting": result.waiting or None,
    }


def _tell(result: RunResult) -> None:
    issue, counts = result.issue, result.tally.counts
    name = f"{issue.publication_slug} {issue.cadence} of {issue.period_start} (issue {issue.id})"
    if issue.state is IssueState.SKIPPED:
        output.say(f"{name}: skipped, {issue.reason}. Nobody was mailed.")
        return
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    output.say(f"{name}: {issue.state}. {output.count(result.tally.audience, 'reader')}: {told or 'none'}.")
    if result.waiting:
        output.say(f"  {result.waiting}.")
    if result.next_try_at is not None and issue.state is IssueState.SENDING:
        again = f"{result.next_try_at:%H:%M:%S} UTC"
        output.say(f"  The rest is tried again from {again}: `digest serve`, `tick` or `run` does it.")
    elif issue.state is IssueState.SENDING and result.tally.open_count:
        output.say("  The rest goes out as soon as `digest serve`, `tick` or `run` goes on with it.")
    for reason, count in result.tally.failures.items():
        output.say(f"  {count} {reason}")
    if counts[DeliveryState.UNKNOWN]:
        output.say(f"  {counts[DeliveryState.UNKNOWN]} in doubt: `digest issue audit {issue.id}` names them.")


def tick(context: typer.Context, *, as_json: AsJson = False) -> int:
    """One turn of the clock, for cron: send what is due, go on with what is unfinished, fetch due sources."""
    with opened(context) as container:
        configure(container.settings.logging, unless_told="warning")
        with watching_each(quiet=as_json) as watch:
            done = loop.run(_tick_until_stopped(container, watch))
    document = {
        "items": [_document(result) for result in done.results],
        "errors": [{"publication": slug, "message": error.message, "hint": error.hint} for slug, error in done.errors],
        "fetched": done.fetched,
    }

    def human() -> None:
        for result in done.results:
            _tell(result)
        for slug, error in done.errors:
            output.note(f"error: {slug}: {error.message}; {error.hint}")
        if done.fetched:
            output.say(f"Looked at {output.count(done.fetched, 'source')}.")
        if done.is_idle:
            output.say("Nothing is due.")

    output.emit(document, as_json=as_json, human=human)
    if done.errors:
        return 1
    return 3 if done.is_idle else 0


async def _tick_until_stopped(container: Container, watch: Watch) -> Turn:
    with server.stop_signal() as stopped:
        return await turn(container, watch=watch, stop=stopped)
