"""The steps of the straight line, each re-runnable: it does nothing when the issue is past it.

Rules: a step reads the issue's state, does its work and moves the issue in the same transaction as its result.
If two processes run one step, one of them loses the compare-and-set, rolls back and reads again. A crash between
steps resumes at the step that the state names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.app.container import Container
from digest.app.material import material
from digest.app.progress import Progress
from digest.app.relays import warming_up
from digest.app.signing import signer_for
from digest.app.stories import join, places
from digest.app.waves import after_quiet_hours, wave_times
from digest.collect.refresh import SourceReport, refresh
from digest.compose.build import preheader_for, subject_for
from digest.compose.environment import templates, words_of
from digest.compose.renditions import renditions, web_view
from digest.curate.pick import Curation, pick
from digest.deliver.letter import Letter, address_letter
from digest.engine.port import Engine
from digest.model.article import Article, Editing
from digest.model.calendar import due_period, next_period
from digest.model.delivery import ChunkRef, Outcome
from digest.model.errors import NothingToDo
from digest.model.issue import TRANSITIONS, Issue, IssueItem, IssueState, Rendition, RenditionKey, SkipReason, Verdict
from digest.model.publication import Cadence, CadenceRule, CatchUp, Publication, is_alert
from digest.model.story import Place
from digest.store import articles as article_store
from digest.store import deliveries, editing, issues, publications, sources, standing, suppressions
from digest.store import renditions as rendition_store
from digest.store import stories as story_store
from digest.store.engine import Store, Tx
from digest.store.fanout import ReaderClock

#: A worker's unit: big enough to amortise work, small enough that one chunk does not take long (architecture 2.4).
_CHUNK_SIZE = 1000
#: What still counts as on time where catching up is off: a clock looks every 15 s, and may be busy for a moment.
_PUNCTUAL = timedelta(minutes=5)
#: An article that was committed late by another process may have been first seen before the window that should
#: have had it; what has no verdict yet is looked at again within this time.
_OVERLAP = timedelta(days=1)
#: A week, or a month, and the day by which a day off may put the issue off.
_LONG = {CadenceRule.WEEKLY: timedelta(days=8), CadenceRule.MONTHLY: timedelta(days=32)}
_NOT_BEGUN = frozenset(state for state, ways in TRANSITIONS.items() if IssueState.SKIPPED in ways)


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells about itself while it works; the command line draws it.

    ``tally`` gets how the issue stands before each round; None spares the count. ``of`` gives each issue a watch of
    its own where several are worked on side by side.
    """

    step: Callable[[str], None] = lambda _text: None
    source: Callable[[SourceReport], None] = lambda _report: None
    outcomes: Callable[[Sequence[Outcome]], None] = lambda _outcomes: None
    audience: Callable[[int], None] = lambda _count: None
    waiting: Callable[[str], None] = lambda _reason: None
    tally: Callable[[Progress], None] | None = None
    of: Callable[[Issue], Watch] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What the steps of one run share. ``clock`` gives the domain's now: the real one, or ``--at`` and on."""

    container: Container
    publication: Publication
    engine: Engine
    clock: Callable[[], datetime]
    watch: Watch = field(default_factory=Watch)

    def read_again(self, issue: Issue) -> Issue:
        """The issue as it stands in the database."""
        with self.container.store.read() as tx:
            return issues.get(tx, issue.id)


def open_due(line: Line, cadence: Cadence, *, by_clock: bool) -> Issue:
    """The issue of the due period, made if it is new. Raises NothingToDo when it is done with.

    ``by_clock``: obey catch-up and lateness; a person who says ``digest run`` wants it now.
    """
    now, zone = line.clock(), ZoneInfo(line.publication.timezone)
    period = due_period(cadence, zone, now)
    with line.container.store.write() as tx:
        issue = issues.of_period(tx, line.publication.id, cadence=cadence.name, period=period)
        if issue is None:
            reach = cadence.max_lateness if cadence.catch_up is CatchUp.LATEST else _PUNCTUAL
            too_late = by_clock and now - period.due_at > reach
            issue, _ = issues.open_period(tx, line.publication.id, cadence=cadence.name, period=period, now=now)
            if too_late and issues.move(
                tx, issue.id, expected=IssueState.PLANNED, to=IssueState.SKIPPED, reason=SkipReason.TOO_LATE, now=now
            ):
                issue = issues.get(tx, issue.id)
    if not issue.state.is_open:
        following = next_period(cadence, zone, now)
        raise NothingToDo(
            f"the {cadence.name} issue of {line.publication.slug} for {issue.period_start} is {_ended(issue)}",
            hint=f"the next one is due {following.due_at.astimezone(zone):%A %d %B %H:%M} {line.publication.timezone}",
        )
    return issue


