"""From relay settings to relays: presets, limits, and when a router is needed at all."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from digest.app.relays import limits_of, relay_of, warming_up
from digest.config.settings import Preset, Settings, load
from digest.deliver.routing import Limits
from digest.deliver.warmup import WarmUp
from digest.model.errors import ConfigInvalid
from digest.smtp.relay import Tls


def settings_with(**relays: dict[str, object]) -> Settings:
    return Settings.model_validate({"relays": relays})


def test_a_preset_fills_what_is_not_set():
    settings = settings_with(default={"preset": "ses"})
    relay = relay_of(settings)

    assert (relay.host, relay.port, relay.tls) == ("email-smtp.us-east-1.amazonaws.com", 587, Tls.STARTTLS)
    assert limits_of(settings) == Limits(rate=14)


def test_a_key_that_is_set_counts_more_than_the_preset():
    settings = settings_with(default={"preset": "ses", "host": "email-smtp.eu-west-1.amazonaws.com", "rate": 50})

    assert relay_of(settings).host == "email-smtp.eu-west-1.amazonaws.com"
    assert (limits_of(settings).rate, relay_of(settings).port) == (50, 587)


@pytest.mark.parametrize("preset", list(Preset))
def test_every_preset_makes_a_relay(preset: Preset):
    relay = relay_of(settings_with(default={"preset": preset.value}))

    assert relay.tls is Tls.STARTTLS or relay.is_loopback


def test_a_warm_up_is_read_from_the_settings_and_adds_up_over_the_relays():
    plan = {"from": "2026-11-25", "start": 100, "factor": 2}
    settings = settings_with(
        default={}, new={"warm_up": plan}, newer={"warm_up": plan | {"from": "2026-11-26", "until": 150}}
    )
    first = date(2026, 11, 25)

    assert limits_of(settings, "new").warm_up == WarmUp(first, start=100, factor=2, until=50_000)
    assert [warming_up(settings, first + timedelta(days=n)) for n in (-1, 0, 1, 2)] == [0, 100, 300, 400]
    assert warming_up(settings_with(default={}), first) == 0


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"start": 5}, "warm_up.from.*required"),
        ({"from": "2026-11-25", "factor": 1}, "warm_up.factor.*greater than 1"),
        ({"from": "2026-11-25", "start": 0}, "warm_up.start.*greater than or equal to 1"),
        ({"from": "2026-11-25", "start": 500, "until": 400}, "until must not be less than start"),
        ({"from": "next week"}, "warm_up.from"),
        ({"from": "2026-11-25", "starts": 5}, "unknown setting 'relays.default.warm_up.starts'"),
    ],
)
def test_a_warm_up_that_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, object], message: str
):
    pairs = ", ".join(f"{key} = {value if isinstance(value, int) else repr(value)}" for key, value in plan.items())
    (tmp_path / "digest.toml").write_text(f"[relays.default]\nwarm_up = {{{pairs}}}\n")

    with pytest.raises(ConfigInvalid, match=f"(?s){message}"):
        load(tmp_path / "digest.toml")


def test_a_warm_up_may_be_written_with_a_date_of_toml(tmp_path: Path):
    (tmp_path / "digest.toml").write_text("[relays.default]\nwarm_up = {from = 2026-11-25, start = 50}\n")

    assert limits_of(load(tmp_path / "digest.toml")).ceiling(date(2026, 11, 26)) == 75


def test_a_longest_wait_shortens_every_timeout_and_lengthens_none():
    usual = relay_of(settings_with(default={})).timeouts
    capped = relay_of(settings_with(default={"timeout_s": 90})).timeouts

    assert (usual.dot_s, usual.mail_s, usual.quit_s) == (600, 300, 5)
    assert (capped.dot_s, capped.mail_s, capped.quit_s) == (90, 90, 5)
