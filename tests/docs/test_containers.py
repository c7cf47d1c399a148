"""The container files cannot run here; what can be known without Docker is looked at."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from digest.config.settings import documented, load
from support.documents import ROOT, parse

_NOT_SETTINGS = {"DIGEST_SECRETS_DIR", "DIGEST_CONFIG"}
_OURS = ("app", "web", "clock", "worker", "schema")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """(instruction, rest) of each line, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def _variables() -> set[str]:
    return {f"DIGEST_{key.upper().replace('.', '__')}" for key, _, _ in documented()} | _NOT_SETTINGS


def test_the_compose_file_fits_the_compose_schema():
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", _OURS)
def test_every_service_of_ours_runs_a_command_that_exists(compose: dict[str, Any], name: str):
    parse(compose["services"][name]["command"])


@pytest.mark.parametrize("name", _OURS)
def test_every_setting_in_the_compose_file_exists(compose: dict[str, Any], name: str):
    given = set(compose["services"][name]["environment"])

    assert given - _variables() == set()


def test_the_compose_environment_and_secrets_make_valid_settings(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    secrets, here = tmp_path_factory.mktemp("secrets"), tmp_path_factory.mktemp("here")
    url = "postgresql+psycopg://digest:secret@postgres/digest"
    (secrets / "digest_database").write_text(json.dumps({"url": url}), encoding="utf-8")
    for name, value in compose["services"]["app"]["environment"].items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("DIGEST_SECRETS_DIR", str(secrets))
    monkeypatch.chdir(here)
    settings = load()

    assert settings.database.url == url
    assert settings.relays["default"].host == "mail"


def test_the_how_to_makes_every_secret_that_the_compose_file_wants(compose: dict[str, Any]):
    how_to = (ROOT / "docs" / "how-to" / "docker.md").read_text(encoding="utf-8")
    made = set(re.findall(r"> (secrets/\S+)", how_to))

    assert {secret["file"].removeprefix("./") for secret in compose["secrets"].values()} == made


def test_every_service_is_watched_or_ends(compose: dict[str, Any]):
    unwatched = [name for name, service in compose["services"].items() if "healthcheck" not in service]

    assert unwatched == ["schema"]


def test_the_scaled_profile_keeps_pages_clock_and_workers_apart(compose: dict[str, Any]):
    profiled = {name: service for name, service in compose["services"].items() if "profiles" in service}

    assert set(profiled) == {"web", "clock", "worker"}
    assert "--no-clock" in profiled["web"]["command"]
    assert "--no-deliver" in profiled["clock"]["command"]
    assert profiled["worker"]["command"] == ["worker"]


def test_ports_are_open_on_this_machine_only(compose: dict[str, Any]):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_a_command_that_exists(dockerfile: list[tuple[str, str]]):
    steps = dict(dockerfile)

    assert json.loads(steps["ENTRYPOINT"]) == ["digest"]
    parse(json.loads(steps["CMD"]))


def test_the_image_does_not_run_as_root(dockerfile: list[tuple[str, str]]):
    user = dict(dockerfile)["USER"]
    made = [rest for word, rest in dockerfile if word == "RUN" and "useradd" in rest]

    assert user not in {"root", "0"}
    assert made[0].endswith(f" {user}")


def test_the_image_installs_locked_versions_with_hashes(dockerfile: list[tuple[str, str]]):
    installs = [rest for word, rest in dockerfile if word == "RUN" and "-r " in rest]

    assert len(installs) == 1
    assert "--require-hashes -r requirements/run.lock" in installs[0]


def test_the_image_has_all_that_the_wheel_is_made_of(dockerfile: list[tuple[str, str]]):
    copied = [shlex.split(rest)[:-1] for word, rest in dockerfile if word == "COPY" and not rest.startswith("--from")]
    names = {name for group in copied for name in group}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {path.split("/")[0] for path in [*wheel["packages"], *wheel["force-include"]]}

    assert all((ROOT / name).exists() for name in names)
    assert needed | {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]} <= names


def test_what_the_image_copies_is_not_ignored(dockerfile: list[tuple[str, str]]):
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = [shlex.split(rest)[:-1] for word, rest in dockerfile if word == "COPY" and not rest.startswith("--from")]

    assert {name for group in copied for name in group} == kept
