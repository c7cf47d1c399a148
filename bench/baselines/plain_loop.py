"""What one writes from the libraries' documentation: render, build, sign and send, commit, next.

Jinja2 renders for every reader, EmailMessage builds, dkimpy signs, aiosmtplib sends over connections that stay open,
and SQLite commits each outcome. Nothing is slower than the documentation shows it; templates and key are loaded once.
"""

from __future__ import annotations

import argparse
import asyncio
import email.policy
import json
import sqlite3
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import aiosmtplib
import dkim
from jinja2 import Environment

from bench.corpus import DOMAIN, SENDER, SENDER_NAME, SUBJECT
from bench.readers import address

_SIGNED = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"List-Unsubscribe", b"List-Unsubscribe-Post"]
_SIGNED += [b"List-Id", b"MIME-Version", b"Content-Type"]


class Loop:
    """Everything that is made once."""

    def __init__(self, issue: dict[str, Any], key: bytes | None) -> None:
        self.html = Environment(autoescape=True).from_string(issue["html_template"])
        self.text = Environment(autoescape=False).from_string(issue["text_template"])  # noqa: S701 - plain text
        self.content = issue["content"]
        self.key = key
        self.outcomes = sqlite3.connect("outcomes.db")
        self.outcomes.execute("PRAGMA journal_mode=WAL")
        self.outcomes.execute("CREATE TABLE outcome (email TEXT PRIMARY KEY, reply TEXT NOT NULL)")

    def message(self, number: int) -> bytes:
        """One reader's mail, signed if there is a key."""
        url = f"https://news.{DOMAIN}/u/{number:011d}.{'s' * 43}"
        personal = {"email": address(number), "signed_up_on": "1 March 2026", "unsubscribe_url": url}
        shown = self.content | personal
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = f"{SENDER_NAME} <{SENDER}>", address(number), SUBJECT
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=DOMAIN)
        mail["List-Unsubscribe"] = f"<{url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail["List-Id"] = f"The Bench Post <bench.{DOMAIN}>"
        mail.set_content(self.text.render(shown))
        mail.add_alternative(self.html.render(shown), subtype="html")
        raw = mail.as_bytes(policy=email.policy.SMTP)
        if self.key is None:
            return raw
        forms = (b"relaxed", b"relaxed")
        signature = dkim.sign(raw, b"rsa", DOMAIN.encode(), self.key, canonicalize=forms, include_headers=_SIGNED)
        return bytes(signature) + raw

    async def send_all(self, client: aiosmtplib.SMTP, numbers: Iterator[int]) -> None:
        """One connection's share."""
        for number in numbers:
            _, reply = await client.sendmail(SENDER, [address(number)], self.message(number))
            self.outcomes.execute("INSERT INTO outcome VALUES (?, ?)", (address(number), reply))
            self.outcomes.commit()


async def run(options: argparse.Namespace) -> None:
    """Send everything over a few connections that stay open."""
    issue = json.loads(options.issue.read_text(encoding="utf-8"))
    loop = Loop(issue, options.key.read_bytes() if options.key else None)
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=options.port) for _ in range(options.connections)]
    for client in clients:
        await client.connect()
    numbers = iter(range(1, options.count + 1))
    await asyncio.gather(*(loop.send_all(client, numbers) for client in clients))
    for client in clients:
        await client.quit()


def main() -> None:
    """Send as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--issue", type=Path, required=True)
    parser.add_argument("--key", type=Path)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
