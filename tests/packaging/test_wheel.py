"""The wheel alone, in an empty folder: templates, migrations and the sample newsroom come with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_ships_templates_migrations_and_nothing_of_the_tests(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()

    assert "digest/_templates/email/digest/body.html" in names
    assert "digest/_templates/web/leave.html" in names
    assert "digest/_templates/email/themes/journal/look.css" in names
    assert "digest/_templates/locale/ar.po" in names
    assert "digest/_alembic/env.py" in names
    assert any(name.startswith("digest/_alembic/versions/0001") for name in names)
    assert "digest/py.typed" in names
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


@pytest.mark.timeout(180)
def test_the_wheel_runs_the_demo_and_a_project_in_an_empty_folder(wheel: Path, tmp_path: Path):
    """Installed apart from the checkout; the dependencies are those of this environment."""
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", installed, wheel],
        check=True,
        capture_output=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def digest(*arguments: str) -> str:
        code = "import digest.cli.main as m; print(m.__file__, file=__import__('sys').stderr); m.main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(installed) in done.stderr.splitlines()[0]
        return done.stdout

    facts = json.loads(digest("demo", "demo", "--json"))
    digest("init", "paper", "--json")

    assert all(check["holds"] for check in facts["checks"])
    assert json.loads(digest("--config", "paper/digest.toml", "db", "check", "--json"))["ok"] is True
