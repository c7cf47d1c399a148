"""What must be true after a storm, asked of the sink's log, which is written before anything is answered.

Nobody is lost: whoever did not get the mail was refused by the sink's own plan, or is listed as in doubt. Nobody gets
it twice but those whose mail was on its way at a fault, and they get the very same bytes.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from digest.app import editions
from digest.app.container import Container
from digest.app.session import HANDS
from digest.app.work import hands
from digest.model.issue import IssueState
from digest.store.engine import Store
from digest.store.tables import delivery, subscriber
from support.sending import make_container
from support.storm import Fault, Storm

#: Seconds around a fault in which a mail that was on its way then is written down by the sink: what lies in buffers
#: arrives after a death, and an answer may have been on its way back, unread by a process that gets no turn, before it.
_AROUND_S = 3.0
#: Kinds of fault that put nothing in doubt by themselves, but let leases of living workers run out.
_LEASES_LAPSE = frozenset({"restart", "lock", "liar", "stop", "clock"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What a storm came to."""

    states: Counter[str]
    twice: int
    misfortunes: Counter[str]
    in_doubt: int
    explained_by_the_relay: int
    starved: int


def on_its_way(container: Container) -> tuple[int, int]:
    """Mails of one worker process, as the code bounds them: begun and not answered, and marked and not recorded.

    The first is what a death puts in doubt, whose journal is read; the second what a living worker's lapsed lease does.
    """

    async def ask() -> tuple[int, int]:
        async with hands(container, stop=asyncio.Event(), concurrency=HANDS) as worker:
            return worker.in_flight * HANDS, (worker.in_flight + 2 * worker.policy.sub_batch) * HANDS

    return asyncio.run(ask())


def prove(storm: Storm) -> Proof:
    """Compare the database with the sink's log. Raises AssertionError, naming the seed."""
    seed = f"(seed {storm.plan.seed})"
    log = _read(storm.folder / "sink.log")
    rows = _rows(storm.store, storm.issue_id)
    arrived = {address: len(mails) for address, mails in log.accepted.items()}
    everybody = {f"reader{n}@example.com" for n in range(1, storm.plan.deliveries + 1)}
    assert set(rows) == everybody, seed
    assert set(arrived) <= everybody, seed

    _nobody_is_lost(rows, arrived, log, seed)
    twice = _doubles_are_the_same_mail(rows, log, on_doubt=storm.plan.on_doubt, seed=seed)
    doubtful = {address for address, row in rows.items() if row.state == "unknown" or row.doubts}
    by_relay = {address for address in doubtful if address in log.unanswered}
    starved = _doubts_come_from_faults(storm, doubtful - by_relay, rows, log, seed)
    _the_books_balance(storm, rows, seed)
    return Proof(
        states=Counter(row.state for row in rows.values()),
        twice=len(twice),
        misfortunes=log.misfortunes,
        in_doubt=len(doubtful),
        explained_by_the_relay=len(by_relay),
        starved=starved,
    )


@dataclass(frozen=True, slots=True)
class _Log:
    accepted: Mapping[str, Sequence[Mapping[str, Any]]]
    unanswered: frozenset[str]
    refused: frozenset[str]
    misfortunes: Counter[str]


def _read(path: Path) -> _Log:
    accepted: dict[str, list[dict[str, Any]]] = defaultdict(list)
    refused: set[str] = set()
    misfortunes: Counter[str] = Counter()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["event"] == "accepted":
                accepted[event["to"]].append(event)
            elif event["event"] == "rejected":
                refused.add(event["to"])
            elif event["event"] == "chaos":
                misfortunes[event["kind"]] += 1
    unanswered = {address for address, mails in accepted.items() if not all(mail["answered"] for mail in mails)}
    return _Log(accepted, frozenset(unanswered), frozenset(refused), misfortunes)


def _rows(store: Store, issue_id: int) -> dict[str, Row[Any]]:
    columns = (subscriber.c.email, delivery.c.state, delivery.c.doubts, delivery.c.reason, delivery.c.reply_code)
    query = (
        select(*columns)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.issue_id == issue_id)
    )
    with store.read() as tx:
        return {row.email: row for row in tx.connection.execute(query)}


