"""The examples of README and tutorial, run as they are written: real database, real SMTP, real pages.

Only what a stranger would replace is replaced: the feed's address, and the relay's host and port.
"""

from __future__ import annotations

import contextlib
import email
import html
import os
import re
import shlex
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.cli import main
from digest.smtp.capture import CaptureServer
from support.documents import ROOT, blocks
from support.shell import Shell

_READERS = "email,name,topics\nann@example.com,Ann Birk,world\nbo@example.org,Bo Alder,\n"


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[CaptureServer]:
    with CaptureServer(tmp_path / "mails") as server:
        yield server


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in [name for name in os.environ if name.startswith("DIGEST_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "stranger"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Shell(folder, main.run, monkeypatch.chdir, monkeypatch.setenv)


@contextlib.contextmanager
def _serving(folder: Path, *arguments: str, command: str = "serve") -> Iterator[str]:
    """A real ``digest serve`` (or ``preview``) on a free port; gives its address once it answers, and stops it."""
    program = [sys.executable, "-c", "from digest.cli.main import main; main()", command, "--port", "0", *arguments]
    with subprocess.Popen(program, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        heard = rest = ""
        try:
            for line in process.stderr:
                heard += line
                if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield match[0]
                    break
        finally:  # a test that failed must not wait for a server that nobody stops
            process.terminate()
            rest = process.communicate(timeout=60)[1]

    assert process.returncode == 0, heard + rest


def _mails(mailbox: CaptureServer) -> list[EmailMessage]:
    return [email.message_from_bytes(item.read(), policy=policy.default) for item in mailbox.messages]


def _ten_lines() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Your first real newsletter in ten lines")[2].partition("\n## ")[0]
    return blocks(section)[0].text


def test_the_readmes_ten_lines_are_ten_at_most():
    assert 5 <= len(_ten_lines().splitlines()) <= 10


def test_the_readmes_ten_lines_mail_a_digest_to_every_reader(shell: Shell, mailbox: CaptureServer, tmp_path: Path):
    feed = tmp_path / "articles"
    feed.mkdir()
    (feed / "bridge.md").write_text("# The bridge opens\n\nCars cross from Monday, at no charge.\n", encoding="utf-8")
    script = _ten_lines()
    swaps = {
        "https://www.example.org/feed.xml": str(feed),
        "--relay-host smtp.example.com": f"--relay-host 127.0.0.1 --relay-port {mailbox.port}",
    }
    for written, real in swaps.items():
        assert written in script
        script = script.replace(written, real)
    before, _, last = script.strip().rpartition("\n")
    (shell.folder / "news").mkdir()
    (shell.folder / "news" / "readers.csv").write_text(_READERS, encoding="utf-8")
    shell.run(before)

    assert shlex.split(last) == ["digest", "serve"]
    assert sorted(item.rcpt_to[0] for item in mailbox.messages) == [
        *("ann@example.com", "bo@example.org", "reader@example.com")
    ]
    assert {mail["Subject"] for mail in _mails(mailbox)} == {"The bridge opens"}
    assert main.run(["run", "morning"]) == 3
    with _serving(shell.folder) as address, urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:  # noqa: S310 - our own server
        assert answer.status == 200
    assert len(mailbox.messages) == 3


def test_the_tutorial_ends_with_a_captured_mail_and_a_reader_who_left(
    shell: Shell, mailbox: CaptureServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", str(mailbox.port))
    shell.run("\n".join(block.text for block in blocks(text) if block.language == "sh"))
    told = capsys.readouterr().out
    (mail,) = _mails(mailbox)
    body = mail.get_body(("plain",))
    assert body is not None
    (link,) = re.findall(r"http://127\.0\.0\.1:8025(/u/\S+)", body.get_content())
    with _serving(shell.folder, "--no-clock") as address:
        form = urllib.parse.urlencode({"List-Unsubscribe": "One-Click"}).encode()
        with urllib.request.urlopen(address + link, data=form, timeout=10) as answer:  # noqa: S310 - our own server
            assert answer.status == 200
    assert main.run(["subscriber", "show", "reader@example.com"]) == 0
    shown = capsys.readouterr().out

    assert [item.rcpt_to for item in mailbox.messages] == [("reader@example.com",)]
    assert "adds up" in told
    assert "The night ferry returns" in body.get_content()
    assert "unsubscribed" in shown
    assert len(shell.ran) > 9


def test_the_newcomers_half_hour_shows_in_the_workshop_what_it_says(
    shell: Shell, mailbox: CaptureServer, monkeypatch: pytest.MonkeyPatch
):
    """Every command and file of the document, with the preview running beside it as the document has it."""
    text = (ROOT / "docs" / "templates" / "half-an-hour.md").read_text(encoding="utf-8")
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", str(mailbox.port))
    project, preview, *rest = blocks(text)
    shell.run(project.text)
    assert preview.text == "digest preview\n"
    overlays = []
    with _serving(shell.folder, command="preview") as address:

        def page(query: str = "", *, of: str = "preview") -> str:
            with urllib.request.urlopen(f"{address}/{of}/digest{query}", timeout=10) as answer:  # noqa: S310 - our own server
                return html.unescape(answer.read().decode())

        before = page(of="frame")
        for block in rest:
            if block.language == "sh":
                shell.run(block.text)
                page()  # the browser that was left open asks by itself
            else:
                overlays.append((block.text.splitlines(), page(), page(of="frame")))
        after, fixture, mended = page(of="frame"), page("?f=long-weekend", of="frame"), page()
    (mail,) = _mails(mailbox)

    assert "#0b6e4f" in after
    assert "#0b6e4f" not in before
    assert "High water at noon on" in after
    assert "The longest weekend of the year" in fixture
    ((said, broken, behind),) = overlays
    assert all(line in broken.partition('id="fault"')[2] for line in said)
    assert "High water at noon on" in behind
    assert 'id="fault"' not in mended
    assert str(mail["Subject"]).startswith("[TEST] Everything that happened")
    assert (shell.folder / "pages" / "digest-long-weekend" / "dark.html").is_file()
