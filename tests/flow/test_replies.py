"""What relays and providers say, and what becomes of the readers: whole runs against real servers and databases."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from digest.app import controls, editions
from digest.app.container import Container
from digest.app.line import Watch
from digest.app.run import RunResult
from digest.model.delivery import DeliveryState
from digest.model.errors import RelayRefused
from digest.model.event import EventKind
from digest.model.issue import IssueState
from digest.model.mailbox import Hindrance
from digest.store import bounces, events, publications, subscribers, suppressions
from digest.store.engine import Store
from digest.store.tables import delivery, hindrance, pace
from support.factories import make_subscription
from support.paper import MORNING, a_paper, run_paper, write_article
from support.sending import make_container
from support.sink import Sink, start_sink

DAY = timedelta(days=1)
S = DeliveryState


def paper_for(store: Store, folder: Path, *addresses: str, **sections: Any) -> Container:
    paper = a_paper(store, folder, readers=0, **sections)
    with store.write() as tx:
        publication = publications.list_all(tx)[0]
        for address in addresses:
            make_subscription(tx, publication, address)
    return paper


def through(paper: Container, sink: Sink, **relay: Any) -> Container:
    """The same paper, sent through this sink."""
    relays = {"default": {"host": "127.0.0.1", "port": sink.port, **relay}}
    return make_container(paper.store, relays=relays, delivery=paper.settings.delivery.model_dump())


def next_day(paper: Container, folder: Path, day: int) -> RunResult:
    write_article(folder / "articles", f"day{day}")
    return run_paper(paper, at=MORNING + day * DAY)


def counts(result: RunResult) -> dict[str, int]:
    return {state.value: number for state, number in result.tally.counts.items() if number}


def id_of(store: Store, address: str) -> int:
    with store.read() as tx:
        found = subscribers.by_norm(tx, address)
    assert found
    return found.id


def is_barred(paper: Container, address: str) -> bool:
    with paper.store.read() as tx:
        return bool(suppressions.of_address(tx, paper.keyring.address_hash(address), now=tx.now()))


def test_a_dead_address_is_given_up_and_nothing_more_is_sent_to_it(store: Store, tmp_path: Path):
    with start_sink(tmp_path, dead=["gone@example.com"]) as sink:
        paper = through(paper_for(store, tmp_path, "ann@example.com", "gone@example.com"), sink)
        first, second = run_paper(paper), next_day(paper, tmp_path, 1)
        asked = [event["to"] for event in sink.events("rejected")]

    assert first.tally.failures == {"rejected 550 5.1.1": 1}
    assert (second.issue.state, second.tally.failures) == (IssueState.SENT, {"suppressed": 1})
    assert asked == ["gone@example.com"]
    assert sink.recipients() == {"ann@example.com": 2}
    assert is_barred(paper, "gone@example.com")
    assert not is_barred(paper, "ann@example.com")
    with store.read() as tx:
        happened = events.of_subscriber(tx, id_of(store, "gone@example.com"), limit=9)
    assert EventKind.BOUNCED in [event.kind for event in happened]


def test_an_operator_who_tries_dead_addresses_again_has_them_mailed_again(store: Store, tmp_path: Path):
    with start_sink(tmp_path / "strict", dead=["gone@example.com"]) as sink:
        paper = paper_for(store, tmp_path, "gone@example.com")
        issue = run_paper(through(paper, sink)).issue
    with start_sink(tmp_path / "kind") as sink:
        again, _ = controls.retry_failed(store, issue.id, dead_too=True, expire_after=DAY)
        result = run_paper(through(paper, sink))

    assert again == 1
    assert counts(result) == {"sent": 1}
    assert sink.recipients() == {"gone@example.com": 1}


FULL = "452 4.2.2 The email account that you tried to reach is over quota"
OUTLOOK = "550 5.4.1 Recipient address rejected: Access denied"


def test_a_full_mailbox_costs_the_issue_and_an_accepted_mail_wipes_it_out(store: Store, tmp_path: Path):
    address = "full@example.com"
    with start_sink(tmp_path / "full", reply={f"rcpt:{address}": FULL}) as sink:
        paper = paper_for(store, tmp_path, address)
        results = [run_paper(through(paper, sink)), next_day(through(paper, sink), tmp_path, 1)]
        with store.read() as tx:
            counted = [(met.kind, met.count) for met in bounces.of_subscriber(tx, id_of(store, address))]
    with start_sink(tmp_path / "empty") as sink:
        results.append(next_day(through(paper, sink), tmp_path, 2))
        with store.read() as tx:
            left = bounces.of_subscriber(tx, id_of(store, address))

    assert [counts(result) for result in results] == [{"failed": 1}, {"failed": 1}, {"sent": 1}]
    assert results[0].tally.failures == {"rejected 452 4.2.2": 1}
    assert counted == [(Hindrance.MAILBOX_FULL, 2)]
    assert left == []
    assert not is_barred(paper, address)


@pytest.mark.parametrize(("hours", "barred"), [(71, False), (73, True)])
def test_who_is_denied_again_after_three_days_is_given_up(
    store: Store,
    tmp_path: Path,
    hours: int,
    barred: bool,  # noqa: FBT001 - a table of cases
):
    address = "ann@contoso.example"
    with start_sink(tmp_path, reply={f"rcpt:{address}": OUTLOOK}) as sink:
        paper = through(paper_for(store, tmp_path, address), sink)
        run_paper(paper)
        with store.write() as tx:
            long_ago = tx.now() - timedelta(hours=hours)
            tx.connection.execute(update(hindrance).values(first_at=long_ago, last_at=long_ago))
        result = next_day(paper, tmp_path, 1)

    assert counts(result) == {"failed": 1}
    assert is_barred(paper, address) is barred


def test_an_address_that_the_relay_cannot_write_fails_and_is_marked(store: Store, tmp_path: Path):
    address = "jörg@example.com"
    with start_sink(tmp_path, no_smtputf8=True) as sink:
        paper = through(paper_for(store, tmp_path, address, "ann@example.com"), sink)
        result = run_paper(paper)

    assert result.tally.failures == {"needs-smtputf8": 1}
    assert sink.recipients() == {"ann@example.com": 1}
    with store.read() as tx:
        marked = bounces.of_subscriber(tx, id_of(store, address))
    assert [met.kind for met in marked] == [Hindrance.NEEDS_SMTPUTF8]
    assert not is_barred(paper, address)


@pytest.mark.parametrize(
    "reply",
    [
        {"mail": "550 5.7.1 sender not allowed here"},
        {"rcpt:r1@example.com": "550 5.7.1 relaying denied"},
        {"dot:r1@example.com": "550 5.7.26 unauthenticated mail is not accepted"},
        {"dot:r1@example.com": "550 5.7.515 Access denied, the sending domain does not meet the level"},
        {"dot:r1@example.com": "552 5.3.4 message too big"},
        {"rcpt:r1@example.com": "550 5.1.8 the sender's domain does not exist"},
    ],
)
def test_what_is_our_fault_stops_the_run_and_harms_no_reader(store: Store, tmp_path: Path, reply: dict[str, str]):
    with start_sink(tmp_path / "no", reply=reply) as sink:
        paper = paper_for(store, tmp_path, "r1@example.com")
        with pytest.raises(RelayRefused) as caught:
            run_paper(through(paper, sink))
    with start_sink(tmp_path / "yes") as sink:
        result = run_paper(through(paper, sink))

    assert next(iter(reply.values()))[:3] in caught.value.message
    assert counts(result) == {"sent": 1}
    assert not is_barred(paper, "r1@example.com")
    with store.read() as tx:
        assert tx.connection.execute(select(delivery.c.attempt)).scalar_one() == 1


GMAIL = [f"g{n}@gmail.com" for n in range(1, 41)]
OTHERS = [f"r{n}@example.com" for n in range(1, 21)]
THROTTLED = "421 4.7.28 Our system has detected an unusual rate of unsolicited mail - gsmtp"


def test_a_provider_that_throttles_is_held_while_everybody_else_gets_mail(store: Store, tmp_path: Path):
    told: list[str] = []
    with start_sink(tmp_path, provider={"gmail.com": [10_000, "rcpt", THROTTLED]}) as sink:
        paper = through(paper_for(store, tmp_path, *GMAIL, *OTHERS), sink)
        first = run_paper(paper, watch=Watch(waiting=told.append))
        complaints = len(sink.events("refused"))
        asked_again = run_paper(paper)
        complaints_again = len(sink.events("refused")) - complaints

    with store.read() as tx:
        waiting = tx.connection.execute(
            select(delivery.c.attempt, delivery.c.next_attempt_at).where(delivery.c.state == "pending")
        ).all()
    assert counts(first) == {"sent": 20, "pending": 40}
    assert (first.issue.state, asked_again.issue.state) == (IssueState.SENDING, IssueState.SENDING)
    assert sink.recipients() == Counter(OTHERS)
    assert 10 <= complaints <= 40
    assert complaints_again == 0
    assert {row.attempt for row in waiting} == {0}
    assert all(row.next_attempt_at > datetime.now(UTC) for row in waiting)
    assert [reason for reason in told if reason.startswith("gmail.com slowed down until ")]


def test_when_its_pause_is_over_a_provider_gets_the_rest_once(store: Store, tmp_path: Path):
    with start_sink(tmp_path / "before", provider={"gmail.com": [10_000, "dot", THROTTLED]}) as before:
        paper = paper_for(store, tmp_path, *GMAIL[:20], *OTHERS[:5])
        held = run_paper(through(paper, before))
    with store.write() as tx:
        past = tx.now() - timedelta(minutes=1)
        tx.connection.execute(update(pace).values(held_until=past))
        tx.connection.execute(update(delivery).where(delivery.c.state == "pending").values(next_attempt_at=past))
    with start_sink(tmp_path / "after") as after:
        rest = run_paper(through(paper, after))

    assert counts(held) == {"sent": 5, "pending": 20}
    assert rest.issue.state is IssueState.SENT
    assert editions.audit(store, rest.issue.id).is_balanced
    assert before.recipients() + after.recipients() == Counter(GMAIL[:20] + OTHERS[:5])


def test_the_third_refusal_for_policy_spares_the_provider_the_rest(store: Store, tmp_path: Path):
    spam = "554 5.7.1 this looks like spam to us"
    yahoo = [f"y{n}@yahoo.com" for n in range(1, 31)]
    with start_sink(tmp_path, provider={"yahoo.com": [10_000, "dot", spam]}) as sink:
        paper = through(paper_for(store, tmp_path, *yahoo, *OTHERS), sink, connections=1)
        result = run_paper(paper)
        refused = len(sink.events("refused"))

    assert result.tally.counts[S.SENT] == 20
    assert 3 <= refused <= 3 + 4  # what was on its way at the third
    assert result.tally.failures == {"rejected 554 5.7.1": refused}
    assert result.tally.counts[S.PENDING] == 30 - refused
    assert not any(is_barred(paper, address) for address in yahoo)


def test_greylisting_is_waited_out_and_slows_nobody(store: Store, tmp_path: Path):
    with start_sink(tmp_path, defer=dict.fromkeys(GMAIL, 1)) as sink:
        paper = through(paper_for(store, tmp_path, *GMAIL, delivery={"retry_first_s": 1}), sink)
        result = run_paper(paper)

    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == Counter(GMAIL)
    with store.read() as tx:
        assert set(tx.connection.execute(select(delivery.c.attempt)).scalars()) == {2}
        assert tx.connection.execute(select(pace.c.scope)).all() == []


def test_a_relay_that_is_busy_for_a_while_is_waited_for_and_everybody_is_mailed_once(store: Store, tmp_path: Path):
    told: list[str] = []
    with start_sink(tmp_path, mail_first=[6, "421 4.3.2 too busy"]) as sink:
        paper = through(paper_for(store, tmp_path, *OTHERS), sink)
        result = run_paper(paper, watch=Watch(waiting=told.append))

    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == Counter(OTHERS)
    assert any(reason.startswith("relay default throttled until ") for reason in told)
    with store.read() as tx:
        assert set(tx.connection.execute(select(delivery.c.attempt)).scalars()) == {1}


def test_a_relay_that_is_busy_for_the_rest_of_the_day_ends_the_run_and_says_until_when(store: Store, tmp_path: Path):
    over = "454 Throttling failure: Daily message quota exceeded."
    with start_sink(tmp_path, reply={"mail": over}) as sink:
        paper = through(paper_for(store, tmp_path, *OTHERS), sink)
        result, again = run_paper(paper), run_paper(paper)
        asked = len(sink.events("refused"))

    assert counts(result) == {"pending": 20}
    assert result.waiting.startswith("relay default throttled until ")
    assert result.next_try_at is not None
    assert result.next_try_at > datetime.now(UTC) + timedelta(minutes=8)
    assert again.waiting == result.waiting
    assert 1 <= asked <= 9  # no more than were on their way at the first


def test_a_warm_up_gives_its_ceiling_to_those_who_were_active_last(store: Store, tmp_path: Path):
    today = datetime.now(UTC).date()
    with start_sink(tmp_path) as sink:
        paper = paper_for(store, tmp_path)
        with store.write() as tx:
            publication = publications.list_all(tx)[0]
            for n in range(1, 131):
                at = MORNING - timedelta(days=400 - n)
                make_subscription(tx, publication, f"r{n}@example.com", consent_at=at)
        warm = {"warm_up": {"from": today.isoformat(), "start": 50}}
        result = run_paper(through(paper, sink, **warm))

    assert result.waiting == "relay default is warming up: 50 today, the rest after 00:00 UTC"
    assert counts(result) == {"sent": 50, "pending": 80}
    assert set(sink.recipients()) == {f"r{n}@example.com" for n in range(81, 131)}
