"""Where a setting comes from, and what is said about a wrong one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from digest.config.settings import DkimSettings, Settings, documented, find_config, load
from digest.mime.dkim import Algorithm
from digest.model.errors import ConfigInvalid


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and no DIGEST_ variable."""
    for name in os.environ:
        if name.startswith("DIGEST_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def written(folder: Path, text: str, name: str = "digest.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def refusal(*, config: Path | None = None) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        load(config)
    return caught.value


def value(settings: Settings, key: str) -> Any:
    section, _, name = key.rpartition(".")
    if section == "dkim":
        return DkimSettings(domain="example.com", selector="s", key_file=Path("k")).algorithm  # all else is required
    return getattr(settings.relays["default"] if section == "relays.default" else getattr(settings, section), name)


def test_without_any_file_the_defaults_hold_and_paths_start_here(project: Path):
    settings = load()

    assert settings.database_url == f"sqlite:///{project}/digest.db"
    assert settings.path(settings.site.secret_key_file) == project / "digest.key"


def test_each_place_overrides_the_one_before(project: Path, monkeypatch: pytest.MonkeyPatch):
    def port() -> int:
        return load().relays["default"].port

    ports = [port()]
    written(project, "[relays.default]\nport = 1\n")
    ports.append(port())
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", "2")
    ports.append(port())
    secrets = project / "secrets"
    secrets.mkdir()
    written(secrets, json.dumps({"default": {"port": 3}}), "digest_relays")
    monkeypatch.setenv("DIGEST_SECRETS_DIR", str(secrets))
    ports.append(port())

    assert ports == [1025, 1, 2, 3]


def test_one_key_from_the_environment_leaves_the_rest_of_the_section(project: Path, monkeypatch: pytest.MonkeyPatch):
    written(project, '[relays.default]\nhost = "mail.example.com"\nport = 25\n')
    monkeypatch.setenv("DIGEST_RELAYS__DEFAULT__PORT", "587")
    relay = load().relays["default"]

    assert (relay.host, relay.port) == ("mail.example.com", 587)


def test_relative_paths_start_at_the_folder_of_the_file(project: Path, tmp_path: Path):
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    settings = load(written(elsewhere, '[database]\nurl = "sqlite:///data/digest.db?timeout=5"\n', "other.toml"))

    assert settings.database_url == f"sqlite:///{elsewhere}/data/digest.db?timeout=5"
    assert settings.path(Path("x/y")) == elsewhere / "x/y"
    assert settings.path(Path("/x/y")) == Path("/x/y")


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/digest.db", "sqlite:///:memory:", "postgresql+psycopg://digest@db.example.com/digest"]
)
def test_an_address_that_is_not_relative_stays_as_it_is(project: Path, url: str):
    written(project, f'[database]\nurl = "{url}"\n')

    assert load().database_url == url


