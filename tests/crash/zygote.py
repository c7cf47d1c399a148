"""Workers that start at once: this process imports everything, then forks one worker for each line it reads.

Each worker is a process of its own that runs the product's `app.run.deliver` until nothing is left, so that a
SIGKILL hits it wherever it is. Arguments: database address, relay port, journal folder.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from digest.app.run import deliver
from digest.config.logging import configure
from digest.config.settings import LoggingSettings
from digest.store import issues
from digest.store.engine import Store
from support.sending import line_of, make_container

LEASE_S = 2


def work(database: str, port: int, journal: str) -> None:
    configure(LoggingSettings(level="error"))
    store = Store(database)
    container = make_container(
        store,
        relays={"default": {"host": "127.0.0.1", "port": port}},
        delivery={"on_doubt": "hold", "lease_s": LEASE_S, "retry_first_s": 1, "journal": journal},
    )
    line = line_of(container)
    with store.read() as tx:
        issue = issues.unfinished(tx)[0]
    asyncio.run(deliver(line, issue, stop=asyncio.Event()))


def main() -> None:
    database, port, journal = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the dead
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(database, port, journal)
                status = 0
            finally:
                os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
