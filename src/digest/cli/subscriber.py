"""`digest subscriber …`: readers, one by one and in bulk."""

from __future__ import annotations

import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from digest.audience import exporting, importing, leave, subscribe
from digest.audience import suppress as suppressing
from digest.audience.application import Request
from digest.audience.exporting import ExportFormat
from digest.audience.importing import ImportReport
from digest.audience.suppress import Standing
from digest.cli import output
from digest.cli.output import AsJson, Yes
from digest.cli.state import opened
from digest.mime.address import parse_address
from digest.model.errors import BadInput, NotFound, NothingToDo
from digest.model.mailbox import Strikes
from digest.model.subscriber import Subscriber, Subscription, SubscriptionState
from digest.store import bounces, events, publications, subscribers, subscriptions
from digest.store.engine import Store, Tx
from digest.store.enrolment import Enrolment
from digest.store.events import Event
from digest.store.subscribers import PastDelivery

app = typer.Typer(
    name="subscriber", help="Readers: add, import, export, look up, unsubscribe, suppress.", no_args_is_help=True
)

Address = Annotated[str, typer.Argument(help="The reader's e-mail address.", show_default=False)]
Slug = Annotated[str, typer.Option("--publication", help="Slug of the publication.", show_default=False)]
_HISTORY = 10