def _nobody_is_lost(rows: Mapping[str, Row[Any]], arrived: Mapping[str, int], log: _Log, seed: str) -> None:
    for address, row in rows.items():
        if row.state == "sent":
            assert address in arrived, f"{address} is sent and never arrived {seed}"
        elif row.state == "failed":
            assert (row.reason, row.reply_code) == ("rejected", 550), f"{address} failed: {row} {seed}"
            assert address in log.refused, f"{address} failed and the relay never refused it {seed}"
        else:
            assert row.state == "unknown", f"{address} is {row.state} in an issue that is sent {seed}"
        if address in arrived:
            assert row.state in {"sent", "unknown"}, f"{address} got it and is {row.state} {seed}"


def _doubles_are_the_same_mail(rows: Mapping[str, Row[Any]], log: _Log, *, on_doubt: str, seed: str) -> set[str]:
    twice = {address for address, mails in log.accepted.items() if len(mails) > 1}
    if on_doubt == "hold":
        assert not twice, f"nothing is sent twice under hold: {sorted(twice)[:5]} {seed}"
    for address in twice:
        mails = log.accepted[address]
        assert len(mails) == 2, f"{address} got it {len(mails)} times {seed}"
        assert len({(mail["sha256"], mail["message_id"]) for mail in mails}) == 1, f"{address} got two mails {seed}"
        assert rows[address].doubts == 1, f"{address} got it twice and was never in doubt {seed}"
    return twice


def _doubts_come_from_faults(
    storm: Storm, doubtful: set[str], rows: Mapping[str, Row[Any]], log: _Log, seed: str
) -> int:
    """Those the relay did not cause: on their way at a fault, and no more of them than can be on their way.

    Gives how many more lost a lease to a machine too busy to let their worker renew it.
    """
    container = make_container(storm.store, delivery={"journal": str(storm.folder / "idle-journal")})
    begun, marked = on_its_way(container)
    lease_s = storm.plan.lease_s
    # When the attempt in doubt arrived, where that is known: what arrived once may have been sent again.
    came = {
        address: mails[0]["at"]
        for address, mails in log.accepted.items()
        if address in doubtful and (len(mails) > 1 or not rows[address].doubts)
    }
    planned = [
        address
        for address in doubtful
        if address not in came or any(_is_at(fault, came[address], lease_s=lease_s) for fault in storm.faults)
    ]
    most = sum((marked if fault.kind in _LEASES_LAPSE else begun) * fault.hit for fault in storm.faults)
    assert len(planned) <= most, f"{len(planned)} in doubt, where {most} can have been on their way {seed}"
    lapses = _lapses(storm.logs())
    starved = doubtful - set(planned)
    for address in starved:
        at = came[address]
        assert any(at - _AROUND_S <= lapse <= at + 2 * lease_s + _AROUND_S for lapse in lapses), (
            f"{address} is in doubt, was answered, and there was no fault at {at}: {storm.faults} {lapses} {seed}"
        )
    return len(starved)


def _lapses(said: str) -> list[float]:
    """When a sweep found the leases of a worker over that nobody had stopped: this machine gave it no turn."""
    found = re.finditer(r'"event": "deliveries\.doubted".*"timestamp": "([^"]+)"', said)
    return [datetime.fromisoformat(match[1]).timestamp() for match in found]


def _is_at(fault: Fault, at: float, *, lease_s: int) -> bool:
    after = _AROUND_S + (lease_s if fault.kind in _LEASES_LAPSE else 0)
    return fault.begin - _AROUND_S <= at <= fault.end + after


def _the_books_balance(storm: Storm, rows: Mapping[str, Row[Any]], seed: str) -> None:
    proof = editions.audit(storm.store, storm.issue_id)
    assert proof.is_balanced, f"{proof.troubles} {seed}"
    assert proof.issue.state is IssueState.SENT, seed
    assert set(proof.in_doubt) == {address for address, row in rows.items() if row.state == "unknown"}, seed
    said = storm.logs()
    # Either logged by us as a fault of our own, or uncaught and so printed with lines of our own. What a library says
    # of a database that was restarted is logged with its cause, and is no fault.
    broken = re.search(
        r'^(?!.*"event": "library\.warned").*"exception"|File "[^"]*/digest/(?!cli/main)[^"]*", line',
        said,
        re.MULTILINE,
    )
    assert broken is None, (
        f"a process met a fault of its own {seed}:\n{said[broken.start() - 1000 : broken.start() + 4000]}"
    )
