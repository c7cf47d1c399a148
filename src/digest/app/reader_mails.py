"""Mails to single readers: what `audience` says is owed, rendered and put in line with the transaction of its cause.

Rules: nothing but the address differs between two readers who chose the same, so each text is rendered once and kept
for a minute; then an operator's changed template shows. They go in the lane of notices, before all digests.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from jinja2 import Environment

from digest.app import notices
from digest.app.container import Container
from digest.app.latest import Latest
from digest.audience.leave import UNDO_LIVES
from digest.audience.mails import Links, ReaderMail
from digest.audience.readdress import LIVES as CHANGE_LIVES
from digest.compose.context import DigestContext
from digest.compose.environment import templates, words_of
from digest.compose.kinds import MailKind
from digest.compose.notices import Terms, build_notice
from digest.compose.render import Rendered, render
from digest.config.secrets import Purpose
from digest.engine.port import Engine
from digest.model.notice import NewNotice, NoticeKind
from digest.model.subscriber import Format, Subscription
from digest.store import publications, subscriptions
from digest.store.engine import Tx
from digest.text.slots import fill_html, fill_text
from digest.text.wording import plain_date

#: Which templates a notice has, where they are not called as it is.
_TEMPLATES = {NoticeKind.REMINDER: MailKind.CONFIRM}
_HAVE_TERMS = frozenset({MailKind.CONFIRM, MailKind.WELCOME})
_KEEP_S = 60.0
_KEPT_AT_MOST = 256


def links_of(container: Container) -> Links:
    """The addresses of this installation's pages that act for a reader."""
    return Links(container.settings.site.base_url, container.keyring)


class ReaderMails:
    """Puts readers' mails in line (`audience.mails.Post`). Any thread may call it."""

    def __init__(self, container: Container, engine: Engine) -> None:
        self._container = container
        self._engine = engine
        self._guard = Lock()
        self._kept: dict[tuple[str, DigestContext], Rendered] = {}
        self._latest = Latest(container)
        self._envs: dict[str, Environment] = {}
        self._since = time.monotonic()

    def __call__(self, tx: Tx, mail: ReaderMail) -> None:
        """Render a mail and put it in line; nothing where one with its dedupe key was before."""
        has = self._subscription(tx, mail)
        rendered = self._rendered(mail.publication.theme, self._context(tx, mail, has))
        values = _values(mail, has)
        as_text = has is not None and has.format is Format.TEXT
        new = NewNotice(
            kind=mail.kind,
            dedupe_key=mail.dedupe_key,
            publication_id=mail.publication.id,
            email=mail.email,
            email_norm=mail.email_norm,
            language=mail.language,
            subject=rendered.subject,
            text=fill_text(rendered.text, values),
            html=None if as_text else fill_html(rendered.html, values),
            subscriber_id=mail.subscriber_id,
            expire_after=mail.expire_after,
        )
        notices.post(tx, self._engine, new, now=tx.now())

    def _subscription(self, tx: Tx, mail: ReaderMail) -> Subscription | None:
        if mail.subscriber_id is None:
            return None
        return subscriptions.get(tx, mail.subscriber_id, publication_id=mail.publication.id)

    def _context(self, tx: Tx, mail: ReaderMail, has: Subscription | None) -> DigestContext:
        kind = _TEMPLATES.get(mail.kind) or MailKind(mail.kind.value)
        return build_notice(
            mail.publication,
            kind=kind,
            language=mail.language,
            base_url=self._container.settings.site.base_url,
            t=words_of(self._env(mail.publication.theme)).translator(mail.language),
            terms=_terms(tx, mail, has) if kind in _HAVE_TERMS else None,
            ends_at=self._ends_at(mail, now=tx.now()),
            latest=self._latest.of(tx, mail.publication) if kind is MailKind.WELCOME else None,
            words=mail.kind.value,
        )

    def _ends_at(self, mail: ReaderMail, *, now: datetime) -> datetime | None:
        """When the link stops working, to the hour for equal texts; None where it does not, or is not known."""
        lives = {
            NoticeKind.CONFIRM: timedelta(days=self._container.settings.signup.keep_unconfirmed_days),
            NoticeKind.GOODBYE: UNDO_LIVES,
            NoticeKind.ADDRESS: CHANGE_LIVES,
        }
        if mail.kind in lives:
            end = now + lives[mail.kind]
        else:
            token = mail.links.get("preferences", "").rpartition("/")[2]
            found = self._container.keyring.end_of(Purpose.PREFERENCES, token)
            if mail.kind is not NoticeKind.PREFERENCES or found is None:
                return None
            end = found
        return end.replace(minute=0, second=0, microsecond=0)

    def _rendered(self, theme: str, context: DigestContext) -> Rendered:
        key = (theme, context)
        with self._guard:
            self._forget()
            found = self._kept.get(key)
        if found is None:
            found = render(context, env=self._env(theme))
            with self._guard:
                self._kept[key] = found
        return found

    def _forget(self) -> None:
        if time.monotonic() - self._since > _KEEP_S or len(self._kept) > _KEPT_AT_MOST:
            self._kept.clear()
            self._since = time.monotonic()

    def _env(self, theme: str) -> Environment:
        with self._guard:
            if theme not in self._envs:
                self._envs[theme] = templates(self._container.template_path, theme=theme)
            return self._envs[theme]


def _terms(tx: Tx, mail: ReaderMail, has: Subscription | None) -> Terms:
    publication = mail.publication
    choices = mail.facts.get("choices", "").split()
    rhythms = {rhythm.name: rhythm for rhythm in publication.cadences}
    rhythm = rhythms.get(has.cadence) if has else None
    names = {topic.slug: topic.name for topic in publications.topics(tx, publication.id)}
    zone = (has.subscriber.timezone if has else None) or publication.timezone
    if rhythm is None or (has is not None and has.deliver_at is None):
        zone = publication.timezone
    return Terms(
        rule=rhythm.rule.value if rhythm and "digest" in choices else "",
        at=(has.deliver_at if has and has.deliver_at else rhythm.send_at) if rhythm else datetime.min.time(),
        zone=str(ZoneInfo(zone)),
        alerts="alerts" in choices,
        topics=tuple(names[slug] for slug in has.topics if slug in names) if has else (),
    )


def _values(mail: ReaderMail, has: Subscription | None) -> Mapping[str, str]:
    values = {f"{name}_url": address for name, address in mail.links.items()} | {"email": mail.email}
    if has is not None:
        values["signed_up_on"] = plain_date(has.created_at.date(), mail.language)
    return values
