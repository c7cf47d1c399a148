"""A process: walk all subscriptions of a project in keyset pages, and tell the slowest, as JSON in milliseconds.

python -m bench.paging PROJECT --readers N
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

from bench.stock import SLUG
from digest.app.container import open_container
from digest.store import publications, subscriptions

_PAGE_ROWS = 1000


def main() -> None:
    """Read every page once, as an export does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    parser.add_argument("--readers", type=int, required=True)
    options = parser.parse_args()
    took: list[float] = []
    rows = after = 0
    with open_container(options.project / "digest.toml") as container, container.store.read() as tx:
        key = publications.get(tx, SLUG).id
        while True:
            began = time.perf_counter()
            page = subscriptions.page(tx, key, after=after, limit=_PAGE_ROWS)
            took.append((time.perf_counter() - began) * 1000)
            if not page:
                break
            rows, after = rows + len(page), page[-1].subscriber.id
    if rows != options.readers:
        raise SystemExit(f"{rows} of {options.readers} subscriptions were read")
    tenth = max(1, len(took) // 10)
    print(json.dumps({"worst": max(took), "first": median(took[:tenth]), "last": median(took[-tenth - 1 : -1])}))


if __name__ == "__main__":
    main()
