"""`digest issue`: what an operator says, asked back where it destroys, told in one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from digest.cli.main import run
from digest.store.engine import Store
from digest.store.tables import delivery, issue, rendition
from support.sending import sending_issue
from support.sink import start_sink


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


def test_an_audit_that_does_not_add_up_exits_1_and_says_why(project: Path, capsys: pytest.CaptureFixture[str]):
    change(project, "sending", issue_state="cancelled")
    capsys.readouterr()

    assert run(["issue", "audit", "1"]) == 1
    told = capsys.readouterr().out
    assert "DOES NOT ADD UP" in told
    assert "! the issue is cancelled with 3 open deliveries (3 sending): `digest tick` settles them" in told

    assert run(["issue", "audit", "1", "--json"]) == 1
    proof = json.loads(capsys.readouterr().out)
    assert (proof["balanced"], len(proof["troubles"])) == (False, 1)


def test_the_next_turn_of_the_clock_settles_what_a_cancelled_issue_left(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    long_ago = datetime(2026, 11, 22, tzinfo=UTC)
    change(project, "sending", issue_state="cancelled", lease="of the dead", lease_until=long_ago)
    run(["tick"])
    proof = document(capsys, "audit", "1")

    assert proof["balanced"]
    assert proof["counts"]["unknown"] == len(proof["in_doubt"]) == 3


def test_a_composed_issue_is_sent_to_one_address_to_look_at(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with start_sink(tmp_path) as sink:
        relay_at(monkeypatch, sink.port)
        told = said(capsys, "test", "1", "Editor@Example.org")
        again = document(capsys, "test", "1", "editor@example.org", "--text")
        counts = document(capsys, "audit", "1")["counts"]
    first, second = (message_from_bytes(raw) for raw in sink.messages())

    assert told == "Issue 1 to Editor@Example.org: sent (250 2.0.0 taken).\n"
    assert (again["state"], again["reply_code"], again["relay"]) == ("sent", 250, "default")
    assert [mail["to"] for mail in sink.accepted()] == ["Editor@example.org", "editor@example.org"]
    assert (first["Subject"], first.get_content_type()) == ("Night trains return", "multipart/alternative")
    assert second.get_content_type() == "text/plain"
    assert first["Message-ID"] != second["Message-ID"]
    assert b"Hello" in sink.messages()[0]
    assert counts["pending"] == 3, "it counts for nothing"


def test_a_test_mail_that_is_refused_exits_1(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with start_sink(tmp_path, dead=["editor@example.org"]) as sink:
        relay_at(monkeypatch, sink.port)
        capsys.readouterr()
        code = run(["issue", "test", "1", "editor@example.org"])

    assert code == 1
    assert "failed (550 5.1.1 no such user here)" in capsys.readouterr().out


def test_a_test_mail_that_finds_no_relay_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    relay_at(monkeypatch, 9)

    assert "127.0.0.1:9" in said(capsys, "test", "1", "editor@example.org", code=1)


def test_an_issue_that_was_never_composed_cannot_be_tested(project: Path, capsys: pytest.CaptureFixture[str]):
    store = Store(f"sqlite:///{project / 'digest.db'}")
    with store.write() as tx:
        tx.connection.execute(delete(delivery))
        tx.connection.execute(delete(rendition))
    store.close()

    assert "never composed" in said(capsys, "test", "1", "editor@example.org", code=2)


def relay_at(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__HOST", "127.0.0.1")
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", str(port))
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__TLS", "none")
