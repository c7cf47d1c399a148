"""`digest source`, `digest collect`, `digest article` and `digest why`: what comes in, and what became of it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from digest.app.clock import system_clock
from digest.app.why import why as tell_why
from digest.cli import editing, output
from digest.cli.output import AsJson, Yes
from digest.cli.state import config_of, opened
from digest.collect.check import add_source
from digest.collect.check import check as try_address
from digest.collect.refresh import SourceReport, refresh
from digest.config import settings as settings_module
from digest.curate.pick import slug
from digest.model.article import ParsedArticle, ParsedFeed, SourceLink
from digest.model.errors import BadInput, NotFound
from digest.store import articles, publications, sources
from digest.text.excerpt import teaser
from digest.text.html import paragraphs

app = typer.Typer(no_args_is_help=True, help="Add and look after sources of articles.")
article_app = typer.Typer(no_args_is_help=True, help="Look at articles.")

article_app.command()(editing.pin)
article_app.command()(editing.unpin)
article_app.command()(editing.hide)
article_app.command()(editing.unhide)
article_app.command("teaser")(editing.retell)

Publication = Annotated[str, typer.Argument(metavar="PUBLICATION", help="The publication's slug.")]
Address = Annotated[str, typer.Argument(metavar="URL_OR_PATH", help="A feed's address, a file or a folder.")]
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
    """Add a source: the address is fetched once, so that a wrong one fails now; a page's feed is found."""
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
    output.emit_list(
        [_flat(link) for link in links] if as_json else links,
        as_json=as_json,
        columns={
            "ID": lambda link: link.source.id,
            "TITLE": lambda link: link.source.title,
            "KIND": lambda link: link.source.kind,
            "TOPIC": lambda link: link.topic,
            "WEIGHT": lambda link: f"{link.weight:g}",
            "ARTICLES": lambda link: link.source.item_count,
            "STATE": _health,
            "ADDRESS": lambda link: link.source.url,
        },
        empty=f"No sources yet. Add one with `digest source add {publication} URL`.",
    )


def _flat(link: SourceLink) -> dict[str, Any]:
    return {**output.jsonable(link.source), "weight": link.weight, "topic": link.topic}


def _health(link: SourceLink) -> str:
    if link.source.paused:
        return "paused"
    if link.source.last_error:
        return f"failing ×{link.source.failures}: {link.source.last_error}"
    return "ok" if link.source.last_success_at else "not fetched yet"


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
    """Show what Digest sees at an address. Writes nothing, needs no project."""
    feed = _read(context, address, url)

    def human() -> None:
        output.say(
            f"{feed.title or '(no title)'}: {feed.kind}, {len(feed.entries)} articles, language {feed.language or '–'}"
        )
        for entry in feed.entries[:20]:
            day = f"{entry.published_at:%Y-%m-%d}" if entry.published_at else "no date   "
            output.say(f"  {day}  {entry.title}")
        for odd in feed.warnings:
            output.say(f"  ! {odd.message}")

    output.emit(_feed(feed), as_json=as_json, human=human)


def _read(context: typer.Context, address: str, base: str | None) -> ParsedFeed:
    """What is at an address, with this call's settings; keeps nothing."""
    settings = settings_module.load(config_of(context))
    return asyncio.run(try_address(address, settings=settings, now=system_clock(), base=base))


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
    head = {key: getattr(feed, key) for key in ("kind", "title", "home_url", "language")}
    return {**head, "entries": entries, "warnings": feed.warnings}


def collect(
    context: typer.Context,
    publication: Annotated[str | None, typer.Argument(help="Only this publication's sources.")] = None,
    *,
    all_sources: Annotated[bool, typer.Option("--all", help="Also sources that are not due yet.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch sources that are due and store their new articles. Exits 3 when none is due."""
    with opened(context) as container:
        with container.store.read() as tx:
            chosen = [publications.get(tx, publication)] if publication else publications.list_all(tx)
        with _spinner(quiet=as_json) as progress:
            task = progress.add_task("collecting", total=None)
            reports: list[SourceReport] = []
            for item in chosen:
                reports += asyncio.run(
                    refresh(
                        container.store,
                        item.id,
                        settings=container.settings,
                        now=system_clock(),
                        all_sources=all_sources,
                        progress=lambda report: progress.update(task, description=f"collecting: {report.title}"),
                    )
                )
    if not reports and not as_json:
        output.say("No source is due. Use --all to fetch them anyway.")
        return 3
    output.emit_list(
        reports,
        as_json=as_json,
        columns={
            "SOURCE": lambda report: report.title or report.url,
            "OUTCOME": lambda report: report.outcome,
            "NEW": lambda report: report.new,
            "UPDATED": lambda report: report.updated,
            "TROUBLE": lambda report: report.error or "",
        },
        empty="",
    )
    if not reports:
        return 3
    return 1 if all(report.error for report in reports) else 0


def _spinner(*, quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=output.stderr,
        transient=True,
        disable=quiet or not output.stderr.is_terminal,
    )


@article_app.command()
def extract(
    context: typer.Context,
    address: Address,
    *,
    url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the article Digest reads from a file: title, author, date, paragraphs. Writes nothing."""
    feed = _read(context, address, url)
    if len(feed.entries) != 1:
        raise BadInput(
            f"{address} holds {len(feed.entries)} articles, not one",
            hint=f"see them with `digest source check {address}`",
        )
    entry = feed.entries[0]
    document = _extracted(entry)

    def human() -> None:
        output.say(entry.title)
        output.say(f"{entry.author or 'no author'} · {document['published_at'] or 'no date'}")
        for paragraph in document["paragraphs"]:
            output.say("")
            output.say(paragraph)

    output.emit(document, as_json=as_json, human=human)


def _extracted(entry: ParsedArticle) -> dict[str, Any]:
    blocks = paragraphs(entry.content_html)
    text = "\n\n".join(blocks)
    day = f"{entry.published_at:%Y-%m-%d}" if entry.published_at else None
    return {
        "title": entry.title,
        "author": entry.author,
        "published_at": day if entry.published_is_day else output.instant(entry.published_at),
        "language": entry.language,
        "canonical_url": entry.url or None,
        "image_url": entry.image_url,
        "text": text,
        "paragraphs": list(blocks),
        "excerpt": teaser(entry.summary, title=entry.title, text=text),
    }


@article_app.command("list")
def list_articles(
    context: typer.Context,
    publication: Annotated[str | None, typer.Option(help="Only this publication's.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the articles stored last."""
    with opened(context) as container, container.store.read() as tx:
        key = publications.get(tx, publication).id if publication else None
        found = articles.list_recent(tx, key, limit=limit)
    output.emit_list(
        found,
        as_json=as_json,
        columns={
            "ID": lambda item: item.id,
            "FIRST SEEN": lambda item: item.first_seen_at,
            "SOURCE": lambda item: item.source_title,
            "TITLE": lambda item: item.title,
        },
        empty="No articles yet. `digest collect` fetches them.",
    )


def why(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="URL", help="The article's address, or a local file's path.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell the life of an article: where it was seen, and in which issue it is or why not."""
    with opened(context) as container:
        life = tell_why(container.store, address)
    document = {
        "article": life.article,
        "sightings": life.sightings,
        "verdicts": [
            {"issue": issue.id, "period": issue.period_start, "state": issue.state, **output.jsonable(verdict)}
            for issue, verdict in life.verdicts
        ],
        "sentences": life.sentences,
    }
    output.emit(document, as_json=as_json, human=lambda: output.say("\n".join(life.sentences)))
