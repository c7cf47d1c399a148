"""Health, and what is said when the database or a template fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digest.config.secrets import Purpose
from digest.model.errors import TemplateBroken
from digest.store.engine import Store
from digest.web.asgi import create_app
from support.site import KEYRING, ask, container_of, running


def test_health_is_200_while_the_database_answers(store: Store, tmp_path: Path):
    with running(create_app(container_of(store, tmp_path))) as base:
        reply = ask(base, "GET", "/healthz")

    assert (reply.status, json.loads(reply.body)) == (200, {"status": "ok"})


@pytest.fixture
def unreachable(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/no/such/folder/digest.db")


def test_health_is_503_when_the_database_does_not_answer(unreachable: Store, tmp_path: Path):
    with running(create_app(container_of(unreachable, tmp_path))) as base:
        reply = ask(base, "GET", "/healthz")

    assert (reply.status, json.loads(reply.body)) == (503, {"status": "unavailable"})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_database_a_leaving_reader_is_asked_to_come_back(unreachable: Store, tmp_path: Path, method: str):
    token = KEYRING.sign(Purpose.UNSUBSCRIBE, "somebody")
    with running(create_app(container_of(unreachable, tmp_path))) as base:
        reply = ask(base, method, f"/u/{token}")

    assert reply.status == 503
    assert reply.headers["retry-after"] == "60"
    assert "try again in a minute" in reply.body
    assert str(tmp_path) not in reply.body


def test_a_broken_theme_stops_the_start_with_the_reason(sqlite_database: str, tmp_path: Path):
    (tmp_path / "templates" / "email").mkdir(parents=True)
    (tmp_path / "templates" / "email" / "theme.toml").write_text('[light]\nink = "}"\n')
    store = Store(sqlite_database)

    with pytest.raises(TemplateBroken, match="ink"):
        create_app(container_of(store, tmp_path))
    store.close()


def test_the_operators_colours_are_those_of_the_pages(sqlite_database: str, tmp_path: Path):
    (tmp_path / "templates" / "email").mkdir(parents=True)
    (tmp_path / "templates" / "email" / "theme.toml").write_text('[light]\naccent = "#123456"\n')
    store = Store(sqlite_database)
    with running(create_app(container_of(store, tmp_path))) as base:
        reply = ask(base, "GET", "/nothing")
    store.close()

    assert "--accent:#123456" in reply.body
