"""`digest subscriber import` and `export`: readers in bulk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from digest.app.container import Container
from digest.audience import exporting, importing
from digest.audience.exporting import ExportFormat
from digest.audience.importing import ImportReport
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import now, opened
from digest.model.errors import BadInput

Slug = Annotated[str, typer.Option("--publication", help="Slug of the publication.", show_default=False)]
_SHOWN = 50


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a header row.", show_default=False)],
    *,
    publication: Slug,
    from_: Annotated[
        str,
        typer.Option("--from", help="Whose export it is: auto, digest, mailchimp, listmonk, ghost, substack."),
    ] = "auto",
    report: Annotated[
        Path | None, typer.Option(help="Write a CSV with every row that was not simply taken, and why.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Subscribe the readers of a CSV file; safe to repeat.

    Columns: email (required), name, topics (slugs, separated by ;), cadence, format, timezone, locale, status
    (active, pending, paused, unsubscribed), consent_at, consent_source, consent_proof, digest, alerts (yes or no),
    attributes (JSON). Exports of Mailchimp, listmonk, Ghost and Substack are known by their headers. A blank cell
    changes nothing. Who unsubscribed stays unsubscribed; who is suppressed or was erased is left out. Exit code 2 when
    rows were refused; the others are in.
    """
    with opened(context) as container, _written(report) as stream:
        done = _import(container, publication, file=file, dialect=from_, dry_run=dry_run, report=stream)
    output.emit(_document(done), as_json=as_json, human=lambda: _tell(done, report))
    for warning in done.warnings:
        output.note(f"warning: {warning}")
    if done.refused_count:
        raise typer.Exit(BadInput.exit_code)


def export(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="Where to write; - for stdout.")] = "-",
    *,
    publication: Slug,
    format_: Annotated[ExportFormat, typer.Option("--format", help="How to write.")] = ExportFormat.CSV,
) -> None:
    """Write every subscription of a publication, in the columns that import reads. Values are not altered."""
    with opened(context) as container:
        if file == "-":
            exporting.export(container.store, publication, stream=sys.stdout, format=format_)
            return
        written = exporting.export_file(container.store, publication, path=Path(file), format=format_)
    output.note(f"{written} subscriptions written to {file}")


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO | None]:
    """The report file, for its owner only: it holds addresses."""
    if path is None:
        yield None
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", hint="choose another file") from error
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
        yield stream


def _import(
    container: Container, publication: str, *, file: Path, dialect: str, dry_run: bool, report: TextIO | None
) -> ImportReport:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    try:
        stream = file.open("rb")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}", hint="check the path and its permissions") from error
    with stream, Progress(*columns, console=output.stderr, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("importing", total=max(1, file.stat().st_size), rows=0)

        def advance(rows: int) -> None:
            progress.update(task, completed=stream.tell(), rows=rows)

        return importing.import_csv(
            container.store,
            publication,
            file=stream,
            keyring=container.keyring,
            now=now(),
            dialect=dialect,
            dry_run=dry_run,
            report=report,
            progress=advance,
        )


def _document(report: ImportReport) -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "format": report.dialect,
        "taken": report.taken,
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "kept_unsubscribed": report.kept_unsubscribed,
        "kept_suppressed": report.kept_suppressed,
        "refused_count": report.refused_count,
        "refused": report.refused,
        "warnings": report.warnings,
    }


def _tell(report: ImportReport, path: Path | None) -> None:
    verb = "would be taken" if report.dry_run else "taken"
    kept = f"{report.kept_unsubscribed:,} kept unsubscribed"
    if report.kept_suppressed:
        kept += f", {report.kept_suppressed:,} kept out as suppressed or erased"
    output.say(
        f"{report.taken:,} rows {verb}: {report.created:,} created, {report.updated:,} updated, "
        f"{report.unchanged:,} unchanged, {kept}"
    )
    if report.dialect != "digest":
        output.say(f"read as an export of {report.dialect}")
    for row in report.refused[:_SHOWN]:
        output.note(f"line {row.line}: {row.value or '(no address)'}: {row.reason}")
    if report.refused_count > _SHOWN:
        left = report.refused_count - _SHOWN
        output.note(f"… and {left:,} more; {f'see {path}' if path else '--report FILE writes them all down'}")
    if report.refused_count:
        output.note(f"{report.refused_count:,} rows refused; correct them and import the file again, which is safe")
