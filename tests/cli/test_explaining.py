"""`digest issue build`: what the next issue would carry, and why everything else is left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from digest.cli.main import run
from digest.model.article import SourceKind
from digest.store import articles, publications, sources
from digest.store.engine import Store
from digest.store.tables import article
from support.articles import prose
from support.factories import make_publication, make_subscription
from support.site import new_article

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
WIRE = prose("ferry", 120)


def stored(project: Path) -> Store:
    return Store(f"sqlite:///{project / 'digest.db'}")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A publication of two papers: one report in both, one of its own each, an old one and a hidden one."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert run(["init", "--json"]) == 0
    store = stored(folder)
    with store.write() as tx:
        publication = make_publication(tx, timezone="UTC")
        make_subscription(tx, publication)
        for key, name in ((1, "The Post"), (2, "Coast Wire")):
            sources.add(tx, SourceKind.RSS, url=f"https://paper{key}.example/feed", title=name, now=NOW)
            sources.link(tx, publication.id, key)
        put(tx, 1, "Ferries sail again", text=f"{prose('own', 20)} {WIRE} (Coast Wire)", hours=3)
        put(tx, 2, "Ferry strike over", text=WIRE, hours=4)
        put(tx, 1, "Library opens", text=prose("book", 90), hours=6)
        put(tx, 1, "Last week's fair", text=prose("fair", 90), hours=24 * 6)
        hidden = put(tx, 2, "A mistake", text=prose("oops", 90), hours=1)
        tx.connection.execute(update(article).where(article.c.id == hidden).values(is_hidden=True))
    store.close()
    return folder


def put(tx: Any, source: int, title: str, *, text: str, hours: int) -> int:
    """The id of an article published so many hours ago."""
    slug = title.lower().replace(" ", "-")
    new = new_article(
        identity=slug, guid_hash=slug, content_hash=slug, title=title, text=text, canonical_url=f"https://e.example/{slug}",
        url=f"https://e.example/{slug}", published_at=NOW - hours * HOUR, word_count=len(text.split()), language="en",
    )  # fmt: skip
    articles.record(tx, source, [new], now=NOW - timedelta(minutes=5))
    found = articles.find_by_url(tx, f"https://e.example/{slug}")
    assert found is not None
    return found.id


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(["issue", "build", *words]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_the_next_issue_is_shown_with_its_items(project: Path, capsys: pytest.CaptureFixture[str]):
    head, *items = said(capsys, "morning").splitlines()

    assert head.startswith("morning, daily of ")
    assert head.endswith("would carry 2 items of 5 articles looked at.")
    assert items == ["   1  lead   Ferry strike over  (Coast Wire)", "   2  story  Library opens  (The Post)"]


def test_every_candidate_is_explained(project: Path, capsys: pytest.CaptureFixture[str]):
    lines = said(capsys, "morning", "--explain").splitlines()

    assert "             + The Post: Ferries sail again  (a copy of the same report)" in lines
    assert [line for line in lines if line.startswith("Left out")] == [
        "Left out, too old (1):",
        "Left out, hidden (1):",
    ]
    assert "      Last week's fair  (The Post): published 6 days before this issue" in lines
    assert "      A mistake  (Coast Wire): hidden by an operator" in lines
    score = lines[2].strip()
    total, _, parts = score.partition(" = ")
    assert "breadth 0.32" in parts
    added = sum(float(part.rpartition(" ")[2]) for part in parts.split(" + "))
    assert float(total) == pytest.approx(added, abs=0.021)


def test_scripts_get_every_candidate_with_its_story_and_its_parts(project: Path, capsys: pytest.CaptureFixture[str]):
    document = json.loads(said(capsys, "morning", "--explain", "--json"))
    by_title = {one["title"]: one for one in document["candidates"]}
    leader, copy = by_title["Ferry strike over"], by_title["Ferries sail again"]

    assert (document["publication"], document["trial"], document["skip"]) == ("morning", True, None)
    assert leader["verdict"] == "placed"
    assert leader["also_at"] == [["The Post", "https://e.example/ferries-sail-again"]]
    assert leader["score"] == pytest.approx(sum(leader["score_parts"].values()), abs=1e-3)
    assert (copy["verdict"], copy["merged_into"]) == ("merged", leader["article_id"])
    assert copy["story_id"] == leader["story_id"]
    assert [item["title"] for item in document["items"]] == ["Ferry strike over", "Library opens"]


def test_looking_changes_nothing(project: Path, capsys: pytest.CaptureFixture[str]):
    assert said(capsys, "morning", "--explain") == said(capsys, "morning", "--explain")
    assert "No issues yet" in (run(["issue", "list"]) == 0 and capsys.readouterr().out)


def test_an_issue_that_would_be_skipped_says_what_it_lacks(project: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["publication", "set", "morning", "--min-items", "5"]) == 0
    told = said(capsys, "morning", "--explain")

    assert "It would be skipped: too-little-news (2 stories, and it takes 5 or more)." in told
    assert "Good enough, but too few (2):" in told


def test_a_limit_that_keeps_a_story_out_is_named(project: Path, capsys: pytest.CaptureFixture[str]):
    store = stored(project)
    with store.write() as tx:
        put(tx, 1, "A second of the Post", text=prose("second", 90), hours=7)
    store.close()
    assert run(["publication", "set", "morning", "--max-per-source", "1"]) == 0
    told = said(capsys, "morning", "--explain")

    assert "A second of the Post  (The Post): The Post has its 1 place already, out of 20" in told
    assert "Left out, no room (1):" in told


def test_a_publications_limits_are_set_shown_and_taken_away(project: Path, capsys: pytest.CaptureFixture[str]):
    limits = ["--max-per-source", "3", "--max-per-section", "4", "--story-days", "2"]
    assert run(["publication", "set", "morning", *limits]) == 0
    told = capsys.readouterr().out
    assert "1 to 20, at most 3 from one source, at most 4 in a section" in told
    assert "not again for 2 days without news" in told

    assert run(["publication", "set", "morning", "--max-per-source", "0", "--max-per-section", "0"]) == 0
    store = stored(project)
    with store.read() as tx:
        found = publications.get(tx, "morning")
    store.close()

    assert (found.max_per_source, found.max_per_section, found.story_days) == (None, None, 2)


def test_a_publication_has_a_theme_that_exists(project: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["publication", "set", "morning", "--theme", "brief"]) == 0
    assert "theme     brief" in capsys.readouterr().out
    assert run(["publication", "set", "morning", "--theme", "breif"]) == 2
    refused = capsys.readouterr().err
    own = project / "templates" / "email" / "themes" / "noon"
    own.mkdir(parents=True)
    assert run(["publication", "set", "morning", "--theme", "noon"]) == 0

    assert "there is no theme 'breif'" in refused
    assert "Themes are brief, journal, meridian, plain." in refused


def test_the_doctor_names_a_theme_that_is_gone_and_a_colour_nobody_could_read(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    own = project / "templates" / "email" / "themes" / "noon"
    own.mkdir(parents=True)
    (own / "theme.toml").write_text('[light]\naccent = "#ffee00"\n')
    assert run(["publication", "set", "morning", "--theme", "noon"]) == 0
    capsys.readouterr()
    run(["doctor"])
    pale = capsys.readouterr().out
    (own / "theme.toml").unlink()
    own.rmdir()
    run(["doctor"])
    gone = capsys.readouterr().out

    assert "light.accent = #ffee00 has a contrast of 1.2" in " ".join(pale.split())
    assert "there is no theme 'noon'" in gone


def test_an_issue_that_ran_is_explained_as_it_was_decided(project: Path, capsys: pytest.CaptureFixture[str]):
    """And the next one does not carry its stories again; a second paper that comes late is told why."""
    assert run(["run", "morning", "--json"]) in {0, 1}, "no relay is listening, but the issue is curated"
    store = stored(project)
    with store.write() as tx:
        put(tx, 2, "Our library has opened", text=f"{prose('book', 90)} {prose('more', 20)}", hours=6)
    store.close()
    issue = said(capsys, "1", "--explain")
    following = said(capsys, "morning", "--explain")

    assert "carries 2 items of 5 articles looked at." in issue
    assert "+ The Post: Ferries sail again" in issue
    assert "It would be skipped" in following
    assert "Left out, carried before (1):" in following
    assert "Our library has opened  (Coast Wire): the issue of " in following


@pytest.mark.parametrize(
    ("wanted", "what"), [("99", "there is no issue 99"), ("nope", "there is no publication 'nope'")]
)
def test_what_is_not_there_is_one_line(project: Path, capsys: pytest.CaptureFixture[str], wanted: str, what: str):
    told = said(capsys, wanted, code=2)

    assert told.startswith(f"error: {what}")
    assert told.count("\n") == 1
