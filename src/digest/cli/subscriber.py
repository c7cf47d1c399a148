"""`digest subscriber …`: readers, one by one and in bulk."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from digest.audience import confirm as confirming
from digest.audience import leave, preferences, subscribe
from digest.audience import suppress as suppressing
from digest.audience.application import Request
from digest.audience.preferences import Change, Choice
from digest.audience.suppress import Standing
from digest.cli import barring, importing, output, segment
from digest.cli.output import AsJson, Yes
from digest.cli.state import now, opened
from digest.mime.address import parse_address
from digest.model.errors import NotFound, NothingToDo
from digest.model.mailbox import Strikes
from digest.model.publication import Publication
from digest.model.subscriber import Format, Subscriber, Subscription, SubscriptionState
from digest.store import bounces, events, publications, subscribers, subscriptions
from digest.store.engine import Tx
from digest.store.enrolment import Enrolment
from digest.store.events import Event
from digest.store.subscribers import PastDelivery

app = typer.Typer(
    name="subscriber",
    help="Readers: add, import, export, look up, change, unsubscribe, suppress, erase.",
    no_args_is_help=True,
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
            container.store,
            publication,
            request=request,
            keyring=container.keyring,
            how="operator",
            now=now(),
            resubscribe=resubscribe,
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
        barred = suppressing.standing(tx, container.keyring, parsed, now=now())
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
        result = leave.unsubscribe_address(
            container.store, container.keyring, publication, email=address, now=now(), how="operator"
        )
    if not result.was_active:
        raise NothingToDo(f"{address} unsubscribed from {publication!r} earlier", hint="nothing changed")
    document = {"email": address, "publication": result.publication_slug, "state": SubscriptionState.UNSUBSCRIBED}
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{address} is unsubscribed from {publication}"))


@app.command("set")
def set_(
    context: typer.Context,
    address: Address,
    *,
    publication: Slug,
    name: Annotated[str | None, typer.Option(help="The reader's name.")] = None,
    locale: Annotated[str | None, typer.Option(help="Language of the mail, such as pt-BR.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA time zone.")] = None,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="A topic to get (repeat it for more).")] = None,
    every_topic: Annotated[bool, typer.Option("--every-topic", help="Every topic, chosen ones or not.")] = False,
    cadence: Annotated[str | None, typer.Option(help="A cadence of the publication.")] = None,
    format_: Annotated[Format | None, typer.Option("--format", help="html (with a text part) or text.")] = None,
    deliver_at: Annotated[str | None, typer.Option(help="Local time, HH:MM; empty for the publication's.")] = None,
    digest: Annotated[bool | None, typer.Option("--digest/--no-digest", help="Whether to get the digest.")] = None,
    alerts: Annotated[bool | None, typer.Option("--alerts/--no-alerts", help="Whether to get alerts.")] = None,
    pause_until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Pause until that day.")] = None,
    pause: Annotated[bool | None, typer.Option("--pause/--resume", help="Pause until resumed, or go on.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change what a reader gets, as they could themselves in their preferences. Exit code 3 when it is so already."""
    with opened(context) as container:
        with container.store.read() as tx:
            paper = publications.get(tx, publication)
        choice = Choice(
            digest=digest,
            alerts=alerts,
            topics=() if every_topic else topic or None,
            cadence=cadence,
            format=format_,
            deliver_at=deliver_at,
            is_paused=pause,
            pause_until=None if pause_until is None else _midnight(pause_until.date(), paper),
        )
        wanted = Change({publication: choice}, name=name, locale=locale, timezone=timezone)
        made = preferences.change_address(
            container.store, container.keyring, publication, email=address, change=wanted, now=now()
        )
    line = f"{made.subscriber.email}: changed, {made.state.value} in {publication}"
    output.emit(_person(made.subscriber, [made]), as_json=as_json, human=lambda: output.say(line))


@app.command()
def confirm(
    context: typer.Context,
    address: Address,
    *,
    publication: Slug,
    why: Annotated[str, typer.Option(help="How the reader agreed; kept as proof of consent.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Confirm a pending reader at your word. Only where they agreed in another way: it is recorded as yours."""
    with opened(context) as container:
        output.confirm(f"Confirm {address} in {publication} without their own confirmation?", yes=yes)
        made = confirming.confirm_address(
            container.store, container.keyring, publication, email=address, why=why, now=now()
        )
    line = f"{made.subscriber.email}: confirmed, {made.state.value} in {publication}"
    output.emit(_person(made.subscriber, [made]), as_json=as_json, human=lambda: output.say(line))


def _midnight(day: date, paper: Publication) -> datetime:
    """The beginning of a day where the publication is."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(paper.timezone))


def _person(subscriber: Subscriber, taken: list[Subscription]) -> dict[str, Any]:
    return {
        "id": subscriber.public_id,
        "email": subscriber.email,
        "name": subscriber.name,
        "locale": subscriber.locale,
        "timezone": subscriber.timezone,
        "created_at": subscriber.created_at,
        "attributes": subscriber.attributes or {},
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
        "digest": item.digest,
        "alerts": item.alerts,
        "deliver_at": None if item.deliver_at is None else f"{item.deliver_at:%H:%M}",
        "paused_until": item.paused_until,
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


# In the order of the help: one reader above, many and what must not be below.
app.command("import")(importing.import_)
app.command()(importing.export)
app.command()(barring.suppress)
app.command()(barring.unsuppress)
app.command()(barring.erase)
app.command()(barring.data)
app.command()(barring.consent)
app.command()(segment.edit)
