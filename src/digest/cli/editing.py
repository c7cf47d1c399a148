"""What editors do on the command line: with `digest article` for the next issues, with `digest issue` for one."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.app import editing
from digest.app.clock import system_clock
from digest.app.container import Container
from digest.app.engines import engine_of
from digest.app.line import Line
from digest.cli import output
from digest.cli.output import AsJson, Yes
from digest.cli.state import opened
from digest.model.article import Article, Editing
from digest.model.issue import Issue
from digest.store import issues, publications

ArticleRef = Annotated[str, typer.Argument(metavar="ARTICLE", help="Id or address of an article.")]
PublicationOption = Annotated[str, typer.Option("--publication", help="The publication it is decided for.")]
IssueId = Annotated[int, typer.Argument(metavar="ISSUE", help="Id as `digest issue list` shows it.")]


def pin(
    context: typer.Context,
    article: ArticleRef,
    publication: PublicationOption,
    *,
    place: Annotated[int, typer.Option(min=1, max=100, help="The place it is to have; 1 leads.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Have an article in the publication's next issue, at this place."""
    with opened(context) as container:
        found, now = editing.decide(container.store, publication, article, pin=place - 1)
    _tell(found, now, f"“{found.title}” will be at place {place} of the next issue of {publication}.", as_json=as_json)


def unpin(
    context: typer.Context, article: ArticleRef, publication: PublicationOption, *, as_json: AsJson = False
) -> None:
    """Let an article find its place by its score again."""
    with opened(context) as container:
        found, now = editing.decide(container.store, publication, article, unpin=True)
    _tell(found, now, f"“{found.title}” is ranked by its score again.", as_json=as_json)


def hide(
    context: typer.Context, article: ArticleRef, publication: PublicationOption, *, as_json: AsJson = False
) -> None:
    """Keep an article out of the publication's issues."""
    with opened(context) as container:
        found, now = editing.decide(container.store, publication, article, is_hidden=True)
    _tell(found, now, f"“{found.title}” will not be in an issue of {publication}.", as_json=as_json)


def unhide(
    context: typer.Context, article: ArticleRef, publication: PublicationOption, *, as_json: AsJson = False
) -> None:
    """Take a hidden article back in, for an issue that has not been curated yet."""
    with opened(context) as container:
        found, now = editing.decide(container.store, publication, article, is_hidden=False)
    _tell(found, now, f"“{found.title}” may be in an issue of {publication} again.", as_json=as_json)


def retell(
    context: typer.Context,
    article: ArticleRef,
    text: Annotated[str, typer.Argument(help="The words; empty goes back to the publisher's.")],
    publication: PublicationOption,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell an article in other words in the publication's next issue."""
    with opened(context) as container:
        found, now = editing.decide(container.store, publication, article, teaser=text)
    said = "has your teaser" if now.teaser else "has its publisher's teaser again"
    _tell(found, now, f"“{found.title}” {said} in {publication}.", as_json=as_json)


def approve(context: typer.Context, issue: IssueId, *, as_json: AsJson = False) -> None:
    """Approve a composed issue: the clock, or `digest run`, sends it."""
    with opened(context) as container:
        found = editing.approve(container.store, issue)
    _tell_issue(found, f"Approved issue {issue}; the next turn of the clock sends it.", as_json=as_json)


def introduce(
    context: typer.Context,
    issue: IssueId,
    text: Annotated[str, typer.Argument(help="Your words above the lead; empty takes them away.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Put an introduction above the lead of an issue that is being prepared."""
    with opened(context) as container:
        found = editing.introduce(_line(container, issue), issue, text)
    _tell_issue(
        found, f"Issue {issue} {'begins with your words' if found.intro else 'begins at once'}.", as_json=as_json
    )


def teaser(
    context: typer.Context,
    issue: IssueId,
    article: ArticleRef,
    text: Annotated[str, typer.Argument(help="The words.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell an item of an issue that is being prepared in other words."""
    with opened(context) as container:
        found = editing.retell(_line(container, issue), issue, article, text)
    _tell_issue(found, f"Issue {issue} tells it in your words.", as_json=as_json)


def reorder(
    context: typer.Context,
    issue: IssueId,
    article: Annotated[list[str], typer.Argument(metavar="ARTICLE…", help="Ids or addresses; the first one leads.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Bring items of an issue that is being prepared to the front, in this order."""
    with opened(context) as container:
        found = editing.reorder(_line(container, issue), issue, article)
    _tell_issue(found, f"Issue {issue} has its new order; see `digest issue show {issue}`.", as_json=as_json)


def recall(
    context: typer.Context, issue: IssueId, article: ArticleRef, *, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Take an article out of an issue that has not been sent to everybody; who is not claimed yet gets it without."""
    output.confirm(f"Recall {article} from issue {issue} and from all later ones?", yes=yes)
    with opened(context) as container:
        done = editing.recall(_line(container, issue), issue, article)

    def human() -> None:
        output.say(f"Recalled “{done.article.title}” from issue {issue}.")
        if done.readdressed:
            output.say(f"  {output.count(done.readdressed, 'reader')} will get the issue without it.")
        if done.too_late:
            output.say(f"  {output.count(done.too_late, 'reader')} got it already, or are being sent it.")

    document = {
        "issue": done.issue.id,
        "article": done.article.id,
        "readdressed": done.readdressed,
        "too_late": done.too_late,
    }
    output.emit(document, as_json=as_json, human=human)


def _line(container: Container, issue_id: int) -> Line:
    with container.store.read() as tx:
        publication = publications.by_id(tx, issues.get(tx, issue_id).publication_id)
    return Line(container, publication, engine_of(container.store), system_clock)


def _tell(article: Article, now: Editing, sentence: str, *, as_json: bool) -> None:
    output.emit({"article": article.id, **output.jsonable(now)}, as_json=as_json, human=lambda: output.say(sentence))


def _tell_issue(issue: Issue, sentence: str, *, as_json: bool) -> None:
    output.emit(issue, as_json=as_json, human=lambda: output.say(sentence))
