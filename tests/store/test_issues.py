"""Issues in the store: one a period, moved by compare-and-set, numbered without gaps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from digest.model.calendar import Period
from digest.model.errors import IllegalTransition, NotFound
from digest.model.issue import TRANSITIONS, Candidate, Issue, IssueItem, IssueState, Role, Verdict
from digest.model.publication import Publication
from digest.store import issues
from digest.store.engine import Store, Tx
from digest.store.tables import article, source
from support.factories import NOW, make_publication

S = IssueState
DAY = timedelta(days=1)


def opened(tx: Tx, publication: Publication, day: int = 0, *, cadence: str = "daily") -> Issue:
    period = Period((NOW + day * DAY).date(), NOW + day * DAY)
    return issues.open_period(tx, publication.id, cadence=cadence, period=period, now=NOW)[0]


def walk(tx: Tx, issue: Issue, *path: IssueState) -> Issue:
    for to in path:
        assert issues.move(tx, issue.id, expected=issue.state, to=to, now=NOW)
        issue = issues.get(tx, issue.id)
    return issue


TO_SENT = (S.COLLECTING, S.CURATED, S.COMPOSED, S.SENDING, S.SENT)


def add_articles(tx: Tx, *keys: int) -> None:
    (source_id,) = tx.connection.execute(
        insert(source).values(
            kind="rss", url=f"https://example.com/{keys}", title="W", next_poll_at=NOW, created_at=NOW
        )
    ).inserted_primary_key
    blank = dict.fromkeys(["title", "summary", "content_html", "text", "image_alt"], "")
    rows: list[dict[str, Any]] = [
        {
            **blank,
            "id": key,
            "identity": f"i{key}",
            "url": f"https://example.com/{key}",
            "canonical_url": "",
            "url_hash": "",
            "source_id": source_id,
            "published_is_day": False,
            "first_seen_at": NOW,
            "labels": [],
            "position": 0,
            "content_hash": "",
            "word_count": 0,
        }
        for key in keys
    ]
    tx.connection.execute(insert(article), rows)


def item(key: int, position: int = 0, **more: Any) -> IssueItem:
    defaults = {"role": Role.LEAD, "section": "city", "section_title": "City", "score": 1.5, "teaser": "So it is."}
    return IssueItem(key, position, **(defaults | more))


def test_an_issue_is_opened_once_for_each_period_and_cadence(store: Store):
    period = Period(NOW.date(), NOW)
    with store.write() as tx:
        publication = make_publication(tx)
        first, made = issues.open_period(tx, publication.id, cadence="daily", period=period, now=NOW)
        again, made_again = issues.open_period(tx, publication.id, cadence="daily", period=period, now=NOW + DAY)
        weekly, weekly_made = issues.open_period(tx, publication.id, cadence="weekly", period=period, now=NOW)

        assert issues.of_period(tx, publication.id, cadence="daily", period=period) == first

    assert (made, made_again, weekly_made) == (True, False, True)
    assert again == first
    assert weekly.id != first.id
    assert (first.state, first.publication_slug, first.period_start, first.due_at) == (
        *(S.PLANNED, publication.slug),
        *(NOW.date(), NOW),
    )


def test_of_many_clocks_opening_one_period_one_makes_the_issue(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
    gate = Barrier(6)

    def clock(_number: int) -> tuple[int, bool]:
        gate.wait()
        with store.write() as tx:
            issue, made = issues.open_period(
                tx, publication.id, cadence="daily", period=Period(NOW.date(), NOW), now=NOW
            )
            return issue.id, made

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(clock, range(6)))

    assert len({key for key, _ in results}) == 1
    assert sorted(made for _, made in results) == [False] * 5 + [True]


@pytest.mark.parametrize("expected", S)
def test_a_move_that_is_not_in_the_table_is_refused_and_one_in_it_is_done(store: Store, expected: IssueState):
    from_start = {
        S.PLANNED: (),
        S.COLLECTING: TO_SENT[:1],
        S.CURATED: TO_SENT[:2],
        S.COMPOSED: TO_SENT[:3],
        S.APPROVED: (*TO_SENT[:3], S.APPROVED),
        S.SENDING: TO_SENT[:4],
        S.PAUSED: (*TO_SENT[:4], S.PAUSED),
        S.SENT: TO_SENT,
        S.SKIPPED: (S.SKIPPED,),
        S.FAILED: (S.FAILED,),
        S.CANCELLED: (S.CANCELLED,),
    }
    with store.write() as tx:
        publication = make_publication(tx)
        for day, to in enumerate(S):
            issue = walk(tx, opened(tx, publication, day), *from_start[expected])
            if to in TRANSITIONS[expected]:
                assert issues.move(tx, issue.id, expected=expected, to=to, now=NOW)
                assert issues.get(tx, issue.id).state is to
            else:
                with pytest.raises(IllegalTransition):
                    issues.move(tx, issue.id, expected=expected, to=to, now=NOW)
                assert issues.get(tx, issue.id).state is expected


def test_a_move_from_a_state_it_is_no_longer_in_changes_nothing(store: Store):
    with store.write() as tx:
        issue = walk(tx, opened(tx, make_publication(tx)), S.CANCELLED)

        assert not issues.move(tx, issue.id, expected=S.PLANNED, to=S.COLLECTING, now=NOW)
        assert issues.get(tx, issue.id) == issue


def test_of_many_workers_moving_one_issue_one_wins(store: Store):
    with store.write() as tx:
        issue = opened(tx, make_publication(tx))
    gate = Barrier(6)

    def worker(number: int) -> bool:
        gate.wait()
        with store.write() as tx:
            to = S.COLLECTING if number % 2 else S.CANCELLED
            return issues.move(tx, issue.id, expected=S.PLANNED, to=to, now=NOW)

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(worker, range(6)))

    assert sorted(won) == [False] * 5 + [True]


def test_times_and_reasons_are_kept_with_the_state(store: Store):
    later = NOW + DAY
    with store.write() as tx:
        publication = make_publication(tx)
        sending = walk(tx, opened(tx, publication), *TO_SENT[:4])
        for expected, to in ((S.SENDING, S.PAUSED), (S.PAUSED, S.SENDING)):
            issues.move(tx, sending.id, expected=expected, to=to, reason="why", now=later)
        resumed = issues.get(tx, sending.id)
        issues.move(tx, sending.id, expected=S.SENDING, to=S.SENT, now=later)
        sent = issues.get(tx, sending.id)

    assert (resumed.sending_at, resumed.closed_at, resumed.reason) == (NOW, None, "why")
    assert (sent.sending_at, sent.closed_at) == (NOW, later)


def test_a_failed_issue_that_starts_again_forgets_why_it_failed(store: Store):
    with store.write() as tx:
        issue = opened(tx, make_publication(tx))
        issues.move(tx, issue.id, expected=S.PLANNED, to=S.FAILED, reason="no template", now=NOW)
        issues.move(tx, issue.id, expected=S.FAILED, to=S.PLANNED, now=NOW)

        assert issues.get(tx, issue.id) == issue


def test_an_unknown_issue_is_not_found(store: Store):
    with store.read() as tx, pytest.raises(NotFound, match="no issue 7") as caught:
        issues.get(tx, 7)

    assert "issue list" in caught.value.hint


def test_unfinished_issues_are_those_on_which_somebody_should_work(store: Store):
    ends = {0: (), 1: TO_SENT[:4], 2: TO_SENT, 3: (*TO_SENT[:4], S.PAUSED), 4: (S.SKIPPED,), 5: (S.FAILED,)}
    with store.write() as tx:
        publication = make_publication(tx)
        made = [walk(tx, opened(tx, publication, day), *path) for day, path in ends.items()]

        assert issues.unfinished(tx) == made[:2]
        assert issues.list_recent(tx, limit=3) == made[:2:-1]
        assert issues.list_recent(tx, publication_id=publication.id + 1) == []


def window_after(store: Store, path: tuple[IssueState, ...], *, cadence: str = "daily") -> datetime | None:
    with store.write() as tx:
        publication = make_publication(tx)
        for day, steps in ((0, TO_SENT), (1, path)):
            issue = opened(tx, publication, day, cadence="daily" if day == 0 else cadence)
            issues.set_window(tx, issue.id, window_from=None, window_to=NOW + day * DAY)
            walk(tx, issue, *steps)
        return issues.window_start(tx, opened(tx, publication, 2))


@pytest.mark.parametrize("path", [TO_SENT, TO_SENT[:4], TO_SENT[:2], (*TO_SENT[:4], S.PAUSED)])
def test_the_window_starts_where_the_last_issue_that_took_articles_ended(store: Store, path: tuple[IssueState, ...]):
    assert window_after(store, path) == NOW + DAY


@pytest.mark.parametrize("path", [(S.SKIPPED,), (S.FAILED,), (S.CANCELLED,), (*TO_SENT[:4], S.CANCELLED)])
def test_articles_of_an_issue_that_never_went_out_roll_over(store: Store, path: tuple[IssueState, ...]):
    assert window_after(store, path) == NOW


def test_the_window_of_another_cadence_does_not_count(store: Store):
    assert window_after(store, TO_SENT, cadence="weekly") == NOW


def test_the_first_window_has_no_start_and_an_issue_is_not_its_own_predecessor(store: Store):
    with store.write() as tx:
        issue = opened(tx, make_publication(tx))
        issues.set_window(tx, issue.id, window_from=None, window_to=NOW)

        assert issues.window_start(tx, issue) is None


def test_what_curating_decided_comes_back_as_it_was(store: Store):
    placed = [item(2, also_at=(("The Post", "https://example.org/2"),)), item(1, 1, role=Role.BRIEF)]
    judged = [
        Candidate(2, Verdict.PLACED, 3.5, {"freshness": 1.0, "weight": 2.5}),
        Candidate(1, Verdict.PLACED, 1.5, {"weight": 1.5}),
        Candidate(3, Verdict.MERGED, 1.5, merged_into=1, note="the same report"),
        Candidate(4, Verdict.HIDDEN, note="hidden by an operator"),
    ]
    with store.write() as tx:
        issue = opened(tx, make_publication(tx))
        add_articles(tx, 1, 2, 3, 4)
        issues.put_curation(tx, issue.id, items=placed, candidates=judged)

        assert issues.items(tx, issue.id) == placed
        assert issues.candidates(tx, issue.id) == judged
        assert issues.verdicts_on(tx, 3) == [(issue, judged[2])]


def test_curating_again_replaces_all_of_the_earlier_attempt(store: Store):
    with store.write() as tx:
        issue, other = (opened(tx, make_publication(tx, slug)) for slug in ("morning", "evening"))
        add_articles(tx, 1, 2)
        for target in (issue, other):
            issues.put_curation(tx, target.id, items=[item(1)], candidates=[Candidate(1, Verdict.PLACED)])
        issues.put_curation(tx, issue.id, items=[item(2)], candidates=[Candidate(2, Verdict.PLACED)])

        assert [one.article_id for one in issues.items(tx, issue.id)] == [2]
        assert [one.article_id for one in issues.candidates(tx, issue.id)] == [2]
        assert [one.article_id for one in issues.items(tx, other.id)] == [1]
        issues.put_curation(tx, issue.id, items=[], candidates=[])
        assert (issues.items(tx, issue.id), issues.candidates(tx, issue.id)) == ([], [])


@pytest.mark.parametrize(
    ("path", "found"),
    [(TO_SENT, {1}), (TO_SENT[:2], {1}), ((S.SKIPPED,), set()), ((S.FAILED,), set()), ((S.CANCELLED,), set())],
)
def test_an_article_judged_by_a_live_issue_is_judged_and_by_a_dead_one_is_not(
    store: Store, path: tuple[IssueState, ...], found: set[int]
):
    with store.write() as tx:
        publication = make_publication(tx)
        earlier = opened(tx, publication)
        add_articles(tx, 1, 2)
        issues.put_curation(tx, earlier.id, items=[], candidates=[Candidate(1, Verdict.OVER_CAP)])
        walk(tx, earlier, *path)
        today = opened(tx, publication, 1)
        issues.put_curation(tx, today.id, items=[], candidates=[Candidate(2, Verdict.PLACED)])

        assert issues.judged_elsewhere(tx, today, [1, 2, 3]) == found
        assert issues.judged_elsewhere(tx, opened(tx, publication, 1, cadence="weekly"), [1, 2]) == set()
        assert issues.judged_elsewhere(tx, opened(tx, make_publication(tx, "evening")), [1, 2]) == set()
        assert issues.judged_elsewhere(tx, today, []) == set()


def test_numbers_run_through_all_cadences_of_a_publication_and_are_kept(store: Store):
    with store.write() as tx:
        morning, evening = make_publication(tx), make_publication(tx, "evening")
        made = [opened(tx, morning, 0), opened(tx, morning, 0, cadence="weekly"), opened(tx, morning, 1)]
        numbers = [issues.title(tx, issue.id, subject="News", preheader="p") for issue in made]
        again = issues.title(tx, made[0].id, subject="Other news", preheader="q")
        elsewhere = issues.title(tx, opened(tx, evening).id, subject="News", preheader="p")

        assert issues.by_number(tx, "morning", 1) == replace(made[0], number=1, subject="Other news", preheader="q")
        assert issues.by_number(tx, "morning", 4) is None

    assert (numbers, again, elsewhere) == ([1, 2, 3], 1, 1)


def test_many_workers_numbering_issues_leave_no_gap_and_give_each_issue_one_number(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        made = [opened(tx, publication, day) for day in range(4)]
    gate = Barrier(8)

    def number(issue: Issue) -> tuple[int, int]:
        gate.wait()
        with store.write() as tx:
            return issue.id, issues.title(tx, issue.id, subject="News", preheader="")

    with ThreadPoolExecutor(8) as pool:
        given = set(pool.map(number, made * 2))

    assert len(given) == 4
    assert sorted(number for _, number in given) == [1, 2, 3, 4]


@pytest.mark.parametrize("second", [item(1, 1), item(2, 0)])
def test_neither_an_article_nor_a_position_can_stand_in_an_issue_twice(store: Store, second: IssueItem):
    with store.write() as tx:
        issue = opened(tx, make_publication(tx))
        add_articles(tx, 1, 2)
    with pytest.raises(IntegrityError), store.write() as tx:
        issues.put_curation(tx, issue.id, items=[item(1), second], candidates=[])
    with store.read() as tx:
        assert issues.items(tx, issue.id) == []
