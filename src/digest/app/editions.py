"""What an operator does with issues: build a trial, prove, hold, cancel, export."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from digest.app.container import Container
from digest.app.engines import engine_of
from digest.app.line import consider
from digest.curate.pick import Curation
from digest.deliver.letter import Letter, address_letter
from digest.model.article import Article
from digest.model.calendar import Period, due_period, next_period
from digest.model.delivery import OPEN, FailReason, Marked, Recipient, Tally
from digest.model.errors import BadInput, IllegalTransition
from digest.model.issue import Issue, IssueState, Rendition, SkipReason
from digest.model.publication import Publication
from digest.store import articles as article_store
from digest.store import endings, images, issues, publications, renditions, rulings, standing, stories
from digest.store.engine import Store, Tx

_STANDS_FOR = "reader@example.com"
_COMING = frozenset(
    {IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED, IssueState.APPROVED}
)


@dataclass(frozen=True, slots=True)
class Built:
    """What an issue carries, or would carry, with the articles it speaks of; ``is_trial`` while nothing is decided."""

    curation: Curation
    articles: Mapping[int, Article]
    issue: Issue
    publication: Publication
    is_trial: bool = True


def build(container: Container, wanted: str, *, now: datetime) -> Built:
    """Curate an issue, or the next of a publication's first cadence, without keeping anything.

    ``wanted`` is a publication's slug or an issue's id. An issue that is curated already is shown as it was decided.
    Raises NotFound.
    """
    with container.store.read() as tx:
        if wanted.isdecimal():
            issue = issues.get(tx, int(wanted))
            publication = publications.by_id(tx, issue.publication_id)
        else:
            publication = publications.get(tx, wanted)
            issue = _next(tx, publication, now=now)
        decided = issues.candidates(tx, issue.id)
        if decided:
            of = {key: place.story_id for key, place in stories.places(tx, [one.article_id for one in decided]).items()}
            skip = next((reason for reason in SkipReason if reason == issue.reason), None)
            curation = Curation(tuple(issues.items(tx, issue.id)), tuple(decided), skip, of)
        else:
            curation = consider(tx, publication, issue, window_from=issues.window_start(tx, issue), now=now)
        known = article_store.by_ids(tx, [candidate.article_id for candidate in curation.candidates])
    return Built(curation, {article.id: article for article in known}, issue, publication, is_trial=not decided)


def _next(tx: Tx, publication: Publication, *, now: datetime) -> Issue:
    """The due issue until it goes out, then the one after it."""
    cadence, zone = publication.cadences[0], ZoneInfo(publication.timezone)
    period = due_period(cadence, zone, now)
    while True:
        found = issues.of_period(tx, publication.id, cadence=cadence.name, period=period)
        if found is None:
            return _imagined(publication.id, publication.slug, cadence.name, period, now)
        if found.state in _COMING:
            return found
        period = next_period(cadence, zone, period.due_at)


def _imagined(publication_id: int, slug: str, cadence: str, period: Period, now: datetime) -> Issue:
    return Issue(
        id=0,
        publication_id=publication_id,
        publication_slug=slug,
        cadence=cadence,
        period_start=period.start,
        due_at=period.due_at,
        state=IssueState.PLANNED,
        created_at=now,
        window_from=None,
        window_to=None,
        reason=None,
        number=None,
        subject=None,
        preheader=None,
        audience=None,
        sending_at=None,
        closed_at=None,
    )


@dataclass(frozen=True, slots=True)
class Audit:
    """The proof of an issue. ``troubles`` are what does not add up, in plain words; none means it is balanced.

    ``settled`` of those that count as sent do so by an operator's word.
    """

    issue: Issue
    tally: Tally
    in_doubt: tuple[str, ...]
    settled: int
    troubles: tuple[str, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every reader of the frozen audience is accounted for."""
        return not self.troubles


def audit(store: Store, issue_id: int) -> Audit:
    """Count an issue's deliveries against its frozen audience and check each row against its state."""
    with store.read() as tx:
        issue = issues.get(tx, issue_id)
        tally = standing.tally(tx, issue_id)
        doubtful = tuple(address for _, address in standing.in_doubt(tx, issue_id))
        unexplained = standing.unexplained(tx, issue_id)
        settled = rulings.settled_count(tx, issue_id)
    troubles: list[str] = []
    total = sum(tally.counts.values())
    if total != tally.audience:
        troubles.append(f"{total} deliveries for an audience of {tally.audience}")
    if unexplained:
        troubles.append(f"{unexplained} deliveries contradict their state")
    if not issue.state.is_open and tally.open_count:
        troubles.append(_still_open(issue, tally))
    before_sending = {IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED}
    if issue.state in before_sending and total:
        troubles.append(f"the issue is {issue.state} and has deliveries already")
    return Audit(issue, tally, doubtful, settled, tuple(troubles))


