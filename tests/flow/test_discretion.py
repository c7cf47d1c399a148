"""Nothing that is logged, and nothing a person is told unasked, names a reader: a delivery with every outcome."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from digest.app import controls
from digest.app.clock import clock_from, tick
from digest.app.container import Container
from digest.config.logging import configure
from digest.config.settings import LoggingSettings
from digest.model.delivery import DeliveryState, OnDoubt
from digest.model.errors import RelayRefused
from digest.model.issue import IssueState
from digest.store import issues
from digest.store.engine import Store
from digest.store.tables import delivery, subscriber, subscription
from support.documents import log_calls
from support.paper import MORNING, a_paper, run_paper
from support.sink import start_sink

#: Every way an address can be quoted at us: whole, in brackets, by its local part.
QUOTING = "{code} <{address}> no luck for {name}, ask postmaster@{domain}"
EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")


def address(number: int) -> str:
    return f"reader{number}@example.com"


def quoting(code: str, number: int) -> str:
    name, _, domain = address(number).partition("@")
    return QUOTING.format(code=code, address=address(number), name=name, domain=domain)


#: Deferred, then sent · rejected at RCPT and after the dot · in doubt · lost before the dot, then sent; others sent.
EVERY_OUTCOME = {
    "defer": {address(2): 1},
    "reply": {f"rcpt:{address(3)}": quoting("550 5.1.1", 3), f"dot:{address(4)}": quoting("550 5.7.1", 4)},
    "drop_after_dot": {address(5): 1},
    "drop_at_rcpt": {address(6): 1},
}


@pytest.fixture
def _logged_in_full() -> None:
    configure(LoggingSettings(format="json", level="debug"))


def lines_of(said: str) -> list[dict[str, Any]]:
    """Each line of stderr; all must be JSON objects with an event of the right form."""
    lines = [json.loads(line) for line in said.splitlines()]
    for line in lines:
        assert isinstance(line, dict)
        assert EVENT.fullmatch(line["event"]), line
        assert {"level", "timestamp"} <= line.keys(), line
    return lines


def assert_discreet(store: Store, said: str, *, subject: str = "") -> None:
    with store.read() as tx:
        addresses = list(tx.connection.execute(select(subscriber.c.email)).scalars())
        tokens = list(tx.connection.execute(select(subscription.c.token_id)).scalars())
    names = [one.partition("@")[0] for one in addresses]
    assert len(addresses) >= 3
    assert [one for one in (*addresses, *names, *tokens) if one in said] == []
    assert not subject or subject not in said


@pytest.mark.usefixtures("_logged_in_full")
def test_a_delivery_with_every_outcome_logs_no_reader(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with start_sink(tmp_path, **EVERY_OUTCOME) as sink:
        settings = {"retry_first_s": 1, "on_doubt": "hold"}
        result = run_paper(a_paper(store, tmp_path, port=sink.port, readers=12, delivery=settings))
    said = capsys.readouterr().err
    lines = lines_of(said)
    events = {line["event"] for line in lines}
    finished = next(line for line in lines if line["event"] == "delivery.finished")

    assert result.issue.state is IssueState.SENT
    assert {state: count for state, count in result.tally.counts.items() if count} == {
        DeliveryState.SENT: 9,
        DeliveryState.FAILED: 2,
        DeliveryState.UNKNOWN: 1,
    }
    assert {"delivery.started", "delivery.finished", "chunk.started", "chunk.finished"} <= events
    assert (finished["sent"], finished["failed"], finished["deferred"], finished["unknown"]) == (9, 2, 1, 1)
    assert_discreet(store, said, subject=result.issue.subject or "")


@pytest.mark.usefixtures("_logged_in_full")
@pytest.mark.parametrize("relays", [1, 2])
def test_a_relay_that_refuses_us_and_quotes_the_reader_names_nobody(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], relays: int
):
    """Neither in the log of the clock nor in the error that a person reads."""
    refusing = {"reply": {f"rcpt:{address(n)}": quoting("554 5.7.1 relay access denied", n) for n in range(1, 5)}}
    with start_sink(tmp_path, **refusing) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=4)
        if relays == 2:
            paper = with_a_second(paper, sink.port)
        with pytest.raises(RelayRefused) as refused:
            run_paper(paper)
        asyncio.run(tick(paper, clock=clock_from(MORNING)))
    said = capsys.readouterr().err
    stuck = next(line for line in lines_of(said) if line["event"] == "issue.stuck")

    assert "554 5.7.1" in stuck["error"], "the relay's reason itself is told"
    assert_discreet(store, said)
    assert_discreet(store, refused.value.message)


def with_a_second(paper: Container, port: int) -> Container:
    from support.sending import make_container  # noqa: PLC0415 - only here

    relay = {"host": "127.0.0.1", "port": port}
    return make_container(paper.store, relays={"default": relay, "second": {**relay, "priority": 20}})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it waits half a minute, whatever the database
@pytest.mark.usefixtures("_logged_in_full")
def test_a_busy_relay_is_quoted_without_the_reader(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    busy = {"reply": {f"rcpt:{address(n)}": quoting("421 4.7.0", n) for n in range(1, 5)}}
    with start_sink(tmp_path, **busy) as sink:
        paper = with_a_second(a_paper(store, tmp_path, readers=4), sink.port)
        asyncio.run(tick(paper, clock=clock_from(MORNING)))
        run_paper(paper)
    said = capsys.readouterr().err
    unwell = next(line for line in lines_of(said) if line["event"] == "relay.unwell")

    assert "421 4.7.0 <[address]> no luck for [address]" in unwell["said"]
    assert_discreet(store, said)


@pytest.mark.usefixtures("_logged_in_full")
def test_a_message_that_cannot_be_written_is_counted_and_names_nobody(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Line ends got into an address, past every check: it must not keep the issue from the others."""
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=4)
        with store.write() as tx:
            row = update(subscriber).where(subscriber.c.email == address(3))
            tx.connection.execute(row.values(email="reader3\r\nx@example.com"))
        result = run_paper(paper)
    said = capsys.readouterr().err

    assert result.tally.failures == {"invalid-message": 1}
    assert result.tally.counts[DeliveryState.SENT] == 3
    lines_of(said)
    assert "reader" not in said


