"""SIGKILL in the middle of an issue, again and again: nobody is skipped, and how many get two is counted by the sink.

The storm runs with ``on_doubt = "hold"``, so that what the product cannot know is listed and not sent again by itself.
Then everybody on that list is sent to once more, the way an operator would do it: what the sink has twice by then is
what a kill costs, and whoever it has not at all would be lost.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from random import Random

from bench.databases import Project
from bench.findings import Findings, Group, Table, absent_row, is_failure, reasons
from bench.lab import Lab
from bench.measure import at_most, attempt, verdict
from bench.readers import address
from bench.runs import RunFailed, run
from bench.senders import CONNECTIONS, Digest
from bench.sinks import Sink, SinkOptions
from bench.workshop import DIGEST

_READERS, _KILLS, _SEED = 10_000, 4, 1847
_LOOK_S = 0.005
_ISSUE = 1
_WAYS = {
    "PIPELINING": Digest(on_doubt="hold"),
    "CHUNKING": Digest(on_doubt="hold", chunking=True),
    "PIPELINING, PostgreSQL": Digest(on_doubt="hold", database="postgres"),
}


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of it. ``doubted`` were listed after the kills, ``arrived`` of them had arrived."""

    kills: int
    doubted: int
    arrived: int
    lost: int
    twice: int
    without_outcome: int


def storm(lab: Lab, count: int, sender: Digest) -> Storm:
    """Kill `digest run` at the moments of the storm, let the last one finish, then send to all in doubt once more."""
    with sender.project(lab, count) as project, lab.folder("log") as folder:
        with lab.sink(SinkOptions(log=True), folder) as sink:
            sender.configure(project, sink)
            for messages in _moments(count):
                _kill_after(sender, project, sink, messages)
            with sender.start(project) as last:
                last.wait()
            at_rest = sink.ask().messages
            audit = json.loads(_command(project, "issue", "audit", _ISSUE, "--json"))
            doubted = audit["in_doubt"]
            if doubted:
                _command(project, "issue", "settle", _ISSUE, "--resend", "--yes")
                with sender.start(project) as again:
                    again.wait()
        events = sink.events()
        arrivals = Counter(reader for _, _, reader in events)
        before = {reader for _, _, reader in events[:at_rest]}
        everybody = {address(number) for number in range(1, count + 1)}
        states = project.states()
    return Storm(
        kills=_KILLS,
        doubted=len(doubted),
        arrived=sum(reader in before for reader in doubted),
        lost=len(everybody - arrivals.keys()),
        twice=sum(times - 1 for times in arrivals.values()),
        without_outcome=sum(states.get(reader, ("", 0))[0] != "sent" for reader in everybody),
    )


def _moments(count: int) -> list[int]:
    """After how many messages to kill: once in each fifth but the last, at odd places.

    Round numbers would hit the pause between two claims, when nothing is on the wire.
    """
    rng, share = Random(_SEED), count // (_KILLS + 1)  # noqa: S311 - the same storm each time
    return [number * share + rng.randrange(share // 10, share) for number in range(_KILLS)]


def _kill_after(sender: Digest, project: Project, sink: Sink, messages: int) -> None:
    """Run until the sink has so many, then kill. Raises RunFailed when there is nothing left to kill."""
    with sender.start(project) as process:
        while sink.ask().messages < messages:
            if process.is_over:
                raise RunFailed("the run ended before it was killed")
            time.sleep(_LOOK_S)
        process.signal(signal.SIGKILL)
        process.wait(accept=(-signal.SIGKILL,))


def _command(project: Project, *words: object) -> str:
    return run([DIGEST, *words], cwd=project.folder).output


def _run(lab: Lab) -> Findings:
    count = lab.scaled(_READERS)
    header = ("way", "readers", "kills", "in doubt", "of them arrived", "sent twice a kill", "lost", "without outcome")
    rows, verdicts, failures = [], [], []
    told: dict[str, object] = {}
    for way, sender in _WAYS.items():
        told[way] = found = attempt(partial(storm, lab, count, sender))
        failures += [found] if is_failure(found) else []
        why, twice, skipped = "", [], []
        if isinstance(found, str):
            why = found
            rows.append(absent_row(way, len(header)))
        else:
            twice, skipped = [found.twice / found.kills], [found.lost + found.without_outcome]
            figures = (found.doubted, found.arrived, twice[0], found.lost, found.without_outcome)
            rows.append((way, f"{count:,}", f"{found.kills}", *(f"{figure:g}" for figure in figures)))
        verdicts.append(
            verdict("G12", f"{way}: readers lost or without an outcome", skipped, unit="", goal=at_most(0), why=why)
        )
        # On the wire at most: twice the connections, as `app.work` begins no more at one time.
        bounds = {"goal": at_most(60), "aim": at_most(2 * CONNECTIONS)}
        verdicts.append(verdict("G12", f"{way}: sent twice a kill", twice, unit="", why=why, **bounds))
        lab.say("  " + "  ".join(rows[-1]))
    return Findings(
        tables=(Table(header, tuple(rows)),),
        verdicts=tuple(verdicts),
        remarks=reasons(told),
        failures=tuple(failures),
    )


KILLS = Group(
    name="kills",
    title="Killed four times",
    about="`digest run` is killed with SIGKILL at a random moment in each fifth of the issue but the last, and started "
    "again. What the audit lists as in doubt is then sent once more by hand.",
    run=_run,
)
