"""The table of rules names tests that are there, and leaves out no rule."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_rule_names_tests_that_are_there():
    table = (ROOT / "docs" / "collecting-rules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (F\d+) \|.*\| (.+) \|$", table, re.MULTILINE)
    named = {rule: re.findall(r"`(test_\w+)`", tests) for rule, tests in rows}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))

    assert list(named) == [f"F{number}" for number in range(1, 27)]
    assert all(named.values())
    assert {test for tests in named.values() for test in tests} - there == set()
