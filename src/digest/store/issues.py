"""Issues: one row per (publication, cadence, period), moved only by compare-and-set.

Any number of clocks may call `open_period`: the unique key lets one insert win. Any number of workers may call
`move`: the WHERE on the expected state lets one of them win, and the others see False and stop.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, literal, select, update

from digest.model.calendar import Period
from digest.model.delivery import FailReason
from digest.model.errors import IllegalTransition, NotFound
from digest.model.issue import TRANSITIONS, Candidate, Issue, IssueItem, IssueState, Role, Verdict
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import issue, issue_candidate, issue_item, publication

#: The most that an issue can overtake by; engines keep what lies above for notices.
PRIORITY_MAX = 9

_COLUMNS = (
    issue.c.id,
    issue.c.publication_id,
    publication.c.slug.label("publication_slug"),
    issue.c.cadence,
    issue.c.period_start,
    issue.c.due_at,
    issue.c.window_from,
    issue.c.window_to,
    issue.c.state,
    issue.c.reason,
    issue.c.number,
    issue.c.subject,
    issue.c.preheader,
    issue.c.audience,
    issue.c.created_at,
    issue.c.sending_at,
    issue.c.closed_at,
    issue.c.expires_at,
    issue.c.priority,
    issue.c.intro,
    issue.c.hold_until,
)


def open_period(tx: Tx, publication_id: int, *, cadence: str, period: Period, now: datetime) -> tuple[Issue, bool]:
    """The issue of that period and whether this call made it. Bar 1 against double sending."""
    statement = (
        insert_or_ignore(tx, issue)
        .values(
            publication_id=publication_id,
            cadence=cadence,
            period_start=period.start,
            due_at=period.due_at,
            state=IssueState.PLANNED.value,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["publication_id", "cadence", "period_start"])
        .returning(issue.c.id)
    )
    made = tx.connection.execute(statement).scalar_one_or_none() is not None
    found = of_period(tx, publication_id, cadence=cadence, period=period)
    if found is None:
        raise AssertionError("an issue that was just inserted is not there")
    return found, made


def of_period(tx: Tx, publication_id: int, *, cadence: str, period: Period) -> Issue | None:
    """The issue of a period, if there is one."""
    return _one(
        tx,
        _select().where(
            issue.c.publication_id == publication_id,
            issue.c.cadence == cadence,
            issue.c.period_start == period.start,
        ),
    )


def get(tx: Tx, issue_id: int) -> Issue:
    """An issue by key. Raises NotFound."""
    found = _one(tx, _select().where(issue.c.id == issue_id))
    if found is None:
        raise NotFound(f"there is no issue {issue_id}", hint="`digest issue list` shows them")
    return found


def held(tx: Tx, issue_id: int) -> Issue:
    """An issue by key, whose state nobody else changes, or relies on, until this transaction ends. Raises NotFound."""
    tx.connection.execute(select(issue.c.id).where(issue.c.id == issue_id).with_for_update(key_share=True))
    return get(tx, issue_id)


def by_number(tx: Tx, publication_slug: str, number: int) -> Issue | None:
    """An issue as its web address names it."""
    return _one(tx, _select().where(publication.c.slug == publication_slug, issue.c.number == number))


def list_recent(tx: Tx, *, publication_id: int | None = None, limit: int = 50) -> list[Issue]:
    """Issues, newest first."""
    query = _select().order_by(issue.c.id.desc()).limit(limit)
    if publication_id is not None:
        query = query.where(issue.c.publication_id == publication_id)
    return [_issue(row) for row in tx.connection.execute(query)]


def of_cadences(tx: Tx, publication_id: int, *, prefix: str) -> list[Issue]:
    """A publication's issues whose cadence begins so, newest first."""
    begins_so = issue.c.cadence.startswith(prefix, autoescape=True)
    query = _select().where(issue.c.publication_id == publication_id, begins_so).order_by(issue.c.id.desc())
    return [_issue(row) for row in tx.connection.execute(query)]


def unfinished(tx: Tx) -> list[Issue]:
    """Issues on which work remains and that nobody holds back, oldest first."""
    states = [s.value for s in IssueState if s.is_open and s is not IssueState.PAUSED]
    query = _select().where(issue.c.state.in_(states)).order_by(issue.c.id)
    return [_issue(row) for row in tx.connection.execute(query)]


def move(
    tx: Tx, issue_id: int, *, expected: IssueState, to: IssueState, reason: str | None = None, now: datetime
) -> bool:
    """Change the state if it is still ``expected``; False means somebody else moved it. Bar 2.

    Raises IllegalTransition for a change the table in `model.issue` does not have.
    """
    if to not in TRANSITIONS[expected]:
        raise IllegalTransition(f"an issue cannot go from {expected} to {to}")
    values: dict[str, Any] = {"state": to.value}
    if reason is not None:
        values["reason"] = reason
    if to is IssueState.SENDING:
        values |= {"sending_at": func.coalesce(issue.c.sending_at, _literal(now)), "closed_at": None}
    if not to.is_open:
        values["closed_at"] = now
    if to is IssueState.PLANNED:
        values |= {"closed_at": None, "reason": None}
    result = tx.connection.execute(
        update(issue).where(issue.c.id == issue_id, issue.c.state == expected.value).values(**values)
    )
    return result.rowcount == 1


