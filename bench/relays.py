"""Three relays with three limits, one of which fails halfway: the limits hold in every second, nothing is sent twice.

The sinks write down when each mail came. A rate is judged in every window of one second that begins with a mail, not on
the average; the time is held against the best that any order of sending could have reached under these limits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from bench.databases import Project
from bench.findings import Findings, Group, Table, absent_row, is_failure, reasons
from bench.lab import Lab
from bench.measure import Verdict, at_most, attempt, verdict
from bench.readers import address
from bench.senders import Digest, write_config
from support.sink import Sink, start_sink

_READERS = 6000
RATES = {"slow": 40, "middle": 80, "fast": 120}
_FAILS, _FAILS_AFTER = "middle", 0.5  # of what it would have had to send
_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Course:
    """How it went. ``sent`` and ``peaks`` (most mails in any one second) by relay; the times are seconds."""

    sent: dict[str, int]
    peaks: dict[str, int]
    took_s: float
    best_s: float
    arrived: int
    twice: int
    not_sent: int


def busiest_second(instants: Sequence[float]) -> int:
    """The most events in any half-open window of one second; ``instants`` in order."""
    return max((bisect_left(instants, start + 1.0) - at for at, start in enumerate(instants)), default=0)


def best_time(readers: int, failing_after: int) -> float:
    """Seconds that no sender can beat: every relay at its rate all the time, the failing one until it fails."""
    all_rates = sum(RATES.values())
    until_failure = failing_after / RATES[_FAILS]
    left = readers - all_rates * until_failure
    return until_failure + left / (all_rates - RATES[_FAILS]) if left > 0 else readers / all_rates


def course(lab: Lab, readers: int) -> Course:
    """Send through the three of them and read their logs."""
    failing_after = round(readers * RATES[_FAILS] / sum(RATES.values()) * _FAILS_AFTER)
    sender = Digest(on_doubt="hold")
    with sender.project(lab, readers) as project, lab.folder("relays") as folder:
        with ExitStack() as stack:
            sinks = {
                name: stack.enter_context(_relay(folder / name, failing_after if name == _FAILS else None))
                for name in RATES
            }
            _configure(project, sinks)
            with sender.start(project) as process:
                process.wait()
        instants = {name: sorted(event["at"] for event in sink.accepted()) for name, sink in sinks.items()}
        arrivals = sum((sink.recipients() for sink in sinks.values()), Counter[str]())
        states = project.states()
    everything = sorted(at for one in instants.values() for at in one)
    return Course(
        sent={name: len(one) for name, one in instants.items()},
        peaks={name: busiest_second(one) for name, one in instants.items()},
        took_s=everything[-1] - everything[0],
        best_s=best_time(readers, failing_after),
        arrived=len(arrivals),
        twice=sum(times - 1 for times in arrivals.values()),
        not_sent=sum(states[address(number)][0] != "sent" for number in range(1, readers + 1)),
    )


@contextmanager
def _relay(folder: object, failing_after: int | None) -> Iterator[Sink]:
    modes = {} if failing_after is None else {"gone_after": [failing_after, "drop"]}
    with start_sink(folder, keep=False, **modes) as sink:  # type: ignore[arg-type]
        yield sink


def _configure(project: Project, sinks: dict[str, Sink]) -> None:
    relays: dict[str, dict[str, object]] = {}
    for name, sink in sinks.items():
        known_as = "default" if name == "slow" else name  # one has to be called so
        relays[known_as] = {
            "host": sink.host,
            "port": sink.port,
            "rate": float(RATES[name]),
            "connections": _CONNECTIONS,
        }
    write_config(project, relays, on_doubt="hold")


def _run(lab: Lab) -> Findings:
    readers = lab.scaled(_READERS)
    found = attempt(partial(course, lab, readers))
    header = ("relay", "limit, mails/s", "mails taken", "most in any one second")
    if isinstance(found, str):
        table = Table(header, (absent_row("three relays", len(header)),))
        failures = (found,) if is_failure(found) else ()
        remarks = reasons({"three relays": found})
        return Findings(tables=(table,), verdicts=_verdicts(None, found), remarks=remarks, failures=failures)
    rows = tuple(
        (
            f"{name}{' (fails halfway)' if name == _FAILS else ''}",
            f"{rate}",
            f"{found.sent[name]:,}",
            f"{found.peaks[name]}",
        )
        for name, rate in RATES.items()
    )
    remark = (
        f"{readers:,} readers: {found.arrived:,} got the mail, {found.twice} of them twice, {found.not_sent} are not "
        f"on record as sent. It took {found.took_s:.1f} s; the best that these limits allow is {found.best_s:.1f} s."
    )
    lab.say("  " + remark)
    return Findings(tables=(Table(header, rows),), verdicts=_verdicts(found, ""), remarks=(remark,))


def _verdicts(found: Course | None, why: str) -> tuple[Verdict, ...]:
    over = [max(found.peaks[name] - rate for name, rate in RATES.items())] if found else []
    late = [found.took_s / found.best_s] if found else []
    wrong = [found.twice + found.not_sent] if found else []
    return (
        verdict(
            "relays", "mails above the limit in the worst second of any relay", over, unit="", goal=at_most(0), why=why
        ),
        verdict("relays", "readers who got two or are not on record as sent", wrong, unit="", goal=at_most(0), why=why),
        verdict("relays", "time, of the best possible", late, unit="×", goal=at_most(1.25), aim=at_most(1.1), why=why),
    )


RELAYS = Group(
    name="relays",
    title="Three relays, one of them failing",
    about="Three sinks with limits of 40, 80 and 120 mails a second; the second hangs up on everybody when it has had "
    "half of its share.",
    run=_run,
)
