"""What a person sees while mail goes out, and that nobody else sees it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from digest.app.progress import Progress
from digest.cli import main, progress
from digest.cli.progress import Board
from digest.model.delivery import DeliveryState, Outcome
from digest.store.engine import Store
from support.paper import a_paper
from support.sending import sending_issue
from support.sink import start_sink
from support.terminal import on_terminal
from support.workers import crew

S = DeliveryState
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def found(audience: int, *, rate: float = 0.0, **counts: int) -> Progress:
    every = dict.fromkeys(DeliveryState, 0) | {DeliveryState(name): number for name, number in counts.items()}
    return Progress(audience, every, rate)


def drawn(board: Board, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(board)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("width", [80, 120])
def test_a_large_issue_fits_on_one_line(width: int):
    board = Board()
    row = board.row("a-rather-long-name")
    watch = row.watch()
    assert watch.tally is not None
    watch.tally(found(2_000_000, sent=1_234_567, pending=765_433))
    watch.outcomes([Outcome(n, S.SENT, NOW) for n in range(50)])
    lines = drawn(board, width)

    assert len(lines) == 1, lines
    assert "1,234,617/2,000,000" in lines[0]
    assert "50/s" in lines[0]
    assert "until " in lines[0]
    assert "4 h 15 min)" in lines[0]
    assert len(lines[0]) <= width


def test_what_is_not_well_is_named_when_there_is_any_and_not_otherwise():
    board = Board()
    watch = board.row().watch()
    assert watch.tally is not None
    watch.step("delivering")
    watch.tally(found(100, pending=100))
    before = drawn(board, 80)
    watch.tally(found(100, sent=80, deferred=12, failed=3, unknown=1, pending=4))

    assert len(before) == 1
    assert drawn(board, 80)[1].strip() == "12 deferred · 3 failed · 1 in doubt"


@pytest.mark.parametrize("width", [80, 120])
def test_the_reason_for_waiting_is_shown_whole_however_narrow_the_screen(width: int):
    reason = "12 put off by relay default: 451 4.7.1 greylisted, try again later or ask; next try 10:42:07"
    board = Board()
    watch = board.row().watch()
    assert watch.tally is not None
    watch.tally(found(20, sent=8, deferred=12))
    watch.waiting(reason)
    shown = " ".join(line.strip() for line in drawn(board, width)[2:])
    watch.waiting("")

    assert shown == reason
    assert len(drawn(board, width)) == 2, "it goes when the waiting does"


@pytest.mark.parametrize(
    ("rate", "said"), [(0.0, ""), (0.52, "0.5/s"), (9.96, "10.0/s"), (42.4, "42/s"), (12_345.0, "12,345/s")]
)
def test_speed_has_a_decimal_only_where_it_is_slow(rate: float, said: str):
    assert progress.speed(rate) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(milliseconds=10), "1 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(seconds=75), "1 min 15 s"),
        (timedelta(hours=3, minutes=5), "3 h 5 min"),
        (timedelta(days=2, hours=1), "2 d 1 h"),
    ],
)
def test_a_span_has_its_two_largest_units(length: timedelta, said: str):
    assert progress.span(length) == said


def test_the_end_is_told_as_a_time_and_a_span():
    ten_a_second = found(1000, rate=10.0, pending=750)
    at = progress.remaining(ten_a_second, now=NOW)
    local = (NOW + timedelta(seconds=75)).astimezone()

    assert at == f"until {local:%H:%M:%S} (1 min 15 s)"
    assert progress.remaining(found(1000, rate=0.001, pending=750), now=NOW) == ""
    assert progress.remaining(found(10_000_000, rate=1.0, pending=10_000_000), now=NOW) == "over a week"


def test_a_run_on_a_terminal_shows_a_bar_and_the_reason_for_waiting_and_leaves_a_clean_screen(
    sqlite_database: str, tmp_path: Path
):
    store = Store(sqlite_database)
    issue = sending_issue(store, 60)
    modes = {"defer": {"reader7@example.com": 1}, "dead": ["reader9@example.com"], "delay_s": 0.05}
    settings = {"delivery__retry_first_s": 8, "relays__default__connections": 1}  # the rest takes 3 s
    with start_sink(tmp_path, **modes) as sink, crew(store, tmp_path, sink.port, **settings) as ours:
        seen = on_terminal(["tick"], folder=tmp_path, environment=ours.environment, columns=80)
    store.close()

    assert seen.exit_code == 0, seen.text
    assert "/60" in seen.text
    assert "1 deferred · 1 failed" in seen.text
    assert "1 put off by relay default: 451 4.7.1 greylisted" in seen.text
    assert "next try" in seen.text
    assert f"(issue {issue.id}): sent. 60 readers: 59 sent, 1 failed." in seen.text
    assert "[info" not in seen.text, "the bar tells it all"
    assert "[address]" not in seen.text


def test_in_a_pipe_there_is_no_bar_and_the_log_tells_beginning_and_end_if_it_is_to(
    sqlite_database: str, tmp_path: Path
):
    store = Store(sqlite_database)
    sending_issue(store, 20)
    with start_sink(tmp_path) as sink, crew(store, tmp_path, sink.port, logging__level="info") as ours:
        process = ours.start("tick", "--json")
        process.wait(60)
        said = ours.logs()
    store.close()
    lines = said.splitlines()
    events = [json.loads(line) for line in lines if line.startswith('{"')]
    finished = next(event for event in events if event["event"] == "delivery.finished")

    assert "\x1b" not in said
    assert "delivery.started" in [event["event"] for event in events]
    assert {name: finished[name] for name in ("issue", "publication", "sent", "failed")} == {
        "issue": 1,
        "publication": "morning",
        "sent": 20,
        "failed": 0,
    }
    assert finished["rate"] > 0
    assert finished["seconds"] > 0


def test_without_a_level_of_its_own_a_run_logs_warnings_only(sqlite_database: str, tmp_path: Path):
    store = Store(sqlite_database)
    sending_issue(store, 3)
    with start_sink(tmp_path) as sink, crew(store, tmp_path, sink.port) as ours:
        ours.start("tick").wait(60)
        said = ours.logs()
    store.close()

    assert said.startswith("morning daily of 2026-11-22 (issue 1): sent. 3 readers: 3 sent.\n")
    assert '{"' not in said


def test_watching_an_issue_gives_one_document_with_json(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    store = Store(sqlite_database)
    sending_issue(store, 5)
    with crew(store, tmp_path, 9) as ours:
        for name, value in ours.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        code = main.run(["issue", "watch", "1", "--json"])
    store.close()
    document = json.loads(capsys.readouterr().out)

    assert code == 0
    assert (document["issue"], document["state"], document["audience"], document["done"]) == ("1", "sending", 5, 0)
    assert document["counts"]["pending"] == 5
    assert document["waiting"] == "nobody is delivering: `digest serve`, `tick` or `run` does it"
    assert (document["rate"], document["left_s"], document["next_try_at"]) == (0.0, None, None)


def test_watching_an_issue_that_is_not_there_is_an_error(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    store = Store(sqlite_database)
    with crew(store, tmp_path, 9) as ours:
        for name, value in ours.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        code = main.run(["issue", "watch", "77"])
    store.close()

    assert code == 2
    assert "there is no issue 77" in capsys.readouterr().err


def test_watching_on_a_terminal_follows_what_another_process_sends_until_the_issue_is_closed(
    sqlite_database: str, tmp_path: Path
):
    store = Store(sqlite_database)
    sending_issue(store, 150)
    slow = {"relays__default__connections": 1}
    with start_sink(tmp_path, delay_s=0.03) as sink, crew(store, tmp_path, sink.port, **slow) as ours:
        sender = ours.start("tick", "--json")
        seen = on_terminal(["issue", "watch", "1"], folder=tmp_path, environment=ours.environment, columns=80)
        sender.wait(60)
    store.close()

    assert seen.exit_code == 0, seen.text
    assert "morning daily: sending" in seen.text
    assert "150 of 150 readers done: 150 sent." in seen.text


def test_a_run_tells_of_a_source_that_failed_and_sends_what_the_others_gave(
    sqlite_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    store = Store(sqlite_database)
    with start_sink(tmp_path) as sink, crew(store, tmp_path, sink.port) as ours:
        a_paper(store, tmp_path, port=sink.port)
        (tmp_path / "gone.md").write_text("---\ntitle: Soon gone\n---\n\n" + "A story that is there for now. " * 20)
        for name, value in ours.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        assert main.run(["source", "add", "morning", str(tmp_path / "gone.md")]) == 0
        (tmp_path / "gone.md").unlink()
        capsys.readouterr()
        code = main.run(["run", "morning"])
    store.close()
    said = capsys.readouterr()

    assert code == 0, said
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("source ")
    assert "gone.md" in said.err
    assert "3 readers: 3 sent." in said.out
