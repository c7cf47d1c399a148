"""A worker's hands, as data: what it reads and writes, what it sends through, and how much at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from digest.deliver.journal import Journal
from digest.deliver.pacing import Pacer
from digest.deliver.policy import Policy
from digest.deliver.routing import Router
from digest.model.delivery import Outcome
from digest.store.engine import Store


@dataclass(slots=True)
class Worker:
    """One worker's hands: where it reads and writes, what it sends and through which relay.

    ``in_flight`` bounds the messages begun and not answered at one time, which is what a crash can put in doubt.
    ``signing`` are threads that compose and sign beside the loop that serves the sockets; None does it in the loop,
    which is as fast where nothing is signed or there is one core. ``stop`` set: finish what is on the wire, give the
    rest back. ``watch`` sees every recorded outcome. What is ``urgent`` goes before whatever else waits for a
    connection.
    """

    store: Store
    pool: Router
    policy: Policy
    journal: Journal
    pacer: Pacer
    in_flight: int = 8
    signing: Executor | None = None
    rng: Random = field(default_factory=Random)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    watch: Callable[[Sequence[Outcome]], None] = lambda _outcomes: None
    urgent: bool = False


@contextmanager
def signing_threads() -> Iterator[Executor | None]:
    """As many threads as pay: one more than there are cores for this process, none on a single core.

    RSA and SHA-256 run without the interpreter's lock (performance.md 4: 1.66 times one core's messages on two).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1:
        yield None
        return
    with ThreadPoolExecutor(cores + 1, thread_name_prefix="sign") as threads:
        yield threads
