"""Refusals in every tenth place, for good and for now: what is on record must be what the relay said, reader by reader.

The record is read past the product's own code; the relay's story is the sink's log, or that of a real Postfix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bench.findings import Findings, Group, Table, absent_row, is_failure, reasons
from bench.lab import Lab
from bench.measure import Absent, at_most, attempt, verdict
from bench.postfix import start_postfix
from bench.readers import DEFERRED, REFUSED
from bench.senders import Digest
from bench.sinks import SENDER_CORE, SinkOptions

_READERS = 2000
_STATES = {250: "sent", 550: "failed", 451: "deferred"}
_SINK = SinkOptions(refuses=REFUSED, defers=DEFERRED, log=True)
_SPEAKING = {
    "one command at a time": Digest(mixed=True, pipelining=False),
    "PIPELINING": Digest(mixed=True),
    "CHUNKING": Digest(mixed=True, chunking=True),
}

#: (instant, reply code, address) as the relay tells, and (state, reply code) by address as it is on record.
Events = Sequence[tuple[float, int, str]]
States = Mapping[str, tuple[str, int | None]]


def mismatches(events: Events, states: States) -> list[str]:
    """The readers of whom relay and record tell two stories, or one of them nothing, or the relay two."""
    said: dict[str, list[int]] = {}
    for _, code, address in events:
        said.setdefault(address, []).append(code)
    right = {address for address, codes in said.items() if len(codes) == 1 and _fits(codes[0], states.get(address))}
    return sorted((said.keys() | states.keys()) - right)


def _fits(code: int, recorded: tuple[str, int | None] | None) -> bool:
    return recorded == (_STATES.get(code), code)


def into_sink(lab: Lab, count: int, sender: Digest, *, tls: bool = False) -> tuple[Events, States]:
    """Send to a mixed audience through our own sink; what it told and what is on record."""
    sender = replace(sender, tls=tls)
    with sender.project(lab, count) as project, lab.folder("log") as folder:
        with lab.sink(replace(_SINK, tls=tls), folder) as sink:
            sender.deliver(lab, project, sink, count=count, core=SENDER_CORE)
        return sink.events(), project.states()


def into_postfix(lab: Lab, count: int, sender: Digest) -> tuple[Events, States]:
    """The same through a real Postfix."""
    with sender.project(lab, count) as project, start_postfix() as postfix:
        sender.deliver(lab, project, postfix, count=count, core=SENDER_CORE)
        return postfix.await_events(count), project.states()


def _ways(lab: Lab, count: int) -> dict[str, Callable[[], tuple[Events, States]]]:
    ways: dict[str, Callable[[], tuple[Events, States]]] = {}
    for way, sender in _SPEAKING.items():
        ways[way] = partial(into_sink, lab, count, sender)
        ways[f"{way}, STARTTLS"] = partial(into_sink, lab, count, sender, tls=True)
    on_postgres = replace(_SPEAKING["PIPELINING"], database="postgres")
    ways["PIPELINING, PostgreSQL"] = partial(into_sink, lab, count, on_postgres)
    for way in ("PIPELINING", "CHUNKING"):
        ways[f"{way}, a real Postfix"] = partial(into_postfix, lab, count, _SPEAKING[way])
    return ways


def _run(lab: Lab) -> Findings:
    count = lab.scaled(_READERS)
    header = ("way", "readers", "250", "550", "451", "told differently")
    rows, verdicts = [], []
    found: dict[str, tuple[Events, States] | Absent] = {}
    for way, work in _ways(lab, count).items():
        found[way] = told = attempt(work)
        wrong: list[float] = []
        if isinstance(told, str):
            rows.append(absent_row(way, len(header)))
        else:
            codes = [code for _, code, _ in told[0]]
            wrong = [len(mismatches(*told))]
            rows.append((way, f"{count:,}", *(f"{codes.count(code):,}" for code in _STATES), f"{wrong[0]:,}"))
        why = told if isinstance(told, str) else ""
        verdicts.append(
            verdict("G14", f"{way}: readers told differently", wrong, unit="readers", goal=at_most(0), why=why)
        )
        lab.say("  " + "  ".join(rows[-1]))
    return Findings(
        tables=(Table(header, tuple(rows)),),
        verdicts=tuple(verdicts),
        remarks=reasons(found),
        failures=tuple(told for told in found.values() if is_failure(told)),
    )


OUTCOMES = Group(
    name="outcomes",
    title="Exact outcomes under refusals",
    about="Every tenth reader is refused for good (550) and every tenth for now (451). The relay's own log and the "
    "deliveries on record are compared address by address.",
    run=_run,
)
