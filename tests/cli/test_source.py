"""`digest source …` and `digest collect` as scripts and people meet them, against a real server."""

from __future__ import annotations

import threading
from asyncio import new_event_loop
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.store import sources
from digest.store.engine import Store
from support.factories import make_publication
from support.feeddocs import atom, rss, rss_item
from support.feedserver import FeedServer, serving
from support.project import Said, settle_in
from support.project import call as command

_OPML = """<?xml version="1.0"?><opml version="2.0"><head><title>Mine</title></head><body>
<outline text="City"><outline type="rss" text="One" xmlUrl="{base}/one" htmlUrl="https://one.example/"/></outline>
<outline type="rss" text="Two" xmlUrl="{base}/two"/>
<outline type="rss" text="Again" xmlUrl="{base}/two"/>
<outline type="rss" text="Mail" xmlUrl="mailto:x@example.com"/>
</body></opml>"""


@contextmanager
def _in_a_thread() -> Iterator[FeedServer]:
    """The server beside a command that has an event loop of its own."""
    loop, ready, found = new_event_loop(), threading.Event(), []

    async def main() -> None:
        async with serving() as server:
            found.append((server, stop := loop.create_future()))
            ready.set()
            await stop

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    assert ready.wait(10)
    server, stop = found[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set_result, None)
        thread.join(10)
        loop.close()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with _in_a_thread() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: str) -> Path:
    settle_in(tmp_path, monkeypatch, sqlite_database)
    monkeypatch.setenv("DIGEST_COLLECT__ALLOW_PRIVATE_NETWORKS", "true")
    monkeypatch.setenv("DIGEST_COLLECT__FULL_TEXT", "false")
    monkeypatch.setenv("DIGEST_COLLECT__TIMEOUT_S", "2")
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx, topics=("city",))
        make_publication(tx, "evening")
    store.close()
    return tmp_path


@pytest.fixture
def call(project: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def _call(*words: str) -> Said:
        return command(capsys, *words)

    return _call


def _listed(call: Any, publication: str = "morning") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = call("source", "list", publication, "--json").json["items"]
    return items


def test_a_list_of_feeds_is_imported_with_what_was_refused_and_again_without_doubles(
    call: Any, server: FeedServer, project: Path
):
    server.rule("/one", rss(rss_item(1)))
    server.rule("/two", atom())
    (project / "mine.opml").write_text(_OPML.format(base=server.base))

    first = call("source", "import", "morning", "mine.opml")
    again = call("source", "import", "morning", "mine.opml", "--json")

    assert first.code == 0
    assert "Added 2 sources to morning; 0 there already, 2 refused." in first.out
    assert "mine.opml: feed 3:" in first.err
    assert "it stands in this file before" in first.err
    assert "feed 4: mailto:x@example.com: it is not a web address" in first.err
    assert again.code == 3
    assert (again.json["added"], again.json["known"], len(again.json["refused"])) == ([], 2, 2)
    assert [(item["title"], item["topic"]) for item in _listed(call)] == [("One", "city"), ("Two", None)]
    assert server.requests == []
    assert call("collect", "morning", "--json").code == 0
    assert [item["kind"] for item in _listed(call)] == ["rss", "atom"]


def test_what_is_exported_can_be_imported_elsewhere(call: Any, server: FeedServer, project: Path):
    (project / "mine.opml").write_text(_OPML.format(base=server.base))
    call("source", "import", "morning", "mine.opml")

    printed = call("source", "export", "morning")
    call("source", "export", "morning", "out.opml")
    taken = call("source", "import", "evening", "out.opml", "--topic", "All", "--json")

    assert (project / "out.opml").read_text() == printed.out
    assert [source["url"] for source in taken.json["added"]] == [f"{server.base}/one", f"{server.base}/two"]
    assert {item["topic"] for item in _listed(call, "evening")} == {"all"}
    assert [item["id"] for item in _listed(call)] == [item["id"] for item in _listed(call, "evening")]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("import", "morning", "none.opml"), 2, "none.opml cannot be read"),
        (("import", "morning", "digest.key"), 1, "not an OPML file"),
        (("import", "nobody", "none.opml"), 2, ""),
        (("export", "morning", "no/such/folder.opml"), 2, "cannot be written"),
        (("show", "99"), 2, "no source 99"),
        (("set", "morning", "99", "--weight", "2"), 2, "no source 99"),
        (("set", "morning", "99"), 2, "nothing to change"),
        (("set", "morning", "99", "--timezone", "Mars/Olympus"), 2, "not a time zone"),
        (("set", "morning", "99", "--title", " "), 2, "title is empty"),
        (("resume", "99"), 2, "no source 99"),
    ],
)
def test_bad_input_gets_one_line(call: Any, words: tuple[str, ...], code: int, message: str):
    said = call("source", *words)

    assert said.code == code
    assert message in said.err
    assert said.err.startswith("error: ")
    assert len(said.err.strip().splitlines()) == 1
    assert "; " in said.err