def skip_late(line: Line, issue: Issue) -> bool:
    """Skip an issue that has not begun to be sent by its latest start; for the clock, a person may still run it.

    So neither a machine that slept nor an old copy of the database mails yesterday's news as today's.
    """
    if issue.state not in _NOT_BEGUN or line.clock() <= latest_start(line.publication, issue):
        return False
    with line.container.store.write() as tx:
        return issues.move(
            tx,
            issue.id,
            expected=issue.state,
            to=IssueState.SKIPPED,
            reason=SkipReason.TOO_LATE,
            now=line.clock(),
        )


def latest_start(publication: Publication, issue: Issue) -> datetime:
    """The last instant at which a clock may begin to send the issue."""
    if is_alert(issue.cadence):
        return issue.expires_at or issue.due_at + _PUNCTUAL
    reach = {cadence.name: cadence.max_lateness for cadence in publication.cadences}
    # A rhythm that was changed meanwhile has no limit of its own any more: it must do with what counts as on time.
    return issue.due_at + max(reach.get(issue.cadence, _PUNCTUAL), _PUNCTUAL)


def _ended(issue: Issue) -> str:
    return f"{issue.state}: {issue.reason}" if issue.reason else f"{issue.state}"


async def collect(line: Line, issue: Issue) -> Issue:
    """Take it from planned to collecting: fetch every source. A failing source never fails the issue."""
    if issue.state is IssueState.PLANNED:
        with line.container.store.write() as tx:
            issues.move(tx, issue.id, expected=IssueState.PLANNED, to=IssueState.COLLECTING, now=line.clock())
        issue = line.read_again(issue)
    if issue.state is IssueState.COLLECTING:
        line.watch.step("collecting")
        await refresh(  # the stories of what comes in are told where the issue is curated
            line.container.store,
            line.publication.id,
            settings=line.container.settings,
            now=line.clock(),
            all_sources=True,
            progress=line.watch.source,
        )
    return issue


def curate(line: Line, issue: Issue) -> Issue:
    """Take it from collecting to curated, or to skipped when there is too little news."""
    if issue.state is not IssueState.COLLECTING:
        return issue
    line.watch.step("curating")
    now = line.clock()
    with line.container.store.write() as tx:
        join(tx, now=now, anew=True)
        window_from = issues.window_start(tx, issue)
        curation = consider(tx, line.publication, issue, window_from=window_from, now=now, told=story_store.places)
        issues.set_window(tx, issue.id, window_from=window_from, window_to=now)
        issues.put_curation(tx, issue.id, items=curation.items, candidates=curation.candidates)
        _move(tx, issue, IssueState.SKIPPED if curation.skip else IssueState.CURATED, reason=curation.skip, now=now)
    return line.read_again(issue)


def consider(
    tx: Tx,
    publication: Publication,
    issue: Issue,
    *,
    window_from: datetime | None,
    now: datetime,
    told: Callable[[Tx, Iterable[int]], Mapping[int, Place]] | None = None,
) -> Curation:
    """What the issue would carry if it were curated now. Changes nothing.

    ``told`` gives the stories where they were told a moment ago; without it they are told here, as `join` would.
    """
    since = window_from - _OVERLAP if window_from else None
    # No upper bound: whatever is stored and has no verdict yet is looked at, so nothing falls between two windows.
    found = article_store.eligible(tx, publication.id, since)
    edited = editing.of_publication(tx, publication.id)
    pins = {key: one.pin for key, one in edited.items() if one.pin is not None and not one.is_recalled}
    # What an editor pins is meant, however long ago it was seen or left out: only what readers have had stays out.
    found += article_store.by_ids(tx, sorted(pins.keys() - {article.id for article in found}))
    judged = issues.judged_elsewhere(tx, issue, [article.id for article in found]) - pins.keys()
    judged |= issues.judged_elsewhere(tx, issue, sorted(pins), verdicts=[Verdict.PLACED])
    rules = {cadence.name: cadence.rule for cadence in publication.cadences}
    reach = _reach(rules.get(issue.cadence), issue, is_first=window_from is None)
    waiting = [_as_edited(article, edited) for article in found if article.id not in judged]
    keys = [article.id for article in waiting]
    curation = pick(
        publication,
        waiting,
        links=sources.list_sources(tx, publication.id),
        topics=publications.topics(tx, publication.id),
        pins=pins,
        now=now,
        max_age=reach,
        places=told(tx, keys) if told else places(tx, keys, now=now),
        carried=story_store.carried(
            tx, publication.id, issue.cadence, but=issue.id, since=now - timedelta(days=publication.story_days)
        ),
    )
    items = tuple(_retold(item, edited) for item in curation.items)
    return replace(curation, items=items)


