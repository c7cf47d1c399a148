"""One mail laid out for looking at: all its parts as one reader gets them, with where each comes from.

Rules: nothing is sent or written. What is personal is filled with values that belong to nobody, and links that carry a
token carry one that does nothing. The bytes are made by the builders that make real mails (`mime.message` for what goes
to a list, `mime.notice` for the rest), the texts by `compose.render`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from jinja2 import Environment, TemplateNotFound

from digest.compose.colours import Note
from digest.compose.context import DigestContext
from digest.compose.kinds import MailKind
from digest.compose.render import Rendered, draft, render
from digest.compose.themes import theme_notes
from digest.deliver.letter import sender_domain, unsubscribe_mailto
from digest.mime.ids import feedback_id, message_id, notice_message_id
from digest.mime.message import Message, build
from digest.mime.notice import NoticeMail, notice_parts
from digest.text.slots import SLOTS, fill_html, fill_text
from digest.text.wording import plain_date

READER = "reader@example.com"
HARMLESS_TOKEN = "preview-link-does-nothing"  # noqa: S105 - the point of it is that it is no secret
WRITTEN_AT = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)

_PREVIEW_KEY = b"preview"
_NAMED = re.compile(r"\{%-?\s*(?:include|extends|import|from)\s+[\"']([^\"']+)[\"']")
_PATHS = {"unsubscribe_url": "u", "confirm_url": "c", "preferences_url": "p", "undo_url": "b"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom the mail is from, and which of its issues it is. ``mailbox`` takes what unsubscribes by mail."""

    email: str = "news@example.com"
    mailbox: str = "news@example.com"
    reply_to: str | None = None
    slug: str = "sample"
    issue_id: int = 0
    cadence: str = "daily"


@dataclass(frozen=True, slots=True)
class Mail:
    """What is checked and shown.

    ``template`` is the folder of its templates, its kind's unless the publication has another one. ``rendered`` has its
    slots filled. ``mapped`` is its HTML with ``data-src="template:line"`` on literal tags, ``draft`` the same before
    styles are inlined. ``sources`` are the templates that can take part, by name; ``files`` the paths of those that are
    files. ``eml`` is the whole mail as it would leave, CRLF line ends. ``notes`` are the theme's colours that nobody
    could read, and what stands for them.
    """

    kind: MailKind
    template: str
    fixture: str
    context: DigestContext
    rendered: Rendered
    mapped: str
    draft: str
    sources: Mapping[str, str]
    files: Mapping[str, str]
    eml: bytes
    notes: tuple[Note, ...] = ()

    @property
    def is_listed(self) -> bool:
        """Whether it goes to a list, and so must say how to leave it."""
        return not self.kind.is_notice

    def part(self, name: str) -> str:
        """The template of one of its parts: ``body.html``, ``body.txt`` or ``subject.txt``."""
        return f"email/{self.template}/{name}"


def lay_out(
    context: DigestContext,
    *,
    env: Environment,
    mapped_env: Environment,
    fixture: str = "",
    template: str | None = None,
    sender: Sender | None = None,
    now: datetime = WRITTEN_AT,
) -> Mail:
    """A mail of ``context`` by the templates of ``env``; ``mapped_env`` is the same with a source map.

    Raises TemplateBroken, and MessageInvalid for what no mail can say.
    """
    sender, template = sender or Sender(), template or context.kind.value
    values = slot_values(context, now)
    rendered = _filled(render(context, env=env, template=template), values)
    mapped = render(context, env=mapped_env, template=template).html
    drafted = draft(context, env=mapped_env, template=template)
    sources, files = _sources(mapped_env, template)
    return Mail(
        kind=context.kind,
        template=template,
        fixture=fixture,
        context=context,
        rendered=rendered,
        mapped=fill_html(mapped, values),
        draft=fill_html(drafted, values),
        sources=sources,
        files=files,
        eml=_wire(context, rendered, sender, now),
        notes=theme_notes(env),
    )


def slot_values(context: DigestContext, now: datetime) -> dict[str, str]:
    """Slot values of a reader who does not exist."""
    values = {"email": READER, "signed_up_on": plain_date(now.date(), context.lang)}
    return {name: values.get(name) or f"{_site(context)}/{_PATHS[name]}/{HARMLESS_TOKEN}" for name in SLOTS}


def _wire(context: DigestContext, rendered: Rendered, sender: Sender, now: datetime) -> bytes:
    if not context.kind.is_notice:
        return build(message_of(context, rendered, sender=sender, now=now))
    return b"\r\n".join(notice_parts(notice_of(context, rendered, sender=sender, now=now)))


def notice_of(context: DigestContext, rendered: Rendered, *, sender: Sender, now: datetime) -> NoticeMail:
    """The mail somebody would get who did something."""
    named = notice_message_id(_PREVIEW_KEY, kind=context.kind, dedupe_key="preview", domain=sender_domain(sender.email))
    return NoticeMail(
        sender_name=context.publication.sender_name,
        sender_email=sender.email,
        reply_to=sender.reply_to,
        to_email=READER,
        subject=rendered.subject,
        date=now,
        message_id=named,
        language=context.lang,
        text=rendered.text,
        html=rendered.html,
    )


def message_of(context: DigestContext, rendered: Rendered, *, sender: Sender, now: datetime) -> Message:
    """The message a reader of the list would get."""
    domain = sender_domain(sender.email)
    return Message(
        sender_name=context.publication.sender_name,
        sender_email=sender.email,
        reply_to=sender.reply_to,
        to_email=READER,
        subject=rendered.subject,
        date=now,
        message_id=message_id(_PREVIEW_KEY, issue_id=sender.issue_id, subscriber_id=0, domain=domain),
        list_id_name=context.publication.name,
        list_id=f"{sender.slug}.{domain}",
        unsubscribe_url=f"{_site(context)}/u/{HARMLESS_TOKEN}",
        unsubscribe_mailto=unsubscribe_mailto(sender.mailbox, HARMLESS_TOKEN),
        feedback_id=feedback_id(sender.issue_id, sender.slug, kind=sender.cadence, sender=domain),
        language=context.lang,
        text=rendered.text,
        html=rendered.html,
        archive_url=context.issue.web_url if context.issue else None,
    )


def _filled(rendered: Rendered, values: Mapping[str, str]) -> Rendered:
    return replace(rendered, html=fill_html(rendered.html, values), text=fill_text(rendered.text, values))


def _site(context: DigestContext) -> str:
    """Our site, of which the publication's page is one page."""
    return context.publication.home_url.rpartition("/")[0]


def _sources(env: Environment, template: str) -> tuple[dict[str, str], dict[str, str]]:
    """The sources of the templates that can take part, and the files they are."""
    assert env.loader is not None  # noqa: S101 - narrows the type: `templates` sets one
    left = [f"email/{template}/{part}" for part in ("body.html", "body.txt", "subject.txt")] + [
        "email/theme.css",
        "email/look.css",
        "email/theme.toml",
    ]
    sources: dict[str, str] = {}
    files: dict[str, str] = {}
    while left:
        name = left.pop()
        if name in sources:
            continue
        try:
            source, path, _ = env.loader.get_source(env, name)
        except TemplateNotFound:
            continue  # named in a branch that was not taken
        sources[name] = source
        if path:
            files[name] = path
        left += _NAMED.findall(source)
    return sources, files
