"""`digest issue watch`: how an issue gets on, from another terminal or another machine."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

import typer

from digest.app import progress
from digest.app.container import Container
from digest.app.progress import Look
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.progress import remaining, shown, speed
from digest.cli.state import opened
from digest.model.delivery import DeliveryState

#: Seconds between looks; longer where a look takes long, so that watching costs a tenth of one core at most.
_LOOK_S, _COST = 1.0, 10


def watch(
    context: typer.Context,
    issue: Annotated[int, typer.Argument(metavar="ISSUE", help="Id as `digest issue list` shows it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Follow an issue until it is closed, whoever delivers it; with --json, or in a pipe, one look. Changes nothing."""
    with opened(context) as container:
        if as_json or not output.stderr.is_terminal:
            found = progress.look(container.store, issue, on_doubt=container.settings.delivery.on_doubt, with_rate=True)
            output.emit(_document(found), as_json=as_json, human=lambda: _tell(found))
            return
        _tell(_follow(container, issue))


def _follow(container: Container, issue: int) -> Look:
    with shown(quiet=False) as board:
        row = board.row() if board is not None else None
        while True:
            began = time.monotonic()
            found = progress.look(container.store, issue, on_doubt=container.settings.delivery.on_doubt)
            if not found.issue.state.is_open or row is None:
                return found
            row.take_step(f"{found.issue.publication_slug} {found.issue.cadence}: {found.issue.state}")
            row.follow(found.progress, now=began)
            row.take_waiting("" if row.is_moving(now=began) else _why(found))
            time.sleep(max(_LOOK_S, _COST * (time.monotonic() - began)))


def _why(found: Look) -> str:
    return progress.waits_for(found.waiting, now=_wall_clock()) if found.waiting is not None else ""


def _tell(found: Look) -> None:
    issue, now = found.issue, found.progress
    name = f"{issue.publication_slug} {issue.cadence} of {issue.period_start} (issue {issue.id})"
    told = ", ".join(f"{count:,} {state}" for state, count in now.counts.items() if count)
    pace = ", ".join(part for part in (speed(now.rate), remaining(now, now=_wall_clock())) if part)
    output.say(f"{name}: {issue.state}. {now.done:,} of {output.count(now.audience, 'reader')} done: {told or 'none'}.")
    for line in (pace, _why(found)):
        if line and issue.state.is_open:
            output.say(f"  {line}")


def _document(found: Look) -> dict[str, Any]:
    now = found.progress
    return {
        "issue": str(found.issue.id),
        "state": found.issue.state,
        "audience": now.audience,
        "counts": now.per_state,
        "done": now.done,
        "in_doubt": now.counts[DeliveryState.UNKNOWN],
        "rate": round(now.rate, 1),
        "left_s": None if now.left_s is None else round(now.left_s),
        "waiting": found.waiting.reason if found.waiting else None,
        "next_try_at": found.waiting.next_try_at if found.waiting else None,
    }


def _wall_clock() -> datetime:
    return datetime.now().astimezone()
