"""`digest demo` as anybody calls it: once, as a program, in a hostile place; then what it left is read back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from digest.app import newsroom
from digest.app.container import Container
from digest.app.demo import performed
from digest.app.demo_acts import Stage
from digest.app.demo_facts import CAST, LEAVER, SecondRun, examine
from digest.app.demo_story import story
from digest.cli.main import run
from digest.model.subscriber import SubscriptionState
from digest.web import server
from digest.web.asgi import create_app
from support.mailcheck import CheckedMessage, check_message

DIGEST = Path(sys.executable).with_name("digest")
TECHNOLOGY = (
    "Salt & iron keep a lighthouse lit",
    "When the masts fell, the library’s network stayed up",
    "A hospital turned its pagers off",
    "Eleven wrong minutes",
)
FERRY, FERRY_COPY = "Ferries sail again as Northport crews and owners settle", "Northport ferry strike over"


@dataclass(frozen=True)
class Played:
    facts: dict[str, Any]
    folder: Path
    cwd: Path

    def mail(self, email: str) -> CheckedMessage:
        found = [mail for mail in self.facts["mails"] if mail["email"] == email]
        assert len(found) == 1
        return check_message(Path(found[0]["eml"]).read_bytes(), rcpt=email, postal_address="3 Ferry Steps")

    def flat(self, email: str) -> str:
        return " ".join(self.mail(email).text.split())


def command(folder: Path, *options: str) -> list[str]:
    return [str(DIGEST), "demo", str(folder), "--json", *options]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One performance, beside a configuration and an environment that would break it if they were read."""
    cwd, folder = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("demo") / "play"
    (cwd / "digest.toml").write_text("[database]\nurl = 'sqlite:///mine.db'\nnonsense = 1\n")
    theirs = {"DIGEST_DATABASE__URL": f"sqlite:///{cwd}/theirs.db", "DIGEST_RELAYS__DEFAULT__PORT": "1"}
    done = subprocess.run(
        command(folder), check=False, cwd=cwd, env=os.environ | theirs, capture_output=True, timeout=100
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert done.stderr == b""  # quiet in a pipe
    return Played(json.loads(done.stdout), folder, cwd)


def test_every_check_of_the_demo_holds(played: Played):
    assert played.facts["holds"] is True
    assert len(played.facts["checks"]) > 20
    assert all(check["holds"] for check in played.facts["checks"])


def test_configuration_of_the_user_is_neither_read_nor_written(played: Played):
    assert sorted(path.name for path in played.cwd.iterdir()) == ["digest.toml"]
    assert (played.folder / "digest.db").exists()


def test_each_reader_has_one_correct_mail(played: Played):
    captured = sorted((played.folder / "mails").glob("*.eml"))

    assert len(captured) == len(CAST) == len(played.facts["mails"])
    assert {played.mail(reader.email).to for reader in CAST} == {reader.email for reader in CAST}


def test_a_reader_of_everything_gets_every_story_once(played: Played):
    told = played.flat("anna@example.com")
    everything = next(mail["articles"] for mail in played.facts["mails"] if mail["email"] == "anna@example.com")

    assert len(everything) == 13
    assert all(told.count(title) == 1 for title in everything)
    assert "Fog Diaries of Five Harbour Masters" in told


def test_a_reader_of_one_topic_gets_that_topic_only(played: Played):
    told = played.flat("ben@example.org")
    his = next(mail["articles"] for mail in played.facts["mails"] if mail["email"] == "ben@example.org")

    assert len(his) == len(TECHNOLOGY)
    assert all(title in told for title in TECHNOLOGY)
    assert FERRY not in told


def test_a_reader_of_two_topics_does_not_get_the_third(played: Played):
    told = played.flat("elif@example.com")

    assert FERRY in told
    assert "Seagrass returns" in told
    assert not any(title in told for title in TECHNOLOGY)


def test_a_reader_of_plain_text_gets_no_html(played: Played):
    assert played.mail("clara@example.com").html is None
    assert played.mail("anna@example.com").html is not None


def test_a_german_reader_gets_german_dates(played: Played):
    german_days = "Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag"

    assert re.search(rf"(?:{german_days}), \d+\. ", played.mail("dieter@example.org").text)
    assert not re.search(german_days, played.mail("anna@example.com").text)


def test_a_report_of_two_feeds_is_told_once_with_a_link_to_both(played: Played):
    mail = played.mail("anna@example.com")
    merged = played.facts["merged"]

    assert [(one["title"], [other["source"] for other in one["others"]]) for one in merged] == [(FERRY, ["Coast Wire"])]
    assert FERRY_COPY not in mail.text
    assert any(link.endswith("/harbour-review/ferries-sail-again") for link in mail.links_html)
    assert any(link.endswith("/coast-wire/wire-0417") for link in mail.links_html), "without the feed's tracking"


def test_the_broken_feed_gives_what_is_readable_and_is_reported(played: Played):
    broken = next(one for one in played.facts["sources"] if one["title"] == "Pier & Parish")

    assert broken["outcome"] == "fetched"
    assert broken["new"] >= 2
    assert [odd["code"] for odd in broken["warnings"]] == ["cut-off"]


def test_the_litter_of_the_plain_text_file_reaches_nobody(played: Played):
    for reader in CAST:
        mail = played.mail(reader.email)
        seen = mail.text + (mail.html or "")
        assert "Header image" not in seen
        assert "right to your inbox" not in seen
        assert "Privacy Policy" not in seen


def test_the_reader_left_by_the_post_and_not_by_the_get(played: Played):
    left = played.facts["unsubscribed"]

    assert left["email"] == LEAVER
    assert left["url"] == played.mail(LEAVER).unsubscribe_https
    assert (left["get_status"], left["state_after_get"]) == (200, "active")
    assert (left["post_status"], left["state_after_post"]) == (200, "unsubscribed")
    assert left["remaining"] == len(CAST) - 1


def test_the_second_run_sends_nothing(played: Played):
    assert played.facts["second_run"]["sent"] == 0
    assert "is sent" in played.facts["second_run"]["refusal"]


def test_the_project_that_is_left_can_be_audited_by_hand(played: Played, capsys: pytest.CaptureFixture[str]):
    code = run(["--config", played.facts["config"], "issue", "audit", played.facts["issue"]["id"], "--json"])
    audit = json.loads(capsys.readouterr().out)

    assert code == 0
    assert audit["balanced"] is True
    assert audit["audience"] == audit["counts"]["sent"] == len(CAST)


def test_the_page_with_the_mails_links_only_to_files_that_are_there(played: Played):
    index = Path(played.facts["index"])
    links = re.findall(r'(?:href|src)="([^"]+)"', index.read_text(encoding="utf-8"))

    assert len(links) > 3 * len(CAST) - 1
    assert all((index.parent / link).is_file() for link in links)


def test_the_story_is_told_when_nobody_asks_for_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = run(["demo", str(tmp_path / "play")])
    told = " ".join(capsys.readouterr().out.split())

    assert code == 0
    assert "the two became one story" in told
    assert f"{LEAVER}. Opening the link in the mail (GET) answered 200" in told
    assert "5 readers = 5 sent. It adds up." in told
    assert (tmp_path / "play" / "index.html").as_uri() in told


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mine.txt").write_text("precious")
    code = run(["demo", str(tmp_path), "--json"])

    assert code == 2
    assert "not an empty folder" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@contextmanager
def kept(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A demo whose pages stay up, and what it printed."""
    with subprocess.Popen(command(folder, "--keep"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(demo.stdout.readline())
            assert lines[-1], "the demo ended before it told anything"
        try:
            yield demo, json.loads("".join(lines))
        finally:
            demo.kill()


def test_with_keep_every_page_is_up_until_ctrl_c(tmp_path: Path):
    with kept(tmp_path / "play") as (demo, facts):
        pages = [
            *facts["pages"].values(),
            *re.findall(r'<a\b[^>]*\bhref="(http[^"]+)"', _fetch(facts["pages"]["The issue on the web"])),
        ]
        answers = [_fetch(page) for page in pages]
        demo.send_signal(signal.SIGINT)
        code = demo.wait(timeout=30)

    assert len(pages) > 15
    # The page of an issue names the feeds of its publication, too.
    assert all(any(mark in answer for mark in ("<html", "<feed", "jsonfeed.org")) for answer in answers)
    assert code == 0


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address the demo printed
        return str(answer.read().decode())


async def test_what_does_not_hold_is_found(tmp_path: Path):
    def site(container: Container, port: int) -> Any:
        return server.serving(create_app(container), host="127.0.0.1", port=port)

    async with performed(tmp_path / "play", site=site, stage=Stage()) as played:
        pass
    anna, ben, *others = played.mails

    def broken(**changes: Any) -> list[str]:
        return [check.what for check in examine(replace(played, **changes)) if not check.holds]

    assert broken() == []
    assert "there is one mail for each reader, and no other" in broken(mails=(anna, *others))
    assert "there is one mail for each reader, and no other" in broken(mails=(anna, *played.mails))
    assert any(
        what.startswith("ben@example.org got only")
        for what in broken(mails=(anna, replace(ben, body_text=anna.body_text), *others))
    )
    assert broken(second_run=SecondRun("the issue is sent", 1)) == ["a second run for the same period sends nothing"]
    assert broken(departure=replace(played.departure, state_after_get=SubscriptionState.UNSUBSCRIBED)) == [
        "opening the unsubscribe link changed nothing"
    ]
    assert any("audit" in what for what in broken(audit=replace(played.audit, troubles=("one too many",))))
    assert "It does not add up: one too many" in str(
        story(replace(played, audit=replace(played.audit, troubles=("one too many",))))
    )


def test_the_newsroom_of_an_installed_wheel_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(newsroom.newsroom_folder(), tmp_path / "_newsroom")
    monkeypatch.setattr("digest.__file__", str(tmp_path / "__init__.py"))

    assert newsroom.newsroom_folder() == tmp_path / "_newsroom"
