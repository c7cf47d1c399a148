"""The straight line: once a period, resumable after every step, silent when there is nothing to say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from digest.app import editions
from digest.app import line as steps
from digest.app.line import Watch
from digest.app.run import advance
from digest.model.delivery import DeliveryState, Outcome
from digest.model.errors import NothingToDo, RelayRefused, RelayUnreachable
from digest.model.issue import IssueState
from digest.store import articles, events, issues, publications, renditions, standing, subscribers, subscriptions
from digest.store.engine import Store
from support.paper import MORNING, a_line, a_paper, run_paper, write_article
from support.sink import start_sink

DAY = timedelta(days=1)


def everybody(readers: int) -> Counter[str]:
    return Counter({f"reader{n}@example.com": 1 for n in range(1, readers + 1)})


def test_a_run_sends_the_issue_to_every_reader_once_and_closes_it(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        result = run_paper(a_paper(store, tmp_path, port=sink.port))

    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(3)
    assert editions.audit(store, result.issue.id).is_balanced


def test_a_second_run_for_the_same_period_sends_nothing(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)
        with pytest.raises(NothingToDo, match="is sent"):
            run_paper(paper, at=MORNING + timedelta(hours=3))

    assert sink.recipients() == everybody(3)


def test_the_next_period_carries_only_what_is_new(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)
        write_article(tmp_path / "articles", "fresh", words="A different report altogether, about ferries. " * 6)
        second = run_paper(paper, at=MORNING + DAY)

    with store.read() as tx:
        carried = articles.by_ids(tx, [item.article_id for item in issues.items(tx, second.issue.id)])
    assert [article.title for article in carried] == ["News of fresh"]
    assert second.issue.number == 2


def test_nothing_new_means_skipped_with_the_reason_and_nobody_mailed(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)
        run_paper(paper)
        quiet = run_paper(paper, at=MORNING + DAY)

    assert (quiet.issue.state, quiet.issue.reason) == (IssueState.SKIPPED, "too-little-news")
    assert quiet.issue.number is None
    assert sink.recipients() == everybody(3)


def test_the_articles_of_a_skipped_issue_roll_over(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path, readers=0)
    nobody = run_paper(paper)
    with store.write() as tx:
        from support.factories import make_subscription  # noqa: PLC0415 - only here

        publication = a_line(paper).publication
        make_subscription(tx, publication, "reader1@example.com")
    with start_sink(tmp_path) as sink:
        later = a_paper_on(paper, sink.port)
        result = run_paper(later, at=MORNING + DAY)

    assert (nobody.issue.state, nobody.issue.reason) == (IssueState.SKIPPED, "no-readers")
    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(1)


def a_paper_on(paper, port: int):  # noqa: ANN001 - the same container with another relay
    from support.sending import make_container  # noqa: PLC0415

    return make_container(paper.store, relays={"default": {"host": "127.0.0.1", "port": port}})


def test_an_issue_and_its_web_page_have_the_publications_theme_and_language(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    with store.write() as tx:
        found = a_line(paper).publication
        publications.change(tx, found.id, {"theme": "brief", "locale": "de"})
    line = a_line(paper)
    issue = steps.open_due(line, line.publication.cadences[0], by_clock=False)
    issue = steps.compose(line, steps.curate(line, asyncio.run(steps.collect(line, issue))))

    with store.read() as tx:
        made = renditions.of_issue(tx, issue.id)
    assert {one.key.format for one in made} == {"html", renditions.WEB}
    for one in made:
        assert "#0b6b58" in one.html
        assert "Thema des Tages" in one.html


def test_a_crash_after_any_step_is_resumed_at_the_step_the_state_names(store: Store, tmp_path: Path):
    """Each step is taken by a new line, as a new process would, then the rest runs to the end."""
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port)

        def fresh():  # noqa: ANN202
            return a_line(paper)

        issue = steps.open_due(fresh(), fresh().publication.cadences[0], by_clock=False)
        seen = [issue.state]
        issue = asyncio.run(steps.collect(fresh(), issue))
        for step in (steps.curate, steps.compose, steps.fan_out):
            seen.append(fresh().read_again(issue).state)
            issue = step(fresh(), fresh().read_again(issue))
        seen.append(issue.state)
        result = asyncio.run(advance(fresh(), issue))
        again = asyncio.run(advance(fresh(), result.issue))

    names = ["planned", "collecting", "curated", "composed", "sending"]
    assert seen == [IssueState(name) for name in names]
    assert again.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(3)


def test_a_step_run_twice_changes_nothing(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    line = a_line(paper)
    issue = steps.open_due(line, line.publication.cadences[0], by_clock=False)
    issue = asyncio.run(steps.collect(line, issue))
    curated = steps.curate(line, issue)
    stale = steps.compose(line, curated)

    with pytest.raises(NothingToDo):
        steps.compose(line, curated)  # still believes that it is curated: loses the compare-and-set
    with store.read() as tx:
        assert issues.get(tx, issue.id).number == stale.number == 1


def test_somebody_who_leaves_while_an_issue_is_sent_gets_nothing_that_was_not_claimed(store: Store, tmp_path: Path):
    """The sink is slow; the last reader leaves after the first sub-batch went out."""
    left: list[bool] = []

    def leave(_outcomes: object) -> None:
        if left:
            return
        with store.write() as tx:
            last = subscribers.by_norm(tx, "reader400@example.com")
            assert last is not None
            publication = a_line(paper).publication
            left.append(
                subscriptions.unsubscribe(
                    tx, subscriber_id=last.id, publication_id=publication.id, now=MORNING, how="one-click"
                )
            )

    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=400)
        result = run_paper(paper, watch=Watch(outcomes=lambda done: leave(done) if done else None))

    assert left == [True]
    assert "reader400@example.com" not in sink.recipients()
    assert len(sink.recipients()) == 399
    assert result.tally.failures == {"unsubscribed": 1}
    assert result.issue.state is IssueState.SENT


def test_pausing_stops_within_one_sub_batch_and_resuming_sends_the_rest(store: Store, tmp_path: Path):
    answered: list[int] = []

    def pause(done: Sequence[Outcome]) -> None:
        with store.write() as tx:
            issue = issues.list_recent(tx)[0]
            if done and issue.state is IssueState.SENDING:
                answered.append(len(done))
                issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.PAUSED, now=MORNING)

    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=400)
        paused = run_paper(paper, watch=Watch(outcomes=pause))
        reached = len(sink.recipients())
        editions.move(store, paused.issue.id, expected=[IssueState.PAUSED], to=IssueState.SENDING)
        resumed = run_paper(paper)

    assert paused.issue.state is IssueState.PAUSED
    assert 0 < reached <= answered[0] + 100
    assert resumed.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(400)


def test_cancelling_skips_what_is_not_on_the_wire(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    line = a_line(paper)
    issue = steps.open_due(line, line.publication.cadences[0], by_clock=False)
    issue = steps.fan_out(line, steps.compose(line, steps.curate(line, asyncio.run(steps.collect(line, issue)))))

    assert editions.cancel(store, issue.id) == 3

    proof = editions.audit(store, issue.id)
    assert proof.issue.state is IssueState.CANCELLED
    assert proof.tally.failures == {"cancelled": 3}
    assert proof.is_balanced


def test_a_4xx_is_tried_again_and_the_message_is_the_very_same(store: Store, tmp_path: Path):
    with start_sink(tmp_path, defer={"reader2@example.com": 2}, drop_after_dot={}) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, delivery={"retry_first_s": 1})
        result = run_paper(paper)

    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(3)


def test_a_5xx_is_recorded_with_its_code_and_a_dead_address_raises_an_event(store: Store, tmp_path: Path):
    with start_sink(tmp_path, dead=["reader2@example.com"]) as sink:
        result = run_paper(a_paper(store, tmp_path, port=sink.port))

    assert result.issue.state is IssueState.SENT
    assert result.tally.counts[DeliveryState.FAILED] == 1
    assert result.tally.failures == {"rejected 550 5.1.1": 1}
    with store.read() as tx:
        reader = subscribers.by_norm(tx, "reader2@example.com")
        assert reader is not None
        assert "bounced" in [event.kind.value for event in events.of_subscriber(tx, reader.id, limit=9)]


def test_a_relay_that_is_down_loses_nobody_and_the_next_run_sends_all(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path, port=9)
    with pytest.raises(RelayUnreachable, match=r"127\.0\.0\.1:9"):
        run_paper(paper)
    with store.read() as tx:
        waiting = standing.tally(tx, issues.list_recent(tx)[0].id).counts[DeliveryState.PENDING]
    with start_sink(tmp_path) as sink:
        result = run_paper(a_paper_on(paper, sink.port))

    assert waiting == 3
    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(3)


def test_a_wrong_password_stops_the_run_and_harms_no_delivery(store: Store, tmp_path: Path):
    (tmp_path / "password").write_text("wrong\n")
    with start_sink(tmp_path, auth="desk:right") as sink:
        relay = {"username": "desk", "password_file": str(tmp_path / "password")}
        paper = a_paper(store, tmp_path, port=sink.port, relay=relay)
        with pytest.raises(RelayRefused, match="login"):
            run_paper(paper)
        (tmp_path / "password").write_text("right\n")
        result = run_paper(paper)

    assert result.issue.state is IssueState.SENT
    assert sink.recipients() == everybody(3)


def test_a_connection_lost_after_the_dot_is_in_doubt_and_held_when_told_so(store: Store, tmp_path: Path):
    with start_sink(tmp_path, drop_after_dot={"reader2@example.com": 1}) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, delivery={"on_doubt": "hold"})
        result = run_paper(paper)

    assert result.issue.state is IssueState.SENT
    assert result.tally.counts[DeliveryState.UNKNOWN] == 1
    assert editions.audit(store, result.issue.id).in_doubt == ("reader2@example.com",)
    assert sink.recipients() == everybody(3)


def test_two_runs_at_once_reach_every_reader_once(store: Store, tmp_path: Path):
    async def both() -> None:
        first, second = a_line(paper), a_line(paper)
        issue = steps.open_due(first, first.publication.cadences[0], by_clock=False)
        issue = await steps.collect(first, issue)
        issue = steps.fan_out(first, steps.compose(first, steps.curate(first, issue)))
        await asyncio.gather(advance(first, issue), advance(second, issue))

    with start_sink(tmp_path, delay_s=0.002) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=150)
        asyncio.run(both())

    assert sink.recipients() == everybody(150)
