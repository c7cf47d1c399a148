"""What is on record is what the relay said: for every reader, word for word, by whatever way the mail went.

The relay's own log is the witness; it is written before each answer is sent, by a program that shares no code with
Digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from digest.app import editions
from digest.app.container import Container
from digest.model.delivery import DeliveryState
from digest.model.issue import IssueState
from digest.smtp.relay import CHUNKED_WINDOW
from digest.store import publications
from digest.store.engine import Store
from digest.store.tables import delivery, subscriber
from support.certificates import make_certificate
from support.paper import a_paper, run_paper
from support.sending import add_readers, make_container
from support.sink import Sink, start_sink

READERS = 400
ADDRESS = "reader{n}@r{n}.example.com"
WAYS: dict[str, dict[str, Any]] = {
    "step by step": {"pipelining": "off"},
    "pipelined": {},
    "in chunks": {"chunking": "auto"},
    "step by step in TLS": {"pipelining": "off", "tls": "starttls"},
    "pipelined in TLS": {"tls": "starttls"},
    "in chunks in TLS": {"chunking": "auto", "tls": "starttls"},
}
_S = DeliveryState


class Record(NamedTuple):
    """How a delivery ended, by the books or by the relay's log."""

    state: DeliveryState
    code: int | None
    enhanced: str | None
    text: str


def address(number: int) -> str:
    """Everybody has a provider of their own: one that refuses half of its mail would be paused (decision 0018)."""
    return ADDRESS.format(n=number)


def every_tenth(remainder: int) -> list[str]:
    return [address(n) for n in range(1, READERS + 1) if n % 10 == remainder]


def refusals() -> dict[str, Any]:
    """Half of the readers are refused, at every place where a relay may refuse; some answers are never heard."""
    at = {
        "rcpt": [(1, "451 4.7.1 greylisted, come back"), (2, "550 5.7.1 blocked for spam")],
        "data": [(3, "451 4.3.0 not now"), (4, "554 5.6.0 no such content here")],
        "dot": [(5, "451 4.3.2 scanning takes long"), (6, "554 5.7.1 spam")],
    }
    replies = {
        f"{place}:{reader}": line
        for place, lines in at.items()
        for remainder, line in lines
        for reader in every_tenth(remainder)
    }
    unheard = dict.fromkeys(every_tenth(7)[::8], 1)
    return {"dead": every_tenth(0), "reply": replies, "drop_after_dot": unheard, "chunking": True}


def told_by(sink: Sink) -> dict[str, Record]:
    """The last word of the relay to each reader's mail."""
    told: dict[str, Record] = {}
    for event in sink.events():
        match event:
            case {"event": "accepted", "to": reader, "answered": True}:
                told[reader] = Record(_S.SENT, 250, "2.0.0", "2.0.0 taken")
            case {"event": "accepted", "to": reader}:
                told[reader] = Record(_S.UNKNOWN, None, None, "")
            case {"event": "rejected", "to": reader}:
                told[reader] = Record(_S.FAILED, 550, "5.1.1", "5.1.1 no such user here")
            case {"event": "refused", "at": at, "reply": line}:
                code, text = line.split(" ", 1)
                state = _S.FAILED if code.startswith("5") else _S.DEFERRED
                told[at.partition(":")[2]] = Record(state, int(code), text.partition(" ")[0], text)
    return told


def recorded(store: Store) -> dict[str, Record]:
    columns = (delivery.c.state, delivery.c.reply_code, delivery.c.enhanced_code, delivery.c.reply_text)
    query = select(subscriber.c.email, *columns).join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
    with store.read() as tx:
        rows = tx.connection.execute(query).all()
    return {row[0]: Record(_S(row[1]), row[2], row[3], row[4] or "") for row in rows}


def paper_with(store: Store, folder: Path, *, readers: int, relay: dict[str, Any]) -> Container:
    """A paper with very many readers and a relay; doubts are held."""
    first = a_paper(store, folder, readers=0)
    with store.write() as tx:
        add_readers(tx, publications.list_all(tx)[0], readers, address=ADDRESS)
    settings = first.settings.delivery.model_dump() | {"on_doubt": "hold"}
    return make_container(store, relays={"default": {"host": "127.0.0.1", **relay}}, delivery=settings)


@pytest.mark.parametrize("way", WAYS)
def test_the_books_say_of_every_reader_what_the_relay_said(store: Store, tmp_path: Path, way: str):
    certificate = make_certificate(tmp_path) if "TLS" in way else None
    relay = WAYS[way] | ({"ca_file": str(certificate[0])} if certificate else {})
    with start_sink(tmp_path, tls=certificate, keep=False, **refusals()) as sink:
        paper = paper_with(store, tmp_path, readers=READERS, relay={"port": sink.port, **relay})
        result = run_paper(paper)
    told, books = told_by(sink), recorded(store)

    # With chunks several messages are on their way: what the relay had not read yet when it hung up is a doubt, too.
    unread = set(books) - set(told)
    behind = len(refusals()["drop_after_dot"]) * (CHUNKED_WINDOW - 1)

    assert len(books) == READERS
    assert len(unread) <= (behind if "chunks" in way else 0)
    assert {reader: books[reader] for reader in told} == told
    assert {books[reader].state for reader in unread} <= {_S.UNKNOWN}
    assert max(sink.recipients().values()) == 1
    counts = {state: sum(record.state is state for record in books.values()) for state in _S}
    assert result.tally.counts == counts
    if not unread:
        assert (counts[_S.DEFERRED], counts[_S.FAILED], counts[_S.UNKNOWN]) == (120, 160, 5)
    assert result.issue.state is IssueState.SENDING, "those that were put off are still open"
    assert editions.audit(store, result.issue.id).is_balanced


@pytest.mark.parametrize("way", ["step by step", "pipelined", "in chunks"])
def test_a_relay_that_falls_silent_costs_nobody_an_attempt_before_the_dot_and_is_a_doubt_at_it(
    store: Store, tmp_path: Path, way: str
):
    """RFC 5321 §4.5.3.2, RFC 1047. Reader 3's mail had arrived, whatever we know; reader 4's relay hung up."""
    silence = {"hang": {f"rcpt:{address(1)}": 1, f"data:{address(2)}": 1}, "hang_at_dot": {address(3): 1}}
    with start_sink(tmp_path, keep=False, chunking=True, drop_after_dot={address(4): 1}, **silence) as sink:
        paper = paper_with(store, tmp_path, readers=40, relay={"port": sink.port, "timeout_s": 1, **WAYS[way]})
        result = run_paper(paper)
        hung_at = {event["at"] for event in sink.events("hanging")}
    told, books = told_by(sink), recorded(store)
    # With chunks a message may be on its way behind the envelope that was never answered: that is a doubt as well.
    never_taken = {reader for reader in books if reader not in told}

    assert hung_at == {f"rcpt:{address(1)}"} | ({f"data:{address(2)}"} if way != "in chunks" else set())
    assert never_taken == set() if way != "in chunks" else never_taken <= {address(1), address(2)}
    assert {reader: books[reader] for reader in told} == told
    assert all(books[reader].state is _S.UNKNOWN for reader in never_taken)
    assert {address(3), address(4)} <= {reader for reader, record in books.items() if record.state is _S.UNKNOWN}
    assert attempts(store) == {1}
    assert max(sink.recipients().values()) == 1
    assert result.issue.state is IssueState.SENT
    assert editions.audit(store, result.issue.id).is_balanced


def attempts(store: Store) -> set[int]:
    with store.read() as tx:
        return set(tx.connection.execute(select(delivery.c.attempt)).scalars())
