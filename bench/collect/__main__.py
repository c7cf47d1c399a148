"""`make bench-collect`: every group measured, one table; exit code 1 when a goal is missed."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.collect import frame
from bench.collect.rows import Row
from bench.machine import described

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "articles"
PAGE = ROOT / "docs" / "collecting-measured.md"

_OPENING = """\
# Collecting, measured

How well Digest reads feeds, sitemaps, lists and pages, beside the libraries others use, on real documents that are no
part of this repository. This page is written by `make bench-collect ARGS=--write` and by nothing else.

Right means: as many entries as the document has, and of each the link, the date within a minute and the title.
Processor times belong to the machine; what carries over is the ratio to the others, measured in the same run.
"""


def _machine() -> str:
    told = dict(described())
    return "; ".join(f"{what} {told[what]}" for what in ("processor", "system", "Python"))


def main() -> int:
    """Measure, print, and write the page where it is asked for."""
    groups = frame.groups()
    parser = argparse.ArgumentParser(prog="python -m bench.collect", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(groups), help="measure this group; can be repeated")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder with feeds/, pages/ and so on")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}; needs all groups")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        print(f"error: there is no data in {chosen.data}; name its folder with --data", file=sys.stderr)
        return 2
    if chosen.write and chosen.only:
        print("error: the page shows all groups; leave out --only to write it", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in chosen.only or groups:
        print(f"measuring {name} …", file=sys.stderr)
        rows += groups[name](chosen.data)
    print(frame.table(rows))
    if chosen.write:
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        PAGE.write_text(f"{_OPENING}\nMeasured {day} on {_machine()}.\n\n{frame.table(rows)}\n", encoding="utf-8")
        print(f"wrote {PAGE}", file=sys.stderr)
    missed = [row for row in rows if not row.is_reached]
    for row in missed:
        print(f"not reached: {row.group}, {row.what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
