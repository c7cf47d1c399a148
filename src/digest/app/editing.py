"""What editors do: to articles for the next issues, and to an issue before, and while, it goes out.

Rules: a decision about an article is its publication's, not everybody's. An issue is changed as a whole, in one
transaction: its items, its renditions, and which of them the deliveries that nobody has claimed will get. Who was
sent the old version, or may have been, keeps it: its bytes stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digest.app.line import Line, compose_again
from digest.model.article import Article, Editing
from digest.model.errors import BadInput, IllegalTransition, NotFound
from digest.model.issue import Issue, IssueItem, IssueState, Verdict
from digest.store import articles, deliveries, issues, publications
from digest.store import editing as editings
from digest.store import renditions as rendition_store
from digest.store.engine import Store, Tx
from digest.text.sanitise import clean_line

_MAX_TEASER_CHARS, _MAX_INTRO_CHARS = 600, 2000
_IN_PREPARATION = (IssueState.CURATED, IssueState.COMPOSED)
_ON_ITS_WAY = (IssueState.SENDING, IssueState.PAUSED)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a recall did. ``readdressed`` deliveries will get the issue without it, ``too_late`` got it or may have."""

    issue: Issue
    article: Article
    readdressed: int
    too_late: int


def find(tx: Tx, ref: str) -> Article:
    """The article with an id as `digest article list` shows it, or at an address. Raises NotFound."""
    if ref.isascii() and ref.isdigit():
        known = articles.by_ids(tx, [int(ref)])
        found = known[0] if known else None
    else:
        found = articles.find_by_url(tx, ref)
    if found is None:
        raise NotFound(f"no article {ref} was ever seen", hint="`digest article list` shows what there is")
    return found


def decide(
    store: Store,
    slug: str,
    ref: str,
    *,
    pin: int | None = None,
    unpin: bool = False,
    is_hidden: bool | None = None,
    teaser: str | None = None,
) -> tuple[Article, Editing]:
    """Decide something about an article for a publication's next issues; what is not named stays.

    ``pin`` is the place it is to have, 0 the first; ``teaser`` "" goes back to the publisher's. Raises NotFound.
    """
    values: dict[str, object] = {}
    if pin is not None or unpin:
        values["pin"] = pin
    if is_hidden is not None:
        values["is_hidden"] = is_hidden
    if teaser is not None:
        values["teaser"] = _one_line(teaser, _MAX_TEASER_CHARS, what="teaser") or None
    with store.write() as tx:
        publication = publications.get(tx, slug)
        article = find(tx, ref)
        return article, editings.change(tx, publication.id, article.id, now=tx.now(), **values)


def approve(store: Store, issue_id: int) -> Issue:
    """Let a composed issue go out at once, whatever it waits for. Raises IllegalTransition."""
    with store.write() as tx:
        issue = issues.held(tx, issue_id)
        if issue.state is not IssueState.COMPOSED:
            raise IllegalTransition(
                f"issue {issue_id} is {issue.state}", hint="only an issue that is composed can be approved"
            )
        issues.move(tx, issue_id, expected=IssueState.COMPOSED, to=IssueState.APPROVED, now=tx.now())
        return issues.get(tx, issue_id)


def introduce(line: Line, issue_id: int, text: str) -> Issue:
    """Put an editor's words above the lead; "" takes them away. Raises IllegalTransition once it goes out."""
    intro = _one_line(text, _MAX_INTRO_CHARS, what="introduction")

    def change(tx: Tx, _issue: Issue) -> None:
        issues.introduce(tx, issue_id, intro=intro)

    return _prepare(line, issue_id, change)


def retell(line: Line, issue_id: int, ref: str, teaser: str) -> Issue:
    """Tell an item of an issue in other words. Raises IllegalTransition once it goes out, NotFound."""
    words = _one_line(teaser, _MAX_TEASER_CHARS, what="teaser")

    def change(tx: Tx, issue: Issue) -> None:
        article = find(tx, ref)
        items = _items_with(tx, issue, [article])
        issues.put_items(
            tx, issue.id, [replace(item, teaser=words) if item.article_id == article.id else item for item in items]
        )
        editings.change(tx, issue.publication_id, article.id, now=tx.now(), teaser=words)

    return _prepare(line, issue_id, change)


