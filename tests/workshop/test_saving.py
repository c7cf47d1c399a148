"""Keeping what is on the stage: one file in the operator's own folder, and never over another by accident."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.compose.fixtures import load_fixture
from digest.compose.kinds import MailKind
from digest.model.errors import AlreadyExists, BadInput
from digest.workshop.saving import fixture_text, save_fixture
from digest.workshop.sources import data_of
from digest.workshop.states import State

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DIGEST = MailKind.DIGEST


def kept(state: State, folder: Path, name: str = "mine") -> Path:
    data = data_of(state, container=None, search_path=[folder], now=NOW)
    return save_fixture(name, fixture_text(state, data), kind=MailKind(state.kind), search_path=[folder])


def test_a_patched_fixture_is_kept_as_what_it_extends_and_the_patch(tmp_path: Path):
    path = kept(State("digest", "rtl", patch='{"subject":"Other"}'), tmp_path)

    assert path == tmp_path / "email" / "fixtures" / "mine.json"
    assert json.loads(path.read_text()) == {"extends": "rtl", "patch": {"subject": "Other"}}
    assert load_fixture("mine", search_path=[tmp_path]).subject == "Other"


@pytest.mark.parametrize("kind", list(MailKind))
def test_anything_else_is_kept_whole_and_reads_back_the_same(tmp_path: Path, kind: MailKind):
    kept(State(kind.value, "default"), tmp_path)

    assert load_fixture("mine", kind=kind, search_path=[tmp_path]) == load_fixture("default", kind=kind)
    if kind is not DIGEST:
        assert (tmp_path / "email" / "fixtures" / kind.value / "mine.json").is_file()


def test_another_one_is_not_overwritten_until_told(tmp_path: Path):
    first = kept(State("digest", "default"), tmp_path).read_text()
    with pytest.raises(AlreadyExists, match="fixture mine already"):
        kept(State("digest", "one"), tmp_path)
    path = tmp_path / "email" / "fixtures" / "mine.json"

    assert path.read_text() == first
    save_fixture("mine", "{}\n", kind=DIGEST, search_path=[tmp_path], replaces=True)
    assert path.read_text() == "{}\n"
    assert [one.name for one in path.parent.iterdir()] == ["mine.json"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", ".hidden", "x" * 90, "a b", "ü", "mine.json\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str):
    with pytest.raises(BadInput, match="no name of a fixture"):
        save_fixture(name, "{}", kind=DIGEST, search_path=[tmp_path])

    assert list(tmp_path.iterdir()) == []


def test_without_own_templates_there_is_nowhere_to_keep_it():
    with pytest.raises(BadInput, match="no folder of own templates"):
        save_fixture("mine", "{}", kind=DIGEST, search_path=[])
