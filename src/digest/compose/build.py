"""From the curated items of an issue to the data contract of the templates. Pure: no database, no files.

Rules: a rendition keeps the order curating gave; a topic filter only leaves out. The first item left leads.
Everything that came from outside passes through `one_line` here, so templates see clean text whatever the
feeds did. Lengths are those of the design (headline 160, teaser 280, subject 70 characters).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from digest.compose.catalogues import catalogues
from digest.compose.context import (
    Brief,
    Copy,
    DigestContext,
    IssueFacts,
    Links,
    PublicationFacts,
    Section,
    Story,
)
from digest.compose.folders import package_templates
from digest.compose.images import Pictures
from digest.compose.kinds import MailKind
from digest.compose.strings import Translate
from digest.model.article import Article
from digest.model.image import ImageSize
from digest.model.issue import Issue, IssueItem, RenditionKey, Role
from digest.model.publication import Archive, Publication, is_alert
from digest.text import words
from digest.text.wording import clamp, direction, long_date, one_line, short_date

TITLE_LIMIT = 160
TEASER_LIMIT = 280
SUBJECT_LIMIT = 70
PREHEADER_LIMIT = 150
SHORTEST_READ = 80  # words; below, the ledger holds only an excerpt and any reading time would be a guess
OLD_AFTER = timedelta(days=1)
#: Other places of a story that are named: who wants to compare has enough, and the mail stays short.
_ALSO_AT = 3

# A subject must not pose as an answer (15 USC 7704(a)(2)); the prefixes of common mail clients.
_REPLY = re.compile(r"^\s*(?:(?:re|fw|fwd|aw|wg|sv|vs|antw|odp|rif|r|i|tr)\s*(?:\[\d+\])?\s*[:：]\s*)+", re.IGNORECASE)


def build_context(
    publication: Publication,
    issue: Issue,
    items: Sequence[IssueItem],
    articles: Mapping[int, Article],
    *,
    key: RenditionKey,
    base_url: str,
    personal: bool = True,
    pictures: Pictures | None = None,
    t: Translate | None = None,
) -> DigestContext:
    """What the templates show for rendition ``key`` of ``issue``.

    ``articles`` maps the id of every item's article; ``base_url`` is the site's address without a path. ``pictures``
    says where stories have theirs from; without it they are the publishers'. ``t`` says what we say ourselves; left
    out, our own catalogues do, in the rendition's language.
    Raises ValueError when no item is left: ask `chosen` first.
    """
    kept = chosen(items, topics_of(issue, key))
    if not kept:
        raise ValueError(f"rendition {key.text()!r} of issue {issue.id} has no item")
    locale = key.locale or publication.locale
    t = t or _own_words(locale)
    tell = _Teller(
        articles,
        today=issue.period_start,
        zone=ZoneInfo(publication.timezone),
        locale=locale,
        pictures=pictures or Pictures(),
        t=t,
    )
    first, rest = _lead_first(kept)
    ranks = {item.article_id: rank for rank, item in enumerate(sorted(kept, key=lambda one: -one.score), start=1)}
    stories = [
        (item, tell.story(item, number, rank=ranks[item.article_id]))
        for number, item in rest
        if item.role is not Role.BRIEF
    ]
    briefs = tuple(tell.brief(item, number) for number, item in rest if item.role is Role.BRIEF)
    lead = tell.story(first, 1, size=ImageSize.LEAD)
    facts = publication_facts(publication, base_url=base_url)
    return DigestContext(
        publication=facts,
        issue=IssueFacts(
            number=issue.number,
            date=long_date(issue.period_start, locale),
            reading_minutes=_reading_minutes([lead, *(story for _, story in stories), *briefs], locale),
            web_url=_web_url(publication, issue, facts.home_url),
            intro=one_line(issue.intro),
        ),
        subject=subject_for(publication, kept, articles, t=t),
        preheader=preheader_for(kept, articles, t=t),
        lead=lead,
        sections=_sections(stories),
        briefs=briefs,
        lang=locale.replace("_", "-"),
        dir=direction(locale),
        personal=personal,
        links=Links(preferences=personal),
        kind=MailKind.ALERT if is_alert(issue.cadence) else MailKind.DIGEST,
    )


def _web_url(publication: Publication, issue: Issue, home_url: str) -> str:
    """Where the issue can be read on the web; "" where it cannot: an alert is its story, and some archives are off."""
    if is_alert(issue.cadence) or publication.archive is Archive.OFF:
        return ""
    return f"{home_url}/{issue.number}" if issue.number is not None else home_url


def addressed(articles: Iterable[Article], *, base_url: str, slug: str) -> dict[int, Article]:
    """The articles by key; one without an address of its own (a local file) gets that of its page on our site."""
    return {
        article.id: article if article.url else replace(article, url=f"{base_url}/{slug}/articles/{article.id}")
        for article in articles
    }


def topics_of(issue: Issue, key: RenditionKey) -> tuple[str, ...]:
    """The topics by which an issue is filtered for a key: none for an alert, which readers chose by itself."""
    return () if is_alert(issue.cadence) else key.topics


def chosen(items: Iterable[IssueItem], topics: Sequence[str]) -> list[IssueItem]:
    """The items a reader of ``topics`` gets, by position; no topics means all of them."""
    wanted = frozenset(topics)
    return sorted(
        (item for item in items if not wanted or item.section in wanted),
        key=lambda item: item.position,
    )


def subject_for(
    publication: Publication,
    items: Sequence[IssueItem],
    articles: Mapping[int, Article],
    *,
    t: Translate | None = None,
) -> str:
    """The lead's headline in at most 70 characters; the publication's name is already in From.

    The publication's name when there is no item, or when nothing is left of the headline without its "Re:".
    """
    if not items:
        return clamp(one_line(publication.name), SUBJECT_LIMIT)
    first, _ = _lead_first(sorted(items, key=lambda item: item.position))
    headline = _REPLY.sub("", _headline(articles[first.article_id], first, t or _own_words(publication.locale)))
    return clamp(headline or one_line(publication.name), SUBJECT_LIMIT)


def preheader_for(items: Sequence[IssueItem], articles: Mapping[int, Article], *, t: Translate | None = None) -> str:
    """What an inbox shows behind the subject: the second and third headline, or the lead's teaser if alone.

    Without ``t`` it is introduced in English.
    """
    if not items:
        return ""
    t = t or _own_words("en")
    first, rest = _lead_first(sorted(items, key=lambda item: item.position))
    if not rest:
        return clamp(_teaser(first, articles[first.article_id], t), PREHEADER_LIMIT)
    headlines = [clamp(_headline(articles[item.article_id], item, t), PREHEADER_LIMIT // 2) for _, item in rest[:2]]
    return t("plus", headlines=" · ".join(headlines))


def _own_words(locale: str) -> Translate:
    return catalogues([package_templates()]).translator(locale)


def _lead_first(items: Sequence[IssueItem]) -> tuple[IssueItem, list[tuple[int, IssueItem]]]:
    """The item that leads, and the others in reading order (stories before briefs) numbered from 2."""
    first = next((item for item in items if item.role is Role.LEAD), items[0])
    others = [item for item in items if item is not first]
    grouped: dict[str, list[IssueItem]] = {}
    for item in others:
        if item.role is not Role.BRIEF:
            grouped.setdefault(item.section, []).append(item)
    ordered = [item for group in grouped.values() for item in group]
    ordered += [item for item in others if item.role is Role.BRIEF]
    return first, list(enumerate(ordered, start=2))


def _sections(stories: Iterable[tuple[IssueItem, Story]]) -> tuple[Section, ...]:
    grouped: dict[str, tuple[str, list[Story]]] = {}
    for item, story in stories:
        grouped.setdefault(item.section, (one_line(item.section_title), []))[1].append(story)
    return tuple(Section(title, tuple(told)) for title, told in grouped.values())


def publication_facts(publication: Publication, *, base_url: str) -> PublicationFacts:
    """Who speaks, on the site at ``base_url``."""
    address = ", ".join(line.strip(" ,") for line in publication.postal_address.splitlines() if line.strip(" ,"))
    return PublicationFacts(
        name=one_line(publication.name),
        sender_name=one_line(publication.sender_name),
        postal_address=one_line(address),
        home_url=f"{base_url.rstrip('/')}/{quote(publication.slug)}",
    )


def _reading_minutes(shown: Sequence[Story | Brief], language: str) -> int:
    texts = [f"{one.title} {one.teaser}" if isinstance(one, Story) else one.title for one in shown]
    return words.reading_minutes(sum(map(words.count, texts)), language)


def _headline(article: Article, item: IssueItem, t: Translate) -> str:
    """The title; for an article without one (microblogs), its first words, then where it came from."""
    candidates = (article.title, item.teaser, article.summary, article.text, article.source_title, article.url)
    found = next((text for text in map(one_line, candidates) if text), None)
    return clamp(found or t("untitled"), TITLE_LIMIT)


def _teaser(item: IssueItem, article: Article, t: Translate) -> str:
    teaser = clamp(one_line(item.teaser or article.summary), TEASER_LIMIT)
    return "" if teaser == _headline(article, item, t) else teaser


class _Teller:
    """Tells one article after another, for one day, zone and locale."""

    def __init__(
        self,
        articles: Mapping[int, Article],
        *,
        today: date,
        zone: ZoneInfo,
        locale: str,
        pictures: Pictures,
        t: Translate,
    ) -> None:
        self._articles = articles
        self._t = t
        self._pictures = pictures
        self._today = today
        self._zone = zone
        self._locale = locale

    def story(self, item: IssueItem, number: int, *, size: ImageSize = ImageSize.THUMB, rank: int = 1) -> Story:
        article = self._articles[item.article_id]
        return Story(
            number=number,
            title=_headline(article, item, self._t),
            url=_web_address(article.url),
            teaser=_teaser(item, article, self._t),
            source=one_line(article.source_title),
            minutes=_minutes(article),
            day=self._day(article),
            image=self._pictures.of(article, size),
            also_at=tuple(Copy(one_line(source), _web_address(url)) for source, url in item.also_at[:_ALSO_AT]),
            also_more=max(0, len(item.also_at) - _ALSO_AT),
            is_updated=article.updated_at is not None,
            rank=rank,
        )

    def brief(self, item: IssueItem, number: int) -> Brief:
        article = self._articles[item.article_id]
        title = _headline(article, item, self._t)
        return Brief(number, title, _web_address(article.url), one_line(article.source_title))

    def _day(self, article: Article) -> str:
        """Its date when it is clearly older than the issue: yesterday's news needs no date, last week's does."""
        if article.published_at is None:
            return ""
        # A known day without a time is noon UTC of that day, and must not move to another day by zone.
        zone = UTC if article.published_is_day else self._zone
        published_on = article.published_at.astimezone(zone).date()
        return short_date(published_on, self._locale) if self._today - published_on > OLD_AFTER else ""


def _minutes(article: Article) -> int | None:
    if article.word_count < SHORTEST_READ:
        return None
    return words.reading_minutes(article.word_count, article.language)


def _web_address(url: str) -> str:
    """``url`` when it is a web address, else ``""``: a local path or ``javascript:`` must never become a link."""
    url = one_line(url).replace(" ", "%20")
    return url if url.lower().startswith(("https://", "http://")) else ""
