"""Picking an issue's items: age → stories → what was carried before → score → caps → sections.

Every article that was looked at gets a verdict on record, with a sentence that says why.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.curate.leading import Member, also_at, in_order, members
from digest.curate.rank import Contender, Limits, Ranked, rank, share_of_source
from digest.curate.repeats import news_of, sentence
from digest.curate.score import parts, published
from digest.model.article import Article, SourceLink
from digest.model.health import span
from digest.model.issue import Candidate, IssueItem, Role, SkipReason, Verdict
from digest.model.publication import Publication, Topic
from digest.model.story import Carried, Place
from digest.text.excerpt import teaser

#: A lead and this many stories get a teaser; what follows is a list of headlines.
_STORIES = 8
#: Feeds keep old entries; on first sight those are not news. Local files are exempt: somebody put them there.
_MAX_AGE = timedelta(days=3)
_NO_SECTION = ("news", "News")


@dataclass(frozen=True, slots=True)
class Curation:
    """What was decided. ``skip`` is set, and ``items`` is empty, when there is nothing worth sending.

    ``stories``: article id → story id, for every candidate that belongs to one.
    """

    items: tuple[IssueItem, ...]
    candidates: tuple[Candidate, ...]
    skip: SkipReason | None = None
    stories: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Story:
    """The members best first; the first leads."""

    members: tuple[Member, ...]
    section: tuple[str, str]
    contender: Contender

    @property
    def leader(self) -> Article:
        return self.members[0].article


@dataclass(frozen=True, slots=True)
class _Desk:
    """What all steps need to know. ``pins``: article id → position in the issue (0 first), None: anywhere."""

    publication: Publication
    links: Sequence[SourceLink]
    topics: Sequence[Topic]
    places: Mapping[int, Place]
    pins: Mapping[int, int | None]
    now: datetime
    max_age: timedelta

    @property
    def weights(self) -> dict[int, float]:
        return {link.source.id: link.weight for link in self.links}

    @property
    def own(self) -> set[int]:
        return {link.source.id for link in self.links if link.source.kind.is_own}


def pick(
    publication: Publication,
    articles: Sequence[Article],
    *,
    links: Sequence[SourceLink],
    topics: Sequence[Topic],
    now: datetime,
    max_age: timedelta = _MAX_AGE,
    places: Mapping[int, Place] | None = None,
    carried: Mapping[int, Carried] | None = None,
    pins: Mapping[int, int | None] | None = None,
) -> Curation:
    """Choose and order the items of an issue from the articles of its window.

    ``places``: article id → its story; what has none is a story of its own. ``carried``: story id → the earlier issue
    that had it. ``pins``: article id → position in the issue, 0 first, or None for anywhere; a pinned article is
    placed whatever its age, its source and its story, unless it is hidden.
    """
    desk = _Desk(publication, links, topics, places or {}, pins or {}, now, max_age)
    verdicts: list[Candidate] = []
    fresh: list[Article] = []
    for article in sorted(articles, key=lambda article: article.id):  # the same set, the same issue
        refusal = _refusal(article, desk)
        if refusal is None:
            fresh.append(article)
        else:
            verdicts.append(refusal)
    stories = [_story(*told, desk) for told in _news(_gathered(fresh, desk), carried or {}, desk, verdicts)]
    limits = _limits(publication)
    contenders = [story.contender for story in stories]
    by_leader = {story.leader.id: story for story in stories}
    taken, held = rank(contenders, limits)
    chosen = [(by_leader[one.key], one) for one in taken]
    for place, one in enumerate(held, start=len(taken) + 1):
        note = _kept_out(one, by_leader[one.key], limits, contenders, place=place)
        verdicts += _verdicts(by_leader[one.key], one, Verdict.OVER_CAP, note=note)
    for story, one in chosen:
        verdicts += _verdicts(story, one, Verdict.PLACED, note=_placed(story, desk, carried or {}))
    of = {article.id: desk.places[article.id].story_id for article in articles if article.id in desk.places}
    if len(chosen) < limits.fewest:
        return Curation((), tuple(verdicts), SkipReason.TOO_LITTLE_NEWS, of)
    return Curation(tuple(_items(chosen, desk.pins)), tuple(verdicts), stories=of)


def _limits(publication: Publication) -> Limits:
    return Limits(
        items=publication.max_items,
        fewest=max(1, publication.min_items),
        of_source=publication.max_per_source,
        of_section=publication.max_per_section,
    )


def _refusal(article: Article, desk: _Desk) -> Candidate | None:
    if article.is_hidden:
        return Candidate(article.id, Verdict.HIDDEN, note="hidden by an operator")
    if article.is_rerun and article.id not in desk.pins and not _is_own(article, desk):
        return Candidate(article.id, Verdict.TOO_OLD, note="it was old already when its source first showed it")
    age = desk.now - published(article, now=desk.now)
    if age > desk.max_age and article.id not in desk.pins and not _is_own(article, desk):
        return Candidate(article.id, Verdict.TOO_OLD, note=f"published {span(age)} before this issue")
    return None


def _is_own(article: Article, desk: _Desk) -> bool:
    return bool(desk.own.intersection(article.sources or (article.source_id,)))


def _gathered(articles: Sequence[Article], desk: _Desk) -> list[list[Member]]:
    """The articles as stories by their first articles; what an editor pinned beside another stays apart."""
    stories: dict[tuple[int, int], list[Member]] = defaultdict(list)
    pinned: set[int] = set()
    for member in members(articles, desk.places):
        key = member.article.id
        place = desk.places.get(key)
        story = key if place is None else place.story_id
        is_second = key in desk.pins and story in pinned
        if key in desk.pins:
            pinned.add(story)
        stories[story, key if is_second else 0].append(member)
    return list(stories.values())


def _news(
    stories: Sequence[list[Member]], carried: Mapping[int, Carried], desk: _Desk, verdicts: list[Candidate]
) -> list[tuple[list[Member], list[Member]]]:
    """(what may lead, the rest) of each story; those that an earlier issue carried get their verdicts."""
    kept: list[tuple[list[Member], list[Member]]] = []
    for story in stories:
        place = desk.places.get(story[0].article.id)
        before = carried.get(place.story_id) if place else None
        if before is None:
            kept.append((story, []))
            continue
        news = news_of(story, before, own=desk.own, now=desk.now)
        news += [one for one in story if one.article.id in desk.pins and one not in news]
        if news:
            kept.append((news, [one for one in story if one not in news]))
            continue
        for one in story:
            is_newer = published(one.article, now=desk.now) > before.curated_at
            note = sentence(before, is_newer=is_newer)
            verdicts.append(
                Candidate(one.article.id, Verdict.ALREADY_CARRIED, merged_into=before.article_id, note=note)
            )
    return kept


def _story(news: Sequence[Member], rest: Sequence[Member], desk: _Desk) -> _Story:
    weights = desk.weights
    ordered = [
        *in_order(news, weights=weights, pinned=desk.pins, now=desk.now),
        *in_order(rest, weights=weights, pinned=desk.pins, now=desk.now),
    ]
    leader = ordered[0].article
    section = _section([one.article for one in ordered], desk)
    is_pinned = leader.id in desk.pins
    contender = Contender(
        key=leader.id,
        source=leader.source_id,
        section=section[0],
        parts=parts(ordered, leader, weights=weights, now=desk.now, is_pinned=is_pinned),
        topic=section[0] if section[0] in {topic.slug for topic in desk.topics} else "",
        is_pinned=is_pinned,
        is_capped=not _is_own(leader, desk),
    )
    return _Story(tuple(ordered), section, contender)


def _section(in_order: Sequence[Article], desk: _Desk) -> tuple[str, str]:
    """(slug, title): a label that is a topic of the publication, else its source's topic, else its first label."""
    known = {topic.slug: topic.name for topic in desk.topics}
    for article in in_order:
        for label in article.labels:
            if slug(label) in known:
                return slug(label), known[slug(label)]
    by_source = {link.source.id: link.topic for link in desk.links if link.topic}
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


