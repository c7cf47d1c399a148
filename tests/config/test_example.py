"""The commented file that `digest init` writes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.config.example import example
from digest.config.settings import documented, load

printable = st.text(st.characters(blacklist_categories=("Cs",)))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DIGEST_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def loaded(folder: Path, text: str) -> dict[str, object]:
    file = folder / "digest.toml"
    file.write_text(text, encoding="utf-8")
    return load(file).model_dump()


def test_the_file_as_it_comes_changes_nothing(tmp_path: Path):
    assert loaded(tmp_path, example()) == load().model_dump()


def test_with_every_default_uncommented_it_still_changes_nothing(tmp_path: Path):
    """Settings without a default show an empty text that the operator fills in; those stay comments."""
    text = re.sub(r'^# (\w+ = (?!"").+)$', r"\1", example(), flags=re.MULTILINE)
    set_keys = re.findall(r"^\w+ = ", text, flags=re.MULTILINE)

    assert len(set_keys) == len([key for key, _, default in documented() if default is not None])
    assert loaded(tmp_path, text) == load().model_dump()


def test_a_chosen_setting_is_set_and_all_others_stay_comments(tmp_path: Path):
    text = example({"site.base_url": "https://news.example.com", "collect.allow_private_networks": True})
    settings = loaded(tmp_path, text)

    assert tomllib.loads(text)["site"] == {"base_url": "https://news.example.com"}
    assert settings["site"]["base_url"] == "https://news.example.com"  # type: ignore[index]  # a dumped section
    assert settings["collect"]["allow_private_networks"] is True  # type: ignore[index]  # a dumped section


def test_every_setting_stands_in_the_file_with_its_description():
    text = example()

    assert all(f"# {description}\n" in text for _, description, _ in documented())
    assert len(re.findall(r"^# \w+ = ", text, flags=re.MULTILINE)) == len(documented())


@given(printable)
def test_any_text_comes_back_as_it_was(chosen: str):
    assert tomllib.loads(example({"relays.default.host": chosen}))["relays"]["default"]["host"] == chosen