@app.command()
def add(
    context: typer.Context,
    address: Address,
    *,
    publication: Slug,
    name: Annotated[str, typer.Option(help="The reader's name.")] = "",
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="A topic to get (repeat it for more); none for every topic.")
    ] = None,
    cadence: Annotated[str, typer.Option(help="A cadence of the publication; default: its first.")] = "",
    format_: Annotated[str, typer.Option("--format", help="html (with a text part) or text.")] = "",
    timezone: Annotated[str, typer.Option(help="IANA time zone; default: the publication's.")] = "",
    locale: Annotated[str, typer.Option(help="Language of the mail, such as pt-BR; default: the publication's.")] = "",
    consent_source: Annotated[str, typer.Option(help="How the reader agreed.")] = "",
    pending: Annotated[bool, typer.Option("--pending", help="Do not mail until confirmed.")] = False,
    resubscribe: Annotated[
        bool, typer.Option("--resubscribe", help="Bring back somebody who left. Only when they asked for it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Subscribe one reader. Exit code 3 when that changes nothing."""
    request = Request(
        email=address,
        name=name,
        topics=tuple(topic or ()),
        cadence=cadence,
        format=format_,
        timezone=timezone,
        locale=locale,
        status=(SubscriptionState.PENDING if pending else SubscriptionState.ACTIVE).value,
        consent_source=consent_source,
    )
    with opened(context) as container:
        added = subscribe.add(
            container.store, publication, request=request, how="operator", now=_now(), resubscribe=resubscribe
        )
    made = added.subscription
    if added.outcome is Enrolment.KEPT_UNSUBSCRIBED:
        raise NothingToDo(
            f"{made.subscriber.email} unsubscribed from {publication!r} and stays so",
            hint="add --resubscribe if they asked to come back",
        )
    document = _person(made.subscriber, [made]) | {"outcome": added.outcome}
    line = f"{made.subscriber.email}: {added.outcome.value}, {made.state.value} in {publication}"
    output.emit(document, as_json=as_json, human=lambda: output.say(line))
    if added.outcome is Enrolment.UNCHANGED:
        raise typer.Exit(NothingToDo.exit_code)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a header row.", show_default=False)],
    *,
    publication: Slug,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Subscribe the readers of a CSV file; safe to repeat.

    Columns: email (required), name, topics (slugs, separated by ;), cadence, format, timezone, locale, status
    (active, pending, paused, unsubscribed), consent_at, consent_source, consent_proof. A blank cell changes
    nothing. Who unsubscribed stays unsubscribed. Exit code 2 when rows were refused; the others are in.
    """
    with opened(context) as container:
        report = _import(container.store, publication, file=file, dry_run=dry_run)
    output.emit(_report(report), as_json=as_json, human=lambda: _tell(report))
    for warning in report.warnings:
        output.note(f"warning: {warning}")
    if report.refused:
        raise typer.Exit(BadInput.exit_code)


@app.command()
def export(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="Where to write; - for stdout.")] = "-",
    *,
    publication: Slug,
    format_: Annotated[ExportFormat, typer.Option("--format", help="How to write.")] = ExportFormat.CSV,
) -> None:
    """Write every subscription of a publication, in the columns that import reads. Values are not altered."""
    with opened(context) as container:
        if file == "-":
            exporting.export(container.store, publication, stream=sys.stdout, format=format_)
            return
        written = exporting.export_file(container.store, publication, path=Path(file), format=format_)
    output.note(f"{written} subscriptions written to {file}")


@app.command("list")
def list_(
    context: typer.Context,
    *,
    publication: Annotated[str | None, typer.Option(help="Only readers of this publication.")] = None,
    state: Annotated[SubscriptionState | None, typer.Option(help="Only with a subscription in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List readers in the order they came."""
    with opened(context) as container, container.store.read() as tx:
        key = publications.get(tx, publication).id if publication else None
        found = subscribers.list_subscribers(tx, key, state=state, limit=limit)
        total = subscribers.count(tx, key, state=state)
        taken = subscriptions.of_subscribers(tx, [item.id for item in found])
    shown = {item.id: [one for one in taken[item.id] if key in {None, one.publication_id}] for item in found}
    if as_json:
        output.emit_list([_person(item, shown[item.id]) for item in found], as_json=True, columns={}, empty="")
    else:
        columns = {
            "ADDRESS": lambda item: item.email,
            "NAME": lambda item: item.name or None,
            "SUBSCRIPTIONS": lambda item: ", ".join(
                f"{one.publication_slug} ({one.state.value})" for one in shown[item.id]
            ),
        }
        output.emit_list(
            found, as_json=False, columns=columns, empty="No readers yet. Add one with `digest subscriber add`."
        )
    if total > len(found):
        output.note(f"{len(found)} of {total} shown; --limit shows more, `digest subscriber export` all")


@app.command()
def show(context: typer.Context, address: Address, *, as_json: AsJson = False) -> None:
    """Show all that is known of one reader: subscriptions, consent, last deliveries, events."""
    parsed = parse_address(address)
    with opened(context) as container, container.store.read() as tx:
        found = subscribers.by_norm(tx, parsed.norm)
        barred = suppressing.standing(tx, container.keyring, parsed, now=_now())
        if found is None:
            known = f", but the address is suppressed ({barred[0].reason})" if barred else ""
            raise NotFound(f"there is no reader {address}{known}", hint="`digest subscriber list` shows them")
        document = _everything(tx, found, barred)
    output.emit(document, as_json=as_json, human=lambda: _describe(document))


@app.command()
def unsubscribe(
    context: typer.Context, address: Address, *, publication: Slug, yes: Yes = False, as_json: AsJson = False
) -> None:
    """End a subscription at once. Exit code 3 when it was over already."""
    with opened(context) as container:
        output.confirm(f"Unsubscribe {address} from {publication}?", yes=yes)
        result = leave.unsubscribe_address(container.store, publication, email=address, now=_now(), how="operator")
    if not result.was_active:
        raise NothingToDo(f"{address} unsubscribed from {publication!r} earlier", hint="nothing changed")
    document = {"email": address, "publication": result.publication_slug, "state": SubscriptionState.UNSUBSCRIBED}
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{address} is unsubscribed from {publication}"))


@app.command()
def suppress(
    context: typer.Context,
    address: Address,
    *,
    publication: Annotated[str | None, typer.Option(help="For this publication only; default: for all.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="For so many days; default: for good.")] = None,
    why: Annotated[str, typer.Option(help="A note for whoever asks later. Not the address.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Mail nothing more to an address, whether it is a reader's or not. Exit code 3 when it is suppressed already."""
    with opened(context) as container:
        output.confirm(f"Suppress {address} for {publication or 'every publication'}?", yes=yes)
        until = None if days is None else _now() + timedelta(days=days)
        done = suppressing.suppress(
            container.store,
            container.keyring,
            email=address,
            publication_slug=publication,
            why=why,
            until=until,
            now=_now(),
        )
    if not done.is_new:
        raise NothingToDo(f"{done.email} is suppressed already", hint="nothing changed")
    document = {"email": done.email, "publication": publication, "until": until, "is_reader": done.is_reader}
    ending = "for good" if until is None else f"until {output.instant(until)}"
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{done.email} is suppressed {ending}"))


@app.command()
def unsuppress(
    context: typer.Context,
    address: Address,
    *,
    publication: Annotated[str | None, typer.Option(help="For this publication only; default: for all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let an address be mailed again, whatever stood in its way. Exit code 3 when nothing did."""
    with opened(context) as container:
        parsed, changed = suppressing.unsuppress(
            container.store, container.keyring, email=address, publication_slug=publication
        )
    if not changed:
        raise NothingToDo(f"{parsed.email} is not suppressed", hint="nothing changed")
    document = {"email": parsed.email, "publication": publication}
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{parsed.email} may be mailed again"))


def _import(store: Store, publication: str, *, file: Path, dry_run: bool) -> ImportReport:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    try:
        stream = file.open("rb")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}", hint="check the path and its permissions") from error
    with stream, Progress(*columns, console=output.stderr, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("importing", total=max(1, file.stat().st_size), rows=0)

        def advance(rows: int) -> None:
            progress.update(task, completed=stream.tell(), rows=rows)

        return importing.import_csv(store, publication, file=stream, now=_now(), dry_run=dry_run, progress=advance)


def _report(report: ImportReport) -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "taken": report.taken,
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "kept_unsubscribed": report.kept_unsubscribed,
        "refused_count": len(report.refused),
        "refused": report.refused,
        "warnings": report.warnings,
    }


def _tell(report: ImportReport) -> None:
    verb = "would be taken" if report.dry_run else "taken"
    output.say(
        f"{report.taken} rows {verb}: {report.created} created, {report.updated} updated, "
        f"{report.unchanged} unchanged, {report.kept_unsubscribed} kept unsubscribed"
    )
    for row in report.refused:
        output.note(f"line {row.line}: {row.value or '(no address)'}: {row.reason}")
    if report.refused:
        output.note(f"{len(report.refused)} rows refused; correct them and import the file again, which is safe")


def _person(subscriber: Subscriber, taken: list[Subscription]) -> dict[str, Any]:
    return {
        "id": subscriber.public_id,
        "email": subscriber.email,
        "name": subscriber.name,
        "locale": subscriber.locale,
        "timezone": subscriber.timezone,
        "created_at": subscriber.created_at,
        "subscriptions": [_subscription(item) for item in taken],
    }


def _subscription(item: Subscription) -> dict[str, Any]:
    return {
        "publication": item.publication_slug,
        "state": item.state,
        "cadence": item.cadence,
        "format": item.format,
        "topics": item.topics,
        "consent_at": item.consent_at,
        "consent_source": item.consent_source,
        "created_at": item.created_at,
        "unsubscribed_at": item.unsubscribed_at,
    }


def _everything(tx: Tx, found: Subscriber, barred: list[Standing]) -> dict[str, Any]:
    taken = subscriptions.of_subscriber(tx, found.id)
    document = _person(found, taken)
    for item, shown in zip(taken, document["subscriptions"], strict=True):
        shown["consent_proof"] = subscriptions.consent_proofs(tx, item.publication_id, [found.id])[found.id]
    return document | {
        "suppressions": [_plain(item) for item in barred],
        "hindrances": [_plain(item) for item in bounces.of_subscriber(tx, found.id)],
        "deliveries": [_named(item) for item in subscribers.deliveries(tx, found.id, limit=_HISTORY)],
        "events": [_named(item) for item in events.of_subscriber(tx, found.id, limit=_HISTORY)],
    }


def _plain(item: PastDelivery | Event | Standing | Strikes) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _named(item: PastDelivery | Event) -> dict[str, Any]:
    """Its fields, with the publication under the name every other document has."""
    values = _plain(item)
    return {"publication": values.pop("publication_slug")} | values


def _describe(document: dict[str, Any]) -> None:
    output.say(f"{document['email']}  {document['name']}".rstrip())
    facts = {"id": document["id"], "locale": document["locale"], "time zone": document["timezone"]}
    output.say(", ".join(f"{what} {value or '–'}" for what, value in facts.items()))
    for barred in document["suppressions"]:
        where = f"in {barred['publication']}" if barred["publication"] else "everywhere"
        ending = f" until {output.instant(barred['until'])}" if barred["until"] else ""
        output.say(f"suppressed {where}{ending}: {barred['reason']} {barred['detail']}".rstrip())
    for met in document["hindrances"]:
        output.say(
            f"{met['kind']}, {output.count(met['count'], 'time')} in a row since {output.instant(met['first_at'])}"
        )
    consent = {"CONSENT": lambda row: output.instant(row["consent_at"]), "BY": lambda row: row["consent_source"]}
    for title, rows, columns in (
        ("Subscriptions", document["subscriptions"], _keys("publication", "state", "cadence", "format") | consent),
        (
            "Last deliveries",
            document["deliveries"],
            _keys("publication", "number", "state", "sent_at", "reason"),
        ),
        ("Last events", document["events"], _keys("at", "kind", "publication", "detail")),
    ):
        output.say(f"\n{title}")
        output.emit_list(rows, as_json=False, columns=columns, empty="None.")


def _keys(*names: str) -> dict[str, Any]:
    return {name.replace("_", " ").upper(): (lambda row, name=name: row[name]) for name in names}


def _now() -> datetime:
    return datetime.now(UTC)
