"""A relay that keeps a transaction open whose message it refused at the dot, as Postfix does with
``smtpd_end_of_data_restrictions``: the next mail must neither fail with it nor fall into it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from digest.mime.message import build
from digest.smtp.pool import Pool
from digest.smtp.protocol import Fault
from digest.smtp.relay import Chunking, Pipelining, Relay, Tls
from digest.smtp.replies import Verdict
from support.mails import a_message
from support.sink import start_sink

WIRE = build(a_message())
WAYS: dict[str, dict[str, Any]] = {
    "step by step": {"pipelining": Pipelining.OFF},
    "pipelined": {},
    "in chunks": {"chunking": Chunking.AUTO},
}
NAMES = [f"r{number}@example.org" for number in range(30)]
REFUSED = {f"dot:{name}": "554 5.7.1 spam" for name in NAMES[::3]}


@pytest.mark.parametrize("together", [True, False], ids=["all at once", "one by one"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_message_refused_at_the_dot_costs_the_next_one_nothing(tmp_path: Path, way: str, *, together: bool):
    with start_sink(tmp_path, reply=REFUSED, stays_open=True, chunking=True) as sink:
        relay = Relay("default", sink.host, sink.port, tls=Tls.NONE, connections=1, **WAYS[way])
        async with Pool(relay) as pool:
            if together:
                ends = await asyncio.gather(*(pool.send("", name, WIRE) for name in NAMES))
            else:
                ends = [await pool.send("", name, WIRE) for name in NAMES]
            faults = {connection.fault for connection in pool._live}
            windows = {connection.window for connection in pool._live}

    verdicts = dict(zip(NAMES, (end.verdict for end in ends), strict=True))
    assert verdicts == {name: Verdict.REJECTED if f"dot:{name}" in REFUSED else Verdict.ACCEPTED for name in NAMES}
    assert sink.recipients() == {name: 1 for name in NAMES if f"dot:{name}" not in REFUSED}
    assert faults == {Fault.NONE}
    assert windows == {relay.window}, "pipelining is not to blame, and is not given up"
