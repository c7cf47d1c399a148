"""Articles that are added one by one: `digest article add` takes a page, a file or standard input into the ledger.

They come from a source of the publication's own that nobody asks for news. An article that is known already, from
whatever source, stays the one it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from digest import feeds
from digest.app.container import Container
from digest.collect import ingest
from digest.collect.extracting import extract_from
from digest.curate.pick import slug
from digest.model.article import Article, ParsedArticle, ParsedFeed, Source, SourceKind
from digest.model.errors import BadInput
from digest.model.publication import Publication
from digest.store import articles, identity, publications, sources
from digest.store.engine import Tx

_TITLE = "Added by the editors"
_STDIN_NAME = "standard input.md"


class Became(StrEnum):
    """What adding an article did. ``known``: it was there, and its first source's text stays."""

    ADDED = "added"
    UPDATED = "updated"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Pushed:
    """An article that was given, and what it became."""

    article: Article
    became: Became


@dataclass(frozen=True, slots=True)
class Given:
    """What is said of an article from outside, in place of its own words. ``source`` is the name that readers see."""

    title: str | None = None
    summary: str | None = None
    source: str | None = None


_NOTHING = Given()


async def push(
    container: Container,
    name: str,
    address: str,
    *,
    now: datetime,
    given: Given = _NOTHING,
) -> Pushed:
    """Add the article at a web address or in a file to the publication ``name``.

    Raises BadInput, NotFound, SourceUnreachable and FeedMalformed; nothing is written then.
    """
    with container.store.read() as tx:
        publications.get(tx, name)  # a wrong name is told before anything is fetched
    found = await extract_from(address, settings=container.settings)
    entry = replace(found.article, guid=found.article.guid or address)
    given = replace(given, source=given.source or found.site)
    return await asyncio.to_thread(_store, container, name, entry, given=given, now=now)


def push_markdown(
    container: Container,
    name: str,
    raw: bytes,
    *,
    now: datetime,
    given: Given = _NOTHING,
) -> Pushed:
    """Add an article written in Markdown; what front matter says of it (url, date, author, tags) is taken.

    Without an address it is known by its title. Raises as `push` does.
    """
    with container.store.read() as tx:
        publications.get(tx, name)  # a wrong name is told before a wrong text
    (entry,) = feeds.parse_file(_with_title(raw, given.title), name=_STDIN_NAME).entries
    entry = replace(entry, guid=entry.url)
    return _store(container, name, entry, given=given, now=now)


def _with_title(raw: bytes, title: str | None) -> bytes:
    """Text of which only the command says the title is an article, too."""
    if title is None or raw.lstrip().startswith((b"---", b"#")):
        return raw
    return f"# {title}\n\n".encode() + raw


def _store(container: Container, name: str, entry: ParsedArticle, *, given: Given, now: datetime) -> Pushed:
    with container.store.write() as tx:
        publication = publications.get(tx, name)
        entry = replace(entry, title=given.title or entry.title, summary=given.summary or entry.summary)
        entry = replace(entry, guid=entry.guid or f"push:{publication.id}/{slug(entry.title)}")
        prepared = ingest.prepare(ParsedFeed("article", "", None, entry.language, (entry,)), base=entry.url, now=now)
        if not prepared:
            raise BadInput("there is no article in it", hint="give it a headline and a text")
        source = _source(tx, publication, title=given.source, now=now)
        done = ingest.store(tx, source.id, prepared, now=now)
        (row,) = identity.recognise(tx, source.id, prepared)
        if row is None:
            raise AssertionError("an article that was just stored is not there")
        became = Became.ADDED if done.new or done.reruns else Became.UPDATED if done.updated else Became.KNOWN
        return Pushed(articles.by_ids(tx, [row.id])[0], became)


def _source(tx: Tx, publication: Publication, *, title: str | None, now: datetime) -> Source:
    """The publication's own source of this name; readers see the name beside the article."""
    name = title or _TITLE
    url = f"push:{publication.id}/{slug(name)}"
    known = {link.source.url: link.source for link in sources.list_sources(tx, publication.id)}
    if url in known:
        return known[url]
    source = sources.add(tx, SourceKind.PUSH, url=url, title=name, now=now)
    sources.link(tx, publication.id, source.id)
    return source
