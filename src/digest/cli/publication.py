"""`digest publication`: newsletters, their sender, rhythm and policy."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from digest.app import publishing, rhythms
from digest.app.rhythms import WEEKDAYS
from digest.cli import output
from digest.cli.output import AsJson, Yes
from digest.cli.state import opened
from digest.model.errors import BadInput
from digest.model.publication import Archive, Cadence, CadenceRule, CatchUp, Publication
from digest.store import publications

app = typer.Typer(no_args_is_help=True, help="Add and change publications.")
cadence_app = typer.Typer(no_args_is_help=True, help="The rhythms that readers can choose.")
app.add_typer(cadence_app, name="cadence")

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Short name, as in web addresses.")]
On = Annotated[
    str | None,
    typer.Option("--on", metavar="DAY", help="Day of a weekly (friday) or monthly (1 to 31) issue; else the first."),
]
DaysOff = Annotated[
    str | None,
    typer.Option(metavar="DAYS", help="Days without an issue: 12-25 every year, 2026-05-01 once, with commas between."),
]
From = Annotated[str | None, typer.Option("--from", help="Sender, 'Name <address>'.")]


@app.command()
def add(
    context: typer.Context,
    slug: Slug,
    *,
    name: Annotated[str, typer.Option(help="Name that readers see.")],
    sender: Annotated[str, typer.Option("--from", help="Sender, 'Name <address>'.")],
    postal_address: Annotated[str, typer.Option(help="Postal address shown in every mail (the law asks for one).")],
    timezone: Annotated[str, typer.Option(help="IANA time zone, such as Europe/Dublin.")] = "UTC",
    send_at: Annotated[str, typer.Option(help="Local send time, HH:MM.")] = "07:00",
    cadence: Annotated[CadenceRule, typer.Option(help="Rhythm.")] = CadenceRule.DAILY,
    on: On = None,
    days_off: DaysOff = None,
    max_lateness: Annotated[
        float, typer.Option(help="Hours after the send time at which an issue is still sent.")
    ] = 6.0,
    catch_up: Annotated[CatchUp, typer.Option(help="After downtime: send the latest issue, or none.")] = CatchUp.LATEST,
    reply_to: Annotated[str | None, typer.Option(help="Address that answers go to.")] = None,
    locale: Annotated[str, typer.Option(help="Language of the mail, such as en or de-AT.")] = "en",
    min_items: Annotated[int, typer.Option(min=1, help="Fewer new articles than this: no issue.")] = 1,
    max_items: Annotated[int, typer.Option(min=1, max=100, help="At most this many articles.")] = 20,
    hold_minutes: Annotated[int, typer.Option(min=0, help="Minutes for editors between composing and sending.")] = 0,
    needs_approval: Annotated[
        bool, typer.Option("--needs-approval/--no-approval", help="Send nothing that no editor approved.")
    ] = False,
    max_per_source: Annotated[
        int | None, typer.Option(min=1, max=100, help="At most this many from one source; a fair share otherwise.")
    ] = None,
    max_per_section: Annotated[
        int | None, typer.Option(min=1, max=100, help="At most this many in one section; any number otherwise.")
    ] = None,
    story_days: Annotated[
        int, typer.Option(min=1, max=60, help="A carried story is not carried again for so many days without news.")
    ] = 7,
    archive: Annotated[Archive, typer.Option(help="Who may read issues on the web.")] = Archive.PUBLIC,
    is_indexed: Annotated[bool, typer.Option("--index/--noindex", help="Let search engines list its pages.")] = True,
    theme: Annotated[
        str, typer.Option(help="Look of the mails: meridian, plain, brief, journal, or your own.")
    ] = "meridian",
    as_json: AsJson = False,
) -> None:
    """Add a publication."""
    new = publishing.new_publication(
        slug,
        name=name,
        sender=sender,
        postal_address=postal_address,
        timezone=timezone,
        cadence=rhythms.new_cadence(
            cadence, send_at=send_at, catch_up=catch_up, max_lateness=timedelta(hours=max_lateness), on=on
        ),
        reply_to=reply_to,
        locale=locale,
        min_items=min_items,
        max_items=max_items,
        hold_s=hold_minutes * 60,
        needs_approval=needs_approval,
        max_per_source=max_per_source,
        max_per_section=max_per_section,
        story_days=story_days,
        archive=archive,
        is_indexed=is_indexed,
        days_off=days_off,
        theme=theme,
    )
    with opened(context) as container, container.store.write() as tx:
        publishing.check_theme(theme, container.template_path)
        made = publications.add(tx, new, now=tx.now())
    output.emit(made, as_json=as_json, human=lambda: _describe(made, head=f"Added publication {slug}."))


@app.command("list")
def list_(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List publications."""
    with opened(context) as container, container.store.read() as tx:
        known = publications.list_all(tx)
    output.emit_list(
        known,
        as_json=as_json,
        columns={
            "SLUG": lambda item: item.slug,
            "NAME": lambda item: item.name,
            "CADENCE": _rhythm,
            "TIME ZONE": lambda item: item.timezone,
            "FROM": lambda item: item.sender_email,
        },
        empty="No publications yet. Add one with `digest publication add`.",
    )


