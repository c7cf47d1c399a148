"""`digest schedule`: what goes out when, to how many, in which waves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from digest.app.clock import clock_from
from digest.app.schedule import Planned, Wave, upcoming
from digest.cli import output
from digest.cli.instant import instant_of
from digest.cli.output import AsJson
from digest.cli.state import opened


def schedule(
    context: typer.Context,
    publication: Annotated[str | None, typer.Argument(metavar="[PUBLICATION]", help="Only this one.")] = None,
    *,
    days: Annotated[int, typer.Option(min=1, max=366, help="How far ahead to look.")] = 7,
    at: Annotated[str | None, typer.Option(metavar="INSTANT", help="Look as if it were then (ISO 8601).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what will go to how many readers and when, hour by hour, and until when at the present rate."""
    now = clock_from(instant_of(at))()
    with opened(context) as container:
        found = upcoming(container, slug=publication, days=days, now=now)
    rows = [(planned, wave) for planned in found for wave in planned.waves or (None,)]
    if as_json:
        output.emit_list(found, as_json=True, columns={}, empty="")
        return
    output.emit_list(
        rows,
        as_json=False,
        columns={
            "PUBLICATION": lambda row: row[0].publication,
            "ISSUE OF": lambda row: f"{row[0].period.start} {row[0].cadence}",
            "GOES OUT": lambda row: _local(row[0], row[1].at if row[1] else row[0].period.due_at),
            "READERS": lambda row: f"{row[1].readers:,}" if row[1] else "nobody",
            "THROUGH BY": lambda row: _through(row[0], row[1]),
            "STATE": lambda row: str(row[0].state or ""),
        },
        empty=f"Nothing is due in {days} days.",
    )


def _local(planned: Planned, instant: datetime) -> str:
    return f"{instant.astimezone(ZoneInfo(planned.timezone)):%a %d %b %H:%M}"


def _through(planned: Planned, wave: Wave | None) -> str:
    if wave is None:
        return ""
    if wave.through_by is None:
        return "not known yet"
    return f"{wave.through_by.astimezone(ZoneInfo(planned.timezone)):%H:%M:%S}"
