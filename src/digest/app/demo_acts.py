"""The acts of `digest demo`, in order. Each calls what the command of the same name calls."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from digest.app import demo_mails, editions, publishing, rhythms
from digest.app.clock import system_clock
from digest.app.container import Container
from digest.app.demo_facts import CAST, LEAVER, Departure, Merge, Performance, SecondRun
from digest.app.demo_mails import SentMail
from digest.app.line import Line, Watch
from digest.app.newsroom import Newsroom
from digest.app.run import RunResult, run
from digest.audience import subscribe
from digest.audience.application import Request
from digest.collect.check import add_source
from digest.collect.refresh import SourceReport
from digest.config.settings import CONFIG_NAME
from digest.curate.pick import slug
from digest.engine.local import LocalEngine
from digest.mime.address import parse_address
from digest.model.article import Article
from digest.model.delivery import DeliveryState
from digest.model.errors import DigestError, NothingToDo
from digest.model.issue import IssueItem, IssueState
from digest.model.publication import CadenceRule, Publication
from digest.model.subscriber import SubscriptionState
from digest.smtp.capture import CaptureServer
from digest.store import articles, issues, publications, subscribers, subscriptions

SLUG = "harbour-morning"
_NAME = "The Harbour Morning"
_ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058 §3.1
_DOING = {"collecting": "Collecting", "curating": "Curating", "composing": "Composing", "delivering": "Sending"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Told about each step: ``doing`` as it starts, ``done`` with what came of it."""

    doing: Callable[[str], None] = lambda _text: None
    done: Callable[[str], None] = lambda _text: None


