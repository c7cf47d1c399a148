"""Ratios, bounds and verdicts: what is promised must be judged by what was measured."""

from __future__ import annotations

import pytest

from bench.measure import Figures, Round, at_least, at_most, attempt, cheaper, dearer, faster, judge, verdict
from bench.runs import RunFailed
from bench.workshop import NotHere


def figures(cpu_us: float = 100.0, per_s: float = 1000.0) -> Figures:
    return Figures(count=100, cpu_us=cpu_us, per_s=per_s, peak_mb=50.0, wall_s=1.0, sink_us=None, server_us=None)


def rounds(*pairs: tuple[float, float]) -> list[Round]:
    """(ours, theirs) in CPU microseconds, a round each."""
    return [{"ours": figures(ours), "theirs": figures(theirs)} for ours, theirs in pairs]


def test_a_ratio_is_taken_inside_each_round_and_the_median_is_judged():
    # Between the rounds the machine became twice as slow for both: only ratios inside a round do not see it.
    measured = rounds((100, 3000), (200, 6000), (100, 4500))

    told = judge(cheaper("G1", "signed", "ours", "theirs", goal=at_least(30), aim=at_least(31)), measured)

    assert (told.value, told.low, told.high) == (30, 30, 45)
    assert told.is_reached is True
    assert told.is_aim_reached is False


def test_cheaper_and_dearer_are_each_others_inverse():
    measured = rounds((100, 250))

    assert judge(cheaper("a", "", "ours", "theirs", goal=None), measured).value == 2.5
    assert judge(dearer("a", "", "ours", "theirs", goal=None), measured).value == 0.4


def test_faster_compares_messages_a_second():
    one: Round = {"ours": figures(per_s=900), "theirs": figures(per_s=300)}

    assert judge(faster("G6", "", "ours", "theirs", goal=at_least(3)), [one]).is_reached is True


def test_a_goal_whose_rival_is_missing_is_not_reached_and_says_why():
    one: Round = {"ours": figures(), "theirs": "node is missing: install it"}

    told = judge(cheaper("G2", "", "ours", "theirs", goal=at_least(1)), [one])

    assert told.value is None
    assert told.is_reached is None
    assert told.why == "theirs: node is missing: install it"


@pytest.mark.parametrize(
    ("bound", "below", "above"), [(at_least(2), False, True), (at_most(2), True, False)], ids=["least", "most"]
)
def test_a_bound_holds_on_its_own_side_and_at_its_number(bound, below: bool, above: bool):  # noqa: ANN001, FBT001
    assert (bound.holds(1.99), bound.holds(2), bound.holds(2.01)) == (below, True, above)


def test_without_values_there_is_no_verdict():
    told = verdict("G12", "lost", [], unit="", goal=at_most(0))

    assert (told.value, told.is_reached) == (None, None)


def test_what_is_missing_and_what_broke_are_told_apart():
    def missing() -> None:
        raise NotHere("no compiler")

    def broken() -> None:
        raise RunFailed("the sink got 9 of 10")

    assert attempt(missing) == "no compiler"
    assert attempt(broken) == "FAILED: the sink got 9 of 10"
    assert attempt(lambda: 7) == 7
