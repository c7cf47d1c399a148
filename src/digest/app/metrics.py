"""The numbers of this process and of the whole installation, as Prometheus reads them.

Rules: the client library is used here only, with a registry of our own: nothing is registered by importing. Two kinds
of numbers: what this process did (`app.counts`), and what the database says, which is the same whichever process is
asked. The second kind is asked for at most every ten seconds, and less often where it takes long: it may cost a
twentieth of one core and no more.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import digest
from digest.app.counts import Counted, Counts
from digest.config.settings import Settings
from digest.engine.port import Engine, EngineHealth
from digest.model.article import Source
from digest.model.delivery import OPEN, DeliveryState, FailReason
from digest.model.errors import LeaseLost, RelayRefused, RelayUnreachable, StoreUnavailable
from digest.model.health import SourceState, health
from digest.store import sources
from digest.store.engine import Store
from digest.store.figures import Figures, figures

log = structlog.get_logger()

_KEEP_S = 10.0
#: An answer is kept for so many times as long as it took: 0.25 s for half a million waiting deliveries (SQLite, 2
#: cores, 2026-11) are asked for every five seconds at most, which the ten above already see to.
_KEEP_TIMES = 20
_CODES = tuple(error.code for error in (RelayUnreachable, RelayRefused, LeaseLost, StoreUnavailable))
_OPEN_NOTICES = (*sorted(OPEN), DeliveryState.UNKNOWN)
_ENDS = ("done", *_CODES)
_USUAL = (
    (DeliveryState.SENT, ""),
    (DeliveryState.DEFERRED, ""),
    (DeliveryState.UNKNOWN, ""),
    (DeliveryState.FAILED, FailReason.REJECTED),
)


class Metrics:
    """What `/metrics` shows. ``engine``: whose workers and wake-ups are shown, where there is one for many machines.

    ``clock`` gives seconds that only go forward; by it answers of the database grow old.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        counts: Counts,
        *,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Process(settings, counts))
        self._registry.register(_Installation(settings, store, engine, clock))
        ProcessCollector("", lambda: "self", "/proc", self._registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The text for a scraper that accepts ``accept`` (its header), and the content type. Asks the database."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type


class _Process(Collector):
    """What this process did since it began."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self._counts = counts
        # Series begin at 0: what appears with its first event is no increase to a monitoring system.
        self._expected = [(state, reason, relay) for relay in settings.relays for state, reason in _USUAL]

    def collect(self) -> Iterable[Metric]:
        now = self._counts.counted()
        yield _gauge("digest_build_info", "The version of this process.", ["version"], {(digest.__version__,): 1})
        yield from self._deliveries(now)
        yield from self._relays(now)
        yield _counter(
            "digest_clock_turns", "Turns of the clock, by how they ended.", ["end"], now.turns, ("done", "failed")
        )
        if now.last_turn_at is not None:
            text = "When the clock last turned, in Unix time."
            yield _gauge("digest_clock_last_turn_timestamp_seconds", text, [], {(): now.last_turn_at})

    def _deliveries(self, now: Counted) -> Iterable[Metric]:
        yield _counter(
            "digest_delivery_outcomes",
            "Attempts by the state they left the delivery in, the reason of it, and the relay.",
            ["state", "reason", "relay"],
            now.outcomes,
            self._expected,
        )
        yield _counter("digest_chunks", "Chunks worked on, by how that ended.", ["end"], now.chunks, _ENDS)
        yield CounterMetricFamily("digest_chunk_seconds", "Time spent working on chunks.", value=now.chunk_s)
        yield CounterMetricFamily(
            "digest_chunks_handed_over", "Chunks that workers were woken up for.", value=now.handed_over
        )
        yield _counter(
            "digest_deliveries_swept",
            "Deliveries moved on by time: lease over (released, doubted), due again (retried, resent), expired.",
            ["kind"],
            now.swept,
            ("released", "doubted", "retried", "resent", "expired", "given_up"),
        )
        yield _counter(
            "digest_deliveries_recovered",
            "Deliveries of a dead process settled from its journal.",
            ["kind"],
            now.recovered,
            ("settled", "freed", "doubted"),
        )
        yield _counter("digest_troubles", "What stopped work for now, by code.", ["code"], now.troubles, _CODES)

    def _relays(self, now: Counted) -> Iterable[Metric]:
        connections: Counter[tuple[str, ...]] = Counter()
        paused: dict[tuple[str, ...], float] = {}
        used_up: dict[tuple[str, ...], float] = {}
        for one in self._counts.relays():
            key = (one.relay,)
            connections[key] += one.connections
            paused[key] = max(paused.get(key, 0.0), one.paused_s)
            used_up[key] = max(used_up.get(key, 0.0), float(one.is_used_up))
        yield _gauge("digest_relay_connections", "Connections open to a relay.", ["relay"], connections)
        yield _gauge("digest_relay_paused_seconds", "How long it is still left alone.", ["relay"], paused)
        yield _gauge("digest_relay_used_up", "Whether its daily quota is used up.", ["relay"], used_up)
        yield CounterMetricFamily("digest_relay_waiting_seconds", "Time spent waiting for relays.", value=now.waited_s)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the database said, ``at`` (monotonic) and how long that took. ``figures`` None: it did not answer."""

    figures: Figures | None
    sources: Sequence[Source]
    health: EngineHealth | None
    now: datetime | None
    at: float
    took: float


@dataclass(slots=True, eq=False)
class _Installation(Collector):
    """What the database knows."""

    settings: Settings
    store: Store
    engine: Engine | None
    clock: Callable[[], float]
    _answer: _Answer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def collect(self) -> Iterable[Metric]:
        with self._lock:  # one scraper asks, the others wait for the same answer
            answer = self._answer
            if answer is None or self.clock() - answer.at > max(_KEEP_S, _KEEP_TIMES * answer.took):
                answer = self._answer = self._ask()
        yield _gauge("digest_database_up", "Whether the database answered.", [], {(): answer.figures is not None})
        if answer.figures is not None and answer.now is not None:
            yield _gauge("digest_database_answer_seconds", "How long these counts took.", [], {(): answer.took})
            yield from _issues(answer.figures, answer.now)
            yield from self._quotas(answer.figures)
            yield from _sources(answer.sources, answer.now)
        if answer.health is not None:
            yield _gauge("digest_workers", "Workers that gave a sign of life lately.", [], {(): answer.health.workers})
            waiting = {("waiting",): answer.health.waiting, ("running",): answer.health.running}
            yield _gauge("digest_wakeups", "Wake-ups for chunks.", ["state"], waiting)

    def _ask(self) -> _Answer:
        began = self.clock()
        try:
            with self.store.read() as tx:
                now = tx.now()
                found = figures(tx, now=now)
                known = sources.in_use(tx)
            health = None if self.engine is None else self.engine.health()
        except StoreUnavailable as error:
            log.warning("metrics.failed", error=error.message, hint=error.hint)
            return _Answer(None, (), None, None, began, self.clock() - began)
        return _Answer(found, known, health, now, began, self.clock() - began)

    def _quotas(self, found: Figures) -> Iterable[Metric]:
        limits = {(name,): relay.daily_quota for name, relay in self.settings.relays.items() if relay.daily_quota}
        used = {(name,): found.quota_used.get(name, 0) for (name,) in limits}
        yield _gauge("digest_relay_quota_messages", "Messages a relay may be given a UTC day.", ["relay"], limits)
        yield _gauge("digest_relay_quota_used_messages", "Messages charged to the UTC day.", ["relay"], used)


def _issues(found: Figures, now: datetime) -> Iterable[Metric]:
    yield _gauge(
        "digest_issues", "Issues by state.", ["state"], {(str(state),): count for state, count in found.issues.items()}
    )
    yield _gauge(
        "digest_deliveries",
        "Deliveries that are not done, by state; those in doubt also of closed issues.",
        ["publication", "cadence", "state"],
        {(slug, cadence, str(state)): count for (slug, cadence, state), count in found.deliveries.items()},
    )
    notices = {(str(state),): found.notices.get(state, 0) for state in _OPEN_NOTICES}
    yield _gauge("digest_notices", "Notices (confirmations and the like) that are not done.", ["state"], notices)
    labels = ["publication", "cadence"]
    overdue: dict[tuple[str, ...], float] = {}
    waiting: dict[tuple[str, ...], float] = {}
    audience: Counter[tuple[str, ...]] = Counter()
    for issue in found.open_issues:
        key = (issue.publication, issue.cadence)
        overdue[key] = max(overdue.get(key, 0.0), (now - issue.due_at).total_seconds())
        audience[key] += issue.audience
        if issue.waiting_since is not None:
            waiting[key] = max(waiting.get(key, 0.0), (now - issue.waiting_since).total_seconds())
    yield _gauge("digest_issue_audience", "Readers of the issues on which work remains.", labels, audience)
    yield _gauge("digest_issue_overdue_seconds", "How long ago the oldest open issue was due.", labels, overdue)
    yield _gauge("digest_issue_waiting_seconds", "How long the oldest delivery has been waiting.", labels, waiting)


def _sources(known: Sequence[Source], now: datetime) -> Iterable[Metric]:
    states: Counter[tuple[str, ...]] = Counter({(str(state),): 0 for state in SourceState})
    silent = 0
    for source in known:
        how = health(source, now=now)
        states[str(how.state),] += 1
        silent += how.silent_for is not None
    yield _gauge("digest_sources", "Sources in use, by how they do.", ["state"], states)
    yield _gauge("digest_sources_silent", "Sources silent far beyond their habit.", [], {(): silent})


def _gauge(name: str, text: str, labels: list[str], values: Mapping[Any, float | None]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value or 0))
    return family


def _counter(
    name: str, text: str, labels: list[str], values: Mapping[Any, float], expected: Iterable[object]
) -> Metric:
    """A counter by one label, whose keys are words, or by several, whose keys are tuples of them."""
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in {**dict.fromkeys(expected, 0), **values}.items():
        family.add_metric([key] if isinstance(key, str) else key, value)
    return family
