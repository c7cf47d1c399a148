"""Sending notices to a real sink: what becomes of each reply, and of a worker that dies."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from digest.deliver.chunk import Worker
from digest.deliver.journal import NOTICES, Journal, recover
from digest.deliver.notices import MEANING, Letterhead, send_notices
from digest.deliver.pacing import Pacer
from digest.deliver.policy import Policy
from digest.mime.dkim import Signer
from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.model.errors import ConfigInvalid, RelayUnreachable
from digest.model.notice import NewNotice, NoticeKind, NoticeStatus
from digest.smtp.pool import Pool
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Verdict
from digest.store import notices, publications
from digest.store.engine import Store
from support.dkimkeys import rsa_key, verifies
from support.factories import make_publication
from support.sink import start_sink

S = DeliveryState
ANN = "ann@example.org"


def enqueue(store: Store, *emails: str, subject: str = "Please confirm") -> list[int]:
    made: list[int] = []
    with store.write() as tx:
        found = publications.list_all(tx)
        publication = found[0] if found else make_publication(tx)
        for email in emails:
            new = NewNotice(
                kind=NoticeKind.CONFIRM,
                dedupe_key=f"confirm:{email}",
                publication_id=publication.id,
                email=email,
                email_norm=email,
                language="en",
                subject=subject,
                text="Follow this link.\n",
                html="<p>Follow this link.</p>\n",
            )
            key = notices.enqueue(tx, new, now=tx.now())
            assert key is not None
            made.append(key)
    return made


def send(store: Store, folder: Path, port: int, *, broken: bool = False, signer: Signer | None = None) -> None:
    """One round of a worker of its own."""

    def letterhead(publication_id: int) -> Letterhead:
        if broken:
            raise ConfigInvalid("the key cannot be read", hint="mend it")
        with store.read() as tx:
            publication = publications.by_id(tx, publication_id)
        return Letterhead(publication, return_path="bounces@example.com", key=b"key", signer=signer)

    async def go() -> None:
        relay = Relay(name="default", host="127.0.0.1", port=port, tls=Tls.NONE, connections=2)
        with Journal(folder / "journal") as journal:
            async with Pool(relay) as pool:
                await send_notices(
                    Worker(store=store, pool=pool, policy=Policy(), journal=journal, pacer=Pacer(store)), letterhead
                )

    asyncio.run(go())


def status(store: Store, key: int) -> NoticeStatus:
    with store.read() as tx:
        found = notices.status(tx, key)
    assert found is not None
    return found


def make_due(store: Store, *, after: timedelta) -> None:
    """Let time pass for what waits."""
    with store.write() as tx:
        notices.sweep(tx, now=tx.now() + after)


def test_every_verdict_of_a_relay_has_a_meaning():
    assert set(MEANING) == set(Verdict)


def test_notices_are_sent_once_and_say_what_the_relay_said(store: Store, tmp_path: Path):
    keys = enqueue(store, *(f"r{number}@example.org" for number in range(60)))
    with start_sink(tmp_path) as sink:
        send(store, tmp_path, sink.port)
        send(store, tmp_path, sink.port)
    found = status(store, keys[0])

    assert set(sink.recipients().values()) == {1}
    assert len(sink.recipients()) == 60
    assert {mail["sender"] for mail in sink.accepted()} == {"bounces@example.com"}
    assert (found.state, found.attempt, found.reply_code, found.relay) == (S.SENT, 1, 250, "default")
    assert found.sent_at is not None
    assert not list((tmp_path / "journal").iterdir())


def test_a_notice_is_signed_like_everything_else(store: Store, tmp_path: Path):
    enqueue(store, ANN)
    with start_sink(tmp_path) as sink:
        send(store, tmp_path, sink.port, signer=Signer([rsa_key()]))

    assert verifies(sink.messages()[0], [rsa_key()]) == [True]


def test_a_4xx_is_tried_again_within_minutes_as_the_very_same_message(store: Store, tmp_path: Path):
    (key,) = enqueue(store, ANN)
    with start_sink(tmp_path, defer={ANN: 1}) as sink:
        send(store, tmp_path, sink.port)
        waiting = status(store, key)
        make_due(store, after=timedelta(minutes=2))
        send(store, tmp_path, sink.port)

    assert (waiting.state, waiting.reply_code) == (S.DEFERRED, 451)
    assert (status(store, key).state, status(store, key).attempt) == (S.SENT, 2)
    assert len(sink.messages()) == 1


def test_a_5xx_is_final(store: Store, tmp_path: Path):
    (key,) = enqueue(store, ANN)
    with start_sink(tmp_path, dead=[ANN]) as sink:
        send(store, tmp_path, sink.port)

    assert (status(store, key).state, status(store, key).reason) == (S.FAILED, FailReason.REJECTED)


def test_a_doubt_is_resent_once_byte_by_byte(store: Store, tmp_path: Path):
    (key,) = enqueue(store, ANN)
    with start_sink(tmp_path, drop_after_dot={ANN: 2}) as sink:
        send(store, tmp_path, sink.port)
        first = status(store, key).state
        for _ in range(2):
            make_due(store, after=notices.DOUBT_PAUSE + timedelta(minutes=1))
            send(store, tmp_path, sink.port)
    copies = sink.messages()

    assert (first, status(store, key).state) == (S.UNKNOWN, S.UNKNOWN)
    assert len(copies) == 2
    assert copies[0] == copies[1]


def test_a_relay_that_is_down_harms_nobody(store: Store, tmp_path: Path):
    keys = enqueue(store, ANN, "bob@example.org")
    with pytest.raises(RelayUnreachable):
        send(store, tmp_path, 9)

    assert [(status(store, key).state, status(store, key).attempt) for key in keys] == [(S.PENDING, 0)] * 2


def test_one_that_cannot_be_written_does_not_keep_the_others(store: Store, tmp_path: Path):
    bad = enqueue(store, ANN, subject=" ")[0]
    good = enqueue(store, "bob@example.org")[0]
    with start_sink(tmp_path) as sink:
        send(store, tmp_path, sink.port)

    assert (status(store, bad).state, status(store, bad).reason) == (S.FAILED, FailReason.INVALID_MESSAGE)
    assert status(store, good).state is S.SENT


def test_a_key_that_cannot_be_used_puts_notices_off_and_sends_nothing(store: Store, tmp_path: Path):
    (key,) = enqueue(store, ANN)
    with start_sink(tmp_path) as sink:
        send(store, tmp_path, sink.port, broken=True)
        put_off = status(store, key)
        send(store, tmp_path, sink.port)
        nothing_yet = sink.accepted()
        make_due_at = put_off.next_attempt_at

    assert (put_off.state, put_off.attempt, nothing_yet) == (S.PENDING, 0, [])
    assert make_due_at is not None


def test_the_journal_of_a_dead_worker_settles_its_notices(store: Store, tmp_path: Path):
    """The first was answered, the second on the wire, the third marked only: settled, in doubt, free."""
    keys = enqueue(store, *(f"r{number}@example.org" for number in range(3)))
    journal = Journal(tmp_path / "journal")
    with store.write() as tx:
        lease: dict[str, Any] = {"lease": "dead", "lease_for": timedelta(hours=1)}
        notices.claim(tx, limit=10, now=tx.now(), **lease)
        notices.mark(tx, keys, now=tx.now(), **lease)
    journal.begin("dead", NOTICES)
    for key in keys[:2]:
        journal.sending("dead", key)
    taken = Outcome(keys[0], S.SENT, datetime.now(UTC), relay="default", reply_code=250, reply_text="taken")
    journal.answered("dead", taken)
    journal.flush()
    os.close(journal._handle)
    done = recover(store, tmp_path / "journal")

    assert done == {"settled": 1, "freed": 1, "doubted": 1}
    assert [status(store, key).state for key in keys] == [S.SENT, S.UNKNOWN, S.PENDING]


def test_the_mail_names_itself_by_kind_and_key(store: Store, tmp_path: Path):
    enqueue(store, ANN)
    with start_sink(tmp_path) as sink:
        send(store, tmp_path, sink.port)
    read = message_from_bytes(sink.messages()[0])

    assert read["Message-ID"].endswith("@example.com>")
    assert read["List-Unsubscribe"] is None
