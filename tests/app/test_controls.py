"""An operator's hand on a running issue: it reaches every worker, loses nobody, and the issue always ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from digest.app import controls, editions
from digest.app import line as steps
from digest.app.clock import clock_from, tick
from digest.app.container import Container
from digest.app.line import Watch
from digest.app.run import advance
from digest.deliver.policy import Policy
from digest.model.delivery import DeliveryState, FailReason, OnDoubt, Outcome
from digest.model.errors import IllegalTransition, NotFound, NothingToDo, RelayUnreachable
from digest.model.issue import Issue, IssueState
from digest.store import deliveries, events, issues, standing
from digest.store.engine import Store
from digest.store.tables import delivery
from digest.store.tables import issue as issue_table
from support.paper import MORNING, a_line, a_paper, run_paper, write_article
from support.sending import make_container, sending_issue
from support.sink import start_sink

HALF_A_DAY = timedelta(hours=12)
LEASE_FOR = timedelta(minutes=1)
DAY = timedelta(days=1)
S = DeliveryState


def outcomes_of(store: Store, issue_id: int, by_reader: dict[int, Outcome | None], *, lease: str = "one") -> None:
    """Claim and mark everything, then record what became of these readers' deliveries; None: nothing yet."""
    with store.write() as tx:
        deliveries.claim(tx, issue_id, chunk=0, lease=lease, lease_for=LEASE_FOR, limit=99, now=tx.now())
        deliveries.mark(tx, issue_id, lease=lease, subscriber_ids=list(by_reader), now=tx.now())
        done = [outcome for outcome in by_reader.values() if outcome]
        deliveries.record(tx, issue_id, lease=lease, outcomes=done)
        deliveries.release(tx, issue_id, lease=lease)


def sent(reader: int) -> Outcome:
    return Outcome(reader, S.SENT, MORNING, relay="default", reply_code=250)


def failed(reader: int, code: int = 554) -> Outcome:
    return Outcome(reader, S.FAILED, MORNING, relay="default", reply_code=code, reason=FailReason.REJECTED)


def doubt(reader: int) -> Outcome:
    return Outcome(reader, S.UNKNOWN, MORNING, relay="default")


def move(store: Store, issue_id: int, *states: IssueState) -> None:
    with store.write() as tx:
        for to in states:
            now = issues.get(tx, issue_id).state
            assert issues.move(tx, issue_id, expected=now, to=to, now=tx.now())


def seen(store: Store, issue_id: int) -> tuple[Issue, dict[str, int]]:
    with store.read() as tx:
        tally = standing.tally(tx, issue_id)
        return issues.get(tx, issue_id), {state.value: count for state, count in tally.counts.items() if count}


def close_by_line(container: Container) -> Issue:
    line = a_line(container)
    with container.store.read() as tx:
        issue = issues.list_recent(tx)[0]
    return asyncio.run(advance(line, issue)).issue


def half_failed(store: Store) -> Issue:
    """A sent issue: one reader got it, one was refused for policy, one has a dead address."""
    issue = sending_issue(store, 3)
    outcomes_of(store, issue.id, {1: sent(1), 2: failed(2), 3: failed(3, 550)})
    with store.write() as tx:
        events.append(
            tx, events.EventKind.BOUNCED, dedupe_key="b", at=MORNING, issue_id=issue.id, subscriber_id=3, detail=""
        )
    move(store, issue.id, IssueState.SENT)
    return issue


def test_failed_deliveries_are_tried_again_and_the_issue_goes_back_to_sending(store: Store):
    issue = half_failed(store)

    again, now = controls.retry_failed(store, issue.id, dead_too=False, expire_after=HALF_A_DAY)

    assert (again, now.state, now.closed_at) == (1, IssueState.SENDING, None)
    assert seen(store, issue.id)[1] == {"pending": 1, "sent": 1, "failed": 1}
    assert editions.audit(store, issue.id).tally.failures == {"rejected 550": 1}


