"""`digest issue`: what an operator says, asked back where it destroys, told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from digest.cli.main import run
from digest.store.engine import Store
from digest.store.tables import delivery, issue
from support.sending import sending_issue


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose issue 1 is being sent to three readers."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert run(["init", "--json"]) == 0
    store = Store(f"sqlite:///{folder / 'digest.db'}")
    sending_issue(store, 3)
    store.close()
    return folder


def change(project: Path, state: str, *, issue_state: str = "sending", **more: Any) -> None:
    store = Store(f"sqlite:///{project / 'digest.db'}")
    with store.write() as tx:
        tx.connection.execute(update(delivery).values(state=state, **more))
        tx.connection.execute(update(issue).values(state=issue_state))
    store.close()


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(["issue", *words]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json"))


def test_a_sending_issue_is_listed_and_shown_with_what_it_waits_for(project: Path, capsys: pytest.CaptureFixture[str]):
    listed = document(capsys, "list")["items"][0]
    shown = document(capsys, "show", "1")

    for one in (listed, shown):
        assert "nobody is delivering" in one["waiting"]
        assert one["next_try_at"] is None
    assert "WAITS FOR" in said(capsys, "list")
    assert "waits: nobody is delivering" in said(capsys, "show", "1")


def test_the_audit_document_has_the_keys_that_scripts_hold_on_to(project: Path, capsys: pytest.CaptureFixture[str]):
    assert list(document(capsys, "audit", "1")) == [
        "issue",
        "state",
        "audience",
        "counts",
        "balanced",
        "failures",
        "in_doubt",
        "troubles",
    ]


def test_failed_deliveries_are_retried(project: Path, capsys: pytest.CaptureFixture[str]):
    change(project, "failed", issue_state="sent", reason="rejected")

    assert (
        said(capsys, "retry", "1", "--failed", "--yes") == "3 deliveries of issue 1 to be tried again; it is sending.\n"
    )
    assert document(capsys, "audit", "1")["counts"]["pending"] == 3


def test_a_failed_issue_still_starts_again_without_the_option(project: Path, capsys: pytest.CaptureFixture[str]):
    change(project, "pending", issue_state="failed")

    assert said(capsys, "retry", "1") == "Restarted issue 1.\n"
    assert document(capsys, "show", "1")["state"] == "planned"


def test_nothing_to_retry_exits_3(project: Path, capsys: pytest.CaptureFixture[str]):
    assert "no delivery of issue 1 is to be tried again" in said(capsys, "retry", "1", "--failed", "--yes", code=3)


def test_all_without_failed_is_refused(project: Path, capsys: pytest.CaptureFixture[str]):
    assert "--failed --all" in said(capsys, "retry", "1", "--all", code=2)


def test_doubts_are_settled_one_by_one_and_then_all(project: Path, capsys: pytest.CaptureFixture[str]):
    change(project, "unknown", issue_state="sent")

    one = said(capsys, "settle", "1", "reader2@example.com", "--sent", "--yes")
    rest = said(capsys, "settle", "1", "--resend", "--yes")

    assert one == "1 delivery of issue 1 now sent by your word; it is sent.\n"
    assert rest == "2 deliveries of issue 1 to be sent once more; it is sending.\n"
    assert "1 of the sent settled by an operator" in said(capsys, "audit", "1")


def test_settling_needs_one_answer(project: Path, capsys: pytest.CaptureFixture[str]):
    for words in ([], ["--sent", "--resend"]):
        assert "either --sent or --resend" in said(capsys, "settle", "1", *words, "--yes", code=2)


@pytest.mark.parametrize("words", [["close", "1"], ["settle", "1", "--sent"], ["retry", "1", "--failed"]])
def test_what_cannot_be_undone_asks_first(project: Path, capsys: pytest.CaptureFixture[str], words: list[str]):
    before = document(capsys, "audit", "1")

    assert "add --yes" in said(capsys, *words, code=1)
    assert document(capsys, "audit", "1") == before


def test_closing_ends_a_paused_issue(project: Path, capsys: pytest.CaptureFixture[str]):
    said(capsys, "pause", "1")

    assert said(capsys, "close", "1", "--yes") == "Closed issue 1; 3 deliveries given up.\n"
    proof = document(capsys, "audit", "1")
    assert (proof["state"], proof["balanced"]) == ("sent", True)
    assert proof["failures"] == [{"reason": "closed", "count": 3}]


def test_a_resumed_issue_is_sending_and_only_a_paused_one_can_be(project: Path, capsys: pytest.CaptureFixture[str]):
    said(capsys, "pause", "1")

    assert said(capsys, "resume", "1") == "Resumed issue 1.\n"
    assert "only a paused issue" in said(capsys, "resume", "1", code=2)
