"""Answers behind the page: soon, in batches, and with patience for name servers that have none for us."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sqlalchemy import select

from digest.app.answering import Answers, PatientDns
from digest.app.reader_mails import ReaderMails
from digest.audience import signup
from digest.audience.signup import SignUpForm
from digest.engine.local import LocalEngine
from digest.model.mailbox import DomainVerdict
from digest.store.engine import Store
from digest.store.reader_tables import signup as signup_table
from digest.store.tables import notice
from support.factories import make_publication
from support.sending import make_container


def test_a_silent_name_server_is_left_alone_for_half_a_minute():
    at, asked = [0.0], []

    def silent(domain: str) -> DomainVerdict:
        asked.append(domain)
        at[0] += 5
        return DomainVerdict.UNKNOWN

    ask = PatientDns(silent, clock=lambda: at[0])
    for domain in ("a.example", "b.example", "c.example"):
        assert ask(domain) is DomainVerdict.UNKNOWN
    at[0] += 31
    ask("d.example")

    assert asked == ["a.example", "d.example"]


def test_a_quick_answer_is_asked_for_every_time():
    ask = PatientDns(lambda _domain: DomainVerdict.TAKES_MAIL)

    assert [ask("a.example"), ask("b.example")] == [DomainVerdict.TAKES_MAIL] * 2


def test_a_crowd_is_answered_each_once_with_one_mail_in_line(store: Store):
    container = make_container(store, signup={"check_domains": False, "min_seconds": 0, "network_per_hour": 1000})
    now = datetime.now(UTC)
    with store.write() as tx:
        make_publication(tx)
    token = signup.form_token(container.keyring, now=now)
    answers = Answers(container, ReaderMails(container, LocalEngine()), clock=lambda: now)
    for number in range(23):
        form = SignUpForm(f"r{number}@example.org", digest=True, alerts=False, form_token=token, address="192.0.2.1")
        with answers.taking():
            taken = signup.take(
                store, container.keyring, "morning", form=form, limits=container.settings.signup, now=now
            )
        assert taken.signup_id is not None
        answers.soon(taken.signup_id)
        answers.soon(taken.signup_id)
    end = time.monotonic() + 20
    while "asked" in (states := _states(store)) and time.monotonic() < end:
        time.sleep(0.02)
    answers.close()
    with store.read() as tx:
        mails = list(tx.connection.execute(select(notice.c.email, notice.c.kind)))

    assert states == ["mailed"] * 23
    assert sorted(to for to, _ in mails) == sorted(f"r{number}@example.org" for number in range(23))


def _states(store: Store) -> list[str]:
    with store.read() as tx:
        return list(tx.connection.execute(select(signup_table.c.state)).scalars())
