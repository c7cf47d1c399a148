"""Leaving in the middle of a run: who was not claimed gets nothing, whatever way they took, and all others get one.

Everything is a process of its own, as in production: the run, the pages, the command line, the relay.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.app import editions
from digest.config.secrets import Keyring, Purpose
from digest.model.delivery import DeliveryState
from digest.model.issue import IssueState
from digest.store import publications
from digest.store.engine import Store
from digest.store.tables import delivery
from support.paper import a_paper
from support.sending import KEY, add_readers
from support.sink import Sink, start_sink
from support.site import ask
from support.workers import Crew, crew, until

READERS = 3000
AT_ARRIVALS = READERS * 40 // 100
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: How many leave by which way. Who opens the link and does no more is a mail scanner.
BY_ONE_CLICK, BY_COMMAND, BY_NOTHING = 7, 2, 2
_S = DeliveryState


def address(number: int) -> str:
    return f"reader{number}@example.com"


def link(number: int) -> str:
    """The path of a reader's link, as in their mail."""
    return f"/u/{Keyring([KEY]).sign(Purpose.UNSUBSCRIBE, f't{number}')}"


def one_click(base: str, number: int) -> int:
    """What a mailbox provider does for a reader (RFC 8058 §3.1); gives the status."""
    return ask(base, "POST", link(number), body=ONE_CLICK, headers=FORM).status


def state_of(store: Store, number: int) -> DeliveryState:
    with store.read() as tx:
        return DeliveryState(
            tx.connection.execute(select(delivery.c.state).where(delivery.c.subscriber_id == number)).scalar_one()
        )


def pages_of(ours: Crew) -> str:
    """Start the readers' pages; gives their address."""
    ours.start("serve", "--no-clock", "--port", "0")
    told = re.compile(r"Digest serves (http://127\.0\.0\.1:\d+)")
    until(lambda: bool(told.search(ours.logs())), "the pages to come up")
    return told.findall(ours.logs())[0]


def waiting(store: Store, state: DeliveryState) -> list[int]:
    """Whose delivery is in that state, by number."""
    query = select(delivery.c.subscriber_id).where(delivery.c.state == state.value)
    with store.read() as tx:
        return sorted(tx.connection.execute(query).scalars())


def leave(store: Store, ours: Crew, base: str) -> dict[int, DeliveryState]:
    """Let readers leave who are not served yet; gives the state of each one's delivery once they were gone."""
    gone: dict[int, DeliveryState] = {}
    unclaimed, claimed = waiting(store, _S.PENDING), waiting(store, _S.LEASED)
    # The command takes its time to start, so it gets those whose turn is last.
    by_command, unclaimed = unclaimed[-BY_COMMAND:], unclaimed[:-BY_COMMAND]
    by_nothing, unclaimed = unclaimed[-BY_NOTHING:], unclaimed[:-BY_NOTHING]
    far_and_near = unclaimed[:: -(-len(unclaimed) // BY_ONE_CLICK)]
    for number in [*far_and_near, *claimed[-2:]]:
        assert one_click(base, number) == 200
        gone[number] = state_of(store, number)
    for number in by_nothing:
        assert ask(base, "GET", link(number)).status == 200
    commands = [
        ours.start("subscriber", "unsubscribe", address(n), "--publication", "morning", "--yes") for n in by_command
    ]
    for number, command in zip(by_command, commands, strict=True):
        assert command.wait(60) == 0, ours.logs()
        gone[number] = state_of(store, number)
    return gone


def prepared(store: Store, folder: Path) -> None:
    """A publication with articles and very many readers; no relay of its own, the processes have theirs."""
    a_paper(store, folder, readers=0)
    with store.write() as tx:
        add_readers(tx, publications.list_all(tx)[0], READERS)


def until_forty_percent(sink: Sink, run: subprocess.Popen[bytes], ours: Crew) -> None:
    def there() -> bool:
        assert run.poll() is None, ours.logs()
        return len(sink.accepted()) >= AT_ARRIVALS

    until(there, f"{AT_ARRIVALS} mails to arrive")


@pytest.mark.timeout(300)
def test_who_leaves_at_forty_percent_and_was_not_claimed_gets_nothing_and_all_others_get_one(
    store: Store, tmp_path: Path
):
    prepared(store, tmp_path)
    with start_sink(tmp_path, delay_s=0.02, keep=False) as sink, crew(store, tmp_path, sink.port) as ours:
        base = pages_of(ours)
        run = ours.start("run", "morning", "--at", "2026-11-22T07:30:00Z", "--json")
        until_forty_percent(sink, run, ours)
        gone = leave(store, ours, base)
        still_running = run.poll() is None
        assert run.wait(120) == 0, ours.logs()
        again = one_click(base, next(iter(gone)))
        audit = ours.start("issue", "audit", "1", "--json")
        assert audit.wait(60) == 0, ours.logs()
        told = json.loads((tmp_path / f"{len(ours.processes) - 1}.log").read_text())
    arrived = sink.recipients()
    unclaimed = {number for number, state in gone.items() if state in {_S.PENDING, _S.SKIPPED}}
    skipped = {number for number in gone if state_of(store, number) is _S.SKIPPED}

    assert still_running, "everybody left while it ran"
    assert len(unclaimed) >= 6
    assert unclaimed <= skipped
    assert all(arrived[address(number)] == 0 for number in skipped)
    assert arrived == Counter({address(n): 1 for n in range(1, READERS + 1) if n not in skipped})
    assert again == 200
    assert told["state"] == IssueState.SENT
    assert told["balanced"] is True
    assert told["failures"] == [{"reason": "unsubscribed", "count": len(skipped)}]
    assert (told["counts"]["sent"], told["counts"]["skipped"]) == (READERS - len(skipped), len(skipped))
    assert editions.audit(store, 1).is_balanced
