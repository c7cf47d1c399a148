"""The data contract between the line and its templates: all a digest template can see, as frozen data.

Rules: every text is on one line, without control characters or slot marks, and not escaped (templates do
that). Adding a field is safe; renaming or removing one breaks operators' own templates. Built by
`compose.build`, invented by `compose.sample`, consumed by `compose.render` and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublicationFacts:
    """Who speaks: the masthead and the footer.

    ``postal_address`` is the legally required one, on one line. ``home_url`` is its page on our site.
    """

    name: str
    sender_name: str
    postal_address: str
    home_url: str


@dataclass(frozen=True, slots=True)
class IssueFacts:
    """Which edition this is.

    ``number`` is None before the issue got one (previews). ``date`` is written out in ``lang``, in the
    publication's time zone. ``reading_minutes`` is what reading this digest itself costs, at least 1.
    ``web_url`` is the public page of the issue, which shows all topics and nothing personal. ``intro`` is an editor's
    words above the lead, or ``""``.
    """

    number: int | None
    date: str
    reading_minutes: int
    web_url: str
    intro: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: ``src`` is an absolute web address, ``alt`` empty when the source gave no description.

    ``width`` and ``height`` are those of the file in pixels, None where they are not known (pictures of others). Our
    own copies have the shape they are shown in: the lead's at most 10:7, small ones square.
    """

    src: str
    alt: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Another place that carries the same story. ``url`` may be ``""``."""

    source: str
    url: str


@dataclass(frozen=True, slots=True)
class Story:
    """An article with its teaser: the lead, or one of a section.

    ``title`` has at most 160 characters and is never empty; ``teaser`` at most 280, or ``""``. ``url`` is
    ``""`` for an article that is on no web page: then the headline is no link. ``minutes`` is the reading
    time of the article, None when its length is unknown. ``day`` is ``""`` unless the article is clearly
    older than the issue. ``also_at`` names at most three other places; ``also_more`` is how many there are beside.
    ``is_updated``: its publisher changed it after it was first seen. ``number`` counts all articles of the issue
    from 1, in reading order.
    """

    number: int
    title: str
    url: str
    teaser: str
    source: str
    minutes: int | None
    day: str
    image: Image | None
    also_at: tuple[Copy, ...]
    also_more: int = 0
    is_updated: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Stories of one topic, in order; never empty. ``title`` is ``""`` for stories without a topic."""

    title: str
    stories: tuple[Story, ...]


@dataclass(frozen=True, slots=True)
class Brief:
    """A headline without teaser; the fields are those of `Story`."""

    number: int
    title: str
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class DigestContext:
    """One rendition of one issue, before it meets a template.

    ``subject`` and ``preheader`` are what an inbox shows. ``lang`` is a BCP 47 tag, ``dir`` ``"ltr"`` or
    ``"rtl"``. ``personal`` says whether this goes to one reader by mail (footer with reason and
    unsubscribe link, through slots) or is the public web view (neither).
    """

    publication: PublicationFacts
    issue: IssueFacts
    subject: str
    preheader: str
    lead: Story
    sections: tuple[Section, ...]
    briefs: tuple[Brief, ...]
    lang: str
    dir: str
    personal: bool
