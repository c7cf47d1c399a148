"""More of `digest source`: one source in detail, changing it, and lists of feeds in and out."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from digest.app.clock import system_clock
from digest.app.sourcing import Detail, Imported, export_feeds, import_feeds
from digest.app.sourcing import detail as detail_of
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import opened
from digest.collect.troubles import without_password
from digest.curate.pick import slug
from digest.model.errors import BadInput, NotFound
from digest.model.health import span
from digest.model.publication import Publication as PublicationModel
from digest.store import audit, publications, sources
from digest.store.engine import Tx

Publication = Annotated[str, typer.Argument(metavar="PUBLICATION", help="The publication's slug.")]
SourceId = Annotated[int, typer.Argument(metavar="SOURCE", help="Id as `digest source list` shows it.")]


def show(context: typer.Context, source: SourceId, *, as_json: AsJson = False) -> None:
    """Show everything that is known of a source: health, habit, when it is asked next, what its server said."""
    with opened(context) as container:
        found = detail_of(container.store, source, now=system_clock())
    output.emit(_document(found), as_json=as_json, human=lambda: _tell(found))


def _document(found: Detail) -> dict[str, Any]:
    hub = found.hub
    return {
        **output.jsonable(found.source),
        "state": found.health.state,
        "words": found.health.words,
        "silent_for_s": found.health.silent_for,
        "publications": [one.slug for one in found.publications],
        "pages": {str(state): count for state, count in found.pages.items()},
        # neither the secret nor the callback's address: whoever has them may tell us news
        "hub": None
        if hub is None
        else {"hub_url": hub.hub_url, "state": hub.state, "lease_until": hub.lease_until, "detail": hub.detail},
        "history": found.history,
    }


def _tell(found: Detail) -> None:
    source = found.source
    output.say(f"{source.title} ({source.kind}), source {source.id} of {_names(found)}")
    output.say(f"  {without_password(source.url)}")
    rows = {
        "state": f"{found.health.state}: {found.health.words}",
        "last looked at": source.last_polled_at,
        "last success": source.last_success_at,
        "something new": source.last_new_at,
        "next look": None if source.gone_at or source.paused else source.next_poll_at,
        "not before": source.not_before,
        "entries": source.item_count,
        "moving to": source.moved_to and f"{without_password(source.moved_to)}, seen {source.moved_seen} times",
        "longest pauses": ", ".join(f"{day}: {_span(seconds)}" for day, seconds in source.gaps[-5:]),
        "full texts": _pages(found) if source.full_text else "off",
        "certificate": "any is taken" if source.insecure_tls else "",
        "zone of dates": source.timezone,
        "hub": found.hub and f"{found.hub.hub_url}: {found.hub.state}{_reason(found.hub.detail)}",
    }
    for name, value in rows.items():
        if value not in (None, ""):
            output.say(f"  {name:<15} {_shown(value)}")
    for entry in found.history:
        output.say(f"  {entry.at:%Y-%m-%d %H:%M} UTC  {entry.action} by the {entry.actor}: {entry.detail}")


def _names(found: Detail) -> str:
    return ", ".join(one.slug for one in found.publications) or "no publication"


def _shown(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if hasattr(value, "strftime") else str(value)


def _span(seconds: float) -> str:
    return span(timedelta(seconds=seconds))


def _pages(found: Detail) -> str:
    return ", ".join(f"{count} {state}" for state, count in found.pages.items() if count) or "none needed yet"


def _reason(detail: str) -> str:
    return f" ({detail})" if detail else ""


def change(
    context: typer.Context,
    publication: Publication,
    source: SourceId,
    *,
    title: Annotated[str | None, typer.Option(help="Name shown to readers.")] = None,
    weight: Annotated[float | None, typer.Option(min=0.0, max=10.0, help="Weight in ranking, 1 is normal.")] = None,
    topic: Annotated[str | None, typer.Option(help="Topic of its articles; made when it is new; '' for none.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of its dates that say none (Europe/Berlin); '' for UTC.")
    ] = None,
    full_text: Annotated[
        bool | None, typer.Option("--full-text/--no-full-text", help="Fetch pages of which it holds the beginning.")
    ] = None,
    insecure_tls: Annotated[
        bool | None, typer.Option("--insecure-tls/--verify-tls", help="Take any certificate; logged at every fetch.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a source: weight and topic in this publication, the rest wherever it is used."""
    given = {"title": title, "timezone": timezone, "full_text": full_text, "insecure_tls": insecure_tls}
    changed = {name: value for name, value in given.items() if value is not None}
    if not changed and weight is None and topic is None:
        raise BadInput("nothing to change was given", hint="see `digest source set --help` for what can be")
    _check(title, timezone)
    with opened(context) as container:
        with container.store.write() as tx:
            found = publications.get(tx, publication)
            _change_link(tx, found, source, weight=weight, topic=topic)
            sources.configure(
                tx, source, title=title, timezone=timezone, full_text=full_text, insecure_tls=insecure_tls
            )
            if timezone is not None or full_text:
                sources.reread(tx, source)
            if changed:
                detail = ", ".join(f"{name} = {value!r}" for name, value in changed.items())
                about = {"actor": audit.OPERATOR, "action": "source.set", "subject": f"source:{source}"}
                audit.note(tx, at=system_clock(), detail=detail, **about)
        after = detail_of(container.store, source, now=system_clock())
    output.emit(_document(after), as_json=as_json, human=lambda: _tell(after))


