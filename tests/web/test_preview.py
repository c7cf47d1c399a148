"""The preview over real HTTP: what it shows, reload on save, faults, and who may ask."""

from __future__ import annotations

import email
import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from email import policy
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest

from digest.compose.fixtures import fixture_names
from digest.compose.folders import package_templates
from digest.compose.kinds import MailKind
from digest.config.secrets import create_key_file
from digest.model.article import SourceKind
from digest.model.calendar import Period
from digest.model.errors import BadInput, StoreUnavailable
from digest.model.issue import IssueItem, IssueState, Role
from digest.smtp.capture import CaptureServer
from digest.store import articles, issues, sources
from digest.store.engine import Store
from digest.web.preview import create_preview_app, preview_app
from support.factories import NOW, make_publication, make_subscription
from support.site import Reply, ask, container_of, new_article, running

BODY = "email/digest/body.html"
MAIL = "/preview/digest"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "templates" / "email" / "digest"
    own.mkdir(parents=True)
    return tmp_path / "templates"


@pytest.fixture
def base(folder: Path) -> Iterator[str]:
    with running(create_preview_app(search_path=[folder], clock=lambda: NOW)) as address:
        yield address


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The workshop over the shipped templates, for tests that change nothing."""
    own = tmp_path_factory.mktemp("own")
    with running(create_preview_app(search_path=[own], clock=lambda: NOW)) as address:
        yield address


def shipped() -> str:
    return (package_templates() / BODY).read_text(encoding="utf-8")


def test_without_a_project_it_begins_with_the_default_fixture(shared: str):
    start, page, frame = ask(shared, "GET", "/"), ask(shared, "GET", MAIL), ask(shared, "GET", "/frame/digest")

    assert (start.status, start.headers["location"]) == (303, MAIL)
    assert page.status == 200
    assert "<iframe" in page.body
    assert "No. " in frame.body
    assert "\ue000" not in frame.body


@pytest.mark.parametrize("kind", list(MailKind))
def test_every_kind_of_mail_is_shown_with_each_of_its_fixtures_by_links_alone(shared: str, kind: str):
    page = ask(shared, "GET", f"/preview/{kind}?p=headers").body
    links = set(re.findall(rf'href="(/preview/{kind}\?[^"#]*)"[^>]*data-name="fixture"', page))
    chosen = min(links).replace("&amp;", "&")

    assert len(links) >= 2
    assert "List-Unsubscribe" in page or MailKind(kind).is_notice
    assert ask(shared, "GET", chosen).status == 200


def test_the_headers_are_those_of_a_real_message_with_links_that_do_nothing(shared: str):
    page = ask(shared, "GET", f"{MAIL}?p=headers").body

    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in page
    assert "/u/preview-link-does-nothing&gt;" in page
    assert "Date: Sun, 22 Nov 2026 06:00:00 +0000" in page
    assert "<code>multipart/alternative</code>" in page


def test_the_eml_is_the_whole_mail_and_parses(shared: str):
    reply = ask(shared, "GET", "/mail/digest?f=rtl")
    mail = email.message_from_string(reply.body, policy=policy.default)

    assert reply.headers["content-disposition"] == 'attachment; filename="digest.eml"'
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert mail["To"] == "reader@example.com"


def test_text_and_source_are_the_mails_own_parts_and_lead_to_the_template(shared: str):
    text, source = ask(shared, "GET", f"{MAIL}?p=text").body, ask(shared, "GET", f"{MAIL}?p=source").body
    place = re.search(r'class="number" href="([^"]+at=email/[^"]+)"', source)
    assert place is not None
    template = ask(shared, "GET", place[1].replace("&amp;", "&")).body

    assert "Unsubscribe:\n" in text
    assert "data-src" not in source.split('class="listing"')[1]
    assert 'id="here"' in template
    assert 'action="/act/open"' in template


def test_what_an_address_says_wrongly_falls_back_and_is_said(shared: str):
    page = ask(shared, "GET", "/preview/nonsense?f=gone&w=9999&s=maybe&at=/etc/passwd:1&patch=%7B").body

    assert page.count('<p class="note">') == 6
    assert "There is no mail “nonsense”" in page
    assert 'width="600"' in page


def test_forms_lead_to_the_address_of_what_they_choose(shared: str):
    reply = ask(shared, "GET", "/go?kind=digest&w=375&s=dark&f=rtl&c=authored&patch=")

    assert (reply.status, reply.headers["location"]) == (303, "/preview/digest?f=rtl&w=375&s=dark")


def test_dark_is_the_mails_own_dark_whatever_the_browser_says(shared: str):
    light, dark = ask(shared, "GET", "/frame/digest").body, ask(shared, "GET", "/frame/digest?s=dark").body

    assert "prefers-color-scheme" not in light + dark
    assert re.search(r'name="color-scheme" content="dark"', dark)
    assert re.search(r'name="color-scheme" content="light"', light)


def test_a_patch_in_the_address_is_laid_over_the_data(shared: str):
    patch = quote('{"lead":{"title":"Told by a patch"}}')

    assert "Told by a patch" in ask(shared, "GET", f"/frame/digest?patch={patch}").body
    wrong = ask(shared, "GET", MAIL + "?patch=" + quote('{"lead":{"title":3}}')).body
    assert "lead.title: expected text" in wrong


def test_an_empty_digest_is_shown_as_the_decision_that_it_is(shared: str):
    assert "so it is not sent" in ask(shared, "GET", f"{MAIL}?f=empty").body


def test_the_matrix_shows_every_fixture_three_times_worst_first(shared: str):
    page = ask(shared, "GET", f"{MAIL}?v=matrix").body
    cards = re.findall(r'<section class="card".*?</section>', page, re.DOTALL)

    assert len(cards) == len(fixture_names(MailKind.DIGEST))
    assert page.count("<iframe") == 3 * (len(cards) - 1)  # the empty one is not sent
    assert page.count('loading="lazy"') == page.count("<iframe")


def test_without_git_comparing_with_the_last_commit_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(folder))
    with running(create_preview_app(search_path=[folder])) as base:
        assert "git init" in ask(base, "GET", f"{MAIL}?v=compare&vs=HEAD").body


def test_two_states_are_compared_line_by_line(shared: str):
    page = ask(shared, "GET", f"{MAIL}?v=compare&vs={quote('digest?f=one')}").body

    assert page.count("data-side=") == 2
    assert re.search(r"\d+ changed lines of HTML", page)


def test_the_frame_runs_nothing_and_its_page_only_its_own_script(shared: str):
    page, frame = ask(shared, "GET", MAIL), ask(shared, "GET", "/frame/digest")

    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert " style=" not in page.body.split('<main id="stage"')[0]
    assert "sandbox allow-same-origin allow-popups" in frame.headers["content-security-policy"]
    assert "img-src 'self' data:;" in frame.headers["content-security-policy"]
    assert "allow-scripts" not in frame.headers["content-security-policy"] + page.body


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8026", "127.0.0.1.example.com", "192.0.2.1"])
@pytest.mark.parametrize("path", ["/", "/preview/digest", "/frame/digest", "/events"])
def test_a_foreign_host_header_is_refused(shared: str, host: str, path: str):
    assert ask(shared, "GET", path, headers={"Host": host}).status == 400


def test_localhost_by_name_is_let_in(shared: str):
    assert ask(shared, "GET", MAIL, headers={"Host": "localhost:8026"}).status == 200


def test_no_route_takes_a_path(shared: str):
    asked = [
        "/../pyproject.toml", "/pictures/../../x.png", "/%2e%2e/x", "/assets/../asgi.py", "/assets/asgi.py",
        "/assets/%2e%2e%2fasgi.py", "/asgi.py",
    ]  # fmt: skip

    assert {ask(shared, "GET", path).status for path in asked} == {404}
    outside = ask(shared, "GET", f"{MAIL}?p=source&at=email/fixtures/../../../pyproject.toml:1").body
    assert "build-system" not in outside


def test_pictures_of_fixtures_are_drawn_here(shared: str):
    frame = ask(shared, "GET", "/frame/digest").body
    src = frame.split('src="/pictures/')[1].split('"')[0]
    parts = urlsplit(shared)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request("GET", f"/pictures/{src}")
    raw = connection.getresponse().read()
    connection.close()

    assert raw.startswith(b"\x89PNG")


def post(base: str, action: str, *, headers: dict[str, str] | None = None, **fields: str) -> Reply:
    """Send a form as the page would, its token read from the page unless given."""
    if "token" not in fields:
        found = re.search(r'name="token" value="([^"]+)"', ask(base, "GET", f"{MAIL}?p=data").body)
        assert found is not None
        fields["token"] = found[1]
    fields.setdefault("state", MAIL)
    sent = {"Origin": base, "Content-Type": "application/x-www-form-urlencoded"} | (headers or {})
    return ask(base, "POST", f"/act/{action}", body=urlencode(fields).encode(), headers=sent)


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"Origin": "https://evil.example.com"}, {}),
        ({"Origin": "null"}, {}),
        ({"Sec-Fetch-Site": "cross-site"}, {}),
        ({}, {"token": "guessed"}),
        ({}, {"token": ""}),
    ],
)
def test_a_form_of_another_page_is_refused(base: str, folder: Path, headers: dict[str, str], fields: dict[str, str]):
    assert post(base, "save", headers=headers, name="mine", **fields).status == 403
    assert not (folder / "email" / "fixtures").exists()


def test_what_is_shown_is_saved_as_a_fixture_and_shown_by_its_name(base: str, folder: Path):
    patched = MAIL + "?patch=" + quote('{"subject":"Mine"}')
    page = post(base, "save", name="mine", state=patched).body
    again = post(base, "save", name="mine", state=patched).body

    assert json.loads((folder / "email" / "fixtures" / "mine.json").read_text())["patch"] == {"subject": "Mine"}
    assert 'value="mine" selected' in page
    assert "there is a fixture mine already" in again
    assert "Saved as" in post(base, "save", name="mine", state=patched, replace="1").body


def test_a_name_that_leads_elsewhere_is_not_saved(base: str, folder: Path, tmp_path: Path):
    page = post(base, "save", name="../../../mine").body

    assert "no name of a fixture" in page
    assert not list(tmp_path.rglob("mine*"))


def test_the_editor_opens_templates_only(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VISUAL", "vim")
    good = post(base, "open", at="email/components.html:12").body
    bad = [post(base, "open", at=at).body for at in ("../pyproject.toml:1", "/etc/passwd:1", "email/nope.html:1", "x")]

    assert "vim +12 " in good
    assert all("that is no line of a template" in page for page in bad)


def test_sending_needs_a_project(shared: str):
    assert "there is no project here" in post(shared, "send", address="a@example.com").body


def test_saving_a_template_sends_an_event_within_a_second_and_shows_the_change(base: str, folder: Path):
    events = _Events(base)
    events.wait_for("retry:")
    (folder / BODY).write_text(shipped().replace("{% block content %}", "{% block content %}<!-- saved now -->", 1))
    saved_at = time.monotonic()
    events.wait_for("event: change")
    took = time.monotonic() - saved_at

    assert "<!-- saved now -->" in ask(base, "GET", "/frame/digest").body
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


def test_a_broken_template_is_named_with_line_source_and_way_while_the_last_good_mail_stays(base: str, folder: Path):
    good = ask(base, "GET", "/frame/digest").body
    lines = shipped().splitlines()
    broken_at = next(number for number, line in enumerate(lines, 1) if "ui.lead(lead)" in line)
    (folder / BODY).write_text(shipped().replace("ui.lead(lead)", "publication.nmae"))
    page = ask(base, "GET", MAIL).body

    assert f'<p class="place">{BODY}:{broken_at}</p>' in page
    assert "Did you mean &#39;name&#39;?" in page
    assert page.split('id="fault"')[1].count("<i>") == 7
    assert 'class="stage faulty"' in page
    assert ask(base, "GET", "/frame/digest").body == good

    (folder / BODY).write_text(shipped())
    mended = ask(base, "GET", MAIL).body

    assert 'id="fault"' not in mended


def test_an_own_template_takes_over_and_steps_back_without_a_restart(base: str, folder: Path):
    before = ask(base, "GET", "/frame/digest").body
    (folder / BODY).write_text("<html><head><title>x</title></head><body><p>mine</p></body></html>")
    during = ask(base, "GET", "/frame/digest").body
    (folder / BODY).unlink()

    assert "mine" in during
    assert ask(base, "GET", "/frame/digest").body == before


def test_a_template_that_never_worked_gives_the_fault_alone(folder: Path):
    (folder / BODY).write_text("{% if %}")
    with running(create_preview_app(search_path=[folder])) as base:
        page, frame = ask(base, "GET", MAIL), ask(base, "GET", "/frame/digest")

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


def test_in_a_project_it_begins_with_the_last_composed_issue(sqlite_database: str, tmp_path: Path):
    config = project(tmp_path, sqlite_database)
    with running(preview_app(config)) as base:
        start = ask(base, "GET", "/").headers["location"]
        page, headers = ask(base, "GET", start), ask(base, "GET", f"{start}&p=headers")
        frame = ask(base, "GET", start.replace("/preview/", "/frame/"))

    assert start == "/preview/digest?f=issue:1"
    assert "The Morning Post, No. 1 (composed)" in page.body
    assert "The harbour &lt;opens&gt;" in frame.body
    assert 'href="https://news.example.com/morning/articles/1"' in frame.body
    assert "List-Archive: &lt;https://news.example.com/morning/1&gt;" in headers.body
    assert "https://news.example.com/u/preview-link-does-nothing" in frame.body
    assert "From: The Desk &lt;desk@example.com&gt;" in headers.body


def test_real_articles_are_shown_by_the_real_selection_as_a_reader_whose_address_is_masked(
    sqlite_database: str, tmp_path: Path
):
    store = Store(sqlite_database)
    with store.write() as tx:
        publication = make_publication(tx, topics=("city",))
        source = sources.add(tx, SourceKind.RSS, url="https://example.org/feed", title="Wire", now=NOW)
        sources.link(tx, publication.id, source.id)
        articles.record(tx, source.id, [new_article()], now=NOW)
        reader = make_subscription(tx, publication, "someone@example.com")
    with running(create_preview_app(container_of(store, tmp_path), clock=lambda: NOW)) as base:
        one = f"live:{publication.id}.{reader.subscriber.id}"
        page = ask(base, "GET", f"{MAIL}?f={one}").body
        frame = ask(base, "GET", f"/frame/digest?f={one}")
        everybody = ask(base, "GET", "/frame/digest?f=live").body
        gone = ask(base, "GET", f"{MAIL}?f=live:{publication.id}.999").body
        kept = post(base, "save", name="today", state=f"{MAIL}?f={one}").body
    with store.read() as tx:
        decided = issues.list_recent(tx)
    store.close()

    assert "The harbour &lt;opens&gt;" in frame.body
    assert "The harbour &lt;opens&gt;" in everybody
    assert "as so…@example.com" in page
    assert "someone@" not in page + frame.body
    assert "img-src 'self' data: https:;" in frame.headers["content-security-policy"]
    assert "reader 999 does not subscribe to morning" in gone
    assert 'value="today" selected' in kept
    assert json.loads((tmp_path / "templates/email/fixtures/today.json").read_text())["lead"]["source"] == "Wire"
    assert decided == []


def test_a_project_without_an_issue_begins_with_a_fixture(sqlite_database: str, tmp_path: Path):
    config = tmp_path / "digest.toml"
    config.write_text(f'[database]\nurl = "{sqlite_database}"\n')
    create_key_file(tmp_path / "digest.key")
    with running(preview_app(config)) as base:
        assert ask(base, "GET", "/").headers["location"] == MAIL


def test_outside_any_project_it_begins_with_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIGEST_CONFIG", raising=False)
    with running(preview_app(None, kind="confirm", source="rtl")) as base:
        assert ask(base, "GET", "/").headers["location"] == "/preview/confirm?f=rtl"
    assert list(tmp_path.iterdir()) == []


def test_a_project_that_cannot_be_opened_is_an_error_and_not_the_sample(tmp_path: Path):
    config = tmp_path / "digest.toml"
    config.write_text("")

    with pytest.raises(StoreUnavailable):
        preview_app(config)


def test_a_test_mail_goes_to_an_allowed_address_only(sqlite_database: str, tmp_path: Path):
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    store.close()
    create_key_file(tmp_path / "digest.key")
    config = tmp_path / "digest.toml"
    with CaptureServer(tmp_path / "mails") as relay:
        config.write_text(
            f'[database]\nurl = "{sqlite_database}"\n[relays.default]\nport = {relay.port}\n'
            '[preview]\nsend_to = ["me@example.com"]\n'
        )
        with running(preview_app(config)) as base:
            offered = ask(base, "GET", f"{MAIL}?p=send").body
            sent = post(base, "send", address="me@example.com", state="/preview/confirm?p=send").body
            refused = post(base, "send", address="you@example.com").body

    assert "<option>me@example.com</option>" in offered
    assert "Sent to me@example.com" in sent
    assert "is not among the addresses" in refused
    assert [item.rcpt_to for item in relay.messages] == [("me@example.com",)]


def test_a_mail_client_that_there_is_not_is_refused_at_the_start(sqlite_database: str, tmp_path: Path):
    config = tmp_path / "digest.toml"
    config.write_text(f'[database]\nurl = "{sqlite_database}"\n[preview]\nclients = ["gmail.androit"]\n')
    create_key_file(tmp_path / "digest.key")

    with pytest.raises(BadInput, match=r"preview\.clients") as caught:
        preview_app(config)
    assert "gmail.android" in caught.value.hint


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
