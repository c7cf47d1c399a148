"""Putting new articles into stories: the store's rows, compared by `curate`, and back.

Articles join at the end of the run that fetched them, or at the latest when an issue is curated. Joining again changes
nothing; a changed text is counted again, and looks for a story again as long as it is alone in its own. What comes in
hour by hour is told a little worse than a day at once, so for an issue the stories that none has carried are told anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from digest.curate.likeness import Frequencies, Likeness, Print
from digest.curate.stories import Wording, copies, gather, maybe_copies
from digest.model.story import Place
from digest.store import stories
from digest.store.engine import Tx
from digest.store.stories import NewPlace, Placed, Unplaced
from digest.text.terms import count_terms

#: A story takes articles in while its last one was first seen less than this ago (collection.md 2.4: 3 to 7 days).
WINDOW = timedelta(days=5)
#: What was first seen longer ago and has no story yet gets none; a weekly issue looks back eight days.
_REACH = timedelta(days=10)
#: What is told anew for an issue: a day's news, and what came late the evening before.
_AGAIN = timedelta(hours=36)
#: How rare a word is, is told from the articles of so many days.
_MEMORY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Joined:
    """What joining found: the places of new articles, the stories that became others, and what was counted first."""

    places: Sequence[NewPlace]
    swallowed: Mapping[int, int]
    counted: Mapping[tuple[date, str], Sequence[Print]]


def join(tx: Tx, *, now: datetime, anew: bool = False) -> int:
    """Put every article of the window that has no story into one; returns how many got a place.

    ``anew``: also those of the last day and a half whose story no issue has carried.
    """
    stories.hold(tx)
    joined = _compare(tx, now=now, anew=anew)
    stories.put(tx, joined.places, swallowed=joined.swallowed)
    for (day, language), prints in sorted(joined.counted.items()):
        counted = Frequencies()
        counted.add(prints)
        stories.add_counts(tx, day, language, articles=len(prints), terms=counted.terms[language])
    stories.forget(tx, before=now.date() - _MEMORY)
    return len(joined.places)


def places(tx: Tx, article_ids: Iterable[int], *, now: datetime) -> dict[int, Place]:
    """Where articles belong once `join` has told them anew. Changes nothing."""
    wanted = set(article_ids)
    found = stories.places(tx, wanted)
    joined = _compare(tx, now=now, anew=True)
    found.update((one.article_id, Place(one.story_id, one.copy_of)) for one in joined.places)
    turned = {key: Place(joined.swallowed.get(one.story_id, one.story_id), one.copy_of) for key, one in found.items()}
    return {key: turned.get(key, Place(key)) for key in sorted(wanted)}


def _compare(tx: Tx, *, now: datetime, anew: bool) -> _Joined:
    waiting = stories.unplaced(tx, since=now - _REACH)
    again = {one.article_id: one for one in stories.uncarried(tx, since=now - _AGAIN)} if anew else {}
    waiting = [*(one for one in waiting if one.article_id not in again), *again.values()]
    if not waiting:
        return _Joined((), {}, {})
    prints = {one.article_id: _print(one) for one in waiting}
    reach = min(one.first_seen_at for one in waiting) - WINDOW
    known = {one.article_id: one for one in stories.placed(tx, since=reach) if one.article_id not in again}
    looking = {one.article_id for one in waiting if one.story_id is None} | again.keys()
    settled = {
        one.article_id: one.story_id
        for one in waiting
        if one.story_id and one.article_id not in looking and not _is_alone(tx, one)
    }
    # A feed's first fetch brings its whole past: that is no news, and a story of nobody else's.
    settled |= {one.article_id: one.article_id for one in waiting if one.article_id in looking and _is_past(one)}
    fresh = [prints[one.article_id] for one in waiting if one.article_id not in settled]
    first = [one for one in waiting if one.story_id is None]
    others = [
        prints.get(one.article_id) or Print(one.article_id, one.source_id, one.language, one.terms)
        for one in known.values()
        if one.terms is not None and (one.article_id in settled or one.article_id not in prints)
    ]
    likeness = Likeness(fresh, others, _frequencies(tx, [prints[one.article_id] for one in first], now=now))
    same = _copies(tx, likeness, waiting, known.values())
    found = gather(
        [one.article_id for one in fresh],
        likeness,
        known={one.article_id: known[one.article_id].story_id for one in others},
        copy_of=same,
    )
    of = {**settled, **found.of}
    return _Joined(
        places=[
            NewPlace(
                one.article_id,
                found.swallowed.get(of[one.article_id], of[one.article_id]),
                same.get(one.article_id),
                prints[one.article_id].language,
                one.content_hash,
                one.first_seen_at.date(),
                prints[one.article_id].terms,
            )
            for one in waiting
        ],
        swallowed=found.swallowed,
        counted=_by_day(first, prints),
    )


def _is_past(one: Unplaced) -> bool:
    """Whether an article was old when it was first seen."""
    return one.published_at is not None and one.first_seen_at - one.published_at > _REACH


def _is_alone(tx: Tx, one: Unplaced) -> bool:
    """Whether an article that changed is its whole story, so that it may look for another."""
    return one.story_id is not None and stories.members(tx, one.story_id) == [one.article_id]


def _print(one: Unplaced) -> Print:
    return Print(one.article_id, one.source_id, _language(one.language), count_terms(one.title, one.text))


def _language(tag: str | None) -> str:
    """The primary subtag: what is written in en-GB is English."""
    return (tag or "").replace("_", "-").partition("-")[0].lower()[:8]


def _frequencies(tx: Tx, new: Sequence[Print], *, now: datetime) -> Frequencies:
    frequencies = Frequencies()
    for language, articles, terms in stories.counts(tx, since=now.date() - _MEMORY):
        frequencies.articles[language] += articles
        frequencies.terms[language].update(terms)
    frequencies.add(new)
    return frequencies


def _copies(tx: Tx, likeness: Likeness, waiting: Sequence[Unplaced], known: Iterable[Placed]) -> dict[int, int]:
    """Article id → lowest id of its group of copies. Texts of old are read only where something new is alike."""
    pairs = maybe_copies(likeness)
    fresh = {one.article_id for one in waiting}
    old = stories.texts(tx, {key for pair in pairs for key in pair} - fresh)
    wordings = [Wording(one.article_id, one.source_id, one.title, one.text) for one in waiting]
    wordings += [
        Wording(one.article_id, one.source_id, one.title, old.get(one.article_id, ""))
        for one in known
        if one.article_id not in fresh
    ]
    before = {one.article_id: one.copy_of for one in known if one.copy_of is not None}
    found = copies(pairs, wordings)
    return {key: before.get(root, root) for key, root in found.items()}


def _by_day(first: Sequence[Unplaced], prints: Mapping[int, Print]) -> dict[tuple[date, str], list[Print]]:
    days: dict[tuple[date, str], list[Print]] = defaultdict(list)
    for one in first:
        made = prints[one.article_id]
        days[one.first_seen_at.date(), made.language].append(made)
    return days
