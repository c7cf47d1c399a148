"""`digest run`, `tick`, `serve` and `preview`: the line by hand, by cron, by the clock, and before it all."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from digest.app import editions
from digest.app.clock import Turn, clock_from
from digest.app.clock import tick as turn
from digest.app.container import Container
from digest.app.engines import shared_engine
from digest.app.line import Line, Watch
from digest.app.run import RunResult
from digest.app.run import run as run_line
from digest.app.serve import ticking
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import config_of, opened
from digest.collect.refresh import SourceReport, refresh
from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.model.delivery import DeliveryState, Outcome
from digest.model.errors import BadInput, DigestError
from digest.model.issue import IssueState
from digest.store import publications
from digest.web import server
from digest.web.asgi import create_app

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


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
    clock = clock_from(_instant(at))
    with opened(context) as container, _progress(quiet=as_json) as watch:
        with container.store.read() as tx:
            found = publications.get(tx, publication)
        line = Line(container, found, LocalEngine(), clock, watch)
        if dry_run:
            return _dry_run(line, as_json=as_json)
        result = asyncio.run(_until_stopped(line))
    output.emit(_document(result), as_json=as_json, human=lambda: _tell(result))
    if result.issue.state is IssueState.SKIPPED:
        return 3
    sent, failed = (result.tally.counts[state] for state in (DeliveryState.SENT, DeliveryState.FAILED))
    nobody_got_it = failed and not sent
    return 0 if result.issue.state in {IssueState.SENT, IssueState.SENDING} and not nobody_got_it else 1


async def _until_stopped(line: Line) -> RunResult:
    with server.stop_signal() as stopped:
        return await run_line(line, line.publication.cadences[0], stop=stopped)


def _dry_run(line: Line, *, as_json: bool) -> int:
    container = line.container
    asyncio.run(
        refresh(container.store, line.publication.id, settings=container.settings, now=line.clock(), all_sources=True)
    )
    built = editions.build(container, line.publication.slug, now=line.clock())

    def human() -> None:
        for item in built.curation.items:
            output.say(f"  {item.position + 1:>3}  {item.role:<5}  {built.articles[item.article_id].title}")
        output.say(
            f"It would be skipped: {built.curation.skip}." if built.curation.skip else "Nothing was sent (dry run)."
        )

    output.emit({"skip": built.curation.skip, "items": built.curation.items}, as_json=as_json, human=human)
    return 3 if built.curation.skip else 0


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"--at {text!r} is not an instant", hint="write ISO 8601, such as 2026-11-22T07:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


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
    for reason, count in result.tally.failures.items():
        output.say(f"  {count} {reason}")
    if counts[DeliveryState.UNKNOWN]:
        output.say(f"  {counts[DeliveryState.UNKNOWN]} in doubt: `digest issue audit {issue.id}` names them.")


def tick(context: typer.Context, *, as_json: AsJson = False) -> int:
    """One turn of the clock, for cron: send what is due, go on with what is unfinished, fetch due sources."""
    with opened(context) as container:
        done = asyncio.run(_tick_until_stopped(container))
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
        if done.is_idle:
            output.say("Nothing is due.")

    output.emit(document, as_json=as_json, human=human)
    if done.errors:
        return 1
    return 3 if done.is_idle else 0


async def _tick_until_stopped(container: Container) -> Turn:
    with server.stop_signal() as stopped:
        return await turn(container, stop=stopped)


def serve(
    context: typer.Context,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8025,
    no_deliver: Annotated[
        bool, typer.Option("--no-deliver", help="Make issues ready and leave delivering to `digest worker`.")
    ] = False,
    no_clock: Annotated[bool, typer.Option("--no-clock", help="Web pages only.")] = False,
) -> None:
    """Serve the readers' pages and run the clock, in one process."""
    with opened(context) as container:
        engine = shared_engine(container.store) if no_deliver else None
        asyncio.run(_serve(container, host=host, port=port, with_clock=not no_clock, engine=engine))


async def _serve(container: Container, *, host: str, port: int, with_clock: bool, engine: Engine | None) -> None:
    async with server.serving(create_app(container), host=host, port=port) as address:
        output.note(f"Digest serves {address}{' and runs the clock' if with_clock else ''}. Ctrl+C stops it.")
        with server.stop_signal() as stopped:
            if not with_clock:
                await stopped.wait()
                return
            async with ticking(container, engine=engine):
                await stopped.wait()


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Watch]:
    """A line on the terminal that says which step is on, and a bar while mail goes out; silent in pipes."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=output.stderr,
        transient=True,
        disable=quiet or not output.stderr.is_terminal,
    )
    with bar:
        task: TaskID = bar.add_task("starting", total=None)

        def step(name: str) -> None:
            bar.update(task, description=name)

        def source(report: SourceReport) -> None:
            bar.update(task, description=f"collecting {report.title}")

        def audience(count: int) -> None:
            bar.update(task, description="delivering", total=count, completed=0)

        def waiting(reason: str) -> None:
            bar.update(task, description=f"delivering ({reason})" if reason else "delivering")

        def outcomes(done: Sequence[Outcome]) -> None:
            bar.advance(task, sum(outcome.state is DeliveryState.SENT for outcome in done))

        yield Watch(step=step, source=source, audience=audience, outcomes=outcomes, waiting=waiting)


def preview(
    context: typer.Context,
    *,
    port: Port = 8026,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> None:
    """Show the last issue, or a sample, in the browser while you work on templates; reloads on save."""
    from digest.web.preview import preview_app  # noqa: PLC0415 - pulls watchfiles in, which no other command needs

    app = preview_app(config_of(context))

    def ready(address: str) -> None:
        output.note(f"Preview at {address}. Save a template and it reloads. Ctrl+C stops it.")
        if open_browser and not webbrowser.open(address):
            raise DigestError("no browser could be opened", hint=f"open {address} yourself")

    server.serve(app, host="127.0.0.1", port=port, on_ready=ready)