def prioritise(tx: Tx, issue_id: int, *, priority: int) -> None:
    """Let the issue overtake others from its next wake-up on: 0 is bulk, up to `PRIORITY_MAX`."""
    if not 0 <= priority <= PRIORITY_MAX:
        raise ValueError(f"a priority is 0 to {PRIORITY_MAX}, not {priority}")
    tx.connection.execute(update(issue).where(issue.c.id == issue_id).values(priority=priority))


def introduce(tx: Tx, issue_id: int, *, intro: str) -> None:
    """Set an editor's words above the lead; "" for none."""
    tx.connection.execute(update(issue).where(issue.c.id == issue_id).values(intro=intro))


def hold_until(tx: Tx, issue_id: int, *, instant: datetime) -> None:
    """Keep an issue from being sent before ``instant``, unless an editor approves it."""
    tx.connection.execute(update(issue).where(issue.c.id == issue_id).values(hold_until=instant))


def put_items(tx: Tx, issue_id: int, items: Sequence[IssueItem]) -> None:
    """Replace the placed articles; what was decided about the others stays."""
    tx.connection.execute(delete(issue_item).where(issue_item.c.issue_id == issue_id))
    if items:
        tx.connection.execute(insert(issue_item), [_item_row(issue_id, item) for item in items])


def set_verdict(tx: Tx, issue_id: int, article_id: int, *, verdict: Verdict, note: str) -> None:
    """Change what was decided about an article in an issue."""
    tx.connection.execute(
        update(issue_candidate)
        .where(issue_candidate.c.issue_id == issue_id, issue_candidate.c.article_id == article_id)
        .values(verdict=verdict.value, note=note)
    )


def expire_at(tx: Tx, issue_id: int, *, instant: datetime, reason: FailReason | None = None) -> None:
    """Let nothing of the issue go out from ``instant`` on. ``reason``: an operator closes it (`endings.ended`)."""
    tx.connection.execute(
        update(issue).where(issue.c.id == issue_id).values(expires_at=instant, reason=reason.value if reason else None)
    )


def expire_earlier(tx: Tx, issue_: Issue, *, now: datetime) -> int:
    """End every earlier issue of the same rhythm that is still being sent: this one is the news now."""
    result = tx.connection.execute(
        update(issue)
        .where(
            issue.c.publication_id == issue_.publication_id,
            issue.c.cadence == issue_.cadence,
            issue.c.period_start < issue_.period_start,
            issue.c.state.in_([IssueState.SENDING.value, IssueState.PAUSED.value]),
        )
        .values(expires_at=now)
    )
    return result.rowcount


def set_window(tx: Tx, issue_id: int, *, window_from: datetime | None, window_to: datetime) -> None:
    """Record which first-seen instants the issue covers."""
    tx.connection.execute(
        update(issue).where(issue.c.id == issue_id).values(window_from=window_from, window_to=window_to)
    )


def window_start(tx: Tx, issue_: Issue) -> datetime | None:
    """Where the window of this issue starts: the end of the last one that took articles, so that nothing is lost.

    Skipped, failed and cancelled issues took none: their articles roll over. None before the first issue.
    """
    taken = [s.value for s in IssueState if s.is_open or s is IssueState.SENT]
    query = select(func.max(issue.c.window_to)).where(
        issue.c.publication_id == issue_.publication_id,
        issue.c.cadence == issue_.cadence,
        issue.c.id != issue_.id,
        issue.c.state.in_(taken),
    )
    latest: datetime | None = tx.connection.execute(query).scalar_one()
    return latest


def put_curation(tx: Tx, issue_id: int, *, items: Sequence[IssueItem], candidates: Sequence[Candidate]) -> None:
    """Store what curating decided, replacing an earlier unfinished attempt."""
    tx.connection.execute(delete(issue_candidate).where(issue_candidate.c.issue_id == issue_id))
    put_items(tx, issue_id, items)
    if candidates:
        rows: list[dict[str, Any]] = [
            {
                "issue_id": issue_id,
                "article_id": candidate.article_id,
                "verdict": candidate.verdict.value,
                "score": candidate.score,
                "score_parts": candidate.score_parts,
                "merged_into": candidate.merged_into,
                "note": candidate.note,
            }
            for candidate in candidates
        ]
        tx.connection.execute(insert(issue_candidate), rows)