def _check(title: str | None, timezone: str | None) -> None:
    if title is not None and not title.strip():
        raise BadInput("the title is empty", hint="give the name that readers are to see")
    if timezone:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise BadInput(f"{timezone!r} is not a time zone", hint="write it as Europe/Berlin") from error


def _change_link(
    tx: Tx, publication: PublicationModel, source: int, *, weight: float | None, topic: str | None
) -> None:
    links = {link.source.id: link for link in sources.list_sources(tx, publication.id)}
    if source not in links:
        raise NotFound(
            f"{publication.slug} has no source {source}", hint=f"see `digest source list {publication.slug}`"
        )
    topic_slug = links[source].topic
    if topic is not None:
        topic_slug = slug(topic) if topic.strip() else None
        if topic_slug:
            publications.ensure_topic(tx, publication.id, slug=topic_slug, name=topic.strip())
    new_weight = links[source].weight if weight is None else weight
    sources.set_link(tx, publication.id, source, weight=new_weight, topic_slug=topic_slug)


def import_(
    context: typer.Context,
    publication: Publication,
    file: Annotated[Path, typer.Argument(metavar="FILE.opml", help="List of feeds that a reader exported.")],
    *,
    topic: Annotated[str | None, typer.Option(help="Topic of all of them (default: their folder in the file).")] = None,
    as_json: AsJson = False,
) -> int:
    """Add the feeds of an OPML file; they are fetched with the next `digest collect`. Repeating it adds none twice."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{file} cannot be read ({error.strerror})", hint="check the path and its permissions"
        ) from error
    with opened(context) as container:
        with container.store.read() as tx:
            found = publications.get(tx, publication)
        done = import_feeds(container.store, found, raw, topic=topic, now=system_clock())
    output.emit(done, as_json=as_json, human=lambda: _tell_import(done, file, found.slug))
    if done.refused and not done.added and not done.known:
        return 1
    return 0 if done.added else 3


def _tell_import(done: Imported, file: Path, name: str) -> None:
    for one in done.refused:
        output.note(f"{file}: feed {one.line}: {one.address or '(nothing)'}: {one.reason}")
    added = output.count(len(done.added), "source")
    output.say(f"Added {added} to {name}; {done.known} there already, {len(done.refused)} refused.")
    if done.added:
        output.say(f"`digest collect {name}` fetches them now.")


def export(
    context: typer.Context,
    publication: Publication,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.opml]", help="Where to write it (default: standard output).")
    ] = None,
) -> None:
    """Write the publication's feeds as OPML, for another reader or another Digest."""
    with opened(context) as container:
        with container.store.read() as tx:
            found = publications.get(tx, publication)
        raw = export_feeds(container.store, found)
    if file is None:
        sys.stdout.buffer.write(raw)
        sys.stdout.flush()
        return
    try:
        file.write_bytes(raw)
    except OSError as error:
        raise BadInput(f"{file} cannot be written ({error.strerror})", hint="check the folder") from error
    output.note(f"Wrote {file}.")