def reorder(line: Line, issue_id: int, refs: Sequence[str]) -> Issue:
    """Bring items to the front, in this order; the rest follows as it was. The first one leads.

    Raises IllegalTransition once the issue goes out, NotFound for an article that is not in it.
    """

    def change(tx: Tx, issue: Issue) -> None:
        wanted = [find(tx, ref) for ref in refs]
        keys = list(dict.fromkeys(article.id for article in wanted))
        items = _items_with(tx, issue, wanted)
        by_key = {item.article_id: item for item in items}
        in_order = [*keys, *(item.article_id for item in items if item.article_id not in keys)]
        issues.put_items(tx, issue.id, _placed([by_key[key] for key in in_order], roles=items))

    return _prepare(line, issue_id, change)


def recall(line: Line, issue_id: int, ref: str) -> Recalled:
    """Take an article out of an issue, for everybody whose message nobody has claimed yet, and out of later ones.

    Raises IllegalTransition for an issue that is not in hand any more, NotFound for an article that is not in it,
    BadInput for its only one.
    """
    with line.container.store.write() as tx:
        issue = issues.held(tx, issue_id)
        if issue.state not in (*_IN_PREPARATION, IssueState.APPROVED, *_ON_ITS_WAY):
            raise IllegalTransition(
                f"issue {issue_id} is {issue.state}", hint="only what has not been sent yet can be recalled"
            )
        article = find(tx, ref)
        items = _items_with(tx, issue, [article])
        rest = [item for item in items if item.article_id != article.id]
        if not rest:
            raise BadInput(
                f"issue {issue_id} has no other article", hint=f"cancel it: `digest issue cancel {issue_id}`"
            )
        now = tx.now()
        issues.put_items(tx, issue.id, _placed(rest, roles=items))
        issues.set_verdict(tx, issue.id, article.id, verdict=Verdict.RECALLED, note="an editor took it back")
        editings.change(tx, issue.publication_id, article.id, now=now, is_recalled=True)
        readdressed = _recompose(tx, line, issue, now=now)
        issue = issues.get(tx, issue_id)
        reached = (issue.audience or 0) - readdressed if issue.state in _ON_ITS_WAY else 0
        return Recalled(issue, article, readdressed, max(0, reached))


def _prepare(line: Line, issue_id: int, change: Callable[[Tx, Issue], None]) -> Issue:
    """Change an issue that is still being prepared, and compose it anew where that was done."""
    with line.container.store.write() as tx:
        issue = issues.held(tx, issue_id)
        if issue.state not in _IN_PREPARATION:
            raise IllegalTransition(
                f"issue {issue_id} is {issue.state}",
                hint="edit an issue between composing and sending: `digest publication set SLUG --hold-minutes 30`",
            )
        change(tx, issue)
        _recompose(tx, line, issues.get(tx, issue_id), now=tx.now())
        return issues.get(tx, issue_id)


def _recompose(tx: Tx, line: Line, issue: Issue, *, now: datetime) -> int:
    """Compose an issue anew if it was composed; returns how many unclaimed deliveries get the new version."""
    if issue.state is IssueState.CURATED:
        return 0
    before = rendition_store.retire(tx, issue.id, now=now)
    keys = [key for key in before if key.format != rendition_store.WEB]
    compose_again(tx, line, issue, keys, now=now)
    after = {rendition.key: rendition.id for rendition in rendition_store.of_issue(tx, issue.id)}
    return sum(deliveries.readdress(tx, issue.id, old=before[key], new=after.get(key)) for key in keys)


def _items_with(tx: Tx, issue: Issue, wanted: Sequence[Article]) -> list[IssueItem]:
    items = issues.items(tx, issue.id)
    placed = {item.article_id for item in items}
    for article in wanted:
        if article.id not in placed:
            raise NotFound(
                f"“{article.title}” is not in issue {issue.id}", hint=f"`digest issue show {issue.id}` lists its items"
            )
    return items


def _placed(items: Sequence[IssueItem], *, roles: Sequence[IssueItem]) -> list[IssueItem]:
    """Items in this order: each place keeps the role it had."""
    return [replace(item, position=place, role=roles[place].role) for place, item in enumerate(items)]


def _one_line(text: str, most: int, *, what: str) -> str:
    line = clean_line(text)
    if len(line) > most:
        raise BadInput(f"the {what} has {len(line)} characters", hint=f"use at most {most}")
    return line
