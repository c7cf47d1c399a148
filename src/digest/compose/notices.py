"""From what one reader did to the data contract of the mail about it. Pure: no database, no files.

Rules: nothing in such a mail was typed by whoever asked for it, but for the address, which is a slot; so every reader
who chose the same gets the same texts, and rendering them once is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from digest.compose.build import PREHEADER_LIMIT, publication_facts
from digest.compose.context import Brief, DigestContext, IssueFacts, Links, NoticeFacts, Rhythm, Story
from digest.compose.kinds import MailKind
from digest.compose.strings import Translate
from digest.model.publication import Publication
from digest.text.wording import clamp, clock_time, direction, moment, one_line, zone_name

#: Headlines of the latest issue in a welcome: enough to see what it is like.
_HEADLINES = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What a reader agreed to: names of topics (empty: all), and how often it comes.

    ``rule`` is that of the digest's cadence, empty without the digest; ``at`` and ``zone`` are the reader's.
    """

    rule: str
    at: time
    zone: str
    alerts: bool = False
    topics: tuple[str, ...] = ()


def build_notice(
    publication: Publication,
    *,
    kind: MailKind,
    language: str,
    base_url: str,
    t: Translate,
    terms: Terms | None = None,
    ends_at: datetime | None = None,
    latest: DigestContext | None = None,
    words: str = "",
) -> DigestContext:
    """What the templates of ``kind`` show.

    ``ends_at`` is when the link in it stops working; ``latest`` the newest issue, of which a welcome gives the
    headlines; ``words`` whose subject it has, where they are not those of its kind.
    """
    words, name = words or kind.value, one_line(publication.name)
    facts = NoticeFacts(
        expires=moment(ends_at, ZoneInfo(publication.timezone), language) if ends_at else "",
        topics=terms.topics if terms else (),
        rhythms=tuple(_rhythms(terms, language)) if terms else (),
    )
    return DigestContext(
        publication=publication_facts(publication, base_url=base_url),
        issue=_issue(latest),
        subject=t(f"{words}-subject", publication=name),
        preheader=clamp(t(f"{words}-preheader", publication=name), PREHEADER_LIMIT),
        lead=None,
        sections=(),
        briefs=_headlines(latest),
        lang=language.replace("_", "-"),
        dir=direction(language),
        personal=True,
        kind=kind,
        notice=facts,
        links=Links(preferences=kind is MailKind.WELCOME),
    )


def _rhythms(terms: Terms, language: str) -> Iterable[Rhythm]:
    if terms.rule:
        yield Rhythm(terms.rule, clock_time(terms.at, language), zone_name(terms.zone, language))
    if terms.alerts:
        yield Rhythm("alerts", "", "")


def _issue(latest: DigestContext | None) -> IssueFacts | None:
    return latest.issue if latest else None


def _headlines(latest: DigestContext | None) -> tuple[Brief, ...]:
    if latest is None:
        return ()
    told: Sequence[Story] = [
        *([latest.lead] if latest.lead else []),
        *(story for section in latest.sections for story in section.stories),
    ]
    return tuple(
        Brief(number, story.title, story.url, story.source) for number, story in enumerate(told[:_HEADLINES], start=1)
    )
