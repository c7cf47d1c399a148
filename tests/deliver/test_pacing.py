"""Holding a provider's mail back, in one process and between several."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from digest.deliver.pacing import Pacer
from digest.model.errors import StoreUnavailable
from digest.model.pace import FORGET_AFTER, Pace
from digest.smtp.replies import Phase, Reply, SendResult, Verdict
from digest.store import paces
from digest.store.engine import Store

SLOWER = SendResult(Verdict.PROVIDER_BUSY, Reply.parse(421, "4.7.28 unusual rate - gsmtp"), Phase.RCPT)
TAKEN = SendResult(Verdict.ACCEPTED, Reply.parse(250, "ok"), Phase.DOT)
SPAM = SendResult(Verdict.REJECTED, Reply.parse(554, "5.7.1 looks like spam"), Phase.DOT)
NOBODY = SendResult(Verdict.REJECTED, Reply.parse(550, "5.1.1 no such user"), Phase.RCPT)
GREYLIST = SendResult(Verdict.DEFERRED, Reply.parse(451, "4.7.1 greylisted"), Phase.RCPT)


def complain(pacer: Pacer, times: int = 13, *, domain: str = "gmail.com", result: SendResult = SLOWER) -> None:
    for _ in range(times):
        pacer.learn(domain, result)


def known(store: Store) -> dict[str, Pace]:
    with store.read() as tx:
        return paces.all_troubled(tx)


async def test_nobody_is_held_while_nobody_complains(store: Store):
    async with Pacer(store) as pacer:
        for result in (TAKEN, NOBODY, GREYLIST):
            complain(pacer, 50, result=result)

        assert {pacer.held_until("gmail.com") for _ in range(500)} == {None}
    assert known(store) == {}


async def test_a_provider_that_keeps_complaining_is_held_under_all_its_names_and_nobody_else_is(store: Store):
    told: list[str] = []
    with structlog.testing.capture_logs() as logs:
        async with Pacer(store, waiting=told.append) as pacer:
            complain(pacer)
            until = pacer.held_until("googlemail.com")
            others = pacer.held_until("example.org")

    assert until is not None
    assert timedelta(seconds=50) < until - datetime.now(UTC) <= timedelta(minutes=1)
    assert others is None
    assert told == [f"gmail.com slowed down until {until.astimezone():%H:%M}"]
    assert [(line["event"], line["provider"]) for line in logs] == [("provider.paused", "gmail.com")]


async def test_a_provider_with_a_complaint_or_two_is_slowed_down_and_readers_are_spread_out(store: Store):
    async with Pacer(store) as pacer:
        complain(pacer, 2)
        began = time.monotonic()
        now = datetime.now(UTC)
        answers = [pacer.held_until("gmail.com") for _ in range(300)]
        took = time.monotonic() - began

    went = answers.count(None)
    put_off = [until for until in answers if until is not None]
    assert 4 <= went <= 4 + took * 12 + 1  # a window of 4.6 stands for 9 a second
    assert put_off == sorted(put_off)
    assert put_off[0] >= now + timedelta(seconds=1)
    # at a rate that grows by 4/s every second 290 mails take ten seconds
    assert timedelta(seconds=8) < put_off[-1] - now < timedelta(seconds=14)


async def test_with_every_mail_that_is_taken_the_rate_grows(store: Store):
    async with Pacer(store) as pacer:
        complain(pacer, 1)
        before = pacer._paces["gmail.com"].rate
        complain(pacer, 400, result=TAKEN)
        after = pacer._paces["gmail.com"].rate

    assert before == pytest.approx(9.6)
    assert after == pytest.approx(57, abs=1)


async def test_refusals_for_policy_pause_at_the_third_and_slow_nothing_before(store: Store):
    async with Pacer(store) as pacer:
        complain(pacer, 2, result=SPAM)
        assert {pacer.held_until("gmail.com") for _ in range(100)} == {None}
        complain(pacer, 1, result=SPAM)
        until = pacer.held_until("gmail.com")

    assert until is not None
    assert until - datetime.now(UTC) > timedelta(minutes=59)


async def test_what_one_worker_hears_all_know(store: Store):
    async with Pacer(store) as one, Pacer(store) as other:
        complain(one, 7)
        complain(other, 7)
        await one.sync()
        await other.sync()
        await one.sync()
        held = [pacer.held_until("gmail.com") for pacer in (one, other)]
    async with Pacer(store) as later:
        held.append(later.held_until("gmail.com"))

    assert held[0] is not None
    assert held == [held[0]] * 3
    assert known(store)["gmail.com"].said == "421 4.7.28 unusual rate - gsmtp"


async def test_successes_heard_by_several_workers_add_up(store: Store):
    async with Pacer(store) as one:
        complain(one, 1)
        await one.sync()
        async with Pacer(store) as other:
            for pacer in (one, other, one):
                complain(pacer, 100, result=TAKEN)
                await pacer.sync()

            assert known(store)["gmail.com"].rate == pytest.approx(one._paces["gmail.com"].rate)
            assert known(store)["gmail.com"].window == pytest.approx((4.8**2 + 600) ** 0.5)


async def test_what_was_not_yet_written_is_written_at_the_end(store: Store):
    async with Pacer(store) as pacer:
        complain(pacer, 1)

    assert known(store)["gmail.com"].window == pytest.approx(4.8)


async def test_after_its_pause_one_mail_finds_out_and_quiet_ends_the_watch(store: Store):
    at = [datetime.now(UTC)]
    told: list[str] = []
    quiet_since = at[0] - FORGET_AFTER - timedelta(minutes=3)
    async with Pacer(store, clock=lambda: at[0], waiting=told.append) as pacer:
        complain(pacer)
        until = pacer.held_until("gmail.com")
        assert until is not None
        at[0] = until
        began = time.monotonic()
        went = [pacer.held_until("gmail.com") for _ in range(20)].count(None)
        assert 1 <= went <= 1 + (time.monotonic() - began) * 2 + 0.01
        await pacer.sync()

        # as if all that had been a while ago
        pacer._heard.clear()
        with store.write() as tx:
            old = Pace("gmail.com", quiet_since, window=3.0)
            paces.change(tx, {"gmail.com": lambda _: old})
        await pacer.sync()

        assert {pacer.held_until("gmail.com") for _ in range(100)} == {None}
    assert known(store) == {}
    assert told[-1] == ""


async def test_a_database_that_goes_away_ends_the_work_with_what_it_said(
    store: Store, tmp_path_factory: pytest.TempPathFactory
):
    gone = Store(f"sqlite:///{tmp_path_factory.mktemp('gone')}/none/digest.db")
    async with Pacer(store) as pacer:
        pacer._store = gone
        complain(pacer, 1)
        with pytest.raises(StoreUnavailable):
            await pacer.sync()
        pacer._store = store
    gone.close()

    assert known(store)["gmail.com"].window == pytest.approx(4.8)  # nothing that was heard is lost