def test_dead_addresses_are_tried_again_only_when_asked_for(store: Store):
    issue = half_failed(store)
    assert controls.retry_failed(store, issue.id, dead_too=True, expire_after=HALF_A_DAY)[0] == 2

    other = seen(store, issue.id)[1]

    assert other == {"pending": 2, "sent": 1}


def test_nothing_to_retry_says_why(store: Store):
    issue = half_failed(store)
    controls.retry_failed(store, issue.id, dead_too=False, expire_after=HALF_A_DAY)

    with pytest.raises(NothingToDo) as caught:
        controls.retry_failed(store, issue.id, dead_too=False, expire_after=HALF_A_DAY)
    assert "1 failed because the address is dead" in caught.value.hint


def test_a_cancelled_issue_cannot_be_retried(store: Store):
    issue = sending_issue(store, 1)
    editions.cancel(store, issue.id)

    with pytest.raises(IllegalTransition, match="is cancelled"):
        controls.retry_failed(store, issue.id, dead_too=True, expire_after=HALF_A_DAY)


def test_a_retried_issue_sends_to_the_failed_only_and_closes_again(store: Store, tmp_path: Path):
    with start_sink(tmp_path, dead=["reader2@example.com"]) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        issue = run_paper(paper).issue
    controls.retry_failed(store, issue.id, dead_too=True, expire_after=HALF_A_DAY)
    (tmp_path / "again").mkdir()
    with start_sink(tmp_path / "again") as mended:
        done = close_by_line(make_container(store, relays={"default": {"host": "127.0.0.1", "port": mended.port}}))
        got = mended.recipients()

    assert got == Counter({"reader2@example.com": 1})
    assert done.state is IssueState.SENT
    assert editions.audit(store, issue.id).is_balanced


def test_a_retry_long_after_the_first_time_is_not_expired(store: Store, tmp_path: Path):
    issue = half_failed(store)
    with store.write() as tx:
        old = tx.now() - 3 * DAY
        tx.connection.execute(update(issue_table).values(sending_at=old, expires_at=old + HALF_A_DAY))
    controls.retry_failed(store, issue.id, dead_too=False, expire_after=HALF_A_DAY)
    with start_sink(tmp_path, defer={"reader2@example.com": 1}) as sink:
        paper = make_container(
            store,
            relays={"default": {"host": "127.0.0.1", "port": sink.port}},
            delivery={"retry_first_s": 1},
        )
        done = close_by_line(paper)

    assert done.state is IssueState.SENT
    assert seen(store, issue.id)[1] == {"sent": 2, "failed": 1}, "a 4xx after a retry is put off, not given up"


def in_doubt(store: Store) -> Issue:
    issue = sending_issue(store, 3)
    outcomes_of(store, issue.id, {1: sent(1), 2: doubt(2), 3: doubt(3)})
    move(store, issue.id, IssueState.SENT)
    return issue


def test_a_doubt_settled_as_sent_says_that_a_person_did_it_and_the_proof_holds(store: Store):
    issue = in_doubt(store)

    settled, now = controls.settle(
        store, issue.id, arrived=True, addresses=["Reader2@Example.com"], expire_after=HALF_A_DAY
    )

    assert (settled, now.state) == (1, IssueState.SENT)
    proof = editions.audit(store, issue.id)
    assert proof.is_balanced
    assert (proof.settled, proof.in_doubt) == (1, ("reader3@example.com",))
    with store.read() as tx:
        row = tx.connection.execute(delivery.select().where(delivery.c.subscriber_id == 2)).one()
    assert (row.reason, row.reply_code, row.reply_text) == ("settled", None, "settled by an operator")


