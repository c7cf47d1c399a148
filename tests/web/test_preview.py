"""The preview over real HTTP: what it shows, reload on save, faults, and who may ask."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from digest.compose.environment import package_templates
from digest.config.secrets import create_key_file
from digest.model.article import SourceKind
from digest.model.calendar import Period
from digest.model.errors import StoreUnavailable
from digest.model.issue import IssueItem, IssueState, Role
from digest.store import articles, issues, sources
from digest.store.engine import Store
from digest.web.preview import create_preview_app, preview_app
from digest.web.preview.scheme import in_scheme
from support.factories import NOW, make_publication
from support.site import ask, new_article, running

BODY = "email/digest/body.html"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "templates" / "email" / "digest"
    own.mkdir(parents=True)
    return tmp_path / "templates"


@pytest.fixture
def base(folder: Path) -> Iterator[str]:
    with running(create_preview_app(search_path=[folder], clock=lambda: NOW)) as address:
        yield address


def shipped() -> str:
    return (package_templates() / BODY).read_text(encoding="utf-8")


def test_without_a_project_it_shows_the_sample_issue(base: str):
    page, frame = ask(base, "GET", "/"), ask(base, "GET", "/frame")

    assert page.status == 200
    assert "Sample issue" in page.body
    assert "<iframe" in page.body
    assert "No. " in frame.body
    assert "\ue000" not in frame.body


def test_the_headers_are_those_of_a_real_message_with_links_that_do_nothing(base: str):
    page = ask(base, "GET", "/?tab=headers").body

    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in page
    assert "/u/preview-link-does-nothing&gt;" in page
    assert "Date: Sun, 22 Nov 2026 06:00:00 +0000" in page
    assert "To: reader@example.com" in page


def test_text_and_source_tabs_show_the_mails_own_parts(base: str):
    text, source = ask(base, "GET", "/?tab=text").body, ask(base, "GET", "/?tab=source").body

    assert "=" * 72 in text
    assert "Unsubscribe:\n" in text
    assert "&lt;table role=" in source
    assert "<table" not in source


def test_unknown_query_values_fall_back_to_the_defaults(base: str):
    page = ask(base, "GET", "/?tab=nonsense&w=9999&dark=maybe&x=%00").body

    assert 'width="600"' in page
    assert "dark=1" not in page.split("<iframe")[1].split(">")[0]


def test_dark_is_the_mails_own_dark_whatever_the_browser_says(base: str):
    light, dark = ask(base, "GET", "/frame").body, ask(base, "GET", "/frame?dark=1").body

    assert "prefers-color-scheme" not in light + dark
    assert "@media not all" in light
    assert "@media all" in dark
    assert '<meta name="color-scheme" content="dark">' in dark


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("@media (prefers-color-scheme:dark){a{}}", "@media all{a{}}"),
        ("@media ( prefers-color-scheme : DARK ) {a{}}", "@media all {a{}}"),
        ("@media (prefers-color-scheme: light){a{}}", "@media not all{a{}}"),
        ("@media screen and (prefers-color-scheme:dark){a{}}", "@media screen and (min-width:0){a{}}"),
    ],
)
def test_every_form_of_the_query_is_rewritten(css: str, expected: str):
    assert in_scheme(css, dark=True) == expected


def test_the_frame_runs_nothing_and_its_page_only_its_own_script(base: str):
    page, frame = ask(base, "GET", "/"), ask(base, "GET", "/frame")

    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "sandbox allow-same-origin allow-popups" in frame.headers["content-security-policy"]
    assert "allow-scripts" not in frame.headers["content-security-policy"] + page.body


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8026", "127.0.0.1.example.com", "192.0.2.1"])
@pytest.mark.parametrize("path", ["/", "/frame", "/events"])
def test_a_foreign_host_header_is_refused(base: str, host: str, path: str):
    assert ask(base, "GET", path, headers={"Host": host}).status == 400


def test_localhost_by_name_is_let_in(base: str):
    assert ask(base, "GET", "/", headers={"Host": "localhost:8026"}).status == 200


def test_no_route_takes_a_path(base: str):
    asked = ["/../pyproject.toml", "/pictures/../../x.png", "/%2e%2e/x", "/preview.css/../asgi.py", "/asgi.py"]

    assert {ask(base, "GET", path).status for path in asked} == {404}


def test_pictures_of_the_sample_are_drawn_here(base: str):
    frame = ask(base, "GET", "/frame").body
    src = frame.split('src="/pictures/')[1].split('"')[0]
    parts = urlsplit(base)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request("GET", f"/pictures/{src}")
    raw = connection.getresponse().read()
    connection.close()

    assert raw.startswith(b"\x89PNG")


def test_saving_a_template_sends_an_event_within_a_second_and_shows_the_change(base: str, folder: Path):
    events = _Events(base)
    events.wait_for("retry:")
    (folder / BODY).write_text(shipped().replace("{% block content %}", "{% block content %}<!-- saved now -->", 1))
    saved_at = time.monotonic()
    events.wait_for("event: change")
    took = time.monotonic() - saved_at

    assert "<!-- saved now -->" in ask(base, "GET", "/?tab=source").body.replace("&lt;", "<").replace("&gt;", ">")
    assert took < 1
    events.close()


def test_a_templates_folder_made_later_is_noticed(tmp_path: Path):
    later = tmp_path / "later"
    with running(create_preview_app(search_path=[later])) as base:
        events = _Events(base)
        events.wait_for("retry:")
        (later / "email" / "digest").mkdir(parents=True)
        time.sleep(2.5)  # it looks for new folders every two seconds
        (later / BODY).write_text(shipped())
        events.wait_for("event: change")
        events.close()


def test_an_open_event_stream_does_not_hold_up_stopping(folder: Path):
    with running(create_preview_app(search_path=[folder])) as base:
        events = _Events(base)
        events.wait_for("retry:")
        began = time.monotonic()

    assert time.monotonic() - began < 3
    events.close()


def test_a_broken_template_is_named_with_line_and_source_while_the_last_good_mail_stays(base: str, folder: Path):
    good = ask(base, "GET", "/frame").body
    lines = shipped().splitlines()
    broken_at = next(number for number, line in enumerate(lines, 1) if "ui.lead(lead)" in line)
    (folder / BODY).write_text(shipped().replace("ui.lead(lead)", "publication.nmae"))
    page = ask(base, "GET", "/").body

    assert f"{BODY}:{broken_at}" in page
    assert "nmae" in page
    assert "Did you mean &#39;name&#39;?" in page
    assert 'class="here"' in page
    assert 'class="html faulty"' in page
    assert ask(base, "GET", "/frame").body == good

    (folder / BODY).write_text(shipped())
    mended = ask(base, "GET", "/").body

    assert 'id="fault"' not in mended


def test_an_own_template_takes_over_and_steps_back_without_a_restart(base: str, folder: Path):
    before = ask(base, "GET", "/?tab=source").body
    (folder / BODY).write_text("<p>mine</p>")
    during = ask(base, "GET", "/?tab=source").body
    (folder / BODY).unlink()

    assert "mine" in during
    assert ask(base, "GET", "/?tab=source").body.split("<pre")[1] == before.split("<pre")[1]


def test_a_template_that_never_worked_gives_the_fault_alone(folder: Path):
    (folder / BODY).write_text("{% if %}")
    with running(create_preview_app(search_path=[folder])) as base:
        page, frame = ask(base, "GET", "/"), ask(base, "GET", "/frame")

    assert page.status == frame.status == 200
    assert f"{BODY}:1" in page.body
    assert "<iframe" not in page.body


def project(folder: Path, database: str) -> Path:
    """A project on disk with one composed issue; gives its configuration file."""
    (folder / "digest.toml").write_text(
        f'[database]\nurl = "{database}"\n[site]\nbase_url = "https://news.example.com"\n'
    )
    create_key_file(folder / "digest.key")
    store = Store(database)
    with store.write() as tx:
        publication = make_publication(tx)
        source = sources.add(tx, SourceKind.RSS, url="https://example.org/feed", title="Wire", now=NOW)
        articles.record(tx, source.id, [new_article()], now=NOW)
        period = Period(NOW.date(), NOW)
        issue, _ = issues.open_period(tx, publication.id, cadence="daily", period=period, now=NOW)
        key = articles.list_recent(tx)[0].id
        items = [IssueItem(key, 0, Role.LEAD, "", "", 1.0, "Boats again.")]
        issues.put_curation(tx, issue.id, items=items, candidates=[])
        issues.title(tx, issue.id, subject="One", preheader="")
        way = [IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED]
        for expected, to in pairwise(way):
            assert issues.move(tx, issue.id, expected=expected, to=to, now=NOW)
    store.close()
    return folder / "digest.toml"


def test_in_a_project_it_shows_the_last_composed_issue(sqlite_database: str, tmp_path: Path):
    config = project(tmp_path, sqlite_database)
    with running(preview_app(config)) as base:
        page, headers = ask(base, "GET", "/"), ask(base, "GET", "/?tab=headers")
        frame = ask(base, "GET", "/frame")

    assert "The Morning Post, No. 1 (composed)" in page.body
    assert "The harbour &lt;opens&gt;" in frame.body
    assert 'href="https://news.example.com/morning/articles/1"' in frame.body
    assert "List-Archive: &lt;https://news.example.com/morning/1&gt;" in headers.body
    assert "https://news.example.com/u/preview-link-does-nothing" in frame.body
    assert "From: The Desk &lt;desk@example.com&gt;" in headers.body


def test_a_project_without_an_issue_shows_the_sample(sqlite_database: str, tmp_path: Path):
    config = tmp_path / "digest.toml"
    config.write_text(f'[database]\nurl = "{sqlite_database}"\n')
    create_key_file(tmp_path / "digest.key")
    with running(preview_app(config)) as base:
        assert "Sample issue" in ask(base, "GET", "/").body


def test_outside_any_project_it_shows_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIGEST_CONFIG", raising=False)
    with running(preview_app(None)) as base:
        assert "Sample issue" in ask(base, "GET", "/").body
    assert list(tmp_path.iterdir()) == []


def test_a_project_that_cannot_be_opened_is_an_error_and_not_the_sample(tmp_path: Path):
    config = tmp_path / "digest.toml"
    config.write_text("")

    with pytest.raises(StoreUnavailable):
        preview_app(config)


class _Events:
    """An open event stream, read in the background."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        self._connection.request("GET", "/events")
        self._answer = self._connection.getresponse()
        assert self._answer.headers["content-type"].startswith("text/event-stream")
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while line := self._answer.readline():
            with self._news:
                self._lines.append(line.decode().strip())
                self._news.notify_all()

    def wait_for(self, start: str) -> None:
        with self._news:
            arrived = self._news.wait_for(lambda: any(line.startswith(start) for line in self._lines), timeout=10)
        assert arrived, f"no {start!r} among {self._lines}"

    def close(self) -> None:
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self._reader.join(timeout=5)
        self._answer.close()
        self._connection.close()