@app.command()
def show(context: typer.Context, slug: Slug, *, as_json: AsJson = False) -> None:
    """Show one publication."""
    with opened(context) as container, container.store.read() as tx:
        found = publications.get(tx, slug)
    output.emit(found, as_json=as_json, human=lambda: _describe(found, head=""))


@app.command("set")
def set_(
    context: typer.Context,
    slug: Slug,
    *,
    name: Annotated[str | None, typer.Option(help="Name that readers see.")] = None,
    sender: From = None,
    postal_address: Annotated[str | None, typer.Option(help="Postal address.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone.")] = None,
    send_at: Annotated[str | None, typer.Option(help="Local send time, HH:MM.")] = None,
    on: On = None,
    days_off: DaysOff = None,
    max_lateness: Annotated[float | None, typer.Option(help="Hours.")] = None,
    catch_up: Annotated[CatchUp | None, typer.Option(help="latest or none.")] = None,
    reply_to: Annotated[str | None, typer.Option(help="Address that answers go to.")] = None,
    locale: Annotated[str | None, typer.Option(help="Language of the mail.")] = None,
    min_items: Annotated[int | None, typer.Option(min=1, help="Fewer new articles: no issue.")] = None,
    max_items: Annotated[int | None, typer.Option(min=1, max=100, help="At most this many articles.")] = None,
    hold_minutes: Annotated[int | None, typer.Option(min=0, help="Minutes for editors before sending.")] = None,
    needs_approval: Annotated[
        bool | None, typer.Option("--needs-approval/--no-approval", help="Send nothing that no editor approved.")
    ] = None,
    max_per_source: Annotated[
        int | None, typer.Option(min=0, max=100, help="At most this many from one source; 0: a fair share.")
    ] = None,
    max_per_section: Annotated[
        int | None, typer.Option(min=0, max=100, help="At most this many in one section; 0: any number.")
    ] = None,
    story_days: Annotated[
        int | None, typer.Option(min=1, max=60, help="A carried story is not carried again for so many days.")
    ] = None,
    archive: Annotated[Archive | None, typer.Option(help="Who may read issues on the web.")] = None,
    is_indexed: Annotated[
        bool | None, typer.Option("--index/--noindex", help="Let search engines list its pages.")
    ] = None,
    theme: Annotated[str | None, typer.Option(help="Look of the mails from the next issue on.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a publication; what is not named stays."""
    values: dict[str, Any] = publishing.changes(
        name=name,
        sender=sender,
        postal_address=postal_address,
        timezone=timezone,
        reply_to=reply_to,
        locale=locale,
        min_items=min_items,
        max_items=max_items,
        hold_s=None if hold_minutes is None else hold_minutes * 60,
        needs_approval=needs_approval,
        max_per_source=max_per_source,
        max_per_section=max_per_section,
        story_days=story_days,
        archive=archive,
        is_indexed=is_indexed,
        days_off=days_off,
        theme=theme,
    )
    with opened(context) as container, container.store.write() as tx:
        found = publications.get(tx, slug)
        publishing.check_theme(theme, container.template_path)
        publications.change(tx, found.id, values)
        for rhythm in found.cadences:
            publications.put_cadence(
                tx,
                found.id,
                rhythms.changed_cadence(rhythm, send_at=send_at, catch_up=catch_up, max_lateness_h=max_lateness, on=on),
            )
        found = publications.get(tx, slug)
        publishing.check_item_limits(found.min_items, found.max_items)
    output.emit(found, as_json=as_json, human=lambda: _describe(found, head=f"Changed publication {slug}."))


@cadence_app.command("add")
def add_cadence(
    context: typer.Context,
    slug: Slug,
    rule: Annotated[CadenceRule, typer.Argument(help="Rhythm that readers can choose.")],
    *,
    send_at: Annotated[str, typer.Option(help="Local send time, HH:MM.")] = "07:00",
    on: On = None,
    max_lateness: Annotated[float, typer.Option(help="Hours after the send time at which it is still sent.")] = 6.0,
    catch_up: Annotated[CatchUp, typer.Option(help="After downtime: send the latest, or none.")] = CatchUp.LATEST,
    as_json: AsJson = False,
) -> None:
    """Offer readers another rhythm, or change the one there is; each is an issue of its own."""
    rhythm = rhythms.new_cadence(
        rule, send_at=send_at, catch_up=catch_up, max_lateness=timedelta(hours=max_lateness), on=on
    )
    with opened(context) as container, container.store.write() as tx:
        publications.put_cadence(tx, publications.get(tx, slug).id, rhythm)
        found = publications.get(tx, slug)
    output.emit(found, as_json=as_json, human=lambda: _describe(found, head=f"Publication {slug} now comes {rule}."))


@cadence_app.command("remove")
def remove_cadence(
    context: typer.Context,
    slug: Slug,
    rule: Annotated[CadenceRule, typer.Argument(help="Rhythm to end.")],
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End a rhythm; its readers get the publication's first one that is left."""
    output.confirm(f"End the {rule} issue of {slug}?", yes=yes)
    with opened(context) as container, container.store.write() as tx:
        moved = rhythms.end_cadence(tx, publications.get(tx, slug), rule)
        found = publications.get(tx, slug)
    head = f"Ended the {rule} issue; {output.count(moved, 'reader')} get the {found.cadences[0].name} one."
    output.emit(found, as_json=as_json, human=lambda: _describe(found, head=head))


@app.command()
def remove(context: typer.Context, slug: Slug, *, yes: Yes = False) -> None:
    """Remove a publication that never had an issue."""
    output.confirm(f"Remove publication {slug} with its subscriptions?", yes=yes)
    with opened(context) as container, container.store.write() as tx:
        found = publications.get(tx, slug)
        if not publications.remove(tx, found.id):
            raise BadInput(
                f"publication {slug} has issues; its ledger must stay",
                hint="pause its sources instead, or unsubscribe its readers",
            )
    output.say(f"Removed publication {slug}.")


def _limits(publication: Publication) -> str:
    of_source = "a fair share" if publication.max_per_source is None else f"at most {publication.max_per_source}"
    of_section = "" if publication.max_per_section is None else f", at most {publication.max_per_section} in a section"
    return f"{of_source} from one source{of_section}"


def _rhythm(publication: Publication) -> str:
    return ", ".join(f"{item.rule}{_on(item)} {item.send_at:%H:%M}" for item in publication.cadences)


def _on(cadence: Cadence) -> str:
    if cadence.day is None:
        return ""
    is_weekly = cadence.rule is CadenceRule.WEEKLY
    return f" on {WEEKDAYS[cadence.day - 1] if is_weekly else f'day {cadence.day}'}"


def _editors(publication: Publication) -> str:
    if publication.needs_approval:
        return "must approve each issue"
    return f"have {publication.hold_s // 60} minutes before it is sent" if publication.hold_s else "are not asked"


def _describe(publication: Publication, *, head: str) -> None:
    if head:
        output.say(head)
    rows = {
        "name": publication.name,
        "from": f"{publication.sender_name} <{publication.sender_email}>",
        "sends": f"{_rhythm(publication)} {publication.timezone}",
        "late": ", ".join(f"at most {item.max_lateness}, catch-up {item.catch_up}" for item in publication.cadences),
        "language": publication.locale,
        "items": f"{publication.min_items} to {publication.max_items}, {_limits(publication)}",
        "stories": f"not again for {publication.story_days} days without news",
        "theme": publication.theme,
        "editors": _editors(publication),
        "days off": ", ".join(publication.days_off) or "none",
        "archive": f"{publication.archive}{'' if publication.is_indexed else ', not for search engines'}",
        "address": publication.postal_address,
    }
    for title, value in rows.items():
        output.say(f"  {title:<9} {value}")
