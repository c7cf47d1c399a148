"""What was measured must be the real mail: kept messages are verified and decoded by code that is not the product's."""

from __future__ import annotations

import sys
from functools import partial

from bench import ROOT, workshop
from bench.findings import Findings, Group, Table, absent_row, is_failure, reasons
from bench.lab import Lab
from bench.measure import at_most, attempt, verdict
from bench.runs import run
from bench.senders import Digest
from bench.sinks import SENDER_CORE, SinkOptions

_KEPT = 1000
_WAYS = {
    "PIPELINING": (Digest(signs="both"), SinkOptions(keep=_KEPT)),
    "CHUNKING": (Digest(signs="both", chunking=True), SinkOptions(keep=_KEPT)),
    "STARTTLS": (Digest(signs="both", tls=True), SinkOptions(keep=_KEPT, tls=True)),
}


def verified(lab: Lab, count: int, sender: Digest, options: SinkOptions) -> tuple[int, int, int]:
    """Send, keep and check: how many messages were kept, how many are right, and the bytes of the longest."""
    with lab.folder("kept") as folder:
        with lab.sink(options, folder) as sink:
            sender.send(lab, sink, count, core=SENDER_CORE)
        checks = [sys.executable, "-m", "bench.verify", folder, "--count", count, "--issue", workshop.issue()]
        kept, right, longest = (int(word) for word in run([*checks, *workshop.keys()], cwd=ROOT).output.split())
    return kept, right, longest


def _run(lab: Lab) -> Findings:
    count = lab.scaled(_KEPT)
    header = ("way", "messages kept", "not as they must be", "bytes of one")
    rows, verdicts, failures = [], [], []
    told: dict[str, object] = {}
    for way, (sender, options) in _WAYS.items():
        told[way] = found = attempt(partial(verified, lab, count, sender, options))
        wrong: list[float] = []
        if isinstance(found, str):
            rows.append(absent_row(way, len(header)))
        else:
            kept, right, longest = found
            wrong = [kept - right]
            rows.append((way, f"{kept:,}", f"{kept - right:,}", f"{longest:,}"))
        text = f"{way}: messages whose signatures or content are wrong"
        why = found if isinstance(found, str) else ""
        verdicts.append(verdict("method", text, wrong, unit=f"of {count:,}", goal=at_most(0), why=why))
        failures += [found] if is_failure(found) else []
        lab.say("  " + "  ".join(rows[-1]))
    return Findings(
        tables=(Table(header, tuple(rows)),),
        verdicts=tuple(verdicts),
        remarks=reasons(told),
        failures=tuple(failures),
    )


CONTENT = Group(
    name="content",
    title="What arrived",
    about="The sink keeps what it gets. Both signatures of each message must verify with dkimpy, and both parts must "
    "decode to what Jinja2 renders for that reader.",
    run=_run,
)
