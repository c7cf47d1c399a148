"""Whatever dies, freezes or comes back while an issue is sent: nobody is lost, and doubles are explained and alike.

Without more ado each database goes through one small storm. `make crash` gives the long version: six configurations,
over 200,000 deliveries and 240 faults beside what befalls the relay. DIGEST_CRASH_DELIVERIES and DIGEST_CRASH_FAULTS
(both for each configuration) make any size, DIGEST_CRASH_SEED repeats what is decided by chance, and
DIGEST_CRASH_KEEP leaves logs and databases where they are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

import pytest

from digest.app import engines
from digest.store.engine import Store
from support.postgres import own_cluster
from support.proof import Proof, prove
from support.sending import sending_issue
from support.storm import Plan, Relay, Storm
from support.zygote import Zygote

IS_LONG = "DIGEST_CRASH_DELIVERIES" in os.environ
DELIVERIES = int(os.environ.get("DIGEST_CRASH_DELIVERIES", "1200"))
FAULTS = int(os.environ.get("DIGEST_CRASH_FAULTS", "6"))
SEED = int(os.environ.get("DIGEST_CRASH_SEED", "0")) or SystemRandom().randrange(1, 10**6)

#: Chances of what befalls an attempt. Over 34,000 deliveries some 180 in all; a 421 at RCPT costs the row a minute.
LONG_ODDS = {
    "refuse": 0.001,
    "defer": 0.001,
    "busy": 0.001,
    "busy_at_rcpt": 0.0002,
    "busy_for": DELIVERIES / 2,
    "drop_at_rcpt": 0.0005,
    "hang_at_rcpt": 0.0002,
    "drop_in_body": 0.0005,
    "drop_after_dot": 0.0006,
    "hang_at_dot": 0.0002,
}
SHORT_ODDS = {
    "refuse": 0.004,
    "defer": 0.004,
    "busy": 0.002,
    "drop_at_rcpt": 0.002,
    "hang_at_rcpt": 0.0007,
    "drop_in_body": 0.002,
    "drop_after_dot": 0.003,
    "hang_at_dot": 0.0007,
}

SHORT = [("sqlite", 2, "hold"), ("postgres", 2, "resend")]
LONG = [
    ("sqlite", 1, "resend"),
    ("sqlite", 2, "hold"),
    ("sqlite", 4, "resend"),
    ("postgres", 1, "hold"),
    ("postgres", 2, "resend"),
    ("postgres", 4, "hold"),
]
CASES = [
    pytest.param(case, id="-".join(map(str, case)), marks=[pytest.mark.postgres] if case[0] == "postgres" else [])
    for case in (LONG if IS_LONG else SHORT)
]


@dataclass(slots=True)
class Table:
    """The figures of `make crash`, printed when all storms are over."""

    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, name: str, storm: Storm, proof: Proof, *, seconds: float) -> None:
        plan, states = storm.plan, proof.states
        self.rows.append(
            (
                name,
                " ".join(f"{count} {kind}" for kind, count in sorted(storm.by_kind.items())),
                " ".join(f"{count} {kind}" for kind, count in sorted(proof.misfortunes.items())),
                f"{plan.deliveries}",
                f"{states['sent']}/{states['failed']}/{states['unknown']}",
                f"{proof.in_doubt} ({proof.explained_by_the_relay} by the relay, {proof.starved} by a busy machine)",
                f"{proof.twice}",
                f"{storm.audits}",
                f"{seconds:.0f}",
                f"{plan.seed}",
            )
        )

    def __str__(self) -> str:
        head = (
            "configuration",
            "faults",
            "at the relay",
            "deliveries",
            "sent/failed/unknown",
            "once in doubt",
            "twice",
            "audits",
            "seconds",
            "seed",
        )
        rows = [head, tuple("---" for _ in head), *self.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    made = Table()
    yield made
    if made.rows:
        print(f"\n\n{made}\n")  # noqa: T201 - the figures of `make crash`


@pytest.mark.crash
@pytest.mark.timeout(900 if IS_LONG else 240)
@pytest.mark.parametrize("case", CASES)
def test_a_storm_loses_nobody_and_doubles_only_what_was_on_its_way(
    request: pytest.FixtureRequest, place: Path, nursery: Zygote, table: Table, case: tuple[str, int, str]
):
    began = time.monotonic()
    database, workers, on_doubt = case
    odds, waits = (LONG_ODDS, {"lease_s": 6}) if IS_LONG else (SHORT_ODDS, {"lease_s": 2, "doubt_pause_s": 3})
    plan = Plan(DELIVERIES, FAULTS, workers, on_doubt, SEED, odds, **waits)
    with ExitStack() as stack:
        cluster = None
        if database == "postgres":
            request.getfixturevalue("postgres_binaries")
            cluster = stack.enter_context(own_cluster(place / "cluster"))
        store = Store(cluster.url if cluster else f"sqlite:///{place / 'digest.db'}")
        stack.callback(store.close)
        engines.upgrade(store)
        issue = sending_issue(store, DELIVERIES)
        relay = stack.enter_context(Relay(place, plan))
        storm = Storm(plan, store, issue.id, place, nursery, relay, cluster)
        storm.run(patience_s=800 if IS_LONG else 180)
        proof = prove(storm)
    table.add(request.node.callspec.id, storm, proof, seconds=time.monotonic() - began)

    assert len(storm.faults) == FAULTS
    assert storm.audits > 0
