"""`digest feedback`: what comes back by mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest.app import feedback
from digest.app.clock import system_clock
from digest.app.feedback import Became
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import opened
from digest.model.errors import BadInput

app = typer.Typer(no_args_is_help=True, help="Act on what comes back by mail.")


@app.callback()
def _group() -> None:
    """Keep `ingest` a word of its own while it is the only one."""


@app.command()
def ingest(
    context: typer.Context,
    *,
    mbox: Annotated[Path | None, typer.Option(metavar="FILE", help="An mbox file, or a file with one mail.")] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="One mail from standard input.")] = False,
    as_json: AsJson = False,
) -> int:
    """Let go who asked to leave by mail (List-Unsubscribe's mailto). Other mails are counted. Exits 3 for none."""
    if (mbox is None) is not stdin:
        raise BadInput("which mails?", hint="name --mbox FILE, or --stdin")
    mails = feedback.one(sys.stdin.buffer.read()) if mbox is None else feedback.from_mbox(mbox)
    with opened(context) as container:
        did = feedback.ingest(container, mails, now=system_clock())
    counts = {str(became): did[became] for became in Became}
    output.emit(counts, as_json=as_json, human=lambda: _tell(counts))
    return 0 if did[Became.LEFT] or did[Became.GONE] else 3


def _tell(counts: dict[str, int]) -> None:
    output.say(
        f"{output.count(counts['left'], 'reader')} left, {counts['gone']} had left before, "
        f"{counts['refused']} with a link that is not ours, {output.count(counts['other'], 'other mail')}."
    )
