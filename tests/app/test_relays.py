"""From relay settings to relays: presets, limits, and when a router is needed at all."""

from __future__ import annotations

import asyncio

import pytest

from digest.app.relays import carrier, limits_of, relay_of
from digest.config.settings import Preset, Settings
from digest.deliver.routing import Limits, Router
from digest.smtp.pool import Pool
from digest.smtp.relay import Tls
from digest.store.engine import Store


def settings_with(**relays: dict[str, object]) -> Settings:
    return Settings.model_validate({"relays": relays})


def carrier_of(**relays: dict[str, object]) -> Pool | Router:
    return carrier(settings_with(**relays), Store("sqlite://"), stop=asyncio.Event())


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


async def test_one_relay_without_limits_is_the_plain_pool():
    assert isinstance(carrier_of(default={"priority": 3}), Pool)


@pytest.mark.parametrize(
    "relays", [{"default": {"rate": 5}}, {"default": {"daily_quota": 5}}, {"default": {}, "b": {}}]
)
async def test_limits_or_a_second_relay_need_a_router(relays: dict[str, dict[str, object]]):
    assert isinstance(carrier_of(**relays), Router)
