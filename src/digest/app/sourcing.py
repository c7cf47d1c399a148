"""Sources in bulk and in detail: lists of feeds in and out, and everything that is known of one source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from digest.curate.pick import slug
from digest.feeds import opml
from digest.model.article import Outline, Source, SourceKind, SourceLink
from digest.model.fetching import PageState, WebSub
from digest.model.health import Health, health
from digest.model.publication import Publication
from digest.store import audit, pages, publications, sources, websub
from digest.store.audit import AuditEntry
from digest.store.engine import Store, Tx
from digest.text import url as urls
from digest.text.sanitise import clean_line

_MAX_URL_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Refused:
    """A line of a list that was not taken: its place, from 1, what stands there, and why not."""

    line: int
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What importing a list did. ``known`` were sources of the publication already."""

    added: tuple[Source, ...]
    known: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything that is known of a source."""

    source: Source
    health: Health
    publications: tuple[Publication, ...]
    pages: dict[PageState, int]
    hub: WebSub | None
    history: tuple[AuditEntry, ...]


def import_feeds(store: Store, publication: Publication, raw: bytes, *, topic: str | None, now: datetime) -> Imported:
    """Add the feeds of an OPML file to a publication, due at once; nothing is fetched here. Repeating it adds none.

    ``topic`` goes before the folders of the file. Raises FeedMalformed when it is no OPML file.
    """
    outlines = opml.parse(raw)
    added: list[Source] = []
    refused: list[Refused] = []
    known, listed = 0, set[str]()
    with store.write() as tx:
        used = {_key(link.source.url) for link in sources.list_sources(tx, publication.id)}
        for line, outline in enumerate(outlines, start=1):
            address, reason = _address(outline)
            if reason:
                refused.append(Refused(line, outline.feed_url[:200], reason))
            elif _key(address) in listed:
                refused.append(Refused(line, address, "it stands in this file before"))
            elif _key(address) in used:
                known += 1
            else:
                added.append(_add(tx, publication, outline, address, topic=topic, now=now))
            listed.add(_key(address))
    return Imported(tuple(added), known, tuple(refused))


def export_feeds(store: Store, publication: Publication) -> bytes:
    """The publication's sources on the web as OPML; what is on this machine alone is no use to others."""
    with store.read() as tx:
        links = sources.list_sources(tx, publication.id)
        names = {topic.slug: topic.name for topic in publications.topics(tx, publication.id)}
    outlines = [
        Outline(
            title=link.source.title,
            feed_url=link.source.url,
            home_url=link.source.home_url or "",
            topic=names.get(link.topic or "", ""),
        )
        for link in links
        if not link.source.kind.is_own
    ]
    return opml.write(publication.name, outlines)


def detail(store: Store, source_id: int, *, now: datetime) -> Detail:
    """What is known of one source. Raises NotFound."""
    with store.read() as tx:
        source = sources.get(tx, source_id)
        users = set(sources.publications_of(tx, source_id))
        return Detail(
            source=source,
            health=health(source, now=now),
            publications=tuple(one for one in publications.list_all(tx) if one.id in users),
            pages=pages.counts(tx, source_id),
            hub=websub.get(tx, source_id),
            history=tuple(audit.of_subject(tx, f"source:{source_id}")),
        )


def ailing(links: Iterable[SourceLink], *, now: datetime) -> list[tuple[SourceLink, Health]]:
    """Those that somebody should look at, worst first in their order."""
    found = [(link, health(link.source, now=now)) for link in links]
    return [(link, how) for link, how in found if how.needs_somebody]


def _address(outline: Outline) -> tuple[str, str]:
    """(the address, why it cannot be a source or "")."""
    address = urls.absolute("", outline.feed_url)
    if not address:
        return "", "it is not a web address" if outline.feed_url.strip() else "it has no address"
    if len(address) > _MAX_URL_CHARS:
        return "", f"its address has more than {_MAX_URL_CHARS:,} characters"
    return address, ""


def _add(
    tx: Tx, publication: Publication, outline: Outline, address: str, *, topic: str | None, now: datetime
) -> Source:
    name = topic or outline.topic.rpartition(" / ")[2].strip()
    topic_slug = slug(name) if name else None
    if topic_slug:
        publications.ensure_topic(tx, publication.id, slug=topic_slug, name=name)
    source = sources.by_url(tx, address) or sources.add(
        tx,
        SourceKind.RSS,  # what it really is shows when it is read
        url=address,
        title=clean_line(outline.title) or urls.host(address),
        home_url=outline.home_url or None,
        now=now,
    )
    sources.link(tx, publication.id, source.id, topic_slug=topic_slug or None)
    return source


def _key(address: str) -> str:
    return urls.canonical(address).partition("://")[2] or address
