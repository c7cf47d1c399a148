"""The data contract between the line and its templates: all a template of a mail can see, as frozen data.

Rules: every text is on one line, without control characters or slot marks, and not escaped (templates do
that). Adding a field is safe; renaming or removing one breaks operators' own templates. The text under each field
documents it: ``tools/docs_contract.py`` makes the reference and the JSON Schema of them. Built by `compose.build` and
`compose.notices`, invented by `compose.fixtures`, consumed by `compose.render`.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.compose.kinds import MailKind


@dataclass(frozen=True, slots=True)
class PublicationFacts:
    """Who speaks: the masthead and the footer."""

    name: str
    """The newsletter's name."""
    sender_name: str
    """Who publishes it."""
    postal_address: str
    """The publisher's address, which the law asks for, on one line."""
    home_url: str
    """The newsletter's page on this site."""


@dataclass(frozen=True, slots=True)
class IssueFacts:
    """Which edition this is."""

    number: int | None
    """Its number; none before it got one (previews)."""
    date: str
    """Its day with the weekday, written out in the mail's language."""
    reading_minutes: int
    """How long reading this digest itself takes, at least 1."""
    web_url: str
    """The public page of the issue, with all topics and nothing personal; empty where there is none, as for alerts."""
    intro: str = ""
    """An editor's words above the lead."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. Our own copies have the shape they are shown in: the lead's at most 10:7, small ones square."""

    src: str
    """Its web address. In fixtures ``picture:<name>`` is one that the preview draws."""
    alt: str
    """What it shows; empty when the source does not say."""
    width: int | None = None
    """Width of the file in pixels; none where it is not known."""
    height: int | None = None
    """Height of the file in pixels; none where it is not known."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Another place that carries the same story."""

    source: str
    """Who carries it."""
    url: str
    """Where; empty when it is on no web page."""


@dataclass(frozen=True, slots=True)
class Story:
    """An article with its teaser: the lead, or one of a section."""

    number: int
    """Its place among all articles of the issue in reading order, from 1."""
    title: str
    """The headline, at most 160 characters, never empty."""
    url: str
    """Where it is; empty for an article that is on no web page: then the headline is no link."""
    teaser: str
    """What it is about in at most 280 characters, or empty."""
    source: str
    """Who published it, or empty."""
    minutes: int | None
    """How long reading the article takes; none when its length is unknown."""
    day: str
    """Its day, only when it is clearly older than the issue; else empty."""
    image: Image | None
    """Its picture, if there is one."""
    also_at: tuple[Copy, ...]
    """Other places that carry it, at most three."""
    also_more: int = 0
    """How many other places there are beside those."""
    is_updated: bool = False
    """Whether its publisher changed it after it was first seen."""
    rank: int = 0
    """Its place by weight, 1 the weightiest; 0 when only the reading order is known."""


@dataclass(frozen=True, slots=True)
class Section:
    """Stories of one topic, in order; never empty."""

    title: str
    """The topic's name; empty for stories without a topic."""
    stories: tuple[Story, ...]
    """Its stories."""


@dataclass(frozen=True, slots=True)
class Brief:
    """A headline without a teaser."""

    number: int
    """Its place among all articles of the issue in reading order, from 1."""
    title: str
    """The headline, at most 160 characters, never empty."""
    url: str
    """Where it is; empty for an article that is on no web page."""
    source: str
    """Who published it, or empty."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a newsletter comes."""

    rule: str
    """``daily``, ``weekdays`` or ``weekly``."""
    time: str
    """At what time, as it is written in the mail's language."""
    zone: str
    """The time zone that is meant, as people call it."""


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What a mail to one person is about, apart from what is a slot."""

    expires: str = ""
    """Until when its link works, written out in the mail's language; empty when it does not end."""
    topics: tuple[str, ...] = ()
    """The topics somebody chose, by name; empty means all."""
    rhythms: tuple[Rhythm, ...] = ()
    """How often the newsletter comes."""


@dataclass(frozen=True, slots=True)
class Links:
    """Which pages of the site there are to link to."""

    preferences: bool = False
    """Whether readers can choose topics and frequency; then ``slots.preferences_url`` leads there."""


@dataclass(frozen=True, slots=True)
class DigestContext:
    """One mail before it meets a template: a rendition of an issue, or a notice."""

    publication: PublicationFacts
    """Who speaks."""
    issue: IssueFacts | None
    """Which edition it is; none in notices, but for a welcome when there is a latest issue to read."""
    subject: str
    """The subject line."""
    preheader: str
    """What an inbox shows behind the subject."""
    lead: Story | None
    """The story on top; none in notices, and in a digest without news, which is never sent."""
    sections: tuple[Section, ...]
    """The other stories, by topic; empty in notices and alerts."""
    briefs: tuple[Brief, ...]
    """Headlines without teasers; in a welcome those of the latest issue."""
    lang: str
    """The mail's language, a BCP 47 tag."""
    dir: str
    """The direction of its script, ``ltr`` or ``rtl``."""
    personal: bool
    """Whether it goes to one reader by mail, with slots, or is the public web page, without any."""
    kind: MailKind = MailKind.DIGEST
    """What the mail is for; the folder of its templates."""
    notice: NoticeFacts | None = None
    """What a notice is about; none in a digest and an alert."""
    links: Links = Links()
    """Which pages of the site there are."""
    left_out: int = 0
    """How many stories the mail was too long for; they are on ``issue.web_url``."""


#: Every class a template may meet.
SHAPES = (
    DigestContext,
    PublicationFacts,
    IssueFacts,
    Story,
    Image,
    Copy,
    Section,
    Brief,
    NoticeFacts,
    Rhythm,
    Links,
)
