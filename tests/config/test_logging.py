"""What is logged, and what never is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from digest.config.logging import configure
from digest.config.settings import LoggingSettings


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_json_lines_carry_event_level_and_time_and_go_to_stderr(capsys: pytest.CaptureFixture[str]):
    configure(LoggingSettings(format="json"))
    structlog.get_logger().info("delivery.deferred", issue=7, code=451)
    captured = capsys.readouterr()
    line = json.loads(captured.err)

    assert captured.out == ""
    assert {key: line[key] for key in ("event", "level", "issue", "code")} == {
        "event": "delivery.deferred",
        "level": "info",
        "issue": 7,
        "code": 451,
    }
    assert line["timestamp"].endswith("Z")


def test_auto_means_json_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    configure(LoggingSettings(format="auto"))
    structlog.get_logger().info("tick")

    assert json.loads(capsys.readouterr().err)["event"] == "tick"


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]):
    configure(LoggingSettings(format="json", level="warning"))
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("loud")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_shows_no_local_variables(capsys: pytest.CaptureFixture[str], style: str):
    configure(LoggingSettings(format=style))

    def fail(address: str) -> None:
        raise LookupError(len(address))

    try:
        fail("reader" + "@example.com")
    except LookupError:
        structlog.get_logger().exception("worker.failed")
    said = capsys.readouterr().err

    assert "LookupError" in said
    assert "reader@example.com" not in said


def test_a_replaced_stderr_gets_the_lines_that_follow(monkeypatch: pytest.MonkeyPatch):
    configure(LoggingSettings(format="json"))
    log, later = structlog.get_logger(), io.StringIO()
    monkeypatch.setattr("sys.stderr", later)
    log.info("tick")

    assert json.loads(later.getvalue())["event"] == "tick"
