"""Reading a CSV file as people have them: any spreadsheet's delimiter and encoding, rows by their line number.

Rules: the encoding is decided over the whole file before the first row is given (UTF-8, UTF-16 with its mark, else
Windows-1252), quoting is strict, and nothing is guessed silently: what was assumed is a warning, a row that cannot
be read says where it starts. RFC 4180 is the base.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from digest.model.errors import BadInput

if TYPE_CHECKING:
    from _csv import Reader  # the csv module has no public name for what it gives

_BLOCK_BYTES = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_ARCHIVE = b"PK\x03\x04"  # .xlsx, .ods and .zip all begin so
_SAVE_AS = "save the sheet as CSV (UTF-8) and import that file"


#: One record: the line it starts on (1 the first of the file), its cells, as many as there are columns, and why it
#: has none.
Row = tuple[int, list[str], str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file opened for reading: its columns in lower case, what was odd about it, and its rows as they come.

    Cells are as they are written, blanks around them and all.
    """

    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    rows: Iterator[Row]


def open_csv(file: BinaryIO, *, required: Collection[str]) -> Sheet:
    """Read the header of a seekable file. Raises BadInput for what is not CSV or has none of the required columns.

    The file stays the caller's to close.
    """
    encoding = _encoding(file)
    lines = _lines(file, encoding)
    head = next(lines, "")
    reader = csv.reader(chain([head], lines), delimiter=_delimiter(head, required), strict=True, skipinitialspace=True)
    columns = _columns(reader)
    _require(columns, required)
    warnings = []
    if encoding == "cp1252":
        warnings.append("the file is not UTF-8; it was read as Windows-1252: check names with accents")
    return Sheet(columns, tuple(warnings), _rows(reader, columns))


def _encoding(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(4)
    if start.startswith(_ARCHIVE):
        raise BadInput("this is a spreadsheet or an archive, not CSV", hint=_SAVE_AS)
    if not start:
        raise BadInput("the file is empty", hint="the first row names the columns: email,name,topics,…")
    if start[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        encoding = "utf-16"
        _decodes(file, encoding)
    elif _decodes(file, "utf-8", or_else=True):
        encoding = "utf-8-sig"
    else:
        encoding = "cp1252"
        _decodes(file, encoding)
    file.seek(0)
    return encoding


def _decodes(file: BinaryIO, encoding: str, *, or_else: bool = False) -> bool:
    """Whether the whole file is text in that encoding; where there is nothing else to try, raises BadInput."""
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    position = 0
    while True:
        block = file.read(_BLOCK_BYTES)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            if or_else:
                return False
            raise BadInput(f"near byte {position + error.start} there is no text", hint=_SAVE_AS) from error
        if "\0" in text:
            raise BadInput(f"near byte {position} there is no text", hint=_SAVE_AS)
        if not block:
            return True
        position += len(block)


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Physical lines with their ends, as the csv module wants them; the file is left open."""
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        yield from text
    finally:
        if not file.closed:
            text.detach()


def _delimiter(head: str, required: Collection[str]) -> str:
    """The one that makes a required column one of the header, else the most frequent one."""
    for delimiter in _DELIMITERS:
        if not set(required).isdisjoint(_parse_header(head, delimiter)):
            return delimiter
    return max(_DELIMITERS, key=head.count)


def _parse_header(head: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([head], delimiter=delimiter, skipinitialspace=True), [])
    return [cell.strip().lower() for cell in cells]


def _columns(reader: Iterator[list[str]]) -> tuple[str, ...]:
    try:
        header = next(reader)
    except (StopIteration, csv.Error) as error:
        raise BadInput("the first row cannot be read", hint="it names the columns: email,name,topics,…") from error
    columns = tuple(cell.strip().lower() for cell in header)
    for column in columns:
        if column and columns.count(column) > 1:
            raise BadInput(f"the column {column!r} is there twice", hint="rename or remove one of them")
    return columns


def _require(columns: tuple[str, ...], required: Collection[str]) -> None:
    if not set(required).isdisjoint(columns):
        return
    wanted = next(iter(required))
    near = [column for column in columns if "mail" in column]
    named = ", ".join(column for column in columns if column)
    raise BadInput(
        f"the first row has no column {wanted!r}; it has: {named[:200] or 'none'}",
        hint=f"rename {near[0]!r} to {wanted!r}" if near else "the first row must name the columns",
    )


def _rows(reader: Reader, columns: tuple[str, ...]) -> Iterator[Row]:
    width = len(columns)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], _explain(error, line, reader.line_num)
            continue
        if len(cells) > width:
            if any(cell.strip() for cell in cells[width:]):
                yield line, [], f"has {len(cells)} cells, the first row has {width}"
                continue
            cells = cells[:width]
        elif len(cells) < width:
            cells += [""] * (width - len(cells))
        if any(map(str.strip, cells)):
            yield line, cells, ""


def _explain(error: csv.Error, line: int, last: int) -> str:
    """Rows lost to an open quote are named, so that nobody takes them for imported."""
    if last > line:
        return f"a quote opened here is not closed: lines {line} to {last} were not read"
    if "end of data" in str(error):
        return "a quote opened here is not closed"
    return f"the quoting is broken: {error}"
