"""Exporting the subscriptions of a publication, as CSV that the import reads back, or as JSON Lines.

Values are exact: a name that begins with ``=`` is written as it is. A spreadsheet may take it for a formula, so
open an export of a public sign-up form there as text. Files are written whole or not at all, for their owner only.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp
from typing import Any, TextIO

from digest.audience.intake import COLUMNS
from digest.model.errors import BadInput, DigestError
from digest.model.subscriber import Subscription
from digest.store import publications, subscriptions
from digest.store.engine import Store, Tx

_PAGE_ROWS = 1000


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"


def export(store: Store, publication_slug: str, *, stream: TextIO, format: ExportFormat) -> int:  # noqa: A002 - as the option
    """Write every subscription, whatever its state, in the order they came; gives how many. Memory stays flat.

    The stream must leave line ends alone (``newline=""``).
    """
    with store.read() as tx:
        publication = publications.get(tx, publication_slug)
        records = _records(tx, publication.id)
        return _write_csv(records, stream) if format is ExportFormat.CSV else _write_jsonl(records, stream)


def export_file(store: Store, publication_slug: str, *, path: Path, format: ExportFormat) -> int:  # noqa: A002 - as the option
    """Write an export to a file, replacing it only once it is complete. Raises BadInput and DigestError."""
    try:
        handle, part = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600: these are people's addresses
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                written = export(store, publication_slug, stream=stream, format=format)
                stream.flush()
                os.fsync(handle)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", hint="choose a file in another folder") from error
    except OSError as error:
        raise DigestError(f"{path} cannot be written: {error.strerror}", hint="check the disk's free space") from error
    return written


def _records(tx: Tx, publication_id: int) -> Iterator[dict[str, Any]]:
    after = 0
    while page := subscriptions.page(tx, publication_id, after=after, limit=_PAGE_ROWS):
        proofs = subscriptions.consent_proofs(tx, publication_id, [item.subscriber.id for item in page])
        for item in page:
            yield _record(item, proofs[item.subscriber.id])
        after = page[-1].subscriber.id


def _record(item: Subscription, proof: str) -> dict[str, Any]:
    """The values by column; what is not known is None, topics are a list."""
    return {
        "email": item.subscriber.email,
        "name": item.subscriber.name,
        "topics": list(item.topics),
        "cadence": item.cadence,
        "format": item.format.value,
        "timezone": item.subscriber.timezone,
        "locale": item.subscriber.locale,
        "status": item.state.value,
        "consent_at": _instant(item.consent_at),
        "consent_source": item.consent_source,
        "consent_proof": proof,
        "digest": item.digest,
        "alerts": item.alerts,
        "attributes": item.subscriber.attributes,
    }


def _write_csv(records: Iterator[dict[str, Any]], stream: TextIO) -> int:
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    written = 0
    for record in records:
        writer.writerow([_cell(record[name]) for name in COLUMNS])
        written += 1
    return written


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ";".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value or ""


def _write_jsonl(records: Iterator[dict[str, Any]], stream: TextIO) -> int:
    written = 0
    for record in records:
        stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        written += 1
    return written


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