def test_a_doubt_to_be_resent_is_pending_once_and_its_issue_sends_again(store: Store):
    issue = in_doubt(store)

    settled, now = controls.settle(store, issue.id, arrived=False, addresses=[], expire_after=HALF_A_DAY)

    assert (settled, now.state) == (2, IssueState.SENDING)
    assert seen(store, issue.id)[1] == {"pending": 2, "sent": 1}
    with store.read() as tx:
        doubts = tx.connection.execute(delivery.select().where(delivery.c.state == "pending")).all()
    assert [row.doubts for row in doubts] == [1, 1], "their one automatic resend is used up"


def test_an_address_that_is_not_in_doubt_settles_nothing(store: Store):
    issue = in_doubt(store)

    with pytest.raises(NotFound, match=r"reader1@example\.com is not in doubt"):
        controls.settle(
            store,
            issue.id,
            arrived=True,
            addresses=["reader2@example.com", "reader1@example.com"],
            expire_after=HALF_A_DAY,
        )
    assert seen(store, issue.id)[1] == {"unknown": 2, "sent": 1}


def test_a_late_reply_does_not_undo_what_an_operator_settled(store: Store):
    issue = in_doubt(store)
    controls.settle(store, issue.id, arrived=True, addresses=[], expire_after=HALF_A_DAY)

    with store.write() as tx:
        assert deliveries.record(tx, issue.id, lease="one", outcomes=[failed(2)]) == 0


@pytest.mark.parametrize("paused", [False, True])
def test_closing_gives_up_what_waits_with_its_reason_and_ends_the_issue(store: Store, *, paused: bool):
    issue = sending_issue(store, 4)
    later = Outcome(2, S.DEFERRED, MORNING, reply_code=451, retry_at=MORNING + DAY)
    outcomes_of(store, issue.id, {1: sent(1), 2: later, 3: doubt(3)})
    if paused:
        move(store, issue.id, IssueState.PAUSED)

    closed = controls.close(store, issue.id)

    assert (closed.issue.state, closed.given_up, closed.on_wire) == (IssueState.SENT, 2, 0)
    proof = editions.audit(store, issue.id)
    assert proof.is_balanced
    assert proof.tally.failures == {"closed": 1, "closed 451": 1}
    assert proof.in_doubt == ("reader3@example.com",)


def test_closing_leaves_what_is_on_the_wire_to_its_worker_and_nothing_is_tried_again(store: Store, tmp_path: Path):
    issue = sending_issue(store, 2)
    outcomes_of(store, issue.id, {1: None})

    closed = controls.close(store, issue.id)
    with store.write() as tx:
        put_off = Outcome(1, S.DEFERRED, MORNING, reply_code=451, retry_at=MORNING)
        assert deliveries.record(tx, issue.id, lease="one", outcomes=[put_off]) == 1
    ended = close_by_line(make_container(store))

    assert (closed.issue.state, closed.given_up, closed.on_wire) == (IssueState.SENDING, 1, 1)
    assert ended.state is IssueState.SENT
    assert editions.audit(store, issue.id).tally.failures == {"closed": 1, "closed 451": 1}


def test_only_an_issue_that_is_being_sent_can_be_closed(store: Store):
    issue = in_doubt(store)

    with pytest.raises(IllegalTransition, match="is sent"):
        controls.close(store, issue.id)


def age(store: Store, by: timedelta) -> None:
    """Let every issue's time be up that much earlier."""
    with store.write() as tx:
        for one in issues.list_recent(tx):
            if one.expires_at:
                issues.expire_at(tx, one.id, instant=one.expires_at - by)


@pytest.mark.parametrize("by_clock", [True, False])
def test_a_stale_issue_is_expired_and_closed_not_resumed(store: Store, tmp_path: Path, *, by_clock: bool):
    paper = a_paper(store, tmp_path, port=9)
    with pytest.raises(RelayUnreachable):
        run_paper(paper)
    age(store, HALF_A_DAY)
    with start_sink(tmp_path) as sink:
        mended = make_container(store, relays={"default": {"host": "127.0.0.1", "port": sink.port}})
        if by_clock:
            asyncio.run(tick(mended, clock=clock_from(MORNING)))
        else:
            run_paper(mended)

        assert sink.recipients() == Counter()
    issue = editions.audit(store, 1)
    assert (issue.issue.state, issue.tally.failures) == (IssueState.SENT, {"expired": 3})
    assert issue.is_balanced