def _item_row(issue_id: int, item: IssueItem) -> dict[str, Any]:
    return {
        "issue_id": issue_id,
        "article_id": item.article_id,
        "position": item.position,
        "role": item.role.value,
        "section": item.section,
        "section_title": item.section_title,
        "score": item.score,
        "teaser": item.teaser,
        "also_at": [list(pair) for pair in item.also_at],
    }


def items(tx: Tx, issue_id: int) -> list[IssueItem]:
    """The placed articles in order."""
    query = select(issue_item).where(issue_item.c.issue_id == issue_id).order_by(issue_item.c.position)
    return [
        IssueItem(
            article_id=row.article_id,
            position=row.position,
            role=Role(row.role),
            section=row.section,
            section_title=row.section_title,
            score=row.score,
            teaser=row.teaser,
            also_at=tuple((title, url) for title, url in row.also_at),
        )
        for row in tx.connection.execute(query)
    ]


def candidates(tx: Tx, issue_id: int) -> list[Candidate]:
    """Every article looked at, best score first."""
    query = (
        select(issue_candidate)
        .where(issue_candidate.c.issue_id == issue_id)
        .order_by(issue_candidate.c.score.desc(), issue_candidate.c.article_id)
    )
    return [_candidate(row) for row in tx.connection.execute(query)]


def verdicts_on(tx: Tx, article_id: int) -> list[tuple[Issue, Candidate]]:
    """What each issue decided about an article, oldest first."""
    query = (
        _select(issue_candidate)
        .join(issue_candidate, issue_candidate.c.issue_id == issue.c.id)
        .where(issue_candidate.c.article_id == article_id)
        .order_by(issue.c.id)
    )
    return [(_issue(row), _candidate(row)) for row in tx.connection.execute(query)]


def judged_elsewhere(
    tx: Tx, issue_: Issue, article_ids: Sequence[int], *, verdicts: Collection[Verdict] = tuple(Verdict)
) -> set[int]:
    """Those of the articles on which another live issue of the same cadence has such a verdict: never twice (F19).

    A skipped, failed or cancelled issue keeps nothing from rolling over.
    """
    gone = [IssueState.FAILED.value, IssueState.CANCELLED.value, IssueState.SKIPPED.value]
    query = (
        select(issue_candidate.c.article_id)
        .join(issue, issue.c.id == issue_candidate.c.issue_id)
        .where(
            issue.c.publication_id == issue_.publication_id,
            issue.c.cadence == issue_.cadence,
            issue.c.id != issue_.id,
            issue.c.state.not_in(gone),
            issue_candidate.c.article_id.in_(article_ids),
            issue_candidate.c.verdict.in_([one.value for one in verdicts]),
        )
    )
    return set(tx.connection.execute(query).scalars())


def name(tx: Tx, issue_id: int, *, subject: str, preheader: str) -> None:
    """Give an issue that is not counted its subject."""
    tx.connection.execute(update(issue).where(issue.c.id == issue_id).values(subject=subject, preheader=preheader))


def title(tx: Tx, issue_id: int, *, subject: str, preheader: str) -> int:
    """Give the issue its subject and the publication's next number (kept when it has one); returns the number."""
    owner = select(issue.c.publication_id).where(issue.c.id == issue_id).scalar_subquery()
    # The publication row is locked before anything is read, so that neither two cadences nor two workers on one
    # issue can take two numbers or the same one (SQLite holds its write lock).
    tx.connection.execute(select(publication.c.id).where(publication.c.id == owner).with_for_update())
    number: int | None = tx.connection.execute(select(issue.c.number).where(issue.c.id == issue_id)).scalar_one()
    if number is None:
        highest = select(func.max(issue.c.number)).where(issue.c.publication_id == owner)
        number = (tx.connection.execute(highest).scalar_one() or 0) + 1
    tx.connection.execute(
        update(issue).where(issue.c.id == issue_id).values(number=number, subject=subject, preheader=preheader)
    )
    return number


def _literal(instant: datetime) -> Any:
    return literal(instant, issue.c.sending_at.type)


def _select(*more: Any) -> Select[Any]:
    return select(*_COLUMNS, *more).join(publication, publication.c.id == issue.c.publication_id)


def _one(tx: Tx, query: Select[Any]) -> Issue | None:
    row = tx.connection.execute(query).one_or_none()
    return None if row is None else _issue(row)


def _issue(row: Row[Any]) -> Issue:
    mapping = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    values = {column.name: mapping[column] for column in _COLUMNS}
    return Issue(**{**values, "state": IssueState(values["state"])})


def _candidate(row: Row[Any]) -> Candidate:
    take = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    return Candidate(
        article_id=take[issue_candidate.c.article_id],
        verdict=Verdict(take[issue_candidate.c.verdict]),
        score=take[issue_candidate.c.score],
        score_parts=take[issue_candidate.c.score_parts],
        merged_into=take[issue_candidate.c.merged_into],
        note=take[issue_candidate.c.note],
    )