class Play:
    """One performance, in a project that was just made and whose site is up."""

    def __init__(
        self, container: Container, folder: Path, newsroom: Newsroom, mailbox: CaptureServer, stage: Stage
    ) -> None:
        self._container = container
        self._store = container.store
        self._folder = folder
        self._newsroom = newsroom
        self._mailbox = mailbox
        self._stage = stage
        self._reports: list[SourceReport] = []

    async def perform(self, now: datetime, *, home_url: str) -> Performance:
        """Play every act and gather what happened; ``home_url`` is where the captured mails will be shown."""
        self._stage.doing("Adding a publication, sources and readers")
        publication = self._add_publication(now)
        await self._add_sources(publication, now)
        self._add_readers(now)
        self._stage.done(f"Added a publication, {len(self._newsroom.outlets) + 1} sources and {len(CAST)} readers")
        result = await self._run(publication)
        mails = self._read_mails()
        departure = await self._leave(publication, mails)
        second_run = await self._run_again(publication)
        self._stage.doing("Auditing")
        audit = editions.audit(self._store, result.issue.id)
        self._stage.done("Audited every delivery")
        items = self._items(result)
        return Performance(
            folder=self._folder,
            config=self._folder / CONFIG_NAME,
            publication=publication,
            result=result,
            reports=tuple(sorted(self._reports, key=lambda report: report.source_id)),
            items=items,
            merges=self._merges(result, items),
            mails=mails,
            departure=departure,
            second_run=second_run,
            audit=audit,
            addresses={"Every mail": f"{home_url}/"} | self._addresses(result, mails),
        )

    def _add_publication(self, now: datetime) -> Publication:
        new = publishing.new_publication(
            SLUG,
            name=_NAME,
            sender=f"{_NAME} <morning@news.example.org>",
            postal_address="3 Ferry Steps, Northport NP1 2HM",
            timezone="UTC",
            locale="en-GB",
            # Due at this very minute, whatever the time of day: the demo's morning is when you start it.
            cadence=rhythms.new_cadence(CadenceRule.DAILY, send_at=f"{now:%H:%M}"),
        )
        with self._store.write() as tx:
            return publications.add(tx, new, now=now)

    async def _add_sources(self, publication: Publication, now: datetime) -> None:
        notes = self._newsroom.notes
        file = self._folder / notes.file
        file.write_text(notes.text, encoding="utf-8")
        wanted = [(outlet.feed_url, outlet.topic, outlet.name) for outlet in self._newsroom.outlets]
        for address, topic, title in [*wanted, (str(file), notes.topic, notes.name)]:
            with self._store.write() as tx:
                publications.ensure_topic(tx, publication.id, slug=slug(topic), name=topic)
            await add_source(
                self._store,
                publication.id,
                address,
                settings=self._container.settings,
                now=now,
                topic=slug(topic),
                title=title,
            )

    def _add_readers(self, now: datetime) -> None:
        for reader in CAST:
            request = Request(
                email=reader.email,
                name=reader.name,
                topics=tuple(slug(topic) for topic in reader.topics),
                format=reader.format.value,
                locale=reader.locale,
                consent_source="the demo's cast list",
            )
            subscribe.add(self._store, SLUG, request=request, keyring=self._container.keyring, how="operator", now=now)

    async def _run(self, publication: Publication) -> RunResult:
        watch = Watch(step=lambda step: self._stage.doing(_DOING.get(step, step)), source=self._reports.append)
        result = await run(self._line(publication, watch), publication.cadences[0])
        sent = result.tally.counts[DeliveryState.SENT]
        if result.issue.state is not IssueState.SENT or not sent:
            failures = [f"{count} {why}" for why, count in result.tally.failures.items()]
            troubles = ", ".join([result.issue.reason or "", *failures]).strip(", ")
            raise DigestError(
                f"the demo's issue is {result.issue.state} with {sent} mails sent: {troubles}",
                hint=f"look with `digest --config {self._folder / CONFIG_NAME} issue show {result.issue.id}`",
            )
        found = sum(report.new for report in self._reports)
        self._stage.done(f"Collected {found} articles from {len(self._reports)} sources")
        self._stage.done(f"Composed the issue and sent {sent} mails")
        return result

    async def _run_again(self, publication: Publication) -> SecondRun:
        self._stage.doing("Running once more")
        before = len(self._mailbox.messages)
        refusal: str | None = None
        try:
            await run(self._line(publication, Watch()), publication.cadences[0])
        except NothingToDo as nothing:
            refusal = nothing.message
        sent = len(self._mailbox.messages) - before
        self._stage.done(f"Ran once more for the same period: {sent or 'no'} mails sent")
        return SecondRun(refusal, sent)

    def _line(self, publication: Publication, watch: Watch) -> Line:
        return Line(self._container, publication, LocalEngine(), system_clock, watch)

    def _read_mails(self) -> tuple[SentMail, ...]:
        """The captured mails in the order of the cast, then any that should not be there."""
        place = {reader.email: number for number, reader in enumerate(CAST)}
        read = [demo_mails.read(captured) for captured in self._mailbox.messages]
        return tuple(sorted(read, key=lambda mail: (place.get(mail.email, len(place)), mail.eml.name)))

    async def _leave(self, publication: Publication, mails: tuple[SentMail, ...]) -> Departure:
        self._stage.doing("Unsubscribing a reader by the link in the mail")
        url = next((mail.unsubscribe_url for mail in mails if mail.email == LEAVER), "")
        if not url:
            raise DigestError(f"no mail with an unsubscribe link reached {LEAVER}", hint=f"look into {self._folder}")
        get_status = await asyncio.to_thread(_ask, "GET", url)
        state_after_get = self._state(publication, LEAVER)
        post_status = await asyncio.to_thread(_ask, "POST", url, body=_ONE_CLICK)
        state_after_post = self._state(publication, LEAVER)
        repeated_status = await asyncio.to_thread(_ask, "POST", url, body=_ONE_CLICK)
        with self._store.read() as tx:
            remaining = subscriptions.counts(tx, publication.id).get(SubscriptionState.ACTIVE, 0)
        self._stage.done("Unsubscribed a reader by the one-click link of the mail")
        return Departure(
            email=LEAVER,
            url=url,
            get_status=get_status,
            state_after_get=state_after_get,
            post_status=post_status,
            state_after_post=state_after_post,
            repeated_status=repeated_status,
            remaining=remaining,
        )

    def _state(self, publication: Publication, email: str) -> SubscriptionState:
        with self._store.read() as tx:
            person = subscribers.by_norm(tx, parse_address(email).norm)
            found = person and subscriptions.get(tx, person.id, publication_id=publication.id)
        if not found:
            raise AssertionError(f"{email} was subscribed a moment ago")
        return found.state

    def _items(self, result: RunResult) -> tuple[tuple[IssueItem, Article], ...]:
        with self._store.read() as tx:
            placed = issues.items(tx, result.issue.id)
            known = {found.id: found for found in articles.by_ids(tx, [item.article_id for item in placed])}
        return tuple((item, known[item.article_id]) for item in placed)

    def _merges(self, result: RunResult, items: tuple[tuple[IssueItem, Article], ...]) -> tuple[Merge, ...]:
        with self._store.read() as tx:
            looked_at = issues.candidates(tx, result.issue.id)
            leaders = {item.article_id: item.merged_into for item in looked_at if item.merged_into is not None}
            copies = articles.by_ids(tx, list(leaders))
        found = []
        for _, leader in items:
            others = tuple((copy.title, copy.source_title) for copy in copies if leaders[copy.id] == leader.id)
            if others:
                found.append(Merge(leader.title, leader.source_title, others))
        return tuple(found)

    def _addresses(self, result: RunResult, mails: tuple[SentMail, ...]) -> dict[str, str]:
        site = self._container.settings.site.base_url
        addresses = {"The issue on the web": f"{site}/{SLUG}/{result.issue.number}"}
        for mail in [mail for mail in mails if mail.email != LEAVER][:1]:
            addresses[f"How {mail.email} would leave"] = mail.unsubscribe_url
        return addresses | {outlet.name: outlet.home_url for outlet in self._newsroom.outlets}


def _ask(method: str, url: str, *, body: bytes | None = None) -> int:
    """Send one HTTP request as a mailbox provider does, without cookies; gives the status."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    try:
        connection.request(method, parts.path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
