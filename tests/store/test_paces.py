"""Where providers and relays stand, shared by every worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from digest.model.pace import Pace
from digest.store import paces
from digest.store.engine import Store

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_a_pace_is_read_as_it_was_written(store: Store):
    pace = Pace(
        "gmail.com",
        NOON,
        window=3.25,
        held_until=NOON + timedelta(minutes=1),
        backoff=timedelta(minutes=2),
        blocks=(NOON - timedelta(minutes=5), NOON),
        said="421 4.7.28 ünusual rate",
    )
    with store.write() as tx:
        assert paces.change(tx, {"gmail.com": lambda before: pace if before is None else None}) == {"gmail.com": pace}
    with store.read() as tx:
        assert paces.all_troubled(tx) == {"gmail.com": pace}
    with store.write() as tx:
        assert paces.change(tx, {"gmail.com": lambda before: None if before == pace else before}) == {}


def test_changes_of_many_workers_add_up(store: Store):
    with store.write() as tx:
        paces.change(tx, {"gmail.com": lambda _: Pace("gmail.com", NOON, window=10.0)})

    def taken(_worker: int) -> None:
        for _ in range(10):
            with store.write() as tx:
                paces.change(tx, {"gmail.com": lambda pace: pace and pace.after_successes(5, NOON)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(taken, range(4)))

    with store.read() as tx:
        together = paces.all_troubled(tx)["gmail.com"].window
    alone = Pace("gmail.com", NOON, window=10.0).after_successes(200, NOON).window
    assert together is not None
    assert alone is not None
    assert abs(together - alone) < 1e-6


def test_failures_of_a_relay_are_counted_until_it_works(store: Store):
    held = NOON + timedelta(minutes=10)
    with store.write() as tx:
        first = paces.relay_failed(tx, "ses", said="cannot reach it", held_until=None, now=NOON)
        second = paces.relay_failed(tx, "ses", said="454 Throttling", held_until=held, now=NOON + timedelta(seconds=9))
        known = paces.troubled_relays(tx)
        others = paces.all_troubled(tx)

        assert (len(first), len(second)) == (1, 2)
        assert known == {"ses": paces.RelayTrouble((NOON, NOON + timedelta(seconds=9)), held, "454 Throttling")}
        assert others == {}
        assert paces.relay_worked(tx, "ses")
        assert not paces.relay_worked(tx, "ses")
        assert paces.troubled_relays(tx) == {}
