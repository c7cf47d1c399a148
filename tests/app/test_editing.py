"""What editors decide reaches readers: exactly those it can still reach, and nobody twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from digest.app import editing, editions
from digest.app import line as steps
from digest.app.container import Container
from digest.app.line import Watch
from digest.app.run import advance
from digest.app.why import why
from digest.model.delivery import FailReason, Outcome
from digest.model.errors import BadInput, IllegalTransition, NotFound
from digest.model.issue import Issue, IssueState
from digest.store import articles, issues, publications, renditions
from digest.store.engine import Store
from support.factories import make_publication, make_subscription, make_topic
from support.paper import MORNING, a_line, a_paper, run_paper, write_article
from support.sink import Sink, start_sink

HOUR = timedelta(hours=1)


def headlines(store: Store, issue: Issue) -> list[str]:
    with store.read() as tx:
        items = issues.items(tx, issue.id)
        return [article.title for article in articles.by_ids(tx, [item.article_id for item in items])]


def held_paper(store: Store, folder: Path, **more: object) -> Container:
    """A paper whose issues wait an hour for the editors."""
    for subject in ("ferry", "library", "harvest"):
        words = f"All about the {subject} and what the {subject} means for the town this {subject} year. " * 8
        write_article(folder / "articles", subject, title=f"The {subject} story", words=words)
    paper = a_paper(store, folder, articles=0, **more)  # type: ignore[arg-type]  # passed on as it is
    with store.write() as tx:
        publications.change(tx, publications.list_all(tx)[0].id, {"hold_s": 3600})
    return paper


def path_of(folder: Path, subject: str) -> str:
    return str(folder / "articles" / f"{subject}.md")


def bodies(sink: Sink) -> dict[str, str]:
    """What each reader got, as text."""
    mails = [message_from_bytes(raw, policy=default) for raw in sink.messages()]
    return {mail["To"].addresses[0].addr_spec: mail.get_body(("plain",)).get_content() for mail in mails}


def test_a_held_issue_waits_for_its_hour_and_then_goes_out(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        held = run_paper(paper)
        still = run_paper(paper, at=MORNING + HOUR - timedelta(minutes=1))
        sent = run_paper(paper, at=MORNING + HOUR + timedelta(seconds=5))

    assert (held.issue.state, still.issue.state) == (IssueState.COMPOSED, IssueState.COMPOSED)
    assert held.waiting == "held for the editors until 08:30: `digest issue approve 1` sends it now"
    assert sent.issue.state is IssueState.SENT
    assert sum(sink.recipients().values()) == 3


def test_approving_ends_the_wait(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        held = run_paper(paper)
        editing.approve(store, held.issue.id)
        sent = run_paper(paper, at=MORNING + timedelta(minutes=1))

    assert sent.issue.state is IssueState.SENT


def test_without_approval_nothing_goes_out_however_long_it_takes(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    with store.write() as tx:
        publications.change(tx, publications.list_all(tx)[0].id, {"needs_approval": True, "hold_s": 0})

    late = [run_paper(paper, at=MORNING + hours * HOUR) for hours in (0, 5, 12)]

    assert {result.issue.state for result in late} == {IssueState.COMPOSED}
    assert late[-1].waiting == "waiting for approval: `digest issue approve 1`"


def test_only_a_composed_issue_can_be_approved(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    issue = run_paper(paper).issue
    editing.approve(store, issue.id)

    with pytest.raises(IllegalTransition, match="is approved"):
        editing.approve(store, issue.id)


def test_a_hidden_article_stays_out_and_why_says_so(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    asyncio.run(collected(paper))
    editing.decide(store, "morning", path_of(tmp_path, "library"), is_hidden=True)

    issue = run_paper(paper).issue

    assert sorted(headlines(store, issue)) == ["The ferry story", "The harvest story"]
    assert "was kept from issue 1" in why(store, path_of(tmp_path, "library")).sentences[-1]


async def collected(paper: Container) -> None:
    from digest.collect.refresh import refresh  # noqa: PLC0415 - only these tests collect ahead of a run

    line = a_line(paper)
    await refresh(paper.store, line.publication.id, settings=paper.settings, now=MORNING, all_sources=True)


def test_what_one_publication_hides_another_may_carry(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    asyncio.run(collected(paper))
    with store.write() as tx:
        make_publication(tx, "weekend")
    editing.decide(store, "weekend", path_of(tmp_path, "library"), is_hidden=True)

    assert len(headlines(store, run_paper(paper).issue)) == 3


def test_an_editors_teaser_is_what_readers_get(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        asyncio.run(collected(paper))
        editing.decide(store, "morning", path_of(tmp_path, "library"), teaser="Read this\nbefore you borrow.")
        editing.approve(store, run_paper(paper).issue.id)
        run_paper(paper)
        got = bodies(sink)

    assert len(got) == 3
    assert all("Read this before you borrow." in text for text in got.values())


def test_an_issue_in_hand_gets_an_introduction_another_order_and_other_words(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        issue, line = run_paper(paper).issue, a_line(paper)
        last = headlines(store, issue)[-1].split()[1]
        editing.introduce(line, issue.id, "Good morning from the desk & all of us.")
        editing.retell(line, issue.id, path_of(tmp_path, "ferry"), "The boat stays.")
        changed = editing.reorder(line, issue.id, [path_of(tmp_path, last)])
        editing.approve(store, issue.id)
        run_paper(paper)
        got = bodies(sink)

    assert headlines(store, issue)[0] == f"The {last} story" == changed.subject
    assert len(got) == 3
    for text in got.values():
        assert "Good morning from the desk & all of us." in text
        assert "The boat stays." in text
        assert text.index(f"The {last} story") < text.index(
            "The ferry story" if last != "ferry" else "The library story"
        )


def test_what_is_on_its_way_cannot_be_edited(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        issue = run_paper(paper).issue
        editing.approve(store, issue.id)
        run_paper(paper)

    with pytest.raises(IllegalTransition, match="is sent"):
        editing.introduce(a_line(paper), issue.id, "Too late.")


def test_a_recall_before_sending_takes_the_article_out_of_this_issue_and_the_next(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        issue, line = run_paper(paper).issue, a_line(paper)
        done = editing.recall(line, issue.id, path_of(tmp_path, "harvest"))
        editing.approve(store, issue.id)
        run_paper(paper)
        write_article(tmp_path / "articles", "snow", words="Snow on the hills and what it does to the roads. " * 9)
        tomorrow = run_paper(paper, at=MORNING + timedelta(days=1))
        got = bodies(sink)

    assert (done.readdressed, done.too_late) == (0, 0)
    assert all("harvest" not in text for text in got.values())
    assert headlines(store, tomorrow.issue) == ["News of snow"]
    assert "was recalled from issue 1" in " ".join(why(store, path_of(tmp_path, "harvest")).sentences)


def test_a_recall_while_it_goes_out_reaches_exactly_those_who_were_not_claimed(store: Store, tmp_path: Path):
    readers = 300

    def pause(done: Sequence[Outcome]) -> None:
        with store.write() as tx:
            issue = issues.list_recent(tx)[0]
            if done and issue.state is IssueState.SENDING:
                issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.PAUSED, now=MORNING)

    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port, readers=readers)
        issue = run_paper(paper).issue
        editing.approve(store, issue.id)
        paused = run_paper(paper, watch=Watch(outcomes=pause))
        before = set(sink.recipients())
        done = editing.recall(a_line(paper), issue.id, path_of(tmp_path, "harvest"))
        editions.move(store, issue.id, expected=[IssueState.PAUSED], to=IssueState.SENDING)
        sent = asyncio.run(advance(a_line(paper), a_line(paper).read_again(issue)))
        got, times = bodies(sink), sink.recipients()

    with_it = {reader for reader, text in got.items() if "harvest" in text}
    assert paused.issue.state is IssueState.PAUSED
    assert sent.issue.state is IssueState.SENT
    assert set(times.values()) == {1}
    assert len(got) == readers
    assert with_it == before
    assert (done.readdressed, done.too_late) == (readers - len(before), len(before))
    assert 0 < len(before) < readers
    assert editions.audit(store, issue.id).is_balanced
    with store.read() as tx:
        page = renditions.web_view(tx, issue.id)
    assert page is not None
    assert "harvest" not in page.html


def test_whoever_has_nothing_left_after_a_recall_gets_nothing(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        text = "All about the harvest and the fields. " * 9
        (tmp_path / "articles" / "harvest.md").write_text(f"---\ntitle: Harvest\ntags: [farming]\n---\n\n{text}\n")
        with store.write() as tx:
            publication = publications.list_all(tx)[0]
            make_topic(tx, publication, "farming")
            farmer = make_subscription(tx, publication, "farmer@example.com", topics=("farming",))
        assert farmer.topics == ("farming",)
        issue, line = run_paper(paper).issue, a_line(paper)
        fanned = steps.fan_out(line, replace(issue, state=editing.approve(store, issue.id).state))
        done = editing.recall(line, issue.id, path_of(tmp_path, "harvest"))
        sent = asyncio.run(advance(line, fanned))

    assert done.readdressed == 4
    assert sent.issue.state is IssueState.SENT
    assert "farmer@example.com" not in sink.recipients()
    assert editions.audit(store, issue.id).tally.failures == {FailReason.NO_MATCHING_NEWS.value: 1}


def test_the_only_article_cannot_be_recalled(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    line, issue = a_line(paper), run_paper(paper).issue
    for subject in ("ferry", "library"):
        editing.recall(line, issue.id, path_of(tmp_path, subject))

    with pytest.raises(BadInput, match="no other article"):
        editing.recall(line, issue.id, path_of(tmp_path, "harvest"))
    assert headlines(store, issue) == ["The harvest story"]


def test_an_article_that_is_not_there_is_named(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    line, issue = a_line(paper), run_paper(paper).issue
    with pytest.raises(NotFound, match="no article https:"):
        editing.recall(line, issue.id, "https://nowhere.example/x")
    editing.recall(line, issue.id, path_of(tmp_path, "ferry"))

    with pytest.raises(NotFound, match="“The ferry story” is not in issue 1"):
        editing.reorder(line, issue.id, [path_of(tmp_path, "ferry")])


def test_words_that_are_too_many_are_refused(store: Store, tmp_path: Path):
    paper = held_paper(store, tmp_path)
    issue = run_paper(paper).issue

    with pytest.raises(BadInput, match="the introduction has 2001 characters"):
        editing.introduce(a_line(paper), issue.id, "x" * 2001)


def test_a_pin_brings_back_what_an_earlier_issue_left_out_but_not_what_it_carried(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = held_paper(store, tmp_path, port=sink.port)
        with store.write() as tx:
            publications.change(tx, publications.list_all(tx)[0].id, {"hold_s": 0, "max_items": 1})
        first = run_paper(paper)
        (carried,) = headlines(store, first.issue)
        left_out = next(name for name in ("ferry", "library", "harvest") if name not in carried)
        for ref in (path_of(tmp_path, left_out), path_of(tmp_path, carried.split()[1])):
            editing.decide(store, "morning", ref, pin=0)
        second = run_paper(paper, at=MORNING + timedelta(days=9))

    assert headlines(store, second.issue) == [f"The {left_out} story"]
    assert sum(sink.recipients().values()) == 6
