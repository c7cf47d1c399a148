"""The groups there are, and their rows as a table."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

import bench.collect
from bench.collect.rows import Row

Measure = Callable[[Path], list[Row]]


def groups() -> dict[str, Measure]:
    """Every module of this package with ``NAME`` and ``measure``, by name."""
    found: dict[str, Measure] = {}
    for info in pkgutil.iter_modules(bench.collect.__path__):
        if info.name == "__main__":
            continue
        module = import_module(f"bench.collect.{info.name}")
        if hasattr(module, "NAME") and hasattr(module, "measure"):
            found[module.NAME] = module.measure
    return dict(sorted(found.items()))


def table(rows: Iterable[Row]) -> str:
    """Rows as Markdown."""
    lines = [("group", "what", "Digest", "goal", "others, same run", "reached")]
    for row in rows:
        sign = "≥" if row.at_least else "≤"
        others = ", ".join(f"{name} {_figure(value)}" for name, value in row.anchors.items()) or "–"
        lines.append(
            (
                row.group,
                row.what,
                f"{_figure(row.measured)} {row.unit}".strip(),
                f"{sign} {_figure(row.target)} {row.unit}".strip(),
                others,
                "yes" if row.is_reached else "**no**",
            )
        )
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    told = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    told.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in told)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}" if value < 100 else f"{value:,.1f}"
