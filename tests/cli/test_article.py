"""`digest article add` and `show` as people and scripts meet them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from digest.cli.main import run
from digest.store.engine import Store
from support.factories import make_publication
from support.project import settle_in

NOTE = b"""---
title: The harbour opens again
url: https://harbour.example/opens?utm_source=mail
author: Ann Example
date: 2026-11-01
tags: [harbour]
---

After nine years the harbour opens on Monday, and all who helped are asked to come.
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: str) -> Path:
    settle_in(tmp_path, monkeypatch, sqlite_database)
    store = Store(sqlite_database)
    with store.write() as tx:
        make_publication(tx)
    store.close()
    return tmp_path


def pipe(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(raw)))


def test_markdown_from_a_pipe_is_added_once_and_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pipe(monkeypatch, NOTE)
    first = run(["article", "add", "morning", "-"])
    added = capsys.readouterr().out
    pipe(monkeypatch, NOTE)
    again = run(["article", "add", "morning", "-"])
    known = capsys.readouterr().out
    run(["article", "pin", "1", "--publication", "morning"])
    capsys.readouterr()
    run(["article", "show", "https://harbour.example/opens"])
    shown = capsys.readouterr().out

    assert (first, again) == (0, 3)
    assert added.startswith("Added article 1: The harbour opens again\n  16 words, source Added by the editors")
    assert "is known since" in known
    for told in ("2026-11-01\n", "Ann Example", "harbour\n", "pinned at place 1", "After nine years the harbour opens"):
        assert told in shown


def test_scripts_get_the_whole_record(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pipe(monkeypatch, b"Nobody gave this text a headline of its own, which is why the command does it here.")
    assert run(["article", "add", "morning", "-", "--title", "A headline", "--source", "The office", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    run(["article", "show", str(done["article"]["id"]), "--json"])
    record = json.loads(capsys.readouterr().out)

    assert (done["became"], done["article"]["title"]) == ("added", "A headline")
    assert record["article"]["source_title"] == "The office"
    assert [seen["source_title"] for seen in record["sightings"]] == ["The office"]
    assert (record["story"], record["decisions"], record["images"]) == ([], {}, {})


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["article", "show", "4711"], 2, "no article 4711 was ever seen"),
        (["article", "add", "evening", "-"], 2, "there is no publication 'evening'"),
        (["article", "add", "morning", "nowhere.md"], 1, "there is no file or folder"),
        (["article", "add", "morning", "-"], 1, "no article found in it"),
    ],
)
def test_a_mistake_is_one_line(  # noqa: PLR0917 - fixtures and cases
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    told: str,
):
    pipe(monkeypatch, b"")
    assert run(words) == code
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""
