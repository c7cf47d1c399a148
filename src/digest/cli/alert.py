"""`digest alert`: breaking news, at once."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from digest.app import alerting
from digest.app.clock import system_clock
from digest.app.line import Line
from digest.app.run import RunResult, advance
from digest.cli import loop, output
from digest.cli.output import AsJson, Yes
from digest.cli.progress import watching_one
from digest.cli.state import opened
from digest.config.logging import configure
from digest.engine.local import LocalEngine
from digest.model.issue import Issue
from digest.web import server


def alert(
    context: typer.Context,
    article: Annotated[
        str,
        typer.Argument(metavar="ARTICLE|URL", help="Article by id or address; a page not seen yet is read."),
    ],
    *,
    publication: Annotated[str | None, typer.Option(help="Whose readers; needed where there are several.")] = None,
    teaser: Annotated[str, typer.Option(help="Words of your own below the headline.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Send one story at once to those who asked for breaking news. Exits 3 when they had it already."""
    with opened(context) as container:
        configure(container.settings.logging, unless_told="error")
        asyncio.run(alerting.take_in(container, article, slug=publication, now=system_clock()))
        found = alerting.draft(container, article, slug=publication, now=system_clock())
        readers = output.count(found.readers, "reader")
        output.confirm(f"Send “{found.article.title}” to {readers} of {found.publication.slug} now?", yes=yes)
        issue = alerting.sound(container, found, teaser=teaser, now=system_clock())
        with watching_one(quiet=as_json) as watch:
            line = Line(container, found.publication, LocalEngine(), system_clock, watch)
            result = loop.run(_until_stopped(line, issue))
    output.emit(_document(result), as_json=as_json, human=lambda: _tell(result))
    return 0


async def _until_stopped(line: Line, issue: Issue) -> RunResult:
    with server.stop_signal() as stopped:
        return await advance(line, issue, stop=stopped)


def _document(result: RunResult) -> dict[str, Any]:
    counts = {str(state): count for state, count in result.tally.counts.items()}
    return {"issue": result.issue.id, "state": result.issue.state, "counts": counts, "waiting": result.waiting}


def _tell(result: RunResult) -> None:
    told = ", ".join(f"{count:,} {state}" for state, count in result.tally.counts.items() if count)
    head = f"Alert {result.issue.id} is {result.issue.state}"
    output.say(f"{head}, {result.waiting}." if result.waiting else f"{head}: {told or 'nobody got it'}.")
