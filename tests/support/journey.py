"""A site with readers' pages, a real mail server behind it, and what a reader has in the mailbox."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from digest.app.clock import tick
from digest.app.container import Container
from digest.app.session import delivering
from digest.engine.local import LocalEngine
from digest.model.publication import Cadence, CadenceRule
from digest.model.subscriber import Subscription
from digest.store import publications, subscribers, subscriptions
from digest.store.engine import Store
from digest.store.reader_tables import signup
from digest.store.tables import metadata
from digest.web.asgi import create_app
from support.paper import a_paper, run_paper
from support.sink import Sink
from support.site import Reply, ask, running

_HREF = re.compile(r'href="(https?://[^"]+)"')


@dataclass
class Town:
    """An installation with one publication. ``ahead`` moves its clock; ``base`` is where its pages are."""

    container: Container
    sink: Sink
    base: str = ""
    ahead: timedelta = timedelta()
    arrived_before: int = 0

    @property
    def store(self) -> Store:
        return self.container.store

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def get(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Reply:
        return ask(self.base, method, path.removeprefix(self.base), headers=headers)

    def post(self, path: str, *, headers: Mapping[str, str] | None = None, **fields: str | Sequence[str]) -> Reply:
        """A form as a browser sends it; ``__`` in names stands for a dot."""
        body = urlencode({name.replace("__", "."): value for name, value in fields.items()}, doseq=True).encode()
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return ask(self.base, "POST", path.removeprefix(self.base), body=body, headers=sent)

    def form_token(self) -> str:
        found: str = json.loads(self.get("/morning/form-token").body)["form_token"]
        return found

    def sign_up(self, email: str, **more: str) -> Reply:
        """Fill in the box, and let it be answered."""
        fields = {"email": email, "digest": "1", "form_token": self.form_token(), **more}
        reply = self.post("/morning", **fields)
        self.settle()
        return reply

    def subscribe(self, email: str, **more: str) -> Subscription:
        """Sign up and confirm."""
        self.sign_up(email, **more)
        assert self.post(link_of(self.latest(email, "Confirm"), "c")).status == 200
        self.settle()
        has = self.has(email)
        assert has is not None
        return has

    def settle(self) -> None:
        """Answer what was asked, and deliver every notice."""
        end = threading.Event()
        for _ in range(100):
            with self.store.read() as tx:
                if not tx.connection.execute(select(signup.c.id).where(signup.c.state == "asked")).first():
                    break
            end.wait(0.05)
        apart(self._deliver)

    async def _deliver(self) -> None:
        async with delivering(self.container, LocalEngine(), stop=asyncio.Event()) as session:
            await session.see_notices()

    def tick(self) -> None:
        """One turn of the clock."""
        apart(lambda: tick(self.container, clock=self.now))

    def publish(self) -> None:
        """Run the line to its end."""
        thread_run(lambda: run_paper(self.container, at=self.now()))

    def mails(self, address: str) -> list[EmailMessage]:
        """What arrived at an address, oldest first."""
        found = [message_from_bytes(raw, policy=policy.default) for raw in self.sink.messages()[self.arrived_before :]]
        return [mail for mail in found if address in str(mail["To"])]

    def latest(self, address: str, about: str = "") -> EmailMessage:
        return [mail for mail in self.mails(address) if about in str(mail["Subject"])][-1]

    def has(self, email: str) -> Subscription | None:
        with self.store.read() as tx:
            reader = subscribers.by_norm(tx, email)
            key = publications.list_all(tx)[0].id
            return reader and subscriptions.get(tx, reader.id, publication_id=key)


def links_of(mail: EmailMessage) -> list[str]:
    """Every address in the HTML of a mail, and those of its header for leaving."""
    part = mail.get_body(("html",))
    body = part.get_content() if part else ""
    header = re.findall(r"<(https?://[^>]+)>", str(mail.get("List-Unsubscribe", "")))
    return [*dict.fromkeys([*(unescape(found) for found in _HREF.findall(body)), *header])]


def link_of(mail: EmailMessage, place: str) -> str:
    """The first link to pages of one kind: c, p, u, a or b."""
    return next(link for link in links_of(mail) if f"/{place}/" in link)


def apart(begin: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Run a coroutine to its end in a thread: a browser's own loop may run in this one."""
    thread_run(lambda: asyncio.run(begin()))


def thread_run(act: Callable[[], Any]) -> None:
    trouble: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below, where the test is
            trouble.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]


def _free_port() -> int:
    """A port that was free a moment ago: links in mails need it before anything listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@contextmanager
def a_town(store: Store, folder: Path, sink: Sink, **signup_settings: Any) -> Iterator[Town]:
    """The pages on a real port, a daily paper with a weekly issue and two topics, and a mail server that keeps all."""
    limits = {"check_domains": False, "min_seconds": 0, **signup_settings}
    port = _free_port()
    site = {"base_url": f"http://127.0.0.1:{port}"}
    opened: list[Container] = []
    thread_run(lambda: opened.append(a_paper(store, folder, readers=0, port=sink.port, signup=limits, site=site)))
    with store.write() as tx:
        paper = publications.list_all(tx)[0]
        publications.put_cadence(tx, paper.id, Cadence("weekly", CadenceRule.WEEKLY, time(8, 0)))
        for slug in ("city", "sport"):
            publications.ensure_topic(tx, paper.id, slug=slug, name=slug.title())
    town = Town(opened[0], sink, arrived_before=len(sink.messages()))
    with running(create_app(opened[0], clock=town.now), port=port) as base:
        town.base = base
        yield town


def everything_in(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in one order."""
    with store.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in tx.connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }
