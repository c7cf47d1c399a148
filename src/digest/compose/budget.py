"""How long a mail may be, and how it is shortened: Gmail cuts longer ones, and what it cuts is the footer.

Rules: what counts is the HTML part as it goes on the wire, quoted-printable and with a reader's values in it. Over
budget, stories lose their teasers first, the least weighty first; then headlines are left out from the end, and a line
says how many more are on the web. The lead and the footer stay, whatever that costs. Everything that composes a mail
for sending goes through `fit`; the public web page has no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from digest.compose.context import Brief, DigestContext, Section, Story
from digest.compose.render import Rendered
from digest.mime.encode import canonical, quoted_printable
from digest.text import slots

#: Where Gmail cuts (102,400 bytes; whether before or after decoding is disputed, so the larger figure counts).
BUDGET_BYTES = 102_400
#: As long as a reader's values get, nearly: an address may have 254 characters and most have 25.
_LONG_VALUES = dict.fromkeys(slots.SLOTS, "https://news.example.com/" + "x" * 120)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A mail within its budget. ``briefed`` stories lost their teaser, ``left_out`` are on the web only."""

    context: DigestContext
    rendered: Rendered
    size_bytes: int
    briefed: int = 0
    left_out: int = 0


def fit(
    context: DigestContext, *, draw: Callable[[DigestContext], Rendered], budget_bytes: int = BUDGET_BYTES
) -> Fitted:
    """``context`` drawn by ``draw``, shortened as little as it takes to stay within ``budget_bytes``.

    When nothing but the lead is left and it is still too long, that is what is given.
    """
    rendered = draw(context)
    size = wire_bytes(rendered.html)
    stories = _stories(context)
    last = len(stories) + len(context.briefs) + len(stories)
    if size <= budget_bytes or last == 0:
        return Fitted(context, rendered, size)
    tried: dict[int, Fitted] = {}
    low, high = 1, last  # the least shortening that fits: each step makes the mail shorter
    while low < high:
        middle = (low + high) // 2
        tried[middle] = _drawn(context, stories, middle, draw)
        if tried[middle].size_bytes <= budget_bytes:
            high = middle
        else:
            low = middle + 1
    return tried.get(low) or _drawn(context, stories, low, draw)


def wire_bytes(html: str) -> int:
    """How many bytes the HTML takes in a message, with long values in its slots."""
    return len(quoted_printable(canonical(slots.fill_html(html, _LONG_VALUES))))


def shortened(context: DigestContext, *, briefed: int, left_out: int) -> DigestContext:
    """``context`` with its ``briefed`` least weighty stories as headlines, and the last ``left_out`` headlines gone."""
    stories = _stories(context)
    demoted = {id(story) for story in stories[len(stories) - briefed :]}
    sections = (_without(section, demoted) for section in context.sections)
    kept = [*(_brief(story) for story in stories if id(story) in demoted), *context.briefs]
    gone = min(left_out, len(kept))
    shorter = replace(
        context,
        sections=tuple(section for section in sections if section.stories),
        briefs=tuple(kept[: len(kept) - gone]),
        left_out=context.left_out + gone,
    )
    return _renumbered(shorter)


def _drawn(
    context: DigestContext, stories: list[Story], step: int, draw: Callable[[DigestContext], Rendered]
) -> Fitted:
    briefed = min(step, len(stories))
    left_out = step - briefed
    made = shortened(context, briefed=briefed, left_out=left_out)
    rendered = draw(made)
    return Fitted(made, rendered, wire_bytes(rendered.html), briefed, left_out)


def _stories(context: DigestContext) -> list[Story]:
    """The stories below the lead, the weightiest first."""
    found = [story for section in context.sections for story in section.stories]
    return sorted(found, key=lambda story: (story.rank or story.number, story.number))


def _without(section: Section, gone: set[int]) -> Section:
    return replace(section, stories=tuple(story for story in section.stories if id(story) not in gone))


def _brief(story: Story) -> Brief:
    return Brief(story.number, story.title, story.url, story.source)


def _renumbered(context: DigestContext) -> DigestContext:
    """Numbered in reading order, the lead first."""
    count = iter(range(2, 10_000))

    def numbered(stories: Iterable[Story]) -> tuple[Story, ...]:
        return tuple(replace(story, number=next(count)) for story in stories)

    sections = tuple(replace(section, stories=numbered(section.stories)) for section in context.sections)
    return replace(
        context, sections=sections, briefs=tuple(replace(brief, number=next(count)) for brief in context.briefs)
    )
