"""`digest article` and `digest why`: what the ledger knows of an article, and putting one into it."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from digest.app import pushing
from digest.app.clock import system_clock
from digest.app.pushing import Became, Given, Pushed
from digest.app.record import Record, record_of
from digest.app.why import why as tell_why
from digest.cli import editing, output
from digest.cli.editing import ArticleRef
from digest.cli.output import AsJson
from digest.cli.state import config_of, opened
from digest.collect.extracting import Extracted, extract_from
from digest.config import settings as settings_module
from digest.model.article import Editing
from digest.store import articles, publications
from digest.text import words
from digest.text.excerpt import teaser
from digest.text.html import paragraphs

app = typer.Typer(no_args_is_help=True, help="Look at articles, add one, and decide about them.")

app.command()(editing.pin)
app.command()(editing.unpin)
app.command()(editing.hide)
app.command()(editing.unhide)
app.command("teaser")(editing.retell)

Address = Annotated[str, typer.Argument(metavar="URL_OR_PATH", help="Address of a page, or a file.")]


@app.command()
def add(
    context: typer.Context,
    publication: Annotated[str, typer.Argument(metavar="PUBLICATION", help="The publication's slug.")],
    address: Annotated[
        str,
        typer.Argument(metavar="URL_OR_PATH", help="Address of a page, a file, or - for Markdown from a pipe."),
    ],
    *,
    title: Annotated[str | None, typer.Option(help="Headline (default: the page's own).")] = None,
    summary: Annotated[str | None, typer.Option(help="What it is about (default: the page's own).")] = None,
    source: Annotated[str | None, typer.Option(help="Name of its source for readers (default: its site).")] = None,
    as_json: AsJson = False,
) -> int:
    """Add one article to what the publication's next issue is chosen from. Exits 3 when it was known as it is."""
    given = Given(title, summary, source)
    with opened(context) as container:
        now = system_clock()
        if address == "-":
            raw = sys.stdin.buffer.read(container.settings.collect.max_bytes)
            done = pushing.push_markdown(container, publication, raw, now=now, given=given)
        else:
            done = asyncio.run(pushing.push(container, publication, address, now=now, given=given))
    output.emit({"became": done.became, "article": done.article}, as_json=as_json, human=lambda: _tell_push(done))
    return 3 if done.became is Became.KNOWN else 0


def _tell_push(done: Pushed) -> None:
    article = done.article
    if done.became is Became.KNOWN:
        since = f"{article.first_seen_at:%Y-%m-%d %H:%M} UTC"
        output.say(f"“{article.title}” is known since {since} from {article.source_title}, as article {article.id}.")
        output.say(f"  `digest article pin {article.id} --publication SLUG` has it in the next issue.")
        return
    output.say(f"{'Added' if done.became is Became.ADDED else 'Updated'} article {article.id}: {article.title}")
    output.say(f"  {output.count(article.word_count, 'word')}, source {article.source_title}")


@app.command()
def show(context: typer.Context, article: ArticleRef, *, as_json: AsJson = False) -> None:
    """Show an article as the ledger has it: where it was seen, its story, what editors decided, its text."""
    with opened(context) as container:
        found = record_of(container.store, article)
    output.emit(found, as_json=as_json, human=lambda: _tell(found))


def _tell(found: Record) -> None:
    article = found.article
    dated = article.published_at and f"{article.published_at:{'%Y-%m-%d' if article.published_is_day else _MINUTE}}"
    rows = {
        "address": article.url,
        "source": article.source_title,
        "author": article.author,
        "published": dated,
        "not believed": article.date_problem and f"{article.claimed_at:%Y-%m-%d} ({article.date_problem})",
        "first seen": f"{article.first_seen_at:{_MINUTE}}",
        "updated": article.updated_at and f"{article.updated_at:{_MINUTE}}",
        "language": article.language,
        "topics": ", ".join(article.labels),
        "length": f"{output.count(article.word_count, 'word')}",
        "picture": article.image_url and f"{article.image_url}{f' ({article.image_alt})' if article.image_alt else ''}",
        "copies of it": ", ".join(f"{one.width}×{one.height} {size}" for size, one in found.images.items()),
        "story": found.story and "; ".join(f"{one.title} ({one.source_title})" for one in found.story),
    }
    output.say(f"{article.title}  (article {article.id})")
    for name, value in rows.items():
        if value:
            output.say(f"  {name:<13} {value}")
    for seen in found.sightings:
        output.say(f"  seen          {seen.seen_at:{_MINUTE}} in {seen.source_title}")
    for slug, decided in found.decisions.items():
        output.say(f"  {slug:<13} {_decided(decided)}")
    for paragraph in paragraphs(article.content_html):
        output.say("")
        output.say(paragraph)


_MINUTE = "%Y-%m-%d %H:%M UTC"


def _decided(one: Editing) -> str:
    told = [f"pinned at place {one.pin + 1}"] if one.pin is not None else []
    told += ["hidden"] if one.is_hidden else []
    told += ["recalled"] if one.is_recalled else []
    told += [f"told as “{one.teaser}”"] if one.teaser else []
    return ", ".join(told) or "nothing decided any more"


@app.command()
def extract(
    context: typer.Context,
    address: Address,
    *,
    url: Annotated[str | None, typer.Option(help="Base address for relative links of a local file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the article Digest reads from a page or a file: title, author, date, paragraphs. Writes nothing."""
    settings = settings_module.load(config_of(context))
    found = asyncio.run(extract_from(address, settings=settings, base=url))
    entry, document = found.article, _extracted(found)

    def human() -> None:
        output.say(entry.title)
        output.say(f"{entry.author or 'no author'} · {document['published_at'] or 'no date'}")
        if entry.barrier:
            output.say("  ! only the beginning: the page is for subscribers, or asks for consent or a login first")
        for paragraph in document["paragraphs"]:
            output.say("")
            output.say(paragraph)

    output.emit(document, as_json=as_json, human=human)


def _extracted(found: Extracted) -> dict[str, Any]:
    entry = found.article
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
        "excerpt": teaser(entry.summary, title=entry.title, text=text, language=entry.language),
        "site": found.site or None,
        "reading_minutes": words.reading_minutes(words.count(text), entry.language),
        "barrier": entry.barrier,
    }


@app.command("list")
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
