"""The page docs/performance.md, written from results: nothing on it is written by hand but the words in this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.findings import Group
from bench.machine import described
from bench.report import Result, filled, section, shortfalls

_OPENING = """\
# Performance

What a message costs, what the machine under it allows, and what others need for the same. This page is written by
`make bench ARGS=--write` and by nothing else: every figure was measured by that command.

Absolute figures belong to the machine. What carries over are ratios, and they were taken inside a round in which every
sender ran in turn; the tables show medians over the rounds. A ratio of CPU compares messages per CPU-second.
"""
_METHOD = """\
## How it was measured

- **The product** is the command `digest run` in a process of its own, in a project of its own: database (synced, as in
  production), leases, journal, fence file, relay settings, and the progress bar on a terminal. It starts with a
  composed issue; freezing the audience is measured, composing is not.
- **CPU** is user and system time of the sending process as the kernel counted it, all threads included. A run with a
  single reader is taken off, so nobody pays for starting up. What the PostgreSQL server uses stands in a column of
  its own.
- **The sink** (`bench/sink.c`) is a program in C that counts. A run in which it did not get exactly what was to be sent
  has no figures. Messages a second are by its clock, from the first MAIL to the last message taken.
- **The issue** is the same for everybody: about 50 kB of HTML and 8 kB of text, some 64 kB on the wire, the reader's
  address at the top of both parts, an unsubscribe link at their ends.
- **The rivals** are as fast as their documentation makes them: connections stay open, templates and keys are loaded
  once. The plain loop renders, builds, signs and sends with the usual libraries and commits each outcome; nodemailer
  has its pool, its own DKIM signer and the cheapest template; smtp-source is C, and sends one message again and again.
  "Five round trips" is the conversation that listmonk's pool has, without anything around it. The floor hashes and
  signs, and does nothing else.
- **What it is not**: loopback has no loss, no congestion and no bandwidth; the sink queues nothing on a disk, which a
  real relay does; and the price of a signature, most of what a signed message costs, differs between processors.
"""
_AGAIN = """\
## Do it again

```sh
make bench
make bench ARGS="--only cpu"
make bench ARGS=--quick
make bench ARGS=--write
```

It needs two cores that have nothing else to do, and a C compiler with OpenSSL's headers. Node, npm, PostgreSQL and
Debian's package tools are used where they are; what is missing is said in the place of its figures. `--write` with
`--only` keeps what was measured earlier of the other groups; each says when and at which commit. The exit code is 1
when a run broke or a promise is not kept. `--only` takes the names of groups, and can be repeated: {names}.
"""


def page(results: Mapping[str, Result], groups: Sequence[Group]) -> str:
    """The whole page; a group that was never measured is named as such."""
    done = [results[group.name].findings for group in groups if group.name in results]
    verdicts = [verdict for findings in done for verdict in findings.verdicts]
    unmeasured = [group.title for group in groups if group.name not in results]
    short = [*shortfalls(verdicts), *(f"{title}: not measured yet." for title in unmeasured)]
    judged = [verdict for verdict in verdicts if verdict.goal]
    kept = sum(verdict.is_reached is True for verdict in judged)
    parts = [
        _OPENING,
        _machine(),
        _METHOD,
        f"## What falls short\n\nOf {len(judged)} things promised {kept} are kept. " + _shortfall_words(short),
        *(section(results[group.name], group) for group in groups if group.name in results),
        _again(groups),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _again(groups: Sequence[Group]) -> str:
    *first, last = _AGAIN.strip().split("\n\n")
    names = ", ".join(f"`{group.name}`" for group in groups)
    return "\n\n".join([*first, filled(last.format(names=names).replace("\n", " "))])


def _machine() -> str:
    rows = "\n".join(f"| {what} | {which} |" for what, which in described())
    return f"| on | |\n| --- | --- |\n{rows}"


def _shortfall_words(short: Sequence[str]) -> str:
    if not short:
        return "Nothing falls short, and every aim beyond the promises is reached."
    return "These are not there:\n\n" + "\n".join(f"- {text}" for text in short)
