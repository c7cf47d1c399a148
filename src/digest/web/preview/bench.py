"""What is on the bench: the last composed issue or the sample, drawn with the templates as they are on disk.

Rules: nothing is written. Links that carry a token carry one that does nothing. When a template is broken the
last good drawing stays, beside what is wrong with it.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, TemplateNotFound

from digest.app.container import Container
from digest.compose.build import addressed, build_context
from digest.compose.context import DigestContext
from digest.compose.environment import templates
from digest.compose.render import Rendered, render
from digest.compose.sample import sample_context
from digest.deliver.letter import sender_domain, unsubscribe_mailto
from digest.mime.ids import feedback_id, message_id
from digest.mime.message import Message, build
from digest.model.errors import DigestError
from digest.model.issue import IssueState, RenditionKey
from digest.model.subscriber import Format
from digest.store import articles, issues, publications
from digest.text.slots import fill_html, fill_text
from digest.text.wording import plain_date

READER = "reader@example.com"
_HARMLESS_TOKEN = "preview-link-does-nothing"  # noqa: S105 - the point of it is that it is no secret
_PREVIEW_KEY = b"preview"
_PLACE = re.compile(r"(?P<template>[^\s,]+), line (?P<line>\d+): (?P<message>.*)", re.DOTALL)
_AROUND = 3
_COMPOSED = frozenset(
    {IssueState.COMPOSED, IssueState.APPROVED, IssueState.SENDING, IssueState.PAUSED, IssueState.SENT}
)
_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn, with which template, and whom the mail is from. ``base_url`` is the site's."""

    label: str
    context: DigestContext
    template: str
    slug: str
    base_url: str
    sender_email: str = "news@example.com"
    mailbox: str = "news@example.com"
    reply_to: str | None = None
    issue_id: int = 0
    cadence: str = "daily"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a template. ``frame`` are (line number, text) around ``line``, which may be unknown."""

    place: str
    message: str
    hint: str
    line: int | None = None
    frame: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """One good drawing: the mail's parts as one reader gets them. ``version`` changes with the HTML."""

    label: str
    sender: str
    subject: str
    preheader: str
    html: str
    text: str
    headers: str
    version: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """The last good drawing, None before there was one, and what is wrong now."""

    good: Drawing | None
    fault: Fault | None
    at: datetime
    took_ms: float


class Bench:
    """Draws, and remembers the last drawing that was good. Safe to use from several threads."""

    def __init__(
        self, container: Container | None, search_path: Sequence[Path], *, clock: Callable[[], datetime]
    ) -> None:
        self._container = container
        self._search_path = tuple(search_path)
        self._env = templates(search_path)
        self._seen: frozenset[Path] = frozenset()
        self._clock = clock
        self._lock = threading.Lock()
        self._good: Drawing | None = None

    @property
    def last_good_html(self) -> str:
        """The HTML of the last good drawing, drawn now if there is none yet; ``""`` when that fails."""
        good = self._good or self.draw().good
        return good.html if good else ""

    def draw(self) -> Drawn:
        """Draw with the templates as they are now."""
        began, now = time.perf_counter(), self._clock()
        with self._lock:
            self._look_for_files()
            try:
                self._good = self._drawing(now)
                fault = None
            except DigestError as error:
                fault = _explain(error, self._env)
            return Drawn(self._good, fault, now, (time.perf_counter() - began) * 1000)

    def _look_for_files(self) -> None:
        """Forget compiled templates when own files came or went: a kept one would hide the file put before it."""
        seen = frozenset(path for folder in self._search_path for path in folder.rglob("*"))
        if seen != self._seen:
            self._seen = seen
            self._env = templates(self._search_path)

    def _drawing(self, now: datetime) -> Drawing:
        subject = (last_issue(self._container) if self._container else None) or sample()
        rendered = render(subject.context, env=self._env, template=subject.template)
        values = reader_values(subject, now)
        html, text = fill_html(rendered.html, values), fill_text(rendered.text, values)
        return Drawing(
            label=subject.label,
            sender=subject.context.publication.sender_name,
            subject=rendered.subject,
            preheader=subject.context.preheader,
            html=html,
            text=text,
            headers=header_block(subject, rendered, html=html, text=text, now=now),
            version=hashlib.blake2b(html.encode(), digest_size=8).hexdigest(),
            size_bytes=len(html.encode()),
        )


