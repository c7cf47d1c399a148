"""Importing subscribers from CSV: each row is taken or refused with its line and reason; repeating is safe.

Rows are written in chunks of 1000, each all or nothing, so a run that is cut short has whole chunks in and can
simply be repeated. A blank cell leaves what is stored. Those who unsubscribed stay so, and are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from digest.audience.application import Application, Request, check
from digest.audience.csvfile import Row, open_csv
from digest.audience.subscribe import enrol
from digest.model.errors import BadInput, StoreUnavailable
from digest.model.publication import Publication, Topic
from digest.store import publications
from digest.store.engine import Store
from digest.store.enrolment import Enrolment

#: The columns of an import and of an export, in the order of the export.
COLUMNS = (
    "email",
    "name",
    "topics",
    "cadence",
    "format",
    "timezone",
    "locale",
    "status",
    "consent_at",
    "consent_source",
    "consent_proof",
)
_CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not taken: the line it starts on, its address as written, and why."""

    line: int
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or with ``dry_run`` would have done. Every row is in exactly one of the counts."""

    created: int
    updated: int
    unchanged: int
    kept_unsubscribed: int
    refused: tuple[RefusedRow, ...]
    warnings: tuple[str, ...]
    dry_run: bool

    @property
    def taken(self) -> int:
        """Rows that were read and are as the file says, those kept unsubscribed included."""
        return self.created + self.updated + self.unchanged + self.kept_unsubscribed


class _Undo(Exception):
    """Raised inside a transaction to roll it back: the dry run."""


def import_csv(
    store: Store,
    publication_slug: str,
    *,
    file: BinaryIO,
    now: datetime,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take every good row of a seekable CSV file; ``progress`` is told the rows done so far after each chunk.

    Raises BadInput for a file that is not CSV, NotFound, and StoreUnavailable saying how many rows are in.
    """
    with store.read() as tx:
        publication = publications.get(tx, publication_slug)
        topics = publications.topics(tx, publication.id)
    sheet = open_csv(file, required="email", known=COLUMNS)
    intake = _Intake(publication, topics, now)
    done: Counter[Enrolment] = Counter()
    rows = 0
    for row in sheet.rows:
        rows += 1
        intake.take(row)
        if len(intake.chunk) == _CHUNK_ROWS:
            _write(store, intake, done, dry_run=dry_run)
            if progress:
                progress(rows)
    _write(store, intake, done, dry_run=dry_run)
    if progress:
        progress(rows)
    return ImportReport(
        created=done[Enrolment.CREATED],
        updated=done[Enrolment.UPDATED],
        unchanged=done[Enrolment.UNCHANGED],
        kept_unsubscribed=done[Enrolment.KEPT_UNSUBSCRIBED],
        refused=tuple(intake.refused),
        warnings=sheet.warnings,
        dry_run=dry_run,
    )


class _Intake:
    """Rows on their way in: checked ones gather in ``chunk``, the others in ``refused``."""

    def __init__(self, publication: Publication, topics: Sequence[Topic], now: datetime) -> None:
        self.publication = publication
        self.topics = topics
        self.now = now
        self.chunk: list[Application] = []
        self.refused: list[RefusedRow] = []
        self._lines: dict[str, int] = {}  # normal form of every address taken so far → its line

    def take(self, row: Row) -> None:
        """Check a row and put it where it belongs."""
        try:
            application = self._checked(row)
        except BadInput as error:
            reason = f"{error.message} ({error.hint})" if error.hint else error.message
            self.refused.append(RefusedRow(row.line, row.cells.get("email", "")[:80], reason))
        else:
            self._lines[application.person.email_norm] = row.line
            self.chunk.append(application)

    def _checked(self, row: Row) -> Application:
        if row.problem:
            raise BadInput(row.problem)
        if not row.cells.get("email"):
            raise BadInput("the address is missing")
        application = check(_request(row.cells), self.publication, topics=self.topics, now=self.now)
        earlier = self._lines.get(application.person.email_norm)
        if earlier is not None:
            raise BadInput(f"the same address is in line {earlier}")
        return application


def _request(cells: dict[str, str]) -> Request:
    texts = {column: cells.get(column, "") for column in COLUMNS if column != "topics"}
    slugs = (slug.strip() for slug in cells.get("topics", "").split(";"))
    return Request(**texts, topics=tuple(slug for slug in slugs if slug))


def _write(store: Store, intake: _Intake, done: Counter[Enrolment], *, dry_run: bool) -> None:
    """Write the chunk in one transaction, all or nothing, and empty it."""
    if not intake.chunk:
        return
    outcomes: list[Enrolment] = []
    try:
        with suppress(_Undo), store.write() as tx:
            outcomes = enrol(tx, intake.publication, applications=intake.chunk, how="import", now=intake.now)
            if dry_run:
                raise _Undo
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"{error.message}; {done.total()} rows are in, the others are not",
            hint=f"{error.hint} (repeating an import is safe)",
        ) from error
    done.update(outcomes)
    intake.chunk.clear()