def test_what_is_kept_and_shown_of_a_reply_names_nobody(store: Store, tmp_path: Path):
    """A row's reply is shown beside others' rows, as the reason why an issue waits."""
    with start_sink(tmp_path, reply={f"rcpt:{address(n)}": quoting("451 4.7.1", n) for n in (1, 2)}) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=3, delivery={"retry_first_s": 300})
        result = run_paper(paper)
    with store.read() as tx:
        kept = list(
            tx.connection.execute(select(delivery.c.reply_text).where(delivery.c.state == "deferred")).scalars()
        )
        waits = controls.waiting(tx, issues.get(tx, result.issue.id), on_doubt=OnDoubt.RESEND, now=tx.now())

    assert len(kept) == 2
    assert waits is not None
    assert waits.reason.startswith("2 put off by relay default: 451 4.7.1 <[address]> no luck for [address]")
    assert_discreet(store, " ".join(kept))


@pytest.mark.usefixtures("_logged_in_full")
def test_a_fault_of_ours_is_logged_without_the_address_in_its_text(capsys: pytest.CaptureFixture[str]):
    import structlog  # noqa: PLC0415 - only here

    try:
        {}["no rendition for ann.b@example.com at https://news.example.com/u/abcdefghijk.lmnop"]
    except KeyError:
        structlog.get_logger().exception("worker.broke")
    said = capsys.readouterr().err

    assert lines_of(said)[0]["exception"][0]["exc_value"] == (
        "'no rendition for [address] at https://news.example.com/u/[token]'"
    )
    assert "ann.b" not in said


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_a_library_warns_of_is_a_line_like_ours(capsys: pytest.CaptureFixture[str], style: str):
    import logging  # noqa: PLC0415 - only here

    configure(LoggingSettings(format=style))
    logging.getLogger("apscheduler.scheduler").warning("cannot write to %s", "ann.b@example.com")
    logging.getLogger("apscheduler.scheduler").info("not worth a line")
    said = capsys.readouterr().err

    assert said.count("\n") == 1
    assert "library.warned" in said
    assert "cannot write to [address]" in said


def test_every_event_in_the_program_is_named_noun_and_verb_and_written_out():
    calls = list(log_calls())
    odd = [
        f"{path.name}:{call.lineno}"
        for path, call in calls
        if not any(isinstance(word, ast.Constant) and EVENT.fullmatch(str(word.value)) for word in call.args)
    ]

    assert len(calls) > 20
    assert odd == []


def test_no_log_call_is_given_an_address_a_token_or_a_subject():
    forbidden = re.compile(r"email|address|token|subject|recipient|mail_from|rcpt_to", re.IGNORECASE)
    guilty = [
        f"{path.name}:{call.lineno} {keyword.arg}"
        for path, call in log_calls()
        for keyword in call.keywords
        if keyword.arg and forbidden.search(f"{keyword.arg} {ast.unparse(keyword.value)}")
    ]

    assert guilty == []
