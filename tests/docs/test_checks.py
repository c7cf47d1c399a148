"""The page of the checks tells every rule there is."""

from __future__ import annotations

import ast
from pathlib import Path

from support.documents import ROOT

_MAKERS = {"Finding", "_at", "_finding", "_Cause", "_add", "_beside"}


def rules_of(path: Path) -> set[str]:
    """The names of rules that a module gives to what it finds: the first text among the arguments."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if name in _MAKERS and words and not any(isinstance(one, ast.JoinedStr) for one in node.args[:1]):
                found.add(words[0])
    return found


def test_every_rule_is_described():
    page = (ROOT / "docs" / "templates" / "checks.md").read_text(encoding="utf-8")
    rules = {rule for path in (ROOT / "src" / "digest" / "workshop").rglob("*.py") for rule in rules_of(path)}

    assert len(rules) > 50
    assert sorted(rule for rule in rules if f"`{rule}`" not in page) == []
