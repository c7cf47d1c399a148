"""What delivery costs, measured beside what others do: `make bench`.

Rules of this package: the product runs as its own command in its own process, as an operator runs it; every rival runs
in the same round against the same sink; what is told are ratios inside a round and counts that the sink made itself.
The process that measures never imports Digest: the parts that do (`stock`, `bookkeeping`, `paging`) are processes of
their own, so that what it has in memory is not counted as theirs.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "bench"
#: What is compiled, fetched and measured; `make clean` removes it.
BUILD = ROOT / "build" / "bench"

# The throw-away PostgreSQL, certificates and the sink that logs times are those of the tests.
if str(ROOT / "tests") not in sys.path:
    sys.path.append(str(ROOT / "tests"))
