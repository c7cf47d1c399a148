"""`digest source`: where articles come from."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import typer

from digest.app.clock import system_clock
from digest.cli import output
from digest.cli import sources as more
from digest.cli.output import AsJson, Yes
from digest.cli.state import config_of, opened
from digest.collect.check import add_source
from digest.collect.check import check as try_address
from digest.collect.troubles import without_password
from digest.config import settings as settings_module
from digest.curate.pick import slug
from digest.model.article import ParsedFeed, SourceLink
from digest.model.errors import NotFound
from digest.model.health import health
from digest.store import publications, sources

app = typer.Typer(no_args_is_help=True, help="Add and look after sources of articles.")
app.command("show")(more.show)
app.command("set")(more.change)
app.command("import")(more.import_)
app.command("export")(more.export)

Publication = Annotated[str, typer.Argument(metavar="PUBLICATION", help="The publication's slug.")]
Address = Annotated[
    str, typer.Argument(metavar="URL_OR_PATH", help="Address of a feed, sitemap or page; or a file or folder.")
]
BaseUrl = Annotated[str | None, typer.Option(help="Base address for relative links of a local file.")]
SourceId = Annotated[int, typer.Argument(metavar="SOURCE", help="Id as `digest source list` shows it.")]


@app.command()
def add(
    context: typer.Context,
    publication: Publication,
    address: Address,
    *,
    topic: Annotated[str | None, typer.Option(help="Topic of its articles; made when it is new.")] = None,
    weight: Annotated[float, typer.Option(min=0.0, max=10.0, help="Weight in ranking, 1 is normal.")] = 1.0,
    title: Annotated[str | None, typer.Option(help="Name shown to readers (default: the feed's own).")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a source: the address is fetched once, so that a wrong one fails now; a page's feed is found, or its list."""
    with opened(context) as container:
        with container.store.write() as tx:
            found = publications.get(tx, publication)
            topic_slug = slug(topic) if topic else None
            fresh = topic_slug is not None and topic_slug not in {t.slug for t in publications.topics(tx, found.id)}
            if topic and topic_slug is not None:
                publications.ensure_topic(tx, found.id, slug=topic_slug, name=topic.strip())
        try:
            added = asyncio.run(
                add_source(
                    container.store,
                    found.id,
                    address,
                    settings=container.settings,
                    now=system_clock(),
                    weight=weight,
                    topic=topic_slug,
                    title=title,
                )
            )
        except BaseException:
            if fresh and topic_slug is not None:
                with container.store.write() as tx:  # a failed command leaves nothing behind
                    publications.drop_unused_topic(tx, found.id, slug=topic_slug)
            raise

    def human() -> None:
        output.say(f"Added source {added.source.id}: {added.source.title} ({added.source.kind}), {added.source.url}")
        if added.note:
            output.say(f"  {added.note}")
        output.say(f"  {len(added.feed.entries)} articles there now, for example:")
        for entry in added.feed.entries[:3]:
            output.say(f"    · {entry.title}")

    document = {"source": added.source, "entries": len(added.feed.entries), "note": added.note}
    output.emit(document, as_json=as_json, human=human)


@app.command("list")
def list_(context: typer.Context, publication: Publication, *, as_json: AsJson = False) -> None:
    """List the sources of a publication with their health."""
    with opened(context) as container, container.store.read() as tx:
        links = sources.list_sources(tx, publications.get(tx, publication).id)
    now = system_clock()
    output.emit_list(
        [_flat(link, now) for link in links] if as_json else links,
        as_json=as_json,
        columns={
            "ID": lambda link: link.source.id,
            "TITLE": lambda link: link.source.title,
            "KIND": lambda link: link.source.kind,
            "TOPIC": lambda link: link.topic,
            "WEIGHT": lambda link: f"{link.weight:g}",
            "ARTICLES": lambda link: link.source.item_count,
            "STATE": lambda link: health(link.source, now=now).words,
            "ADDRESS": lambda link: without_password(link.source.url),
        },
        empty=f"No sources yet. Add one with `digest source add {publication} URL`.",
    )


def _flat(link: SourceLink, now: datetime) -> dict[str, Any]:
    how = health(link.source, now=now)
    told = {"state": how.state, "words": how.words, "silent_for_s": how.silent_for}
    return {**output.jsonable(link.source), "weight": link.weight, "topic": link.topic, **told}


@app.command()
def remove(context: typer.Context, publication: Publication, source: SourceId, *, yes: Yes = False) -> None:
    """Stop using a source; its articles stay in the ledger."""
    output.confirm(f"Remove source {source} from {publication}?", yes=yes)
    with opened(context) as container, container.store.write() as tx:
        if not sources.unlink(tx, publications.get(tx, publication).id, source):
            raise NotFound(f"{publication} has no source {source}", hint=f"see `digest source list {publication}`")
    output.say(f"Removed source {source} from {publication}.")


@app.command()
def pause(context: typer.Context, source: SourceId) -> None:
    """Stop fetching a source for now."""
    _pause(context, source, paused=True)


@app.command()
def resume(context: typer.Context, source: SourceId) -> None:
    """Fetch a paused source again."""
    _pause(context, source, paused=False)


def _pause(context: typer.Context, source: int, *, paused: bool) -> None:
    with opened(context) as container, container.store.write() as tx:
        found = sources.get(tx, source)
        sources.set_paused(tx, source, paused)
    output.say(f"{'Paused' if paused else 'Resumed'} source {source}: {found.title}.")


@app.command()
def check(
    context: typer.Context,
    address: Address,
    *,
    url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what Digest sees: feed, sitemap, OPML, list of articles or article. Writes nothing, needs no project."""
    feed = _read(context, address, url)

    def human() -> None:
        output.say(
            f"{feed.title or '(no title)'}: {feed.kind}, {len(feed.entries)} articles, language {feed.language or '–'}"
        )
        for entry in feed.entries[:20]:
            day = f"{entry.published_at:%Y-%m-%d}" if entry.published_at else "no date   "
            output.say(f"  {day}  {entry.title or entry.url}")
        for child in feed.children[:20]:
            output.say(f"  sitemap    {child}")
        for odd in feed.warnings:
            output.say(f"  ! {odd.message}")

    output.emit(_feed(feed), as_json=as_json, human=human)


def _read(context: typer.Context, address: str, base: str | None, *, as_article: bool = False) -> ParsedFeed:
    """What is at an address, with this call's settings; keeps nothing."""
    settings = settings_module.load(config_of(context))
    return asyncio.run(try_address(address, settings=settings, now=system_clock(), base=base, as_article=as_article))


def _feed(feed: ParsedFeed) -> dict[str, Any]:
    keys = ("title", "url", "guid", "published_at", "updated_at", "author", "summary", "content_html", "image_url")
    entries = [
        {
            **{key: getattr(entry, key) for key in keys},
            "topics": entry.labels,
            "enclosures": entry.enclosures,
        }
        for entry in feed.entries
    ]
    head = {key: getattr(feed, key) for key in ("kind", "title", "home_url", "language", "hub_url", "self_url")}
    return {**head, "entries": entries, "children": feed.children, "warnings": feed.warnings}