def _reach(rule: CadenceRule | None, issue: Issue, *, is_first: bool) -> timedelta:
    """How old an article may be. The first issue has what its period brought: the rest of a feed was news before."""
    if rule in _LONG:
        return _LONG[rule]
    if not is_first:
        return timedelta(days=3)
    is_after_weekend = rule is CadenceRule.WEEKDAYS and issue.period_start.weekday() == 0
    return timedelta(hours=84 if is_after_weekend else 36)


def _as_edited(article: Article, edited: Mapping[int, Editing]) -> Article:
    one = edited.get(article.id)
    return replace(article, is_hidden=True) if one and (one.is_hidden or one.is_recalled) else article


def _retold(item: IssueItem, edited: Mapping[int, Editing]) -> IssueItem:
    one = edited.get(item.article_id)
    return replace(item, teaser=one.teaser) if one and one.teaser else item


def compose(line: Line, issue: Issue) -> Issue:
    """Take it from curated to composed: one rendition for each distinct (topics, locale, format), and the web view.

    From here on editors have the publication's hold window.
    """
    if issue.state is not IssueState.CURATED:
        return issue
    line.watch.step("composing")
    now = line.clock()
    with line.container.store.write() as tx:
        keys = rendition_store.wanted_keys(tx, line.publication.id, issue.cadence)
        if not keys:
            _move(tx, issue, IssueState.SKIPPED, reason=SkipReason.NO_READERS, now=now)
        else:
            compose_again(tx, line, issue, list(keys), now=now)
            _move(tx, issue, IssueState.COMPOSED, now=now)
            if line.publication.hold_s and not is_alert(issue.cadence):
                issues.hold_until(tx, issue.id, instant=now + timedelta(seconds=line.publication.hold_s))
    return line.read_again(issue)


def waits_for_editors(line: Line, issue: Issue) -> str:
    """Why a composed issue is not sent yet, in words; "" when nothing holds it."""
    if issue.state is not IssueState.COMPOSED:
        return ""
    if line.publication.needs_approval:
        return f"waiting for approval: `digest issue approve {issue.id}`"
    if issue.hold_until is not None and line.clock() < issue.hold_until:
        until = issue.hold_until.astimezone(ZoneInfo(line.publication.timezone))
        return f"held for the editors until {until:%H:%M}: `digest issue approve {issue.id}` sends it now"
    return ""


def compose_again(tx: Tx, line: Line, issue: Issue, keys: Sequence[RenditionKey], *, now: datetime) -> None:
    """Compose these renditions of an issue and its web view; one that is there already stays as it is."""
    base_url = line.container.settings.site.base_url
    made_of = material(tx, line.container, issue)
    items, articles, pictures = made_of.items, made_of.articles, made_of.pictures
    env = templates(line.container.template_path, theme=line.publication.theme, locale=line.publication.locale)
    t = words_of(env).translator(line.publication.locale)
    subject, preheader = subject_for(line.publication, items, articles, t=t), preheader_for(items, articles, t=t)
    # An alert has no number: it is in no archive, and must not leave a gap in the digests.
    (issues.name if is_alert(issue.cadence) else issues.title)(tx, issue.id, subject=subject, preheader=preheader)
    issue = issues.get(tx, issue.id)
    composed = renditions(
        line.publication, issue, items, articles, keys=keys, env=env, base_url=base_url, pictures=pictures
    )
    ready = [(item.key, item.subject, item.html, item.text) for item in composed.renditions]
    if not is_alert(issue.cadence):
        page = web_view(line.publication, issue, items, articles, env=env, base_url=base_url, pictures=pictures)
        ready.append((rendition_store.web_key(line.publication.locale), page.subject, page.html, page.text))
    rendition_store.put(tx, issue.id, ready, now=now)