def _still_open(issue: Issue, tally: Tally) -> str:
    each = ", ".join(f"{tally.counts[state]} {state}" for state in sorted(OPEN) if tally.counts[state])
    noun = "delivery" if tally.open_count == 1 else "deliveries"
    return f"the issue is {issue.state} with {tally.open_count} open {noun} ({each}): `digest tick` settles them"


def move(store: Store, issue_id: int, *, expected: Sequence[IssueState], to: IssueState) -> None:
    """Change an issue's state by an operator's word. Raises IllegalTransition saying what it is now."""
    with store.write() as tx:
        issue = issues.get(tx, issue_id)
        if issue.state not in expected or not issues.move(tx, issue_id, expected=issue.state, to=to, now=tx.now()):
            allowed = " or ".join(expected)
            raise IllegalTransition(
                f"issue {issue_id} is {issue.state}", hint=f"only a {allowed} issue can become {to}"
            )


def cancel(store: Store, issue_id: int) -> int:
    """Cancel an issue that is not closed; returns how many deliveries will now never go out."""
    with store.write() as tx:
        issue = issues.held(tx, issue_id)
        if not issue.state.is_open:
            raise IllegalTransition(
                f"issue {issue_id} is {issue.state}", hint="only an unfinished issue can be cancelled"
            )
        issues.move(tx, issue_id, expected=issue.state, to=IssueState.CANCELLED, reason="by an operator", now=tx.now())
        engine_of(store).cancel(tx, issue_id)
        return endings.give_up(tx, issue_id, reason=FailReason.CANCELLED)


def export(container: Container, issue_id: int, folder: Path) -> list[Path]:
    """Write every rendition as html, txt and eml, and the issue as json. Raises BadInput before composing."""
    with container.store.read() as tx:
        issue = issues.get(tx, issue_id)
        made = renditions.of_issue(tx, issue_id)
        publication = publications.by_id(tx, issue.publication_id)
        items = issues.items(tx, issue_id)
        titles = {article.id: article for article in article_store.by_ids(tx, [item.article_id for item in items])}
    if not made:
        raise BadInput(
            f"issue {issue_id} is {issue.state}: it was never composed", hint="only composed issues can be exported"
        )
    letter = address_letter(
        publication, issue, {item.id: item for item in made}, settings=container.settings, keyring=container.keyring
    )
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for rendition in made:
        for suffix, content in _files(letter, rendition, at=issue.sending_at or issue.created_at).items():
            path = folder / f"{_name(rendition)}.{suffix}"
            path.write_bytes(content)
            written.append(path)
    written += _export_pictures(container, made, folder)
    summary = {
        "publication": publication.slug,
        "number": issue.number,
        "period": str(issue.period_start),
        "state": issue.state.value,
        "subject": issue.subject,
        "items": [
            {"position": item.position, "role": item.role.value, "section": item.section_title, "teaser": item.teaser}
            | {"title": titles[item.article_id].title, "url": titles[item.article_id].url}
            for item in items
        ],
    }
    path = folder / "issue.json"
    path.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return [*written, path]


def _export_pictures(container: Container, made: Sequence[Rendition], folder: Path) -> list[Path]:
    """Write our own copies of pictures beside the pages, and let the pages show those."""
    site = container.settings.site.base_url
    own = re.compile(re.escape(site) + r"/images/([0-9a-f]{64})\.jpg")
    written = []
    for name in sorted({name for rendition in made for name in own.findall(rendition.html)}):
        with container.store.read() as tx:
            content = images.content(tx, name)
        if content is not None:
            path = folder / "images" / f"{name}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            written.append(path)
    for page in folder.glob("*.html") if written else ():
        page.write_text(own.sub(r"images/\1.jpg", page.read_text("utf-8")), "utf-8")
    return written


def _files(letter: Letter, rendition: Rendition, *, at: datetime) -> dict[str, bytes]:
    if rendition.key.format == renditions.WEB:
        return {"html": rendition.html.encode(), "txt": rendition.text.encode()}
    nobody = Recipient(
        issue_id=letter.issue.id,
        subscriber_id=0,
        rendition_id=rendition.id,
        attempt=1,
        first_attempt_at=None,
        email=_STANDS_FOR,
        name="",
        locale=rendition.key.locale,
        token_id="example",  # noqa: S106 - no secret: it stands where a reader's would
        signed_up_at=at,
    )
    message = letter.message(nobody, Marked(0, 1, at))
    files = {"txt": message.text.encode(), "eml": letter.wire(nobody, Marked(0, 1, at))}
    return files | ({"html": message.html.encode()} if message.html is not None else {})


def _name(rendition: Rendition) -> str:
    key = rendition.key
    return "-".join(["web" if key.format == renditions.WEB else key.format, key.locale, *(key.topics or ("all",))])