def _explain(error: DigestError, env: Environment) -> Fault:
    found = _PLACE.match(error.message)
    if not found:
        return Fault(error.code, error.message, error.hint)
    line = int(found["line"])
    frame = _frame(env, found["template"], line)
    return Fault(f"{found['template']}:{line}", found["message"], error.hint, line, frame)


def _frame(env: Environment, template: str, line: int) -> tuple[tuple[int, str], ...]:
    """The lines around the fault; none when the template itself is missing."""
    assert env.loader is not None  # noqa: S101 - narrows the type: `templates` sets one
    try:
        source, _, _ = env.loader.get_source(env, template)
    except TemplateNotFound:
        return ()
    numbered = list(enumerate(source.splitlines(), start=1))
    return tuple(numbered[max(0, line - 1 - _AROUND) : line + _AROUND])


def sample() -> Subject:
    """The invented issue, its pictures drawn by the preview itself."""
    context = sample_context(pictures="/pictures")
    return Subject("Sample issue", context, "digest", "sample", "https://news.example.com")


def last_issue(container: Container) -> Subject | None:
    """The newest issue that was composed, with all topics as the first reader of it gets them."""
    with container.store.read() as tx:
        recent = issues.list_recent(tx, limit=_LOOK_BACK)
        found = next((one for one in recent if one.state in _COMPOSED), None)
        if found is None:
            return None
        publication = publications.by_id(tx, found.publication_id)
        items = issues.items(tx, found.id)
        stored = articles.by_ids(tx, [item.article_id for item in items])
    settings = container.settings
    base_url = settings.site.base_url
    known = addressed(stored, base_url=base_url, slug=publication.slug)
    key = RenditionKey((), publication.locale, Format.HTML)
    context = build_context(publication, found, items, known, key=key, base_url=base_url)
    label = f"{publication.name}, No. {found.number} ({found.state})"
    return Subject(
        label,
        context,
        publication.template,
        publication.slug,
        base_url,
        sender_email=publication.sender_email,
        mailbox=settings.delivery.unsubscribe_mailbox or publication.sender_email,
        reply_to=publication.reply_to,
        issue_id=found.id,
        cadence=found.cadence,
    )


def reader_values(subject: Subject, now: datetime) -> dict[str, str]:
    """Slot values of a reader who does not exist."""
    return {
        "email": READER,
        "signed_up_on": plain_date(now.date(), subject.context.lang),
        "unsubscribe_url": _unsubscribe_url(subject),
    }


def header_block(subject: Subject, rendered: Rendered, *, html: str, text: str, now: datetime) -> str:
    """The header fields of the message that would be sent, folded as they go on the wire."""
    context = subject.context
    domain = sender_domain(subject.sender_email)
    message = Message(
        sender_name=context.publication.sender_name,
        sender_email=subject.sender_email,
        reply_to=subject.reply_to,
        to_email=READER,
        subject=rendered.subject,
        date=now,
        message_id=message_id(_PREVIEW_KEY, issue_id=subject.issue_id, subscriber_id=0, domain=domain),
        list_id_name=context.publication.name,
        list_id=f"{subject.slug}.{domain}",
        unsubscribe_url=_unsubscribe_url(subject),
        unsubscribe_mailto=unsubscribe_mailto(subject.mailbox, _HARMLESS_TOKEN),
        feedback_id=feedback_id(subject.issue_id, subject.slug, kind=subject.cadence, sender=domain),
        language=context.lang,
        text=text,
        html=html,
        archive_url=context.issue.web_url,
    )
    head, _, _ = build(message).partition(b"\r\n\r\n")
    return head.decode().replace("\r\n", "\n")


def _unsubscribe_url(subject: Subject) -> str:
    return f"{subject.base_url}/u/{_HARMLESS_TOKEN}"
