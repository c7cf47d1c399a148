"""What a message costs, beside the plain loop: ratios inside one run, on this machine, with the real product.

Each sender runs in a process of its own against the same sink process; CPU is user + system time of the sending
process over the sending loop. The product sends with its store, leases, journal and outcomes on. Absolute figures
belong to the machine; quote the ratios.

    make bench                      5,000 readers
    make bench ARGS="--readers 100000"
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from support.sink import start_sink  # noqa: E402 - found beside the tests

DOMAIN = "example.com"


def rendered() -> Any:
    """The sample issue through the product's template, slots still in it."""
    from digest.compose.environment import templates
    from digest.compose.render import render
    from digest.compose.sample import sample_context

    context = sample_context("daily", base_url="https://news.example.com", pictures="https://news.example.com/p")
    return render(context, env=templates())


def make_keys(folder: Path) -> Path:
    """A throw-away RSA-2048 key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    path = folder / "dkim.pem"
    encoding = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


def plain_loop(folder: Path, port: int, readers: int, *, signed: bool) -> dict[str, float]:
    """What the libraries' documentation shows: render, build, sign and send one after another, commit each."""
    import aiosmtplib
    import dkim
    from jinja2 import Environment

    from digest.text.slots import CLOSE, OPEN

    page = rendered()
    env = Environment(autoescape=True)
    html, text = (
        env.from_string(part.replace("{", "&#123;").replace(OPEN, "{{").replace(CLOSE, "}}"))
        for part in (page.html, page.text)
    )
    key = (folder / "dkim.pem").read_bytes()
    outcomes = sqlite3.connect(folder / "plain.db")
    outcomes.execute("PRAGMA journal_mode=WAL")
    outcomes.execute("CREATE TABLE sent (email TEXT PRIMARY KEY)")

    async def send() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in range(readers):
                email = f"reader{number}@{DOMAIN}"
                url = f"https://news.{DOMAIN}/u/{number:022d}"
                values = {"email": email, "unsubscribe_url": url, "signed_up_on": "22 November 2026"}
                message = EmailMessage()
                message["From"], message["To"], message["Subject"] = f"The Desk <desk@{DOMAIN}>", email, page.subject
                message["Date"], message["Message-ID"] = formatdate(), f"<{number}@{DOMAIN}>"
                message["List-Unsubscribe"] = f"<{url}>"
                message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
                message.set_content(text.render(values))
                message.add_alternative(html.render(values), subtype="html")
                raw = message.as_bytes()
                if signed:
                    raw = dkim.sign(raw, b"bench", DOMAIN.encode(), key) + raw
                await client.sendmail(f"desk@{DOMAIN}", [email], raw)
                outcomes.execute("INSERT INTO sent VALUES (?)", (email,))
                outcomes.commit()

    return _timed(send, readers)


def product(folder: Path, port: int, readers: int, *, signed: bool, database: str) -> dict[str, float]:
    """`app.run.deliver`: claims, marks, fills, signs, sends, records, journals."""
    from digest.app.run import deliver
    from digest.config.logging import configure
    from digest.config.settings import LoggingSettings
    from digest.model.issue import IssueState
    from digest.store import deliveries, issues, migrate, renditions
    from digest.store.engine import Store
    from support.factories import make_publication
    from support.sending import EVERYTHING, add_readers, composed_issue, line_of, make_container

    configure(LoggingSettings(level="error"))
    store = Store(database)
    migrate.upgrade(store)
    page = rendered()
    with store.write() as tx:
        publication = make_publication(tx)
        for first in range(1, readers + 1, 10_000):
            add_readers(tx, publication, min(10_000, readers + 1 - first), first=first)
        issue = composed_issue(tx, publication, content=(page.subject, page.html, page.text))
        made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
        deliveries.fan_out(tx, issue, {EVERYTHING: made[EVERYTHING]}, chunk_size=1000, now=tx.now())
        issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=tx.now())
        issue = issues.get(tx, issue.id)
    keys = [{"domain": DOMAIN, "selector": "bench", "key_file": str(folder / "dkim.pem")}]
    container = make_container(
        store,
        relays={"default": {"host": "127.0.0.1", "port": port}},
        delivery={"journal": str(folder / "journal")},
        **({"dkim": keys} if signed else {}),
    )
    line = line_of(container)
    result = _timed(lambda: deliver(line, issue, stop=asyncio.Event()), readers)
    with store.read() as tx:
        sent = deliveries.tally(tx, issue.id).counts["sent"]
    if sent != readers:
        raise SystemExit(f"only {sent} of {readers} were sent")
    return result


def _timed(work: Any, readers: int) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    asyncio.run(work())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_us": cpu / readers * 1e6, "per_s": readers / wall, "peak_mb": peak_mb}


def in_own_process(sender: str, folder: Path, port: int, readers: int, *, signed: bool) -> dict[str, float]:
    """Run one sender as its own process and read its figures."""
    command = [sys.executable, __file__, "--one", sender, "--folder", str(folder), "--port", str(port)]
    command += ["--readers", str(readers), *(["--signed"] if signed else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compare(readers: int, rounds: int) -> list[dict[str, Any]]:
    """Every sender in turn, ``rounds`` times; medians and the median of the ratios inside each round."""
    rows = []
    for signed in (False, True):
        runs: list[dict[str, dict[str, float]]] = []
        for _ in range(rounds):
            one = {}
            for sender, count in (("plain", min(readers, 300)), ("digest", readers)):
                with ExitStack() as stack:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                    make_keys(folder)
                    sink = stack.enter_context(start_sink(folder / "mail", keep=False))
                    one[sender] = in_own_process(sender, folder, sink.port, count, signed=signed)
            runs.append(one)
        rows += [
            {
                "sender": {"plain": "plain aiosmtplib loop", "digest": "digest"}[sender],
                "signed": signed,
                **{key: median(run[sender][key] for run in runs) for key in ("cpu_us", "per_s", "peak_mb")},
                "ratio": median(run["plain"]["cpu_us"] / run[sender]["cpu_us"] for run in runs),
            }
            for sender in ("plain", "digest")
        ]
    return rows


def main() -> None:
    """Compare, or be one of the senders compared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--signed", action="store_true")
    parser.add_argument("--one", choices=["plain", "digest"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.one == "plain":
        print(json.dumps(plain_loop(options.folder, options.port, options.readers, signed=options.signed)))
    elif options.one == "digest":
        database = f"sqlite:///{options.folder}/bench.db"
        figures = product(options.folder, options.port, options.readers, signed=options.signed, database=database)
        print(json.dumps(figures))
    else:
        print(
            f"{options.readers:,} readers, {options.rounds} rounds, {datetime.now(UTC):%Y-%m-%d}, one process, SQLite"
        )
        print(f"{'sender':<24}{'DKIM':<10}{'CPU µs/mail':>12}{'mails/s':>10}{'peak MB':>9}{'× plain loop':>14}")
        for row in compare(options.readers, options.rounds):
            dkim = "RSA-2048" if row["signed"] else "relay"
            print(
                f"{row['sender']:<24}{dkim:<10}{row['cpu_us']:>12.0f}{row['per_s']:>10.0f}"
                f"{row['peak_mb']:>9.0f}{row['ratio']:>14.1f}"
            )


if __name__ == "__main__":
    main()