def test_nothing_of_an_expired_issue_is_claimed_or_marked(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        claimed = deliveries.claim(tx, issue.id, chunk=0, lease="one", lease_for=LEASE_FOR, limit=1, now=tx.now())
        issues.expire_at(tx, issue.id, instant=tx.now())
    with store.write() as tx:
        now = tx.now()

        assert len(claimed) == 1
        assert deliveries.mark(tx, issue.id, lease="one", subscriber_ids=[1], now=now) == []
        assert deliveries.claim(tx, issue.id, chunk=0, lease="two", lease_for=LEASE_FOR, limit=9, now=now) == []


def test_an_expired_doubt_is_not_resent_and_does_not_keep_the_issue_open(store: Store):
    issue = sending_issue(store, 1)
    outcomes_of(store, issue.id, {1: doubt(1)})
    with store.write() as tx:
        issues.expire_at(tx, issue.id, instant=tx.now())
    ended = close_by_line(make_container(store, delivery={"on_doubt": "resend"}))

    assert ended.state is IssueState.SENT
    assert editions.audit(store, issue.id).in_doubt == ("reader1@example.com",)


def test_a_doubt_whose_resend_is_given_up_is_still_a_doubt_and_not_a_failure(store: Store):
    issue = in_doubt(store)
    controls.settle(store, issue.id, arrived=False, addresses=["reader2@example.com"], expire_after=timedelta())
    ended = close_by_line(make_container(store, delivery={"on_doubt": "hold"}))

    assert ended.state is IssueState.SENT
    assert seen(store, issue.id)[1] == {"unknown": 2, "sent": 1}


def test_the_next_issue_ends_the_one_before(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path, port=9)
    with pytest.raises(RelayUnreachable):
        run_paper(paper)
    write_article(tmp_path / "articles", "fresh", words="A different report altogether, about ferries. " * 6)
    with start_sink(tmp_path) as sink:
        mended = make_container(store, relays={"default": {"host": "127.0.0.1", "port": sink.port}})
        run_paper(mended, at=MORNING + DAY)
        asyncio.run(tick(mended, clock=clock_from(MORNING + DAY)))
        got = sink.recipients()

    assert set(got.values()) == {1}, "each reader gets the new issue, and not the old one as well"
    assert editions.audit(store, 1).tally.failures == {"expired": 3}
    assert editions.audit(store, 1).issue.state is IssueState.SENT


def test_a_resumed_issue_has_its_full_time_again(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        issues.expire_at(tx, issue.id, instant=tx.now() - DAY)
    move(store, issue.id, IssueState.PAUSED)

    controls.resume(store, issue.id, expire_after=HALF_A_DAY)

    with store.write() as tx:
        assert deliveries.claim(tx, issue.id, chunk=0, lease="one", lease_for=LEASE_FOR, limit=9, now=tx.now())


def acting(store: Store, act: Callable[[int], object]) -> Watch:
    """Act once, as an operator elsewhere, when the first outcomes are in."""
    acted: list[bool] = []

    def look(done: object) -> None:
        if done and not acted:
            acted.append(True)
            act(1)

    return Watch(outcomes=look)


def two_workers(store: Store, folder: Path, act: Callable[[int], object], *, port: int) -> Issue:
    """Two lines on one issue, as two processes would; the operator acts on what the first of them shows."""
    paper = a_paper(store, folder, port=port, readers=READERS)
    watch = acting(store, act)

    async def both() -> Issue:
        first, second = a_line(paper, watch=watch), a_line(paper)
        issue = steps.open_due(first, first.publication.cadences[0], by_clock=False)
        issue = await steps.collect(first, issue)
        issue = steps.fan_out(first, steps.compose(first, steps.curate(first, issue)))
        with store.write() as tx:
            # Several chunks, so that both have work of their own.
            tx.connection.execute(update(delivery).values(chunk=delivery.c.subscriber_id % 4))
        await asyncio.gather(advance(first, issue), advance(second, issue))
        return first.read_again(issue)

    return asyncio.run(both())


READERS = 1200
#: Each of the two has a sub-batch that is marked and not answered.
AT_MOST = 2 * Policy().sub_batch


def test_pausing_stops_two_workers_within_a_sub_batch_and_resuming_sends_the_rest_once(store: Store, tmp_path: Path):
    def pause(issue_id: int) -> None:
        editions.move(store, issue_id, expected=[IssueState.SENDING], to=IssueState.PAUSED)
        at_pause.append(sum(sink.recipients().values()))

    at_pause: list[int] = []
    with start_sink(tmp_path, delay_s=0.002) as sink:
        paused = two_workers(store, tmp_path, pause, port=sink.port)
        reached = sum(sink.recipients().values())
        controls.resume(store, paused.id, expire_after=HALF_A_DAY)
        resumed = close_by_line(make_container(store, relays={"default": {"host": "127.0.0.1", "port": sink.port}}))
        everybody = sink.recipients()

    assert paused.state is IssueState.PAUSED
    assert reached - at_pause[0] <= AT_MOST
    assert resumed.state is IssueState.SENT
    assert everybody == Counter({f"reader{n}@example.com": 1 for n in range(1, READERS + 1)})


def test_cancelling_stops_two_workers_within_a_sub_batch_and_everybody_is_accounted_for(store: Store, tmp_path: Path):
    def cancel(issue_id: int) -> None:
        editions.cancel(store, issue_id)
        at_cancel.append(sum(sink.recipients().values()))

    at_cancel: list[int] = []
    with start_sink(tmp_path, delay_s=0.002) as sink:
        cancelled = two_workers(store, tmp_path, cancel, port=sink.port)
        reached = sink.recipients()

    proof = editions.audit(store, cancelled.id)
    assert cancelled.state is IssueState.CANCELLED
    assert sum(reached.values()) - at_cancel[0] <= AT_MOST
    assert set(reached.values()) == {1}
    assert proof.is_balanced
    assert proof.tally.open_count == 0
    assert proof.tally.counts[S.SENT] == len(reached)
    assert proof.tally.failures == {"cancelled": READERS - len(reached)}


def waiting(store: Store, issue_id: int) -> controls.Waiting | None:
    with store.read() as tx:
        return controls.waiting(tx, issues.get(tx, issue_id), on_doubt=OnDoubt.RESEND, now=tx.now())


def test_an_issue_says_why_it_waits_and_until_when(store: Store):
    issue = sending_issue(store, 2)
    idle = waiting(store, issue.id)
    with store.write() as tx:
        later = tx.now() + timedelta(minutes=10)
    put_off = [Outcome(n, S.DEFERRED, MORNING, "ses", 451, "4.7.1", "try again later", retry_at=later) for n in (1, 2)]
    outcomes_of(store, issue.id, {1: None})
    working = waiting(store, issue.id)
    with store.write() as tx:
        deliveries.record(tx, issue.id, lease="one", outcomes=put_off[:1])
    outcomes_of(store, issue.id, {2: put_off[1]}, lease="two")
    throttled = waiting(store, issue.id)
    move(store, issue.id, IssueState.PAUSED)
    paused = waiting(store, issue.id)
    controls.close(store, issue.id)

    assert idle
    assert "nobody is delivering" in idle.reason
    assert working == controls.Waiting("1 in the hands of a worker", None)
    assert throttled == controls.Waiting("2 put off by relay ses: 451 4.7.1 try again later", later)
    assert paused == controls.Waiting(f"paused by an operator: `digest issue resume {issue.id}`", None)
    assert waiting(store, issue.id) is None