def fan_out(line: Line, issue: Issue) -> Issue:
    """Take it from composed to sending: freeze the audience, one row per reader.

    From here on the issue has `delivery.expire_after_s` to go out, and an earlier one that still goes out has ended.
    """
    if issue.state not in {IssueState.COMPOSED, IssueState.APPROVED}:
        return issue
    with line.container.store.write() as tx:
        wanted = rendition_store.wanted_keys(tx, line.publication.id, issue.cadence)
        made = {item.key: item.id for item in rendition_store.of_issue(tx, issue.id)}
        if late := [key for key in wanted if key not in made]:
            # Somebody with a taste of their own subscribed after composing, or the issue has nothing for them.
            compose_again(tx, line, issue, late, now=tx.now())
            made = {item.key: item.id for item in rendition_store.of_issue(tx, issue.id)}
        renditions_by_key = {key: made.get(key) for key in wanted}
        now = tx.now()
        suppressions.adopt(tx, line.container.keyring.address_hash)
        waves = _waves(tx, line, issue, now=now)
        deliveries.fan_out(
            tx,
            issue,
            renditions_by_key,
            chunk_size=_CHUNK_SIZE,
            now=now,
            active_first=warming_up(line.container.settings, now.date()),
            waves=waves,
        )
        now = tx.now()
        _move(tx, issue, IssueState.SENDING, now=now)
        issues.expire_at(tx, issue.id, instant=_expires_at(line, issue, waves.values(), now=now))
        issues.expire_earlier(tx, issue, now=now)
        ready = deliveries.ready_chunks(tx, issue.id, now=now)
        line.engine.submit(tx, [ChunkRef(issue.id, chunk, priority=issue.priority) for chunk in ready])
    return line.read_again(issue)


def _waves(tx: Tx, line: Line, issue: Issue, *, now: datetime) -> dict[ReaderClock, datetime]:
    if not is_alert(issue.cadence):
        return wave_times(line.publication, issue, deliveries.clocks(tx, issue.publication_id, issue.cadence))
    quiet = line.container.settings.alerts.quiet
    if quiet is None:
        return {}
    return after_quiet_hours(deliveries.zones(tx, issue.publication_id, issue.cadence), quiet, now=now)


def _expires_at(line: Line, issue: Issue, waves: Iterable[datetime], *, now: datetime) -> datetime:
    """A digest has its full time after its last wave; an alert is stale at its time, whoever sleeps."""
    if is_alert(issue.cadence):
        return now + timedelta(seconds=line.container.settings.alerts.stale_after_s)
    return max([now, *waves]) + timedelta(seconds=line.container.settings.delivery.expire_after_s)


def close(line: Line, issue: Issue) -> Issue:
    """Take it from sending to sent, when every delivery is accounted for."""
    with line.container.store.write() as tx:
        issues.held(tx, issue.id)  # else what is recorded between the question and the move would be left open
        if not standing.remains(tx, issue.id, on_doubt=line.container.settings.delivery.on_doubt):
            issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.SENT, now=tx.now())
    return line.read_again(issue)


def letter_of(line: Line, issue: Issue) -> Letter:
    """The issue ready to be addressed."""
    if issue.expires_at is not None:
        # What is put off is given up `expire_after` after the beginning: an operator's retry is a new beginning.
        expire_after = timedelta(seconds=line.container.settings.delivery.expire_after_s)
        issue = replace(issue, sending_at=issue.expires_at - expire_after)
    with line.container.store.read() as tx:
        made = _Renditions(line.container.store, rendition_store.of_issue(tx, issue.id))
    return address_letter(
        line.publication,
        issue,
        made,
        settings=line.container.settings,
        keyring=line.container.keyring,
        signer=signer_for(line.container.settings, line.publication.sender_email),
    )


class _Renditions(dict[int, Rendition]):
    """Renditions by key; one that an editor's change has made or retired meanwhile is read when it is asked for."""

    def __init__(self, store: Store, known: Sequence[Rendition]) -> None:
        super().__init__({rendition.id: rendition for rendition in known})
        self._store = store

    def __missing__(self, key: int) -> Rendition:
        with self._store.read() as tx:
            found = rendition_store.get(tx, key)
        self[key] = found
        return found


class _LostRace(NothingToDo):
    """Another process is running this issue; leave it to that one."""


def _move(tx: Tx, issue: Issue, to: IssueState, *, reason: str | None = None, now: datetime) -> None:
    """Move the issue or roll everything of this transaction back."""
    if not issues.move(tx, issue.id, expected=issue.state, to=to, reason=reason, now=now):
        raise _LostRace(hint="look with `digest issue show` how far it is")
