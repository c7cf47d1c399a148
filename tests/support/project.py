"""A folder with a database in which commands run in process, and what they say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digest.cli.main import run
from digest.config.secrets import create_key_file


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def settle_in(folder: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Make ``folder`` the working directory of a project with this database."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DIGEST_DATABASE__URL", database_url)
    create_key_file(folder / "digest.key")


def call(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """Run ``digest WORDS``."""
    code = run(list(words))
    return Said(code, *capsys.readouterr())
