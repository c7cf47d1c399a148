"""Cases in rounds: who sends what to which sink, what it took, and the ratios inside each round."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TypeVar

from bench.lab import Lab
from bench.runs import Cost, RunFailed
from bench.senders import Sender
from bench.sinks import PLAIN_SINK, SENDER_CORE, Counts, SinkOptions
from bench.workshop import NotHere

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A sender, a number of messages and a sink. ``is_pinned``: the sender has one core, and the sink the other.

    ``reaches_sink`` is False for what sends nothing, such as a bare signature.
    """

    name: str
    sender: Sender
    count: int
    sink: SinkOptions = PLAIN_SINK
    is_pinned: bool = True
    reaches_sink: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run of a case. CPU figures are microseconds a message, start-up taken off; ``per_s`` is messages a second.

    ``wall_s`` is the whole command from start to end.
    """

    count: int
    cpu_us: float
    per_s: float
    peak_mb: float
    wall_s: float
    sink_us: float | None
    server_us: float | None


#: Why there are no figures; it begins with `FAILED` when a run broke.
Absent = str
FAILED = "FAILED"
Round = Mapping[str, Figures | Absent]


def measure(lab: Lab, cases: Sequence[Case], *, rounds: int) -> list[Round]:
    """Every case in turn, ``rounds`` times. What cannot run is told in the place of its figures."""
    done: list[Round] = []
    for number in range(1, rounds + 1):
        one: dict[str, Figures | Absent] = {}
        for case in cases:
            one[case.name] = found = attempt(partial(run_case, lab, case))
            lab.say(f"  {number}/{rounds}  {case.name:<62} {_in_short(found)}")
        done.append(one)
    return done


def _in_short(found: Figures | Absent) -> str:
    if isinstance(found, str):
        return f"NOT MEASURED: {found}"
    return f"{found.cpu_us:9.1f} µs  {found.per_s:9.0f}/s"


def attempt(work: Callable[[], T]) -> T | Absent:
    """What ``work`` gives, or in its place why there is nothing: something is missing here, or the run failed."""
    try:
        return work()
    except NotHere as error:
        return str(error)
    except RunFailed as error:
        return f"{FAILED}: {error}"


def run_case(lab: Lab, case: Case) -> Figures:
    """One run, and one with a single message whose cost is taken off. Raises RunFailed and NotHere."""
    count = lab.scaled(case.count)
    start_up, _ = _one(lab, case, 1)
    cost, counts = _one(lab, case, count)
    more = count - 1
    if counts is not None and counts.messages != count:
        raise RunFailed(f"the sink got {counts.messages} of {count} messages")
    return Figures(
        count=count,
        cpu_us=(cost.cpu_s - start_up.cpu_s) / more * 1e6,
        per_s=counts.per_s if counts is not None else more / (cost.wall_s - start_up.wall_s),
        peak_mb=cost.peak_mb,
        wall_s=cost.wall_s,
        sink_us=counts.cpu_s / count * 1e6 if counts is not None else None,
        server_us=(cost.server_s - start_up.server_s) / more * 1e6 if cost.server_s else None,
    )


def _one(lab: Lab, case: Case, count: int) -> tuple[Cost, Counts | None]:
    with lab.sink(case.sink) as sink:
        cost = case.sender.send(lab, sink, count, core=SENDER_CORE if case.is_pinned else None)
    return cost, sink.counts if case.reaches_sink else None


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure has to keep to: at least, or at most, a number."""

    is_least: bool
    number: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps to it."""
        return (operator.ge if self.is_least else operator.le)(value, self.number)

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.number:g}"


def at_least(number: float) -> Bound:
    """Bound from below."""
    return Bound(is_least=True, number=number)


def at_most(number: float) -> Bound:
    """Bound from above."""
    return Bound(is_least=False, number=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Something promised of a round: ``of`` gives its figure. ``aim`` is what we want beyond the promise."""

    id: str
    text: str
    of: Callable[[Mapping[str, Figures]], float]
    needs: tuple[str, ...]
    goal: Bound | None
    aim: Bound | None = None
    unit: str = "×"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a goal. ``value`` None: it could not be measured, and ``why`` says why."""

    id: str
    text: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    goal: str
    aim: str
    is_reached: bool | None
    is_aim_reached: bool | None
    why: str = ""


def judge(goal: Goal, rounds: Sequence[Round]) -> Verdict:
    """Take the figure in each round that has all it needs, and hold the median against goal and aim."""
    values, missing = [], ""
    for one in rounds:
        lacking = next((f"{name}: {one[name]}" for name in goal.needs if isinstance(one[name], str)), None)
        if lacking is None:
            values.append(goal.of({name: found for name, found in one.items() if isinstance(found, Figures)}))
        else:
            missing = lacking
    return verdict(goal.id, goal.text, values, unit=goal.unit, goal=goal.goal, aim=goal.aim, why=missing)


def verdict(
    id: str,  # noqa: A002 - as the field
    text: str,
    values: Sequence[float],
    *,
    unit: str,
    goal: Bound | None,
    aim: Bound | None = None,
    why: str = "",
) -> Verdict:
    """The median of ``values`` beside what was promised; without values nothing is reached."""
    middle = median(values) if values else None
    return Verdict(
        id=id,
        text=text,
        unit=unit,
        value=middle,
        low=min(values, default=None),
        high=max(values, default=None),
        goal=str(goal) if goal else "",
        aim=str(aim) if aim else "",
        is_reached=goal.holds(middle) if goal and middle is not None else None,
        is_aim_reached=aim.holds(middle) if aim and middle is not None else None,
        why=why,
    )


def cheaper(id: str, text: str, ours: str, than: str, *, goal: Bound | None, aim: Bound | None = None) -> Goal:  # noqa: A002
    """How many times fewer CPU-seconds a message ``ours`` takes than ``than``: a ratio of messages per CPU-second."""

    def of(one: Mapping[str, Figures]) -> float:
        return one[than].cpu_us / one[ours].cpu_us

    return Goal(id=id, text=text, of=of, needs=(ours, than), goal=goal, aim=aim)


def dearer(id: str, text: str, ours: str, than: str, *, goal: Bound | None, aim: Bound | None = None) -> Goal:  # noqa: A002
    """How many times the CPU of ``than`` a message takes."""

    def of(one: Mapping[str, Figures]) -> float:
        return one[ours].cpu_us / one[than].cpu_us

    return Goal(id=id, text=text, of=of, needs=(ours, than), goal=goal, aim=aim)


def faster(id: str, text: str, ours: str, than: str, *, goal: Bound | None, aim: Bound | None = None) -> Goal:  # noqa: A002
    """How many times as many messages a second."""

    def of(one: Mapping[str, Figures]) -> float:
        return one[ours].per_s / one[than].per_s

    return Goal(id=id, text=text, of=of, needs=(ours, than), goal=goal, aim=aim)
