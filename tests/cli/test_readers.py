"""Readers by command: changing, erasing, choosing by a rule, explaining, and the log of it all."""

from __future__ import annotations

import getpass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.config.secrets import load_keyring
from digest.model.delivery import DeliveryState, Outcome
from digest.store import deliveries
from digest.store.engine import Store
from support.factories import make_publication
from support.project import Said, settle_in
from support.project import call as command
from support.sending import sending_issue

ANN = "ann@example.com"
PAPER = ("--publication", "morning")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: str) -> str:
    """A project without a publication; the address of its database."""
    settle_in(tmp_path, monkeypatch, sqlite_database)
    return sqlite_database


@pytest.fixture
def call(place: str, capsys: pytest.CaptureFixture[str]) -> Any:
    store = Store(place)
    with store.write() as tx:
        make_publication(tx, topics=("city", "sport"))
    store.close()

    def _call(*words: str) -> Said:
        return command(capsys, *words)

    return _call


def test_a_reader_is_changed_as_they_could_themselves(call: Any):
    call("subscriber", "add", ANN, *PAPER)
    done = call(
        "subscriber",
        "set",
        ANN,
        *PAPER,
        "--topic",
        "sport",
        "--deliver-at",
        "19:30",
        "--alerts",
        "--name",
        "Ann",
        "--json",
    )
    again = call("subscriber", "set", ANN, *PAPER, "--alerts")
    wrong = call("subscriber", "set", ANN, *PAPER, "--topic", "opera")
    paused = call("subscriber", "set", ANN, *PAPER, "--pause-until", "2098-01-01")
    resumed = call("subscriber", "set", ANN, *PAPER, "--pause", "--json")

    taken = done.json["subscriptions"][0]
    assert (taken["topics"], taken["deliver_at"], taken["alerts"]) == (["sport"], "19:30", True)
    assert again.code == 3
    assert wrong.code == 2
    assert "known topics: city, sport" in wrong.err
    assert (paused.code, "within a year" in paused.err) == (2, True)
    assert resumed.json["subscriptions"][0]["state"] == "paused"


def test_a_pending_reader_is_confirmed_at_an_operators_word_and_the_ledger_says_so(call: Any):
    call("subscriber", "add", ANN, *PAPER, "--pending")
    unasked = call("subscriber", "confirm", ANN, *PAPER)
    done = call("subscriber", "confirm", ANN, *PAPER, "--why", "signed on paper", "--yes", "--json")
    again = call("subscriber", "confirm", ANN, *PAPER, "--yes")
    ledger = call("subscriber", "consent", ANN, "--json")
    whole = call("subscriber", "consent", *PAPER)

    assert unasked.code == 1
    assert done.json["subscriptions"][0]["state"] == "active"
    assert again.code == 3
    assert [(line["act"], line["origin"]["how"]) for line in ledger.json["items"]] == [("confirmed", "operator")]
    assert ANN not in whole.out
    assert whole.out.count("\n") == 1


def test_erasing_leaves_a_hash_that_keeps_imports_away_and_data_says_what_is_left(
    call: Any, place: str, tmp_path: Path
):
    call("subscriber", "add", ANN, *PAPER, "--name", "Ann")
    before = call("subscriber", "data", ANN)
    call("subscriber", "erase", ANN, "--yes")
    file, report = tmp_path / "old.csv", tmp_path / "report.csv"
    file.write_text(f"email,name\n{ANN},Ann\nbo@example.com,Bo\nnobody,N\n")
    imported = call("subscriber", "import", str(file), *PAPER, "--report", str(report), "--json")
    added = call("subscriber", "add", ANN, *PAPER)
    after = call("subscriber", "data", ANN)
    shown = call("subscriber", "show", ANN)

    assert before.json["name"] == "Ann"
    assert (imported.json["created"], imported.json["kept_suppressed"], imported.code) == (1, 1, 2)
    assert [line.split(",")[:3] for line in report.read_text().splitlines()[1:]] == [
        ["4", "nobody", "refused"],
        ["2", ANN, "kept-suppressed"],
    ]
    assert report.stat().st_mode & 0o077 == 0
    assert (added.code, "erased" in added.err) == (2, True)
    assert after.json["suppressions"][0]["reason"] == "erased"
    assert "the address is suppressed (erased)" in shown.err
    assert ANN not in "\n".join(str(part) for part in (after.json["consents"], after.json["suppressions"]))