def test_a_source_is_shown_with_all_that_is_known_of_it(call: Any, server: FeedServer):
    headers = {"Cache-Control": "max-age=7200"}
    added = call("source", "add", "morning", server.rule("/f", rss(rss_item(1)), headers=headers), "--json")
    key = added.json["source"]["id"]
    call("collect", "--json")

    human, machine = call("source", "show", key), call("source", "show", key, "--json")

    assert "Example News (rss), source 1 of morning" in human.out
    assert "ok: ok" in human.out
    assert "not before" in human.out
    assert machine.json["state"] == "ok"
    assert machine.json["publications"] == ["morning"]
    assert machine.json["not_before"] is not None
    assert machine.json["hub"] is None
    early = call("collect", "morning", "--all", "--json")
    assert early.code == 3
    assert [item["outcome"] for item in early.json["items"]] == ["waiting"]
    assert server.paths().count("/f") == 2


def test_setting_changes_what_is_given_and_keeps_the_rest(call: Any, server: FeedServer):
    url = server.rule("/f", rss(rss_item(1)))
    key = call("source", "add", "morning", url, "--topic", "City", "--weight", "2", "--json").json["source"]["id"]
    changes = ("--title", "Mine", "--insecure-tls", "--no-full-text", "--weight", "3")

    said = call("source", "set", "morning", key, *changes, "--json")
    call("source", "set", "morning", key, "--topic", "Sport")

    (item,) = _listed(call)
    assert said.code == 0
    assert (item["title"], item["weight"], item["topic"]) == ("Mine", 3.0, "sport")
    assert (item["insecure_tls"], item["full_text"]) == (True, False)
    assert said.json["history"][0]["action"] == "source.set"
    assert "insecure_tls = True" in said.json["history"][0]["detail"]
    call("source", "set", "morning", key, "--topic", "", "--verify-tls")
    assert (_listed(call)[0]["topic"], _listed(call)[0]["insecure_tls"]) == (None, False)


def test_after_collecting_an_article_says_into_which_story_it_was_merged(call: Any, server: FeedServer):
    """Before any issue is curated; headlines are enough where a language has few articles."""
    for key, guests in ((1, ""), (2, rss_item(7, title="Library opens at last", pubDate=""))):
        item = rss_item(key, title="Night trains are back", pubDate="")
        call("source", "add", "morning", server.rule(f"/paper{key}", rss(item, guests)))
    call("collect")

    first, copy, alone = (call("why", f"https://news.example.com/{key}.html").out for key in (1, 2, 7))

    assert "It began a story; 2 articles tell it." in first
    assert "It was merged into the story that began with “Night trains are back” (" in copy
    assert "as a copy of “Night trains are back”" in copy
    assert "No other article tells its story so far." in alone


def test_collecting_tells_each_source_and_its_trouble(call: Any, server: FeedServer):
    good, bad = server.rule("/good", rss(rss_item(1), rss_item(2))), server.rule("/bad", rss(rss_item(3)))
    for url in (good, bad):
        call("source", "add", "morning", url)
    call("source", "add", "evening", good)
    server.rules["/bad"].statuses = (404,)

    said = call("collect", "--json")
    human = call("collect", "--all")

    assert said.code == human.code == 0
    assert [(item["outcome"], item["new"], item["merged"]) for item in said.json["items"]] == [
        ("fetched", 2, 0),
        ("failed", 0, 0),
    ]
    assert "404 Not Found" in said.json["items"][1]["error"]
    assert "unchanged" in human.out
    assert server.paths().count("/good") == 4, "twice to add it, then once a run for both publications"
    (_, listed) = _listed(call)
    assert listed["state"] == "retrying"
    assert "404 Not Found; next try" in listed["words"]


def test_a_gone_source_is_told_and_resumed(call: Any, server: FeedServer):
    key = call("source", "add", "morning", server.rule("/f", rss(rss_item(1))), "--json").json["source"]["id"]
    server.rules["/f"].statuses = (410,)

    assert call("collect", "--json").code == 1
    assert _listed(call)[0]["words"] == "gone: 127.0.0.1 answered 410 Gone; it is not asked any more"
    assert call("collect", "--all").code == 3
    server.rules["/f"].statuses = (200,)
    call("source", "resume", key)
    assert call("collect", "--all", "--json").code == 0
    assert _listed(call)[0]["state"] == "ok"


def test_doctor_names_what_needs_somebody(call: Any, server: FeedServer, sqlite_database: str):
    key = int(call("source", "add", "morning", server.rule("/f", rss(rss_item(1))), "--json").json["source"]["id"])
    now = datetime.now(UTC)
    gaps = tuple((f"2026-01-{day:02d}", 86_400.0) for day in range(1, 9))
    store = Store(sqlite_database)
    with store.write() as tx:
        sources.record_success(tx, key, at=now, next_poll_at=now, etag=None, last_modified=None)
        sources.record_news(tx, key, at=now - timedelta(days=9), gaps=gaps)
    store.close()

    checks = {check["name"]: check for check in call("doctor", "--json").json["items"]}

    assert checks["publication morning"]["health"] == "warn"
    assert "1 of 1 source must be looked at" in checks["publication morning"]["message"]
    assert "nothing new for 9 days" in checks["publication morning"]["message"]


def test_a_password_in_an_address_is_not_shown(call: Any, server: FeedServer):
    server.rule("/f", rss(rss_item(1)))
    address = server.base.replace("http://", "http://me:hush@") + "/f"
    key = call("source", "add", "morning", address, "--json").json["source"]["id"]

    assert "hush" not in call("source", "list", "morning").out + call("source", "show", key).out
    assert "Authorization" in server.requests[0].headers
