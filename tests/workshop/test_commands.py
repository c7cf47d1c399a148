"""`digest preview snapshot`, `export`, `send`, `copy`: the workshop without a browser, as commands."""

from __future__ import annotations

import email
import re
from email import policy
from pathlib import Path

import pytest

from digest.cli.preview import app
from digest.smtp.capture import CaptureServer
from digest.store.engine import Store
from support.factories import make_publication
from support.project import call, settle_in

FEW = ("--kind", "confirm", "--fixture", "default", "--no-pictures")
PARTS = Path("templates/email/components.html")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: str) -> Path:
    settle_in(tmp_path, monkeypatch, sqlite_database)
    return tmp_path


def test_the_group_has_the_commands_that_the_interfaces_name():
    assert {command.name for command in app.registered_commands} == {"check", "snapshot", "export", "send", "copy"}


def test_a_snapshot_is_kept_compared_and_its_difference_printed(place: Path, capsys: pytest.CaptureFixture[str]):
    first = call(capsys, "preview", "snapshot", *FEW)
    kept = call(capsys, "preview", "snapshot", "--update", *FEW)
    same = call(capsys, "preview", "snapshot", *FEW)
    call(capsys, "preview", "copy", "theme.toml")
    theme = place / "templates" / "email" / "theme.toml"
    theme.write_text(re.sub(r'ink = "#[0-9a-f]+"', 'ink = "#123456"', theme.read_text(), count=1))
    changed = call(capsys, "preview", "snapshot", *FEW)

    assert (first.code, kept.code, same.code, changed.code) == (1, 0, 0, 1)
    assert "not kept yet: confirm-default.html, confirm-default.txt" in first.out
    assert sorted(path.name for path in (place / "templates/email/snapshots/meridian").iterdir()) == [
        *("confirm-default.html", "confirm-default.txt")
    ]
    assert "All 2 files are as they were kept" in same.out
    assert "+++ now/confirm-default.html" in changed.out
    assert any(line.startswith("+") and "#123456" in line for line in changed.out.splitlines())
    assert "snapshot --update" in changed.err


@pytest.mark.browser
def test_with_chromium_pictures_are_kept_too_and_the_same_mail_gives_the_same(
    place: Path, capsys: pytest.CaptureFixture[str], chromium_path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHROMIUM", chromium_path)
    few = FEW[:-1]
    call(capsys, "preview", "snapshot", "--update", *few)
    same = call(capsys, "preview", "snapshot", *few)
    kept = place / "templates/email/snapshots/meridian"

    assert same.code == 0
    assert "All 5 files" in same.out
    assert (kept / "confirm-default-dark.png").read_bytes().startswith(b"\x89PNG")
    (kept / "confirm-default-dark.png").write_bytes((kept / "confirm-default-desktop.png").read_bytes())
    other = call(capsys, "preview", "snapshot", *few)
    assert other.code == 1
    assert re.search(r"confirm-default-dark\.png: [\d.]+% of the pixels differ", other.out)


def test_an_export_is_a_folder_of_plain_pages_that_asks_nobody(place: Path, capsys: pytest.CaptureFixture[str]):
    said = call(capsys, "preview", "export", "out", "--kind", "digest", "--fixture", "default")
    index = (place / "out" / "index.html").read_text()
    pages = {path.name: path.read_text() for path in (place / "out" / "digest-default").glob("*.html")}

    assert said.code == 0
    assert {f'href="digest-default/{name}"' in index for name in pages} == {True}
    assert set(pages) == {
        *("light.html", "dark.html", "gmail-app.html", "forced-dark.html", "outlook-windows.html", "images-off.html")
    }
    loaded = re.findall(r'src="([^"]+)"', pages["light.html"])
    assert loaded
    assert all((place / "out" / "digest-default" / one).is_file() for one in loaded)
    assert "<script" not in index + "".join(pages.values())
    assert call(capsys, "preview", "export", "out", "--kind", "confirm").code == 0
    (place / "full").mkdir()
    (place / "full" / "mine.txt").write_text("mine")
    refused = call(capsys, "preview", "export", "full")
    assert (refused.code, "holds something else" in refused.err) == (2, True)


def test_a_test_mail_goes_over_the_relay_with_both_parts_and_links_that_do_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sqlite_database: str
):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    store.close()
    with CaptureServer(place / "mails") as relay:
        (place / "digest.toml").write_text(
            f'[relays.default]\nport = {relay.port}\n[preview]\nsend_to = ["me@example.com"]\n'
        )
        sent = call(capsys, "preview", "send", "me@example.com", "--fixture", "one")
        refused = call(capsys, "preview", "send", "someone@example.org")
        (item,) = relay.messages
        mail = email.message_from_bytes(item.read(), policy=policy.default)
    html = mail.get_body(("html",))

    assert (sent.code, sent.out) == (0, "Sent to me@example.com by default.\n")
    assert (refused.code, "[preview] send_to" in refused.err) == (2, True)
    assert str(mail["Subject"]).startswith("[TEST] ")
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert html is not None
    assert "preview-link-does-nothing" in html.get_content()


def test_own_copies_are_made_once(place: Path, capsys: pytest.CaptureFixture[str]):
    made = call(capsys, "preview", "copy", "components.html")
    again = call(capsys, "preview", "copy", "components.html")

    assert (made.code, again.code) == (0, 2)
    assert (place / PARTS).is_file()
    assert "already" in again.err