def test_segments_are_made_counted_shown_listed_and_removed(call: Any):
    for number, locale in enumerate(("de", "de", "en")):
        call("subscriber", "add", f"r{number}@example.com", *PAPER, "--locale", locale)
    made = call("segment", "add", "germans", "locale = de", *PAPER)
    shown = call("segment", "show", "germans", *PAPER, "--json")
    counted = call("segment", "count", *PAPER, "--where", "not locale = de", "--json")
    listed = call("segment", "list", *PAPER, "--json")
    wrong = call("segment", "add", "x", "locale = de and", *PAPER)
    call("segment", "remove", "germans", *PAPER, "--yes")
    gone = call("segment", "show", "germans", *PAPER)

    assert made.out == "germans: 2 readers, 2 active\n"
    assert [one["email"] for one in shown.json["readers"]] == ["r0@example.com", "r1@example.com"]
    assert counted.json["count"] == 1
    assert listed.json["items"][0]["rule"] == "locale = de"
    assert (wrong.code, "at its end, character 16" in wrong.err) == (2, True)
    assert gone.code == 2


def test_a_bulk_edit_is_tried_then_done(call: Any):
    for number in range(3):
        call("subscriber", "add", f"r{number}@example.com", *PAPER)
    words = ("subscriber", "edit", *PAPER, "--where", "state = active", "--set", "format=text")
    tried = call(*words, "--dry-run", "--json")
    unasked = call(*words)
    before = call("segment", "count", *PAPER, "--where", "format = text", "--json").json["count"]
    done = call(*words, "--yes")
    after = call("segment", "count", *PAPER, "--where", "format = text", "--json").json["count"]
    nobody = call("subscriber", "edit", *PAPER, "--where", "locale = fr", "--set", "format=text", "--yes")

    assert (tried.json["count"], before, after) == (3, 0, 3)
    assert unasked.code == 1
    assert done.out == "3 readers changed\n"
    assert nobody.code == 3


def test_what_operators_do_is_written_down_with_the_change_and_names_nobody(call: Any):
    call("subscriber", "add", ANN, *PAPER)
    call("subscriber", "add", "nobody", *PAPER)
    call("subscriber", "list")
    call("subscriber", "suppress", ANN, "--yes")
    call("subscriber", "suppress", ANN, "--yes")
    call("subscriber", "edit", *PAPER, "--where", "state = active", "--set", "format=text", "--dry-run")
    call("source", "list", "morning")
    call("publication", "set", "morning", "--name", "Morning")
    everything = call("audit", "list", "--json").json["items"]
    about = call("audit", "list", "--on", "Ann@EXAMPLE.com", "--json").json["items"]

    assert [item["action"] for item in everything] == ["publication set", "subscriber suppress", "subscriber add"]
    assert {item["actor"] for item in everything} == {f"operator:{getpass.getuser()}"}
    assert "name=Morning" in everything[0]["detail"]
    assert [item["action"] for item in about] == ["subscriber suppress", "subscriber add"]
    assert "ann@" not in str(everything).lower()


def test_why_somebody_got_an_issue_or_not_is_told_from_the_record(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    store = Store(place)
    issue = sending_issue(store, 4)
    keys = load_keyring(tmp_path / "digest.key")
    with store.write() as tx:
        at = tx.now()
        deliveries.claim(tx, issue.id, chunk=0, lease="a", lease_for=timedelta(minutes=1), limit=3, now=at)
        deliveries.mark(tx, issue.id, lease="a", subscriber_ids=[1, 2], now=at)
        sent = Outcome(1, DeliveryState.SENT, at, relay="default", reply_code=250, reply_text="Ok: queued")
        deliveries.record(tx, issue.id, lease="a", outcomes=[sent])
    store.close()

    def why(email: str, *more: str) -> Any:
        return command(capsys, "explain", email, *more, "--json").json

    assert keys
    for number, answer in ((1, "got-it"), (2, "waits"), (4, "waits")):
        assert why(f"reader{number}@example.com", str(issue.id))["items"][0]["answer"] == answer
    command(capsys, "subscriber", "add", "late@example.com", *PAPER)
    late = why("late@example.com", str(issue.id))["items"][0]
    command(capsys, "subscriber", "suppress", "reader4@example.com", "--yes")
    barred = why("reader4@example.com")["items"][0]
    stranger = why("stranger@example.com", str(issue.id))["items"][0]
    unknown = command(capsys, "explain", "stranger@example.com")
    told = command(capsys, "explain", "reader1@example.com")

    assert late["answer"] == "did-not"
    assert "the reader came to morning at" in late["sentences"][0]
    assert "suppressed for everything" in barred["sentences"][-1]
    assert stranger["sentences"] == ["Nobody with this address is subscribed to morning."]
    assert unknown.code == 2
    assert "The relay took the mail" in told.out
    assert "250 Ok: queued" in told.out
