"""What the special measurements conclude, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import HERE
from bench.findings import Findings, Group, Table
from bench.goals import GROUPS
from bench.kills import _moments
from bench.measure import at_least, verdict
from bench.outcomes import mismatches
from bench.page import page
from bench.readers import DEFERRED, REFUSED, address
from bench.relays import RATES, best_time, busiest_second
from bench.report import Result, load_results, markdown, result_of, save, section, shortfalls

SAID = [(0.0, 250, "a"), (0.0, 550, "b"), (0.0, 451, "c")]
RECORDED = {"a": ("sent", 250), "b": ("failed", 550), "c": ("deferred", 451)}


def test_when_relay_and_record_agree_nobody_is_told_differently():
    assert mismatches(SAID, RECORDED) == []


@pytest.mark.parametrize(
    ("said", "recorded", "wrong"),
    [
        (SAID, RECORDED | {"b": ("sent", 250)}, ["b"]),
        (SAID, RECORDED | {"c": ("deferred", 450)}, ["c"]),
        (SAID, RECORDED | {"a": ("pending", None)}, ["a"]),
        (SAID, RECORDED | {"d": ("sent", 250)}, ["d"]),
        ([*SAID, (1.0, 250, "d")], RECORDED, ["d"]),
        ([*SAID, (1.0, 250, "a")], RECORDED, ["a"]),
        ([*SAID, (1.0, 250, "b")], RECORDED, ["b"]),
    ],
    ids=["other state", "other code", "none yet", "never arrived", "not on record", "twice", "both ways"],
)
def test_every_way_to_differ_is_noticed(said: list, recorded: dict, wrong: list[str]):
    assert mismatches(said, recorded) == wrong


def test_the_busiest_second_is_found_across_the_borders_of_seconds():
    calm = [at / 10 for at in range(50)]

    assert busiest_second([]) == 0
    assert busiest_second(calm) == 10
    assert busiest_second(sorted([*calm, 1.95, 2.02, 2.03])) == 13
    assert busiest_second([0.0, 1.0]) == 1


def test_the_best_time_counts_the_failing_relay_only_until_it_fails():
    everything = sum(RATES.values())

    assert best_time(everything * 10, failing_after=RATES["middle"] * 20) == 10
    assert best_time(everything * 10, failing_after=RATES["middle"] * 5) == 5 + 5 * everything / (everything - 80)


def test_a_mixed_audience_has_every_tenth_refused_and_every_tenth_deferred():
    everybody = [address(number, mixed=True) for number in range(1, 101)]

    assert sum(REFUSED in one for one in everybody) == 10
    assert sum(DEFERRED in one for one in everybody) == 10
    assert len(set(everybody)) == 100
    assert not any(REFUSED in address(number) or DEFERRED in address(number) for number in range(1, 101))


def test_the_moments_of_the_kills_lie_one_in_each_fifth_and_not_at_round_numbers():
    moments = _moments(10_000)

    assert [moment // 2000 for moment in moments] == [0, 1, 2, 3]
    assert all(moment % 500 for moment in moments)


def test_every_goal_of_the_design_is_measured_somewhere():
    told = " ".join(module.read_text(encoding="utf-8") for module in HERE.glob("*.py"))

    assert [number for number in range(1, 15) if f'"G{number}"' not in told] == []


def result(group: Group, **more: object) -> Result:
    kept = verdict("G1", "kept", [31.0, 32.0], unit="×", goal=at_least(30), aim=at_least(40))
    missed = verdict("G2", "missed", [8.0], unit="×", goal=at_least(9))
    unknown = verdict("G3", "unknown", [], unit="×", goal=at_least(1), why="node is missing\nsecond line")
    table = Table(("sender", "CPU"), (("Digest", "1.5"), ("a rival", "15,204.1")))
    found = Findings(tables=(table,), verdicts=(kept, missed, unknown), remarks=("A remark.",))
    options = {"commit": "abc", "rounds": 3, "busy": 0.02, "is_quick": False} | more
    return result_of(group, found, **options)  # type: ignore[arg-type]


def test_a_table_lines_up_with_figures_to_the_right():
    table = Table(("sender", "CPU"), (("Digest", "1.5"), ("a rival", "15,204.1")))

    assert markdown(table).splitlines() == [
        "| sender  |      CPU |",
        "| ------- | -------: |",
        "| Digest  |      1.5 |",
        "| a rival | 15,204.1 |",
    ]


def test_a_section_tells_what_was_reached_and_what_was_not():
    told = section(result(GROUPS[0]), GROUPS[0])

    row = {line.split("|")[1].strip(): line for line in told.splitlines() if line.startswith("| G")}
    assert "31.50 ×" in row["G1"]
    assert "| **not reached** |" in row["G1"], "the aim of 40"
    assert row["G1"].count(" reached") == 2
    assert "**not reached**" in row["G2"]
    assert "**not measured**" in row["G3"]
    assert "others used 2% of the machine" in told
    assert "not to be quoted" not in told
    assert "not to be quoted" in section(result(GROUPS[0], is_quick=True), GROUPS[0])


def test_what_falls_short_is_said_promise_before_aim():
    assert shortfalls(result(GROUPS[0]).findings.verdicts) == [
        "G1, kept: 31.50 ×, aimed at ≥ 40.",
        "G2, missed: 8 ×, promised ≥ 9.",
        "G3, unknown: not measured, node is missing.",
    ]


def test_results_come_back_from_the_file_as_they_were(tmp_path: Path):
    kept = result(GROUPS[0])

    save([kept], tmp_path / "results.json")

    assert load_results(tmp_path / "results.json") == {GROUPS[0].name: kept}
    assert load_results(tmp_path / "none.json") == {}


def test_the_page_names_what_falls_short_and_what_was_never_measured():
    text = page({GROUPS[0].name: result(GROUPS[0])}, GROUPS)

    assert "Of 3 things promised 1 are kept." in text
    assert "- G2, missed: 8 ×, promised ≥ 9.\n" in text
    assert f"- {GROUPS[1].title}: not measured yet.\n" in text
    assert f"## {GROUPS[0].title}\n" in text
    assert f"## {GROUPS[1].title}\n" not in text
