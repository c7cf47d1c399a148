"""`digest subscriber …` as scripts and people meet it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.model.delivery import DeliveryState, Outcome
from digest.model.mailbox import Hindrance
from digest.store import bounces
from digest.store.engine import Store
from support.factories import make_publication
from support.project import Said, settle_in
from support.project import call as command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: str) -> Path:
    """A folder with a database that has one publication, and the working directory of the test."""
    settle_in(tmp_path, monkeypatch, sqlite_database)
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx, topics=("city", "sport"))
    store.close()
    return tmp_path


@pytest.fixture
def call(project: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def _call(*words: str) -> Said:
        return command(capsys, "subscriber", *words)

    return _call


def test_adding_says_what_became_of_it(call: Any):
    said = call("add", "Ann@example.com", "--publication", "morning", "--name", "Ann", "--topic", "city", "--json")

    assert said.code == 0
    assert said.json["outcome"] == "created"
    assert isinstance(said.json["id"], str)
    taken = said.json["subscriptions"][0]
    assert (taken["publication"], taken["state"], taken["topics"]) == ("morning", "active", ["city"])
    assert taken["consent_at"].endswith("Z")


def test_adding_again_is_nothing_to_do(call: Any):
    call("add", "ann@example.com", "--publication", "morning")
    said = call("add", "ann@example.com", "--publication", "morning")

    assert said.code == 3
    assert said.out == "ann@example.com: unchanged, active in morning\n"


def test_one_who_left_is_not_added_again_without_a_word(call: Any):
    call("add", "ann@example.com", "--publication", "morning")
    call("unsubscribe", "ann@example.com", "--publication", "morning", "--yes")
    kept = call("add", "ann@example.com", "--publication", "morning")
    back = call("add", "ann@example.com", "--publication", "morning", "--resubscribe")

    assert kept.code == 3
    assert "add --resubscribe" in kept.err
    assert back.code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ann"], "'ann' is not an e-mail address"),
        (["ann@example.com", "--timezone", "Europe/Berln"], "did you mean Europe/Berlin?"),
        (["ann@example.com", "--locale", "xx"], "'xx' is not a locale"),
        (["ann@example.com", "--cadence", "hourly"], "known cadences: daily"),
        (["ann@example.com", "--topic", "opera"], "known topics: city, sport"),
        (["ann@example.com", "--publication", "evening"], "known publications: morning"),
    ],
)
def test_bad_words_are_one_line_and_exit_code_2(call: Any, words: list[str], told: str):
    said = call("add", "--publication", "morning", *words)

    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert told in said.err


def test_an_import_reports_every_refused_row_and_keeps_the_others(call: Any, project: Path):
    (project / "readers.csv").write_text("email,shoe\na@example.com,1\nbad,2\nb@example.com,3\n")
    said = call("import", "readers.csv", "--publication", "morning", "--json")
    listed = call("list", "--publication", "morning", "--json")

    assert said.code == 2
    assert (said.json["taken"], said.json["created"], said.json["refused_count"]) == (2, 2, 1)
    assert (said.json["refused"][0]["line"], said.json["refused"][0]["value"]) == (3, "bad")
    assert "warning: these columns are not known and were passed over: shoe" in said.err
    assert [item["email"] for item in listed.json["items"]] == ["a@example.com", "b@example.com"]


def test_an_import_for_people_names_both_numbers(call: Any, project: Path):
    (project / "readers.csv").write_text("email\na@example.com\nbad\n")
    said = call("import", "readers.csv", "--publication", "morning")

    assert said.code == 2
    assert said.out == "1 rows taken: 1 created, 0 updated, 0 unchanged, 0 kept unsubscribed\n"
    assert "line 3: bad: 'bad' is not an e-mail address" in said.err
    assert "1 rows refused" in said.err


def test_an_import_of_good_rows_is_quiet_beside_its_result(call: Any, project: Path):
    (project / "readers.csv").write_text("email\na@example.com\n")
    said = call("import", "readers.csv", "--publication", "morning")

    assert (said.code, said.err) == (0, "")


def test_a_dry_run_stores_nothing(call: Any, project: Path):
    (project / "readers.csv").write_text("email\na@example.com\n")
    said = call("import", "readers.csv", "--publication", "morning", "--dry-run", "--json")

    assert said.code == 0
    assert (said.json["dry_run"], said.json["created"]) == (True, 1)
    assert call("list", "--json").json == {"items": []}


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_that_cannot_be_read_is_bad_input(call: Any, name: str):
    said = call("import", name, "--publication", "morning", "--json")

    assert said.code == 2
    assert said.json["error"]["code"] == "bad-input"
    assert f"{name} cannot be read" in said.json["error"]["message"]


def test_an_export_goes_to_stdout_or_a_file_and_back_in(call: Any, project: Path):
    call("add", "ann@example.com", "--publication", "morning", "--name", "Ann", "--topic", "city")
    printed = call("export", "--publication", "morning")
    filed = call("export", "out.csv", "--publication", "morning")
    again = call("import", "out.csv", "--publication", "morning", "--json")
    lines = call("export", "-", "--publication", "morning", "--format", "jsonl")

    assert printed.out.splitlines()[1].startswith("ann@example.com,Ann,city,daily,html,,,active,")
    assert (project / "out.csv").read_bytes().decode() == printed.out
    assert filed.out == ""
    assert again.json["unchanged"] == 1
    assert json.loads(lines.out)["topics"] == ["city"]


def test_a_list_is_filtered_and_says_when_it_is_cut(call: Any):
    for name in ("ann", "bob", "sue"):
        call("add", f"{name}@example.com", "--publication", "morning")
    call("unsubscribe", "bob@example.com", "--publication", "morning", "--yes")
    active = call("list", "--publication", "morning", "--state", "active", "--json")
    cut = call("list", "--limit", "1")

    assert [item["email"] for item in active.json["items"]] == ["ann@example.com", "sue@example.com"]
    assert "ann@example.com" in cut.out
    assert "morning (active)" in cut.out
    assert "1 of 3 shown" in cut.err


def test_show_tells_subscriptions_consent_and_history(call: Any):
    call("add", "ann@example.com", "--publication", "morning", "--consent-source", "fair")
    call("unsubscribe", "ann@example.com", "--publication", "morning", "--yes")
    shown = call("show", "ANN@example.com", "--json").json
    for_people = call("show", "ann@example.com")

    assert shown["subscriptions"][0]["state"] == "unsubscribed"
    assert shown["subscriptions"][0]["consent_source"] == "fair"
    assert [item["kind"] for item in shown["events"]] == ["unsubscribed", "subscribed"]
    assert shown["events"][0]["publication"] == "morning"
    assert shown["deliveries"] == []
    assert for_people.code == 0
    assert "unsubscribed" in for_people.out


def test_a_stranger_is_not_found(call: Any):
    said = call("show", "ann@example.com", "--json")

    assert said.code == 2
    assert said.json["error"]["code"] == "not-found"


def test_unsubscribing_asks_first_then_acts_once(call: Any):
    call("add", "ann@example.com", "--publication", "morning")
    asked = call("unsubscribe", "ann@example.com", "--publication", "morning")
    done = call("unsubscribe", "ann@example.com", "--publication", "morning", "--yes", "--json")
    again = call("unsubscribe", "ann@example.com", "--publication", "morning", "--yes", "--json")

    assert asked.code == 1
    assert "--yes" in asked.err
    assert (done.code, done.json["state"]) == (0, "unsubscribed")
    assert (again.code, again.json["error"]["code"]) == (3, "nothing-to-do")


def test_suppressing_an_address_is_told_and_can_be_taken_back(call: Any):
    call("add", "ann@example.com", "--publication", "morning")
    done = call("suppress", "Ann@Example.com", "--why", "asked by phone", "--yes", "--json")
    again = call("suppress", "ann@example.com", "--yes")
    shown, told = call("show", "ann@example.com", "--json"), call("show", "ann@example.com")
    lifted, twice = call("unsuppress", "ann@example.com", "--json"), call("unsuppress", "ann@example.com")

    assert (done.code, done.json) == (
        0,
        {"email": "Ann@example.com", "publication": None, "until": None, "is_reader": True},
    )
    assert again.code == 3
    barred = shown.json["suppressions"]
    assert [(item["publication"], item["reason"], item["detail"]) for item in barred] == [
        (None, "operator", "asked by phone")
    ]
    assert "suppressed everywhere: operator asked by phone" in told.out
    assert (lifted.code, twice.code) == (0, 3)
    assert call("show", "ann@example.com", "--json").json["suppressions"] == []


def test_an_address_can_be_suppressed_for_one_publication_and_for_a_time(call: Any):
    done = call("suppress", "bo@example.com", "--publication", "morning", "--days", "30", "--yes", "--json")
    shown = call("show", "bo@example.com")
    elsewhere = call("suppress", "bo@example.com", "--publication", "evening", "--yes")

    assert (done.json["publication"], done.json["is_reader"]) == ("morning", False)
    assert done.json["until"].endswith("Z")
    assert shown.code == 2
    assert "there is no reader bo@example.com, but the address is suppressed (operator)" in shown.err
    assert (elsewhere.code, "evening" in elsewhere.err) == (2, True)


def test_what_hinders_mail_to_a_reader_is_shown(call: Any, sqlite_database: str):
    call("add", "ann@example.com", "--publication", "morning")
    store = Store(sqlite_database)
    at = datetime(2026, 11, 22, 7, tzinfo=UTC)
    with store.write() as tx:
        for day in (0, 1):
            full = Outcome(1, DeliveryState.FAILED, at + timedelta(days=day), hindrance=Hindrance.MAILBOX_FULL)
            bounces.note(tx, 0, [full])
    store.close()
    shown, told = call("show", "ann@example.com", "--json"), call("show", "ann@example.com")

    assert [(met["kind"], met["count"]) for met in shown.json["hindrances"]] == [("mailbox-full", 2)]
    assert "mailbox-full, 2 times in a row since 2026-11-22T07:00:00Z" in told.out
