"""CSV in: good rows are taken, bad ones named, and doing it again does no harm."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from digest.audience.importing import ImportReport, import_csv
from digest.model.errors import BadInput, NotFound, StoreUnavailable
from digest.model.subscriber import Format, Subscription, SubscriptionState
from digest.store import publications, subscribers, subscriptions
from digest.store.engine import Store
from support.factories import NOW, make_publication, make_subscription
from support.readers import KEYS


@pytest.fixture
def morning(store: Store) -> Store:
    """A store with a publication that has two topics."""
    with store.write() as tx:
        make_publication(tx, topics=("city", "sport"))
    return store


def take(store: Store, text: str | bytes, *, dry_run: bool = False) -> ImportReport:
    raw = text if isinstance(text, bytes) else text.encode()
    return import_csv(store, "morning", file=io.BytesIO(raw), now=NOW, dry_run=dry_run, keyring=KEYS)


def find(store: Store, norm: str) -> Subscription:
    with store.read() as tx:
        subscriber = subscribers.by_norm(tx, norm)
        assert subscriber is not None, f"{norm} is not there"
        return subscriptions.of_subscriber(tx, subscriber.id)[0]


def reasons(report: ImportReport) -> dict[int, str]:
    return {row.line: row.reason for row in report.refused}


def emails(store: Store) -> set[str]:
    with store.read() as tx:
        return {item.email for item in subscribers.list_subscribers(tx, limit=9999)}


def test_every_column_reaches_the_subscription(morning: Store):
    report = take(
        morning,
        "email,name,topics,cadence,format,timezone,locale,status,consent_at,consent_source,consent_proof\n"
        "ann@example.com,Ann,sport; city,daily,text,Europe/Berlin,pt_br,pending,2025-03-01T10:00:00+02:00,form,ip 1\n",
    )
    made = find(morning, "ann@example.com")
    with morning.read() as tx:
        proofs = subscriptions.consent_proofs(tx, made.publication_id, [made.subscriber.id])

    assert (report.created, report.refused, report.warnings) == (1, (), ())
    assert (made.subscriber.name, made.subscriber.timezone, made.subscriber.locale) == ("Ann", "Europe/Berlin", "pt-BR")
    assert (made.topics, made.cadence, made.format) == (("city", "sport"), "daily", Format.TEXT)
    assert (made.state, made.consent_source) == (SubscriptionState.PENDING, "form")
    assert made.consent_at == datetime(2025, 3, 1, 8, tzinfo=UTC)
    assert proofs == {made.subscriber.id: "ip 1"}


def test_an_address_alone_becomes_an_active_subscription_with_defaults(morning: Store):
    take(morning, "email\nann@example.com\n")
    made = find(morning, "ann@example.com")

    assert (made.state, made.cadence, made.format, made.topics) == (
        SubscriptionState.ACTIVE,
        "daily",
        Format.HTML,
        (),
    )
    assert (made.consent_at, made.consent_source) == (None, "import")


def test_importing_twice_changes_nothing(morning: Store):
    text = (
        "email,name,topics,status\na@example.com,A,city,active\nb@example.com,B,,paused\nc@example.com,,,unsubscribed\n"
    )
    take(morning, text)
    before = find(morning, "c@example.com")
    report = take(morning, text)

    assert (report.created, report.updated, report.unchanged, report.kept_unsubscribed) == (0, 0, 3, 0)
    assert find(morning, "c@example.com") == before


def test_a_changed_cell_updates_and_a_blank_one_leaves(morning: Store):
    take(morning, "email,name,topics,locale\na@example.com,Ann,city,de\n")
    report = take(morning, "email,name,topics,locale\na@example.com,,sport,\n")
    made = find(morning, "a@example.com")

    assert report.updated == 1
    assert (made.subscriber.name, made.subscriber.locale, made.topics) == ("Ann", "de", ("sport",))


def test_a_changed_name_alone_counts_as_updated(morning: Store):
    take(morning, "email,name\na@example.com,Ann\n")

    assert take(morning, "email,name\na@example.com,Anna\n").updated == 1


def test_those_who_left_stay_gone_and_are_counted(morning: Store):
    with morning.write() as tx:
        made = make_subscription(tx, publications.get(tx, "morning"), "gone@example.com")
        subscriptions.unsubscribe(tx, token_id=made.token_id, now=NOW, how="page")
    report = take(morning, "email,status\ngone@example.com,active\nGone@Example.com,\nnew@example.com,\n")

    assert (report.created, report.kept_unsubscribed, report.taken) == (1, 1, 2)
    assert find(morning, "gone@example.com").state is SubscriptionState.UNSUBSCRIBED


def test_a_list_of_people_who_left_elsewhere_ends_their_subscriptions(morning: Store):
    take(morning, "email\nann@example.com\n")
    report = take(morning, "email,status\nann@example.com,unsubscribed\n")
    left = find(morning, "ann@example.com")

    assert report.updated == 1
    assert (left.state, left.unsubscribed_at) == (SubscriptionState.UNSUBSCRIBED, NOW)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("name", "A\x07nn", "control character"),
        ("name", "x" * 201, "201 characters"),
        ("topics", "city;opera", "no topic 'opera' (known topics: city, sport)"),
        ("cadence", "hourly", "no cadence 'hourly' (known cadences: daily)"),
        ("format", "pdf", "'pdf' is not a format (use html, text)"),
        ("timezone", "Europe/Berln", "did you mean Europe/Berlin?"),
        ("timezone", "../etc/passwd", "not a time zone"),
        ("timezone", "Europe", "not a time zone"),
        ("locale", "klingon", "'klingon' is not a locale"),
        ("status", "cleaned", "use pending, active, paused, unsubscribed"),
        ("consent_at", "01.02.2025", "not an instant"),
        ("consent_at", "2030-01-01", "lies in the future"),
        ("consent_at", "0001-01-01T00:00:00+14:00", "not an instant"),
        ("consent_proof", "a\x01b", "control character"),
    ],
)
def test_a_bad_value_refuses_its_row_with_the_reason(sqlite_database: str, column: str, value: str, reason: str):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx, topics=("city", "sport"))
    report = take(store, f"email,{column}\nbad@example.com,{value}\ngood@example.com,\n")

    assert report.created == 1
    assert [(row.line, row.value) for row in report.refused] == [(2, "bad@example.com")]
    assert reason in report.refused[0].reason
    assert emails(store) == {"good@example.com"}
    store.close()


def test_refused_addresses_are_named_with_line_and_text(morning: Store):
    report = take(morning, "name,email\nA,not-an-address\nB,\nC,c@example.com\n")

    assert report.created == 1
    assert [(row.line, row.value) for row in report.refused] == [(2, "not-an-address"), (3, "")]
    assert "is not an e-mail address" in reasons(report)[2]
    assert reasons(report)[3] == "the address is missing"


def test_line_numbers_count_the_lines_inside_quotes_and_blank_ones(morning: Store):
    report = take(
        morning,
        'email,consent_proof\r\na@example.com,"first\r\nsecond\r\nthird"\r\n\r\nbad-one,x\r\n"b@example.com",y\r\nbad-two,\r\n',
    )

    assert list(reasons(report)) == [6, 8]
    assert report.created == 2


def test_a_second_row_of_one_address_is_refused_naming_the_first(morning: Store):
    report = take(morning, "email,topics\nann@example.com,opera\nann@example.com,city\nANN@example.com,sport\n")

    assert "opera" in reasons(report)[2]
    assert reasons(report)[4] == "the same address is in line 3"
    assert find(morning, "ann@example.com").topics == ("city",)


def test_a_row_with_more_cells_than_the_header_is_refused(morning: Store):
    report = take(morning, "email,name\nann@example.com,Lee,Ann\nbob@example.com,Bob,,\nsue@example.com\n")

    assert reasons(report) == {2: "has 3 cells, the first row has 2"}
    assert report.created == 2


def test_an_open_quote_names_the_lines_that_were_lost(morning: Store):
    report = take(morning, 'email,name\na@example.com,"Ann\nb@example.com,Bob\nc@example.com,Sue\n')

    assert reasons(report) == {2: "a quote opened here is not closed: lines 2 to 4 were not read"}
    assert emails(morning) == set()
    assert reasons(take(morning, 'email,name\na@example.com,"Ann\n')) == {2: "a quote opened here is not closed"}


def test_a_name_that_swallowed_another_row_is_refused(morning: Store):
    report = take(morning, 'email,name\na@example.com,"Ann\nb@example.com,Bob"\nc@example.com,Sue\n')

    assert "holds another row" in reasons(report)[2]
    assert emails(morning) == {"c@example.com"}


def test_reading_goes_on_after_broken_quoting(morning: Store):
    report = take(morning, 'email,name\na@example.com,"Ann" Lee\nb@example.com,Bob\n')

    assert reasons(report)[2].startswith("the quoting is broken")
    assert emails(morning) == {"b@example.com"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets_of_any_country_are_read(sqlite_database: str, delimiter: str, encoding: str):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    rows = [[" Email ", "NAME"], ["zoë@example.com", "Zoë, Łukasz"], ["b@bücher.example", "B"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    report = take(store, text.encode(encoding))

    assert report.refused == ()
    assert find(store, "zoë@example.com").subscriber.name == "Zoë, Łukasz"
    assert find(store, "b@xn--bcher-kva.example").subscriber.email == "b@bücher.example"
    store.close()


def test_windows_encoding_is_read_and_said(morning: Store):
    report = take(morning, "email;name\nzoe@example.com;Zoë “Z” Müller\n".encode("cp1252"))

    assert find(morning, "zoe@example.com").subscriber.name == "Zoë “Z” Müller"
    assert "Windows-1252" in report.warnings[0]


def test_unknown_columns_are_named(morning: Store):
    report = take(morning, "email,phone,Shoe Size,\nann@example.com,1,2,\n")

    assert report.created == 1
    assert report.warnings == ("these columns are not known and were passed over: phone, shoe size",)


@pytest.mark.parametrize(
    ("raw", "message", "hint"),
    [
        (b"", "empty", "the first row names the columns"),
        (b"E-Mail Address;Name\na@example.com;A\n", "no column 'email'", "rename 'e-mail address' to 'email'"),
        (b"a@example.com\nb@example.com\n", "it has: a@example.com", "the first row must name the columns"),
        (b"name\nAnn\n", "it has: name", "the first row must name the columns"),
        (b"email,name,Name\n", "'name' is there twice", "rename or remove"),
        (b"PK\x03\x04....", "a spreadsheet or an archive", "save the sheet as CSV"),
        (b"email\na\0b@example.com\n", "no text", "save the sheet as CSV"),
        (b"email\n\x81\x8d@example.com\n", "no text", "save the sheet as CSV"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_whole(sqlite_database: str, raw: bytes, message: str, hint: str):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    with pytest.raises(BadInput) as caught:
        take(store, raw)

    assert message in caught.value.message
    assert hint in caught.value.hint
    store.close()


def test_an_unknown_publication_names_the_known_ones(morning: Store):
    with pytest.raises(NotFound) as caught:
        import_csv(morning, "evening", file=io.BytesIO(b"email\n"), now=NOW, keyring=KEYS)

    assert caught.value.hint == "known publications: morning"


def test_a_dry_run_counts_alike_and_stores_nothing(morning: Store):
    take(morning, "email,name\nold@example.com,Old\n")
    text = "email,name\nold@example.com,New\nnew@example.com,N\nbad,B\n"
    dry = take(morning, text, dry_run=True)
    stored = emails(morning)
    real = take(morning, text)

    assert stored == {"old@example.com"}
    assert (dry.created, dry.updated, len(dry.refused)) == (1, 1, 1)
    assert replace(dry, dry_run=False) == real


def test_a_full_disk_leaves_whole_chunks_says_how_many_and_can_be_repeated(sqlite_database: str):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    rows = [f"reader{number}@example.com" for number in range(1500)]
    raw = "\n".join(["email", *rows]).encode()

    def fill_the_disk(_rows: int) -> None:
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes this as: not a page more

    with pytest.raises(StoreUnavailable, match=r"the disk is full.*; 1000 rows are in") as caught:
        import_csv(
            store, "morning", file=io.BytesIO(raw), now=NOW, progress=fill_the_disk, keyring=KEYS, chunk_rows=1000
        )
    store.close()
    stored = emails(store)
    report = take(store, raw)

    assert "free some space" in caught.value.hint
    assert stored == set(rows[:1000])
    assert (report.unchanged, report.created) == (1000, 500)
    store.close()


def test_thousands_of_rows_take_seconds_and_progress_is_told(sqlite_database: str):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx, topics=("city",))
    text = "email,name,topics\n" + "".join(f"reader{n}@example.com,Reader {n},city\n" for n in range(2500))
    told: list[int] = []
    started = time.process_time()
    report = import_csv(
        store, "morning", file=io.BytesIO(text.encode()), now=NOW, progress=told.append, keyring=KEYS, chunk_rows=1000
    )
    took_s = time.process_time() - started

    assert report.created == 2500
    assert told == [1000, 2000, 2500]
    assert took_s < 6  # 0.8 s in our measurement; one transaction or one look-up a row would take far longer
    store.close()


def test_the_callers_file_is_left_open(morning: Store):
    file = io.BytesIO(b"email\nann@example.com\n")
    import_csv(morning, "morning", file=file, now=NOW, keyring=KEYS)

    assert not file.closed
