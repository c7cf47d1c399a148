"""Answers to sign-ups: behind the page that everybody gets alike, each in a moment, none waiting for the one before.

Rules: what is lost with the process is found by the clock (`audience.keeping`). A name server that does not answer is
left alone for a while, so that a dead one keeps no confirmation waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from threading import Condition

import structlog

from digest.app.container import Container
from digest.app.reader_mails import links_of
from digest.audience import domains, keeping, signup
from digest.audience.mails import Post
from digest.model.errors import DigestError
from digest.model.mailbox import DomainVerdict

log = structlog.get_logger()

#: Side by side: one that waits for a name server must not hold up the next.
_ASKERS = 4
#: Answers in one transaction: so long others who write have to wait, 5 ms each.
_AT_ONCE = 5
#: So long answers step back for forms, and no longer: then somebody waits for a mail.
_COURTESY_S = 0.1
#: More than wait are left to the clock, which answers within minutes.
_WAITING_AT_MOST = 10_000
_LEAVE_ALONE_S = 30.0
_SLOW_S = 2.0


@dataclass(slots=True)
class PatientDns:
    """Asks the DNS, unless it was silent a moment ago: then nothing is known of any domain."""

    ask: domains.Ask = domains.ask_dns
    clock: Callable[[], float] = time.monotonic
    _silent_until: float = field(default=0.0, init=False)

    def __call__(self, domain: str) -> DomainVerdict:
        """What the DNS says of a domain."""
        began = self.clock()
        if began < self._silent_until:
            return DomainVerdict.UNKNOWN
        found = self.ask(domain)
        ended = self.clock()
        if found is DomainVerdict.UNKNOWN and ended - began > _SLOW_S:
            self._silent_until = ended + _LEAVE_ALONE_S
        return found


class Answers:
    """Answers sign-ups of this process in threads of its own; forms that are being taken go first."""

    def __init__(self, container: Container, post: Post, *, clock: Callable[[], datetime]) -> None:
        self._container = container
        self._post = post
        self._clock = clock
        self._ask = PatientDns()
        self._askers = ThreadPoolExecutor(_ASKERS, thread_name_prefix="name servers")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self._guard = Condition()
        self._weighed: dict[int, DomainVerdict] = {}
        self._waiting = 0
        self._taking = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Somebody is being served: answers wait for a moment."""
        with self._guard:
            self._taking += 1
        try:
            yield
        finally:
            with self._guard:
                self._taking -= 1
                self._guard.notify_all()

    def soon(self, signup_id: int) -> None:
        """Answer a request without keeping the caller waiting."""
        with self._guard:
            if self._waiting >= _WAITING_AT_MOST:
                return
            self._waiting += 1
        if self._container.settings.signup.check_domains:
            self._askers.submit(self._guarded, self._weigh, signup_id)
        else:
            self._put(signup_id, DomainVerdict.UNKNOWN)

    def close(self) -> None:
        """Wait for what was begun; the clock finds the rest."""
        for threads in (self._askers, self._writer):
            threads.shutdown(wait=True, cancel_futures=True)

    def _weigh(self, signup_id: int) -> None:
        limits = self._container.settings.signup
        verdict = DomainVerdict.UNKNOWN
        try:
            verdict = signup.weigh(self._container.store, signup_id, limits=limits, ask=self._ask, now=self._clock())
        finally:  # whatever went wrong with that says nothing against the domain
            self._put(signup_id, verdict)

    def _put(self, signup_id: int, verdict: DomainVerdict) -> None:
        with self._guard:
            self._weighed[signup_id] = verdict
        self._writer.submit(self._guarded, self._answer)

    def _answer(self, _none: int = 0) -> None:
        """Answer some of what waits, in one transaction: each commit costs as much as three answers."""
        with self._guard:
            self._guard.wait_for(lambda: not self._taking, timeout=_COURTESY_S)
            batch = {key: self._weighed.pop(key) for key in list(islice(self._weighed, _AT_ONCE))}
            self._waiting -= len(batch)
        if batch:
            signup.answer_many(
                self._container.store,
                links_of(self._container),
                batch,
                post=self._post,
                limits=self._container.settings.signup,
                now=self._clock(),
            )

    def _guarded(self, act: Callable[..., None], *words: int) -> None:
        try:
            act(*words)
        except DigestError as error:
            log.warning("signup.unanswered", error=error.message, hint=error.hint)
            self._container.counts.trouble(error)
        except Exception:
            log.exception("signup.broke")  # the edge of a thread: the clock tries again


def look_after_readers(container: Container, post: Post, *, now: datetime) -> keeping.Kept:
    """One round of what time does to readers' rows, said in the log where it did anything."""
    done = keeping.look_after(
        container.store, links_of(container), post=post, limits=container.settings.signup, now=now
    )
    if any((done.answered, done.reminded, done.resumed, done.forgotten)):
        log.info(
            "readers.looked_after",
            answered=done.answered,
            reminded=done.reminded,
            resumed=done.resumed,
            forgotten=done.forgotten,
        )
    return done
