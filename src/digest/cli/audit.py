"""`digest audit list`: what operators did, and when."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import opened
from digest.mime.address import parse_address
from digest.store import audit

app = typer.Typer(name="audit", help="Who changed what, and when.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `list` a command of its own, although it is the only one."""


@app.command("list")
def list_(
    context: typer.Context,
    *,
    on: Annotated[
        str | None, typer.Option(help="Only what was done to this address, whether it is a reader's or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what commands changed, newest first. People are named by the keyed hash of their address only."""
    with opened(context) as container, container.store.read() as tx:
        subject = None if on is None else container.keyring.address_hash(parse_address(on).norm)
        found = audit.latest(tx, subject=subject, limit=limit)
    columns = {
        "AT": lambda item: item.at,
        "BY": lambda item: item.actor,
        "COMMAND": lambda item: item.action,
        "ON": lambda item: item.subject[:12] or None,
        "WHAT": lambda item: item.detail or None,
    }
    output.emit_list(found, as_json=as_json, columns=columns, empty="Nothing was changed yet.")
