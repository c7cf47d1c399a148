"""Issues on their way through this process: what is told to whoever watches, and what is logged.

Rules: everything a person may want to know while it lasts goes through here, so that the bar and the log never
disagree. Nothing here decides anything.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from digest.app import progress
from digest.app.line import Watch
from digest.model.delivery import DeliveryState, OnDoubt, Outcome
from digest.model.issue import Issue, IssueState
from digest.store import issues
from digest.store.engine import Store

log = structlog.get_logger()

_S = DeliveryState
#: Waits shorter than this are not worth a word, and the log has no more than one line about waiting in so many seconds.
_WORTH_TELLING, _LOG_EVERY_S = timedelta(seconds=1), 10.0


@dataclass(slots=True)
class WaitLog:
    """Logs why nothing goes out: each reason once, and a change of it not more often than every ten seconds."""

    _logged: str = ""
    _again_at: float = 0.0

    def note(self, reason: str, **about: object) -> None:
        """This is the reason now; "" for none."""
        now = time.monotonic()
        if reason and reason != self._logged and now >= self._again_at:
            self._logged, self._again_at = reason, now + _LOG_EVERY_S
            log.info("delivery.waiting", reason=reason, **about)


@dataclass(slots=True)
class Course:
    """One issue that is delivered here. ``ended`` counts the attempts of this process by how they ended.

    ``began_at`` (monotonic) is when there was first something to send: the clock looks at an issue that waits for hours
    four times a minute, which is nothing to tell.
    """

    issue: Issue
    watch: Watch = field(default_factory=Watch)
    ended: Counter[DeliveryState] = field(default_factory=Counter)
    began_at: float | None = None
    _waits: WaitLog = field(default_factory=WaitLog)
    _seen: int = 0

    def begin(self) -> None:
        """There is something to send."""
        if self.began_at is None:
            self.began_at = time.monotonic()
            log.info("delivery.started", **self._about(), audience=self.issue.audience)

    def recording(self, then: Callable[[Sequence[Outcome]], None]) -> Callable[[Sequence[Outcome]], None]:
        """A callback that takes a batch of this issue's outcomes, tells who watches, and passes it on to ``then``."""

        def record(outcomes: Sequence[Outcome]) -> None:
            self.ended.update([outcome.state for outcome in outcomes])
            self.watch.outcomes(outcomes)
            then(outcomes)

        return record

    def has_rested(self) -> bool:
        """Whether no attempt has ended since this was last asked."""
        before, self._seen = self._seen, self.ended.total()
        return self._seen == before

    def waiting(self, reason: str) -> None:
        """Nothing of it goes out at the moment, and why; "" when it goes on."""
        self._waits.note(reason, issue=self.issue.id)
        self.watch.waiting(reason)

    def look(self, store: Store, wait: timedelta, *, on_doubt: OnDoubt, only_retries: bool = False) -> None:
        """Tell how the issue stands, before each round; with a ``wait`` ahead also what for.

        ``only_retries``: nothing of what somebody may be about to do. Reads the issue's deliveries only where somebody
        watches, or there is time for it.
        """
        is_long = wait >= _WORTH_TELLING
        if not is_long and self.watch.tally is None:
            self.waiting("")
            return
        found = progress.look(store, self.issue.id, on_doubt=on_doubt)
        if self.watch.tally is not None:
            self.watch.tally(found.progress)
        explained = found.waiting if is_long else None
        if only_retries and explained is not None and explained.next_try_at is None:
            return
        self.waiting("" if explained is None else progress.waits_for(explained, now=_now()))

    def end(self, *, is_over: bool) -> None:
        """This process is done with it for now. ``is_over``: with every delivery accounted for."""
        if self.began_at is None:
            return
        seconds = time.monotonic() - self.began_at
        did = {
            **self._about(),
            "sent": self.ended[_S.SENT],
            "failed": self.ended[_S.FAILED],
            "deferred": self.ended[_S.DEFERRED],
            "unknown": self.ended[_S.UNKNOWN],
            "seconds": round(seconds, 3),
            "rate": round(self.ended[_S.SENT] / max(seconds, 1e-3), 1),  # of all that time, waits included
        }
        if is_over:
            log.info("delivery.finished", **did)
        else:
            log.info("delivery.stopped", **did)

    def _about(self) -> dict[str, object]:
        return {"issue": self.issue.id, "publication": self.issue.publication_slug}


class Courses:
    """The issues that a session has under way. Used from its event loop and from the threads it waits for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way: dict[int, Course] = {}
        self._waits = WaitLog()

    def of(self, issue_id: int, *, watch: Watch | None = None) -> Course:
        """The course of an issue, new if need be; ``watch`` is told of it from now on. Raises NotFound."""
        course = self._under_way.get(issue_id)
        if course is None:
            with self._store.read() as tx:
                issue = issues.get(tx, issue_id)
            course = self._under_way.setdefault(issue_id, Course(issue))
        if watch is not None:
            course.watch = watch
        return course

    def waiting(self, reason: str) -> None:
        """Why the relays take nothing at the moment, which holds for every issue; "" when they do."""
        self._waits.note(reason)
        for course in list(self._under_way.values()):
            course.watch.waiting(reason)

    def finished(self, issue_id: int) -> None:
        """Every delivery of it is accounted for."""
        if (course := self._under_way.pop(issue_id, None)) is not None:
            course.end(is_over=True)

    def keep(self, sending: Collection[int]) -> None:
        """Let go of all but these: somebody else has closed them, or holds them."""
        for issue_id in self._under_way.keys() - set(sending):
            with self._store.read() as tx:
                is_over = issues.get(tx, issue_id).state is IssueState.SENT
            if (course := self._under_way.pop(issue_id, None)) is not None:
                course.end(is_over=is_over)

    def explain(self, *, on_doubt: OnDoubt) -> None:
        """Say what those wait for of which nothing has gone out since the last time this was called."""
        for course in list(self._under_way.values()):
            if course.has_rested():
                course.look(self._store, _WORTH_TELLING, on_doubt=on_doubt, only_retries=True)

    def end(self) -> None:
        """The session is over; what it had under way still waits."""
        while self._under_way:
            self._under_way.popitem()[1].end(is_over=False)


def _now() -> datetime:
    return datetime.now().astimezone()
