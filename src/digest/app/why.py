"""The life of an article, told from the ledger: what `digest why` answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.model.article import Article, DateProblem
from digest.model.errors import NotFound
from digest.model.issue import Candidate, Issue, IssueState, Verdict
from digest.store import articles, issues, publications, sources, stories
from digest.store.engine import Store, Tx


@dataclass(frozen=True, slots=True)
class Life:
    """What is on record about an article: the record itself, the verdicts, and both as sentences."""

    article: Article
    sightings: tuple[articles.Sighting, ...]
    verdicts: tuple[tuple[Issue, Candidate], ...]
    sentences: tuple[str, ...]


def why(store: Store, address: str) -> Life:
    """Look an article up by its address (tracking parameters and all) and tell its life. Raises NotFound."""
    with store.read() as tx:
        article = articles.find_by_url(tx, address)
        if article is None:
            raise NotFound(
                f"no article with the address {address} was ever seen",
                hint="check with `digest source check URL` whether the feed has it, then run `digest collect --all`",
            )
        seen = tuple(articles.sightings(tx, article.id))
        verdicts = tuple(issues.verdicts_on(tx, article.id))
        return Life(article, seen, verdicts, tuple(_tell(tx, article, seen, verdicts)))


def _tell(
    tx: Tx, article: Article, seen: Sequence[articles.Sighting], verdicts: Sequence[tuple[Issue, Candidate]]
) -> list[str]:
    told = [f"“{article.title}” was first seen {_when(article.first_seen_at)} in {article.source_title}."]
    if article.published_at is not None:
        day_only = article.published_is_day
        stamp = f"{article.published_at:%Y-%m-%d}" if day_only else _when(article.published_at)
        told.append(f"Its publisher dates it {stamp}{' (the day only)' if day_only else ''}.")
    elif article.date_problem is not None and article.claimed_at is not None:
        wrong = {DateProblem.FUTURE: "lies ahead", DateProblem.ANCIENT: "is older than news on the web"}
        told.append(
            f"Its publisher dates it {article.claimed_at:%Y-%m-%d}, which {wrong[article.date_problem]},"
            " so the moment it was first seen counts."
        )
    else:
        told.append("Its publisher gives no date, so the moment it was first seen counts.")
    if article.is_rerun:
        told.append("It was more than a week older than the newest one of its source then: a repetition, not news.")
    if article.updated_at is not None:
        told.append(f"Its publisher changed it; the text is that of {_when(article.updated_at)}.")
    others = sorted({sources.get(tx, item.source_id).title for item in seen if item.source_id != article.source_id})
    if others:
        told.append(f"It was also seen in {', '.join(others)}, and stored once.")
    told += _story(tx, article)
    told += [_verdict(tx, issue, candidate) for issue, candidate in verdicts]
    if not verdicts:
        told.append(_no_verdict(tx, article))
    return told


def _story(tx: Tx, article: Article) -> list[str]:
    """Where it belongs, once it was compared with the others."""
    place = stories.places(tx, [article.id]).get(article.id)
    if place is None:
        return []
    members = stories.members(tx, place.story_id)
    named = {one.id: f"“{one.title}” ({one.source_title})" for one in articles.by_ids(tx, members)}
    many = f"{len(members)} articles tell it"
    first = next((one for one in [place.story_id, *members] if one in named and one != article.id), None)
    if first is None:
        return ["No other article tells its story so far."]
    if place.story_id == article.id:
        return [f"It began a story; {many}."]
    how = "as another report"
    if place.copy_of is not None:
        original = named.get(place.copy_of)
        how = "as a copy of the same report" if original is None else f"as a copy of {original}"
    return [f"It was merged into the story that began with {named[first]}, {how}; {many}."]


def _verdict(tx: Tx, issue: Issue, candidate: Candidate) -> str:
    name = f"issue {issue.id} of {issue.publication_slug} ({issue.cadence}, {issue.period_start})"
    if candidate.verdict is Verdict.PLACED:
        place = next((item for item in issues.items(tx, issue.id) if item.article_id == candidate.article_id), None)
        if place is None:
            return f"It would have been in {name}, but that one was {issue.state}: {issue.reason}. It rolls over."
        sent = {IssueState.SENT: "was sent", IssueState.SENDING: "is being sent"}.get(issue.state, f"is {issue.state}")
        return f"It is item {place.position + 1} ({place.role}) of {name}, which {sent}; score {candidate.score:g}."
    if candidate.verdict is Verdict.MERGED and candidate.merged_into is not None:
        leader = articles.by_ids(tx, [candidate.merged_into])[0]
        return f"In {name} it was merged into “{leader.title}” ({leader.source_title}), {candidate.note}."
    words = {
        Verdict.OVER_CAP: "did not make it into",
        Verdict.TOO_OLD: "was too old for",
        Verdict.HIDDEN: "was kept from",
        Verdict.RECALLED: "was recalled from",
    }
    return f"It {words.get(candidate.verdict, 'was left out of')} {name}: {candidate.note}."


def _no_verdict(tx: Tx, article: Article) -> str:
    using = [
        publication.slug
        for publication in publications.list_all(tx)
        if {link.source.id for link in sources.list_sources(tx, publication.id)} & set(article.sources)
    ]
    if not using:
        return "No publication uses its sources, so no issue will carry it."
    return f"No issue has looked at it yet; the next one of {', '.join(using)} will."


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