def test_the_named_file_wins_over_the_variable_and_the_variable_over_the_one_here(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    here, by_variable, named = (written(project, "", name) for name in ("digest.toml", "a.toml", "b.toml"))

    assert find_config() is not None
    assert find_config().resolve() == here  # type: ignore[union-attr]  # asserted in the line above
    monkeypatch.setenv("DIGEST_CONFIG", str(by_variable))
    assert find_config() == by_variable
    assert find_config(named) == named


def test_a_named_file_that_is_not_there_is_an_error_with_a_remedy(project: Path):
    error = refusal(config=project / "no.toml")

    assert str(project / "no.toml") in error.message
    assert "digest init" in error.hint


@pytest.mark.parametrize(
    ("toml", "key", "hint"),
    [
        ('[site]\nbase_ur = "x"\n', "'site.base_ur'", "did you mean 'base_url'?"),
        ('[sites]\nbase_url = "x"\n', "'sites'", "did you mean 'site'?"),
        ('[relays.default]\nhst = "x"\n', "'relays.default.hst'", "did you mean 'host'?"),
        ("[logging]\nzzz = 1\n", "'logging.zzz'", "known here: format, level"),
        ('base_dir = "/x"\n', "'base_dir'", "relative paths start at this file's folder"),
    ],
)
def test_an_unknown_key_in_the_file_is_named_with_the_nearest_known_one(project: Path, toml: str, key: str, hint: str):
    file = written(project, toml)
    error = refusal()

    assert f"unknown setting {key}" in error.message
    assert file.name in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("DIGEST_SIET__BASE_URL", "did you mean 'site'?"),
        ("DIGEST_SITE__BASEURL", "did you mean 'base_url'?"),
        ("DIGEST_SITE_BASE_URL", "did you mean DIGEST_SITE__BASE_URL?"),
        (
            "DIGEST_BASE_DIR__X",
            (
                "known here: database, site, relays, delivery, dkim, collect, images, tracking, logging, metrics, "
                "signup, alerts, preview"
            ),
        ),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_known_one(monkeypatch: pytest.MonkeyPatch, name: str, hint: str):
    monkeypatch.setenv(name, "https://news.example.com")
    error = refusal()

    assert error.hint == hint


def test_a_variable_that_only_shares_the_prefix_is_let_be(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_PORT", "tcp://192.0.2.1:80")
    monkeypatch.setenv("DIGEST_BASE_DIR", "/elsewhere")

    assert load().base_dir == project


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[site\n", "line 1"),
        ('[site]\nbase_url = "ftp://x"\n', "'site.base_url': must be an http(s) address"),
        ('[site]\nbase_url = "https://x.example.com/?q"\n', "'site.base_url'"),
        ('[[dkim]]\ndomain = "ü..example"\nselector = "d1"\nkey_file = "k.pem"\n', "'ü..example' is not a domain"),
        ('[site]\nbase_url = "https://-ü-..example"\n', "'site.base_url': its host cannot be a domain"),
        ("[relays.default]\nport = 99999\n", "'relays.default.port': Input should be less than or equal to 65535"),
        ('[relays.default]\ntls = "maybe"\n', "'relays.default.tls'"),
        ('[relays.other]\nhost = "x"\n', "'relays': one relay must be called 'default'"),
        ("[delivery]\nlease_s = 1\n", "'delivery.lease_s'"),
        ('[delivery]\non_doubt = "guess"\n', "'delivery.on_doubt'"),
        ("[tracking]\nopens = true\n", "tracking is not available"),
        ('[logging]\nlevel = "loud"\n', "'logging.level'"),
        ("site = 3\n", "'site'"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_file_and_key(project: Path, toml: str, said: str):
    written(project, toml)
    error = refusal()

    assert "digest.toml" in error.message
    assert said in error.message


def test_a_file_that_is_not_text_is_an_error(project: Path):
    (project / "digest.toml").write_bytes(b"\xff\xfe[site]")

    assert "digest.toml" in refusal().message


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="needs a file that even root cannot read")
def test_a_file_that_cannot_be_read_is_an_error_with_a_remedy():
    error = refusal(config=Path("/proc/self/mem"))

    assert "/proc/self/mem cannot be read" in error.message
    assert error.hint == "check its owner and mode"


def test_a_section_in_the_environment_that_is_not_json_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_SITE", "news.example.com")

    assert "site" in refusal().message


def test_a_secrets_folder_that_is_not_there_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_SECRETS_DIR", str(project / "no"))

    assert f"there is no folder {project / 'no'}" in refusal().message


def test_a_secret_file_that_would_be_passed_over_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_SECRETS_DIR", str(project))
    written(project, "sqlite:///x.db", "digest_database__url")

    assert refusal().hint == "name it digest_database and write the section as JSON into it"


def test_other_files_in_the_secrets_folder_are_let_be(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DIGEST_SECRETS_DIR", str(project))
    for name in ("other__site__key", "digest_relay_password", "tls.pem"):
        written(project, "x", name)

    assert load().model_dump(exclude={"base_dir"}) == Settings().model_dump(exclude={"base_dir"})


def test_a_slash_at_the_end_of_the_public_address_is_dropped(project: Path):
    written(project, '[site]\nbase_url = "https://example.com/news/"\n')

    assert load().site.base_url == "https://example.com/news"


def test_an_international_public_address_is_taken_as_headers_need_it(project: Path):
    written(project, '[site]\nbase_url = "https://straße.example/briefe-für-alle/"\n')

    assert load().site.base_url == "https://xn--strae-oqa.example/briefe-f%C3%BCr-alle"


def test_the_domain_of_a_dkim_key_may_be_written_as_people_read_it(project: Path):
    written(project, '[[dkim]]\ndomain = "straße.example"\nselector = "d1"\nkey_file = "k.pem"\n')

    assert load().dkim[0].domain == "xn--strae-oqa.example"


def test_settings_cannot_be_changed_afterwards():
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.site.base_url = "https://other.example.com"


def test_every_setting_is_documented_with_its_default():
    settings, rows = load(), documented()
    dumped = settings.model_dump()
    fields = {f"{section}.{key}" for section, keys in dumped.items() if section != "relays" for key in keys}
    fields |= {f"relays.default.{key}" for key in dumped["relays"]["default"]}
    fields |= {f"dkim.{key}" for key in DkimSettings.model_fields}

    assert {key for key, _, _ in rows} == fields
    assert all(description for _, description, _ in rows)
    assert all(value(settings, key) == default for key, _, default in rows)


DKIM = '[[dkim]]\ndomain = "example.com"\nselector = "{selector}"\nkey_file = "dkim.pem"\n'


def test_without_any_key_the_relay_signs(project: Path):
    assert load().dkim == ()


def test_keys_that_sign_are_tables_in_a_row(project: Path):
    written(project, DKIM.format(selector="r1") + DKIM.format(selector="e1") + 'algorithm = "ed25519-sha256"\n')
    found = load().dkim

    assert [(key.selector, key.algorithm) for key in found] == [("r1", None), ("e1", Algorithm.ED25519)]


def test_keys_that_sign_can_come_from_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch):
    key = {"domain": "example.com", "selector": "s1", "key_file": "/run/secrets/dkim.pem"}
    monkeypatch.setenv("DIGEST_DKIM", json.dumps([key]))

    assert load().dkim[0].key_file == Path("/run/secrets/dkim.pem")


@pytest.mark.parametrize(
    ("change", "words", "hint"),
    [
        ({"selector": "a b"}, "dkim.0.selector", ""),
        ({"domain": "localhost"}, "dkim.0.domain", ""),
        ({"domain": "example.com; l=0"}, "dkim.0.domain", ""),
        ({"algorithm": "rsa-sha1"}, "dkim.0.algorithm", ""),
        ({"key_fiel": "x"}, "unknown setting 'dkim.0.key_fiel'", "did you mean 'key_file'?"),
    ],
)
def test_a_wrong_entry_for_a_key_is_named(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], words: str, hint: str
):
    key = {"domain": "example.com", "selector": "s1", "key_file": "dkim.pem"}
    monkeypatch.setenv("DIGEST_DKIM", json.dumps([key | change]))
    error = refusal()

    assert words in error.message
    assert error.hint == hint
