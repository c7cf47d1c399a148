"""Bad input, each kind with one clear line, the right exit code, and nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from digest.cli.main import run
from support.sink import start_sink

SENDER = ["--from", "The Desk <desk@example.com>", "--postal-address", "1 Example Street"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with a publication, a reader and a local source."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "harbour.md").write_text("---\ntitle: The harbour opens\n---\n\n" + "The harbour opened today. " * 20)
    assert run(["init", "--json"]) == 0
    assert run(["publication", "add", "morning", "--name", "Morning", *SENDER, "--send-at", "00:00"]) == 0
    assert run(["source", "add", "morning", "harbour.md"]) == 0
    assert run(["subscriber", "add", "reader@example.com", "--publication", "morning"]) == 0
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What the last command said on stderr: one line for an error."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == code
    line = told(capsys)
    assert line.startswith("error: ")
    return line


def snapshot(folder: Path) -> str:
    """Every row of the database as text."""
    connection = sqlite3.connect(folder / "digest.db")
    dump = "\n".join(connection.iterdump())
    connection.close()
    return dump


def test_without_a_project_the_way_to_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)

    line = refused(capsys, "run", "morning", code=1)

    assert "digest init" in line
    assert list(tmp_path.iterdir()) == []


def test_a_config_file_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]):
    assert "there is no configuration file at other.toml" in refused(capsys, "--config", "other.toml", "doctor")


def test_an_unknown_setting_names_the_one_that_was_meant(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "digest.toml").write_text("[relays.default]\nhots = 'mail.example.com'\n")

    line = refused(capsys, "run", "morning")

    assert "unknown setting 'relays.default.hots'" in line
    assert "did you mean 'host'?" in line


@pytest.mark.parametrize("address", ["nobody", "a@", "a b@example.com", "@example.com", "a@b..example.com"])
def test_a_bad_address_is_refused_and_nothing_is_stored(
    project: Path, capsys: pytest.CaptureFixture[str], address: str
):
    before = snapshot(project)

    assert address in refused(capsys, "subscriber", "add", address, "--publication", "morning")
    assert snapshot(project) == before


def test_a_bad_csv_row_is_reported_with_its_line_and_the_good_ones_are_taken(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    (project / "readers.csv").write_text("email,name\nann@example.com,Ann\nnot an address,Bob\ncem@example.com,Cem\n")
    capsys.readouterr()

    assert run(["subscriber", "import", "readers.csv", "--publication", "morning", "--json"]) == 2

    report = json.loads(capsys.readouterr().out)
    assert (report["created"], report["refused_count"]) == (2, 1)
    assert report["refused"][0]["line"] == 3


def unlogged(dump: str) -> list[str]:
    """A dump but for the audit log, where it stays on record that something was tried and taken back."""
    return [line for line in dump.splitlines() if not line.startswith('INSERT INTO "audit_log"')]


def test_an_unreachable_feed_is_not_added(project: Path, capsys: pytest.CaptureFixture[str]):
    before = snapshot(project)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        os.environ["DIGEST_COLLECT__ALLOW_PRIVATE_NETWORKS"] = "true"
        try:
            line = refused(
                capsys, "source", "add", "morning", f"http://127.0.0.1:{port}/feed.xml", "--topic", "World", code=1
            )
        finally:
            del os.environ["DIGEST_COLLECT__ALLOW_PRIVATE_NETWORKS"]

    assert f"127.0.0.1 does not accept connections on port {port}" in line
    assert unlogged(snapshot(project)) == unlogged(before), "not even the topic stays"


def test_a_feed_that_is_a_web_page_is_refused_with_the_reason(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "page.xml").write_text("<!doctype html><html><head><title>Hello</title></head><body>Hi</body></html>")

    line = refused(capsys, "source", "check", "page.xml", code=1)

    assert "web page" in line


def test_a_relay_that_is_down_keeps_every_delivery_waiting(project: Path, capsys: pytest.CaptureFixture[str]):
    os.environ["DIGEST_RELAYS__DEFAULT__PORT"] = "9"
    try:
        line = refused(capsys, "run", "morning", code=1)
        run(["issue", "audit", "1", "--json"])
    finally:
        del os.environ["DIGEST_RELAYS__DEFAULT__PORT"]

    assert "127.0.0.1:9" in line
    audit = json.loads(capsys.readouterr().out)
    assert audit["balanced"] is True
    assert audit["counts"]["pending"] == 1


def test_a_wrong_password_is_named_as_such(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (project / "password").write_text("wrong\n")
    with start_sink(project, auth="desk:right") as sink:
        monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", str(sink.port))
        monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__USERNAME", "desk")
        monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PASSWORD_FILE", "password")
        line = refused(capsys, "run", "morning", code=1)

    assert "refused the login of 'desk'" in line
    assert "password" in line


def test_a_read_only_database_says_so(project: Path, capsys: pytest.CaptureFixture[str]):
    """As another user, since root may write anything."""
    for path in (project, *project.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in project.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    uri = f"sqlite:///file:{project}/digest.db?mode=ro&uri=true"
    os.environ["DIGEST_DATABASE__URL"] = uri
    try:
        line = refused(capsys, "subscriber", "add", "new@example.com", "--publication", "morning", code=1)
    finally:
        del os.environ["DIGEST_DATABASE__URL"]

    assert "is read-only" in line
    assert "permission" in line


def test_a_schema_that_does_not_fit_names_the_upgrade(project: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["db", "downgrade", "base", "--yes"]) == 0

    assert "run `digest db upgrade`" in refused(capsys, "run", "morning", code=1)
    assert run(["db", "upgrade"]) == 0
    assert run(["db", "check"]) == 0


def test_a_port_in_use_is_said_before_anything_starts(project: Path, capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(capsys, "serve", "--port", str(port))

    assert f"port {port} on 127.0.0.1 is in use" in line
    assert "--port" in line


def test_a_full_disk_stops_the_command_and_leaves_nothing_half_written(project: Path):
    """A file size limit stands for the full disk: the kernel refuses the write in the middle of the import."""
    rows = "\n".join(f"reader{n}@example.com,{'x' * 200}" for n in range(1500))
    (project / "many.csv").write_text(f"email,name\n{rows}\n")
    before = snapshot(project)
    limit = (project / "digest.db").stat().st_size + 64 * 1024

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", "from digest.cli.main import main; main()"]
    done = subprocess.run(
        [*command, "subscriber", "import", "many.csv", "--publication", "morning"],
        capture_output=True,
        text=True,
        preexec_fn=fill,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: database" in done.stderr
    assert "free" in done.stderr
    assert snapshot(project) == before, "the chunk that did not fit left nothing behind"
    connection = sqlite3.connect(project / "digest.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can make a tiny disk")
def test_a_really_full_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tiny", disk], check=False).returncode:
        pytest.skip("this sandbox allows no mounts")
    try:
        monkeypatch.chdir(disk)
        assert run(["init", "--json"]) == 0
        (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - 8192))
        rows = [f"--name={'x' * 4000}", *SENDER]
        line = refused(capsys, "publication", "add", "morning", *rows, code=1)
    finally:
        monkeypatch.chdir(tmp_path)
        subprocess.run(["umount", disk], check=True)

    assert "disk is full" in line
    assert "free some space" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["publication", "add", "Bad Slug", "--name", "x", *SENDER],
        ["publication", "add", "u", "--name", "x", *SENDER],
        ["publication", "add", "fine", "--name", "x", *SENDER, "--timezone", "Mars/Olympus"],
        ["publication", "add", "fine", "--name", "x", *SENDER, "--send-at", "25:00"],
        ["publication", "add", "fine", "--name", "x", *SENDER, "--locale", "qq-QQQ"],
        ["publication", "add", "fine", "--name", "x", "--from", "desk@example.com", "--postal-address", "x"],
        ["publication", "add", "fine", "--name", "x", "--from", "Desk <desk>", "--postal-address", "x"],
        ["publication", "add", "morning", "--name", "x", *SENDER],
        ["publication", "show", "evening"],
        ["source", "add", "evening", "harbour.md"],
        ["source", "add", "morning", "harbour.md"],
        ["issue", "show", "77"],
        ["issue", "pause", "77"],
        ["run", "morning", "--at", "yesterday"],
        ["why", "https://example.com/never-seen"],
        ["subscriber", "import", "none.csv", "--publication", "morning"],
    ],
)
def test_wrong_words_give_one_line_exit_2_and_change_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    before = snapshot(project)

    line = refused(capsys, *arguments)

    assert ";" in line, "it says what to do next"
    assert snapshot(project) == before


def test_with_json_an_error_is_one_document_on_stdout(project: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()

    assert run(["publication", "show", "evening", "--json"]) == 2

    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert captured.err == ""
    assert (error["code"], error["hint"]) == ("not-found", "known publications: morning")
