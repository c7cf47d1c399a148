"""What commands print: one JSON document for scripts, quiet tables and single lines for people."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from digest.cli import output
from digest.model.errors import DigestError, NotFound
from digest.model.issue import IssueState
from digest.model.publication import CadenceRule
from support.articles import make_article, publication_of

AT = datetime(2026, 11, 22, 7, 30, tzinfo=timezone(timedelta(hours=1)))


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Row:
    id: int
    issue_id: int
    count: int
    at: datetime | None


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (AT, "2026-11-22T06:30:00Z"),
        (AT.replace(microsecond=5), "2026-11-22T06:30:00.000005Z"),
        (date(2026, 11, 22), "2026-11-22"),
        (time(7, 0), "07:00:00"),
        (timedelta(hours=6), 21600.0),
        (Path("a/b"), "a/b"),
        (IssueState.SENT, "sent"),
        (Colour.RED, "red"),
        (None, None),
        (True, True),
        ((1, "a", None), [1, "a", None]),
        ({IssueState.SENT: 2}, {"sent": 2}),
        (Row(1, 2, 3, None), {"id": "1", "issue_id": "2", "count": 3, "at": None}),
        ({"id": "abc", "valid": 1, "issue_id": None}, {"id": "abc", "valid": 1, "issue_id": None}),
        (
            [{"deep": Row(1, 2, 3, AT)}],
            [{"deep": {"id": "1", "issue_id": "2", "count": 3, "at": "2026-11-22T06:30:00Z"}}],
        ),
    ],
)
def test_a_value_becomes_plain_json_data(value: Any, plain: Any):
    assert output.jsonable(value) == plain
    assert json.loads(json.dumps(output.jsonable(value))) == plain


def test_instant_is_utc_with_z_or_nothing():
    assert output.instant(AT) == "2026-11-22T06:30:00Z"
    assert output.instant(None) is None


@pytest.mark.parametrize("thing", [publication_of(), make_article(labels=("a",)), CadenceRule.DAILY])
def test_what_commands_show_can_be_printed_as_json(thing: Any, capsys: pytest.CaptureFixture[str]):
    output.print_json(thing)

    assert json.loads(capsys.readouterr().out) == output.jsonable(thing)


def test_a_result_is_json_for_scripts_and_words_for_people(capsys: pytest.CaptureFixture[str]):
    for as_json in (True, False):
        output.emit({"name": "Füße"}, as_json=as_json, human=lambda: output.say("Made Füße."))

    assert capsys.readouterr().out == '{\n  "name": "Füße"\n}\nMade Füße.\n'


def listing(rows: list[Row], *, as_json: bool) -> None:
    columns = {"COUNT": lambda row: row.count, "AT": lambda row: row.at}
    output.emit_list(iter(rows), as_json=as_json, columns=columns, empty="No [rows] yet.")


def test_a_listing_is_items_for_scripts_even_when_it_is_empty(capsys: pytest.CaptureFixture[str]):
    listing([], as_json=True)
    empty = json.loads(capsys.readouterr().out)
    listing([Row(1, 2, 3, AT)], as_json=True)
    full = json.loads(capsys.readouterr().out)

    assert empty == {"items": []}
    assert full == {"items": [{"id": "1", "issue_id": "2", "count": 3, "at": "2026-11-22T06:30:00Z"}]}


def test_a_listing_is_a_table_for_people_or_a_sentence(capsys: pytest.CaptureFixture[str]):
    listing([Row(1, 2, 3, AT), Row(4, 5, 6, None)], as_json=False)
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    listing([], as_json=False)

    assert [[cell.strip() for cell in line] for line in lines] == [
        ["COUNT", "AT"],
        ["3", "2026-11-22 06:30 UTC"],
        ["6", "–"],
    ]
    assert capsys.readouterr().out == "No [rows] yet.\n"


@pytest.mark.parametrize("title", ["[red]x[/red]", "\\[b]x", "back\\", "a :warning: b", "[/]"])
def test_nothing_is_read_into_what_others_wrote(title: str, capsys: pytest.CaptureFixture[str]):
    output.say(title)
    output.note(title)
    output.stdout.print(output.table({"TITLE": lambda row: row}, [title]))
    captured = capsys.readouterr()

    assert captured.out.split("\n")[0] == title
    assert captured.out.split("\n")[2].rstrip() == title
    assert captured.err == title + "\n"


def test_an_error_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]):
    output.print_error(NotFound("there is\nno [issue] 7", hint="`digest issue list`\nshows them"), as_json=False)
    captured = capsys.readouterr()

    assert captured.out == ""
    assert captured.err == "error: there is no [issue] 7; `digest issue list` shows them\n"


def test_an_error_without_a_hint_ends_after_its_message(capsys: pytest.CaptureFixture[str]):
    output.print_error(DigestError("it broke"), as_json=False)

    assert capsys.readouterr().err == "error: it broke\n"


def test_a_long_error_is_not_broken_into_lines(capsys: pytest.CaptureFixture[str]):
    output.print_error(DigestError("word " * 100), as_json=False)

    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_for_scripts_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]):
    output.print_error(NotFound("no issue 7", hint="list them"), as_json=True)
    captured = capsys.readouterr()

    assert json.loads(captured.out) == {"error": {"code": "not-found", "message": "no issue 7", "hint": "list them"}}
    assert captured.err == ""


def test_without_a_terminal_a_destructive_step_needs_yes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    output.confirm("Remove it?", yes=True)
    with pytest.raises(DigestError, match="Remove it") as caught:
        output.confirm("Remove it?", yes=False)

    assert caught.value.hint == "add --yes"


def test_an_instant_in_a_cell_is_utc():
    assert output._cell(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)).plain == "2026-01-02 03:04 UTC"
