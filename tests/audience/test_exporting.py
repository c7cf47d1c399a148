"""What is exported can be imported, value by value."""

import csv
import io
import json
from pathlib import Path

import pytest

from digest.audience import exporting
from digest.audience.exporting import ExportFormat
from digest.audience.importing import import_csv
from digest.model.errors import BadInput, NotFound
from digest.store.engine import Store
from support.factories import NOW, make_publication, make_subscription
from support.readers import KEYS

SOURCE = (
    "email,name,topics,cadence,format,timezone,locale,status,consent_at,consent_source,consent_proof,digest,alerts,"
    "attributes\r\n"
    'Ann.Lee@example.com,"Lee, ""Ann""",city;sport,daily,text,Europe/Berlin,de,active,2025-03-01T10:00:00Z,form,'
    '"a\nb;c",yes,yes,"{""city"": ""Rome""}"\r\n'
    "zoë@bücher.example,=1+1,,daily,html,,,paused,,import,,no,yes,\r\n"
    "gone@example.org,,sport,daily,html,,pt-BR,unsubscribed,2024-01-01T00:00:00.500000Z,paper,box 7,yes,no,\r\n"
    "wait@example.org,Wait,,daily,html,,,pending,,import,,yes,no,\r\n"
)


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as tx:
        make_publication(tx, topics=("city", "sport"))
    report = import_csv(store, "morning", file=io.BytesIO(SOURCE.encode()), now=NOW, keyring=KEYS)
    assert report.created == 4, report
    return store


def export(store: Store, slug: str = "morning", form: ExportFormat = ExportFormat.CSV) -> str:
    stream = io.StringIO(newline="")
    exporting.export(store, slug, stream=stream, format=form)
    return stream.getvalue()


def test_an_export_holds_every_value_exactly(filled: Store):
    rows = sorted(csv.reader(io.StringIO(export(filled), newline="")))

    assert rows == sorted(csv.reader(io.StringIO(SOURCE, newline="")))


def test_an_export_imported_elsewhere_exports_the_same(filled: Store):
    with filled.write() as tx:
        make_publication(tx, "evening", topics=("city", "sport"))
    first = export(filled)
    report = import_csv(filled, "evening", file=io.BytesIO(first.encode()), now=NOW, keyring=KEYS)

    assert (report.created, report.refused, report.warnings) == (4, (), ())
    assert export(filled, "evening") == first


def test_an_export_imported_where_it_came_from_changes_nothing(filled: Store):
    report = import_csv(filled, "morning", file=io.BytesIO(export(filled).encode()), now=NOW, keyring=KEYS)

    assert report.unchanged == 4


def test_json_lines_carry_lists_and_nulls(filled: Store):
    lines = [json.loads(line) for line in export(filled, form=ExportFormat.JSONL).splitlines()]
    by_email = {line["email"]: line for line in lines}

    assert len(lines) == 4
    assert by_email["Ann.Lee@example.com"] == {
        "email": "Ann.Lee@example.com",
        "name": 'Lee, "Ann"',
        "topics": ["city", "sport"],
        "cadence": "daily",
        "format": "text",
        "timezone": "Europe/Berlin",
        "locale": "de",
        "status": "active",
        "consent_at": "2025-03-01T10:00:00Z",
        "consent_source": "form",
        "consent_proof": "a\nb;c",
        "digest": True,
        "alerts": True,
        "attributes": {"city": "Rome"},
    }
    assert by_email["wait@example.org"]["consent_at"] is None


def test_a_long_export_has_everybody_once(store: Store):
    with store.write() as tx:
        make_publication(tx)
    addresses = [f"reader{number}@example.com" for number in range(1100)]
    import_csv(store, "morning", file=io.BytesIO("\n".join(["email", *addresses]).encode()), now=NOW, keyring=KEYS)
    rows = list(csv.DictReader(io.StringIO(export(store), newline="")))

    assert sorted(row["email"] for row in rows) == sorted(addresses)


def test_a_file_is_written_whole_and_for_its_owner_only(filled: Store, tmp_path: Path):
    path = tmp_path / "readers.csv"
    path.write_text("old")
    written = exporting.export_file(filled, "morning", path=path, format=ExportFormat.CSV)

    assert written == 4
    assert path.read_bytes().decode() == export(filled)
    assert path.stat().st_mode & 0o077 == 0


def test_a_failed_export_leaves_the_old_file_and_no_rest(filled: Store, tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "readers.csv").write_text("old")
    with pytest.raises(NotFound):
        exporting.export_file(filled, "nothing", path=folder / "readers.csv", format=ExportFormat.CSV)

    assert [(item.name, item.read_text()) for item in folder.iterdir()] == [("readers.csv", "old")]


def test_a_folder_that_is_not_there_is_bad_input(filled: Store, tmp_path: Path):
    with pytest.raises(BadInput, match="cannot be written"):
        exporting.export_file(filled, "morning", path=tmp_path / "none" / "x.csv", format=ExportFormat.CSV)


def test_readers_of_other_publications_are_not_exported(filled: Store):
    with filled.write() as tx:
        make_subscription(tx, make_publication(tx, "evening"), "stranger@example.com")

    assert "stranger" not in export(filled)
