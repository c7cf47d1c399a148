"""Importing subscribers from CSV: each row is taken or refused with its line and reason; repeating is safe.

Rows are written in chunks, each all or nothing, so a run that is cut short has whole chunks in and can simply be
repeated. A blank cell leaves what is stored. Those who unsubscribed stay so, those who are suppressed or were erased
are left out, and both are counted.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, TextIO

from digest.audience.csvfile import Row, open_csv
from digest.audience.dialects import ADDRESS_COLUMNS, recognise
from digest.audience.intake import Intake, as_application
from digest.audience.subscribe import default_cadence, enrol
from digest.config.secrets import Keyring
from digest.model.errors import BadInput, StoreUnavailable
from digest.model.publication import Publication
from digest.store import audit, publications
from digest.store.engine import Store
from digest.store.enrolment import Enrolment
from digest.store.incoming import Incoming, settle
from digest.store.seen import Seen

CHUNK_ROWS = 5_000  # twice as many are a tenth faster, and take more memory and keep other writers waiting longer
_MERGE_ROWS = 1000
_TOLD_ROWS = 10_000  # of the refused so many are kept to be told; the report file has all


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not taken: the line it starts on, its address as written, and why."""

    line: int
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or with ``dry_run`` would have done. Every row is in exactly one of the counts.

    ``refused`` holds the first ten thousand of ``refused_count``; ``dialect`` names whose export it was taken for.
    """

    created: int
    updated: int
    unchanged: int
    kept_unsubscribed: int
    kept_suppressed: int
    refused_count: int
    refused: tuple[RefusedRow, ...]
    warnings: tuple[str, ...]
    dialect: str
    dry_run: bool

    @property
    def taken(self) -> int:
        """Rows that were read and are as the file says, those kept unsubscribed or suppressed included."""
        return self.created + self.updated + self.unchanged + self.kept_unsubscribed + self.kept_suppressed


class _Undo(Exception):
    """Raised inside a transaction to roll it back: the dry run."""


def import_csv(
    store: Store,
    publication_slug: str,
    *,
    file: BinaryIO,
    keyring: Keyring,
    now: datetime,
    dialect: str = "auto",
    dry_run: bool = False,
    report: TextIO | None = None,
    progress: Callable[[int], None] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> ImportReport:
    """Take every good row of a seekable CSV file; ``progress`` is told the rows done so far after each chunk.

    ``dialect`` says whose export it is (``audience.dialects``); ``report`` gets a CSV line for every row that was not
    simply taken. Raises BadInput for a file that is not CSV, NotFound, and StoreUnavailable saying how many rows are
    in.
    """
    with store.read() as tx:
        publication = publications.get(tx, publication_slug)
        topics = publications.topics(tx, publication.id)
    sheet = open_csv(file, required=ADDRESS_COLUMNS)
    theirs = recognise(sheet.columns, named=dialect)
    intake = Intake(sheet.columns, theirs, publication, topics=topics, now=now)
    work = _Work(store, keyring, publication, intake, now=now, dry_run=dry_run, report=report)
    try:
        rows = 0
        for row in sheet.rows:
            rows += 1
            work.take(row)
            if len(work.chunk) == chunk_rows:
                work.write()
                if progress:
                    progress(rows)
        work.write()
        if progress:
            progress(rows)
    finally:
        work.seen.close()
    warnings = list(sheet.warnings)
    if intake.ignored:
        warnings.append(f"these columns are not known and were passed over: {', '.join(intake.ignored)}")
    return ImportReport(
        created=work.done[Enrolment.CREATED],
        updated=work.done[Enrolment.UPDATED],
        unchanged=work.done[Enrolment.UNCHANGED],
        kept_unsubscribed=work.done[Enrolment.KEPT_UNSUBSCRIBED],
        kept_suppressed=work.kept_suppressed,
        refused_count=work.refused_count,
        refused=tuple(sorted(work.refused, key=lambda one: one.line)),
        warnings=tuple(warnings),
        dialect=theirs.name if theirs else "digest",
        dry_run=dry_run,
    )


class _Work:
    """Rows on their way in: checked ones gather in ``chunk``, the others in ``refused``."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        publication: Publication,
        intake: Intake,
        *,
        now: datetime,
        dry_run: bool,
        report: TextIO | None,
    ) -> None:
        self.store = store
        self.keyring = keyring
        self.publication = publication
        self.cadence = default_cadence(publication)
        self.intake = intake
        self.now = now
        self.dry_run = dry_run
        self.chunk: list[Incoming] = []
        self.seen = Seen()
        self.done: Counter[Enrolment] = Counter()
        self.kept_suppressed = 0
        self.refused: list[RefusedRow] = []
        self.refused_count = 0
        self._told = csv.writer(report) if report else None
        if self._told:
            self._told.writerow(["line", "email", "outcome", "reason"])

    def take(self, row: Row) -> None:
        """Check a row and put it where it belongs."""
        line, cells, problem = row
        if problem:
            self._refuse(line, "", problem)
            return
        try:
            self.chunk.append(self.intake.check(line, cells))
        except BadInput as error:
            reason = f"{error.message} ({error.hint})" if error.hint else error.message
            self._refuse(line, self.intake.address_in(cells), reason)

    def _refuse(self, line: int, written: str, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < _TOLD_ROWS:
            self.refused.append(RefusedRow(line, written[:80], reason))
        self._tell(line, written, "refused", reason)

    def _tell(self, line: int, written: str, outcome: str, reason: str) -> None:
        if self._told:
            self._told.writerow([line, written, outcome, reason])

    def write(self) -> None:
        """Write the chunk in one transaction, all or nothing, and empty it."""
        chunk = self._without_repeats()
        self.chunk.clear()
        if not chunk:
            return
        done: Counter[Enrolment] = Counter()
        barred: tuple[Incoming, ...] = ()
        gone: list[Incoming] = []
        try:
            with suppress(_Undo), self.store.write() as tx:
                settled = settle(
                    tx,
                    self.publication.id,
                    chunk,
                    default_cadence=self.cadence,
                    how="import",
                    hash_of=self.keyring.address_hash,
                    now=self.now,
                )
                done[Enrolment.CREATED] = settled.created
                done[Enrolment.UNCHANGED] = settled.unchanged
                barred = settled.suppressed
                for start in range(0, len(settled.open_rows), _MERGE_ROWS):
                    part = settled.open_rows[start : start + _MERGE_ROWS]
                    applications = [as_application(row) for row in part]
                    outcomes = enrol(tx, self.publication, applications=applications, how="import", now=self.now)
                    done.update(outcomes)
                    kept = Enrolment.KEPT_UNSUBSCRIBED
                    gone += [row for row, outcome in zip(part, outcomes, strict=True) if outcome is kept]
                audit.act(tx, subject=f"publication:{self.publication.id}", detail=f"{len(chunk)} rows", at=self.now)
                if self.dry_run:
                    raise _Undo
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error.message}; {self.done.total()} rows are in, the others are not",
                hint=f"{error.hint} (repeating an import is safe)",
            ) from error
        self.done.update(done)
        self.kept_suppressed += len(barred)
        for row in barred:
            self._tell(row.line, row.email, "kept-suppressed", "the address is suppressed, or was erased")
        for row in gone:
            self._tell(row.line, row.email, "kept-unsubscribed", "the reader unsubscribed")

    def _without_repeats(self) -> list[Incoming]:
        earlier = self.seen.note([(row.email_norm, row.line) for row in self.chunk])
        if not earlier:
            return self.chunk[:]
        for row in self.chunk:
            if row.line in earlier:
                self._refuse(row.line, row.email, f"the same address is in line {earlier[row.line]}")
        return [row for row in self.chunk if row.line not in earlier]