def _kept_out(one: Ranked, story: _Story, limits: Limits, contenders: Sequence[Contender], *, place: int) -> str:
    if one.held_back == "source":
        most = share_of_source(contenders, limits)
        return f"{story.leader.source_title} has its {_places(most)} already, out of {limits.items}"
    if one.held_back == "section":
        return f"the section {story.section[1]} has its {_places(limits.of_section or 0)} already"
    return f"ranked {place} of {len(contenders)}; the issue takes {limits.items}"


def _places(number: int) -> str:
    return "1 place" if number == 1 else f"{number} places"


def _placed(story: _Story, desk: _Desk, carried: Mapping[int, Carried]) -> str:
    if story.contender.is_pinned:
        return "pinned by an editor"
    place = desk.places.get(story.leader.id)
    before = carried.get(place.story_id) if place else None
    return f"news of a story that the issue of {before.period_start} carried" if before else ""


def _verdicts(story: _Story, ranked: Ranked, verdict: Verdict, *, note: str = "") -> list[Candidate]:
    leader = story.members[0]
    found = [Candidate(leader.article.id, verdict, ranked.score, dict(ranked.parts), note=note)]
    for one in story.members[1:]:
        note = "a copy of the same report" if one.report == leader.report else "another report of the same story"
        found.append(Candidate(one.article.id, Verdict.MERGED, ranked.score, merged_into=leader.article.id, note=note))
    return found


def _items(chosen: Sequence[tuple[_Story, Ranked]], pins: Mapping[int, int | None]) -> list[IssueItem]:
    """Lead, stories by section, briefs; then each pinned article that has a position is moved there."""
    lead, stories, briefs = chosen[0], chosen[1 : 1 + _STORIES], chosen[1 + _STORIES :]
    by_section: dict[str, list[tuple[_Story, Ranked]]] = defaultdict(list)
    for one in stories:
        by_section[one[0].section[0]].append(one)
    ordered = [lead, *(one for members in by_section.values() for one in members), *briefs]
    fixed = sorted((place, one[0].leader.id) for one in ordered if (place := pins.get(one[0].leader.id)) is not None)
    found = {one[0].leader.id: one for one in ordered}
    rest = [one for one in ordered if pins.get(one[0].leader.id) is None]
    for place, key in fixed:
        rest.insert(max(0, place), found[key])
    return [_item(story, ranked, position=position) for position, (story, ranked) in enumerate(rest)]


def _item(story: _Story, ranked: Ranked, *, position: int) -> IssueItem:
    article = story.leader
    role = Role.LEAD if position == 0 else Role.STORY if position <= _STORIES else Role.BRIEF
    return IssueItem(
        article_id=article.id,
        position=position,
        role=role,
        section=story.section[0],
        section_title=story.section[1],
        score=ranked.score,
        teaser=teaser(article.summary, title=article.title, text=article.text, language=article.language),
        also_at=also_at(article, story.members[1:]),
    )
