"""Picking an issue's items: age → copies → score → caps → sections. Every article gets a verdict on record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.curate.score import parts, published
from digest.curate.stories import group
from digest.model.article import Article, SourceLink
from digest.model.issue import Candidate, IssueItem, Role, SkipReason, Verdict
from digest.model.publication import Publication, Topic
from digest.text.excerpt import teaser

#: A lead and this many stories get a teaser; what follows is a list of headlines.
_STORIES = 8
#: Feeds keep old entries; on first sight those are not news. Local files are exempt: somebody put them there.
_MAX_AGE = timedelta(days=3)
_NO_SECTION = ("news", "News")


@dataclass(frozen=True, slots=True)
class Curation:
    """What was decided. ``skip`` is set, and ``items`` is empty, when there is nothing worth sending."""

    items: tuple[IssueItem, ...]
    candidates: tuple[Candidate, ...]
    skip: SkipReason | None = None


@dataclass(frozen=True, slots=True)
class _Story:
    leader: Article
    copies: tuple[Article, ...]
    score: float
    score_parts: dict[str, float]
    section: tuple[str, str]


def pick(
    publication: Publication,
    articles: Sequence[Article],
    *,
    links: Sequence[SourceLink],
    topics: Sequence[Topic],
    now: datetime,
    pins: Mapping[int, int] | None = None,
    max_age: timedelta = _MAX_AGE,
) -> Curation:
    """Choose and order the items of an issue from the articles of its window."""
    local = {link.source.id for link in links if link.source.kind.is_local}
    verdicts: list[Candidate] = []
    fresh: list[Article] = []
    for article in sorted(articles, key=lambda article: article.id):  # the same set, the same issue
        refusal = _refusal(article, local=local, now=now, max_age=max_age)
        if refusal is None:
            fresh.append(article)
        else:
            verdicts.append(refusal)
    ranked = _ranked(fresh, links=links, topics=topics, now=now)
    ranked = _pinned(ranked, pins or {})
    chosen, rest = ranked[: publication.max_items], ranked[publication.max_items :]
    for place, story in enumerate(rest, start=publication.max_items + 1):
        note = f"ranked {place} of {len(ranked)}; the issue takes {publication.max_items}"
        verdicts += _verdicts(story, Verdict.OVER_CAP, note=note)
    for story in chosen:
        verdicts += _verdicts(story, Verdict.PLACED)
    if len(chosen) < max(1, publication.min_items):
        return Curation((), tuple(verdicts), SkipReason.TOO_LITTLE_NEWS)
    return Curation(tuple(_items(chosen)), tuple(verdicts))


def _refusal(article: Article, *, local: set[int], now: datetime, max_age: timedelta) -> Candidate | None:
    if article.is_hidden:
        return Candidate(article.id, Verdict.HIDDEN, note="hidden by an operator")
    if article.is_rerun:
        return Candidate(article.id, Verdict.TOO_OLD, note="it was old already when its source first showed it")
    age = now - published(article, now=now)
    if age > max_age and not local.intersection(article.sources or (article.source_id,)):
        return Candidate(article.id, Verdict.TOO_OLD, note=f"published {age.days} days before this issue")
    return None


def _ranked(
    articles: Sequence[Article], *, links: Sequence[SourceLink], topics: Sequence[Topic], now: datetime
) -> list[_Story]:
    weights = {link.source.id: link.weight for link in links}
    stories = []
    for members in group(articles):
        # The fullest text leads; on a tie the one that was seen first.
        leader = max(members, key=lambda article: (article.word_count, -article.id))
        score_parts = parts(members, leader, weights=weights, now=now)
        stories.append(
            _Story(
                leader=leader,
                copies=tuple(article for article in members if article is not leader),
                score=round(sum(score_parts.values()), 4),
                score_parts=score_parts,
                section=_section(members, leader, links=links, topics=topics),
            )
        )
    return sorted(stories, key=lambda story: (-story.score, story.leader.id))


def _pinned(ranked: list[_Story], pins: Mapping[int, int]) -> list[_Story]:
    """Stories with an editor's pin at the places they are to have, the others around them in order."""
    places = {story.leader.id: pins[story.leader.id] for story in ranked if story.leader.id in pins}
    rest = [story for story in ranked if story.leader.id not in places]
    for story in sorted((one for one in ranked if one.leader.id in places), key=lambda one: places[one.leader.id]):
        rest.insert(places[story.leader.id], story)
    return rest


def _section(
    members: Sequence[Article], leader: Article, *, links: Sequence[SourceLink], topics: Sequence[Topic]
) -> tuple[str, str]:
    """(slug, title): a label that is a topic of the publication, else its source's topic, else its first label."""
    known = {topic.slug: topic.name for topic in topics}
    in_order = [leader, *(article for article in members if article is not leader)]
    for article in in_order:
        for label in article.labels:
            if slug(label) in known:
                return slug(label), known[slug(label)]
    by_source = {link.source.id: link.topic for link in links if link.topic}
    for article in in_order:
        for source in article.sources or (article.source_id,):
            if source in by_source:
                chosen = by_source[source]
                return chosen, known.get(chosen, chosen)
    first = next((label for article in in_order for label in article.labels if slug(label)), None)
    return (slug(first), first.strip()[:1].upper() + first.strip()[1:]) if first else _NO_SECTION


def slug(label: str) -> str:
    """A label as it stands in addresses: lower case, words joined by ``-``, at most 64 characters."""
    return re.sub(r"[\W_]+", "-", label.casefold()).strip("-")[:64].strip("-")


def _verdicts(story: _Story, verdict: Verdict, *, note: str = "") -> list[Candidate]:
    leader = Candidate(story.leader.id, verdict, story.score, story.score_parts, note=note)
    copies = [
        Candidate(
            article.id,
            Verdict.MERGED,
            story.score,
            merged_into=story.leader.id,
            note="the same report as another article",
        )
        for article in story.copies
    ]
    return [leader, *copies]


def _items(chosen: Sequence[_Story]) -> list[IssueItem]:
    lead, stories, briefs = chosen[0], chosen[1 : 1 + _STORIES], chosen[1 + _STORIES :]
    by_section: dict[str, list[_Story]] = {}
    for story in stories:
        by_section.setdefault(story.section[0], []).append(story)
    in_order = [(lead, Role.LEAD)]
    in_order += [(story, Role.STORY) for members in by_section.values() for story in members]
    in_order += [(story, Role.BRIEF) for story in briefs]
    return [_item(story, role, position=position) for position, (story, role) in enumerate(in_order)]


def _item(story: _Story, role: Role, *, position: int) -> IssueItem:
    article = story.leader
    also: Mapping[str, str] = {copy.source_title: copy.url for copy in story.copies if copy.url}
    return IssueItem(
        article_id=article.id,
        position=position,
        role=role,
        section=story.section[0],
        section_title=story.section[1],
        score=story.score,
        teaser=teaser(article.summary, title=article.title, text=article.text),
        also_at=tuple((title, url) for title, url in also.items() if title != article.source_title),
    )
