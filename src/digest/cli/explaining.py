"""What `digest issue build` prints: the items of an issue, and with ``--explain`` every candidate and its reasons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from digest.app.editions import Built
from digest.cli import output
from digest.model.article import Article
from digest.model.issue import Candidate, IssueItem, Verdict

#: In the order in which people ask.
_LEFT_OUT = {
    Verdict.OVER_CAP: "no room",
    Verdict.ALREADY_CARRIED: "carried before",
    Verdict.TOO_OLD: "too old",
    Verdict.HIDDEN: "hidden",
}


def document(built: Built) -> dict[str, Any]:
    """The same for scripts: items as they are stored, candidates with what is known of their articles."""
    also_at = {item.article_id: item.also_at for item in built.curation.items}
    return {
        "publication": built.publication.slug,
        "cadence": built.issue.cadence,
        "period": built.issue.period_start,
        "issue_id": built.issue.id or None,
        "trial": built.is_trial,
        "skip": built.curation.skip,
        "items": [
            {**output.jsonable(item), **_about(built.articles[item.article_id])} for item in built.curation.items
        ],
        "candidates": [
            {
                **output.jsonable(one),
                **_about(built.articles[one.article_id]),
                "merged_into": None if one.merged_into is None else str(one.merged_into),
                "story_id": built.curation.stories.get(one.article_id),
                "also_at": [list(pair) for pair in also_at.get(one.article_id, ())],
            }
            for one in _by_score(built)
        ],
    }


def _about(article: Article) -> dict[str, Any]:
    return {
        "title": article.title,
        "url": article.url,
        "source": article.source_title,
        "published_at": article.published_at,
        "first_seen_at": article.first_seen_at,
    }


def tell(built: Built, *, explain: bool) -> None:
    """Print it for people."""
    curation = built.curation
    verb = "would carry" if built.is_trial else "carries"
    due = built.issue.due_at.astimezone(ZoneInfo(built.publication.timezone))
    name = f"{built.publication.slug}, {built.issue.cadence} of {built.issue.period_start}, due {due:%H:%M}"
    looked_at = output.count(len(curation.candidates), "article")
    if curation.skip:
        found = sum(one.verdict is Verdict.PLACED for one in curation.candidates)
        output.say(
            f"{name}: {looked_at} looked at. It {'would be' if built.is_trial else 'was'} skipped: {curation.skip}"
            f" ({output.count(found, 'story', 'stories')}, and it takes {max(1, built.publication.min_items)} or more)."
        )
    else:
        output.say(f"{name}: {verb} {output.count(len(curation.items), 'item')} of {looked_at} looked at.")
    by_id = {one.article_id: one for one in curation.candidates}
    merged: dict[int, list[Candidate]] = defaultdict(list)
    for one in curation.candidates:
        if one.verdict is Verdict.MERGED and one.merged_into is not None:
            merged[one.merged_into].append(one)
    for item in curation.items:
        _item(item, built.articles[item.article_id])
        if explain:
            _reasons(by_id[item.article_id], merged[item.article_id], built.articles)
    if explain:
        _left_out(built, merged)


def _item(item: IssueItem, article: Article) -> None:
    output.say(f"{item.position + 1:>4}  {item.role:<5}  {article.title}  ({article.source_title})")


def _reasons(one: Candidate, merged: list[Candidate], articles: Mapping[int, Article]) -> None:
    output.say(f"             {_sum(one)}{f'; {one.note}' if one.note else ''}")
    for other in merged:
        article = articles[other.article_id]
        output.say(f"             + {article.source_title}: {article.title}  ({other.note})")


def _sum(one: Candidate) -> str:
    """``2.31 = freshness 0.81 + weight 1 + breadth 0.8 - diversity 0.3``; parts of nothing are left out."""
    told = ""
    for name, value in one.score_parts.items():
        if value:
            sign = " - " if value < 0 else " + "
            told += f"{sign if told else sign.strip(' +')}{name} {abs(value):.2f}"
    return f"{one.score:.2f} = {told}" if told else f"{one.score:.2f}"


def _left_out(built: Built, merged: Mapping[int, list[Candidate]]) -> None:
    """Everything else by its verdict; what was merged into a story without room is told with that story."""
    candidates = _by_score(built)
    counted = Counter(one.verdict for one in candidates)
    for verdict, heading in _LEFT_OUT.items():
        if counted[verdict]:
            output.say(f"Left out, {heading} ({counted[verdict]}):")
        for one in (one for one in candidates if one.verdict is verdict):
            article = built.articles[one.article_id]
            output.say(f"      {article.title}  ({article.source_title}): {one.note}")
            if one.score_parts:
                _reasons(
                    Candidate(one.article_id, verdict, one.score, one.score_parts),
                    merged[one.article_id],
                    built.articles,
                )
    placed = [one for one in candidates if one.verdict is Verdict.PLACED]
    if built.curation.skip and placed:
        output.say(f"Good enough, but too few ({len(placed)}):")
        for one in placed:
            article = built.articles[one.article_id]
            output.say(f"      {article.title}  ({article.source_title})")
            _reasons(one, merged[one.article_id], built.articles)


def _by_score(built: Built) -> list[Candidate]:
    return sorted(built.curation.candidates, key=lambda one: (-one.score, one.article_id))
