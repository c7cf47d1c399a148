"""`digest segment …` and `digest subscriber edit`: readers chosen by a rule."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from digest.audience import segmenting
from digest.audience.segmenting import Members
from digest.cli import output
from digest.cli.output import AsJson, Yes
from digest.cli.state import now, opened
from digest.model.errors import BadInput
from digest.model.subscriber import Subscription, SubscriptionState
from digest.store import publications, segments

app = typer.Typer(
    name="segment",
    help="Readers chosen by a rule, such as: locale = de and topic = sport and mailed within 30 days.",
    no_args_is_help=True,
)

Slug = Annotated[str, typer.Option("--publication", help="Slug of the publication.", show_default=False)]
Name = Annotated[str, typer.Argument(help="Name of the segment.", show_default=False)]
Rule = Annotated[
    str,
    typer.Argument(
        help="Tests joined by and, or, not and brackets. Fields: state, cadence, format, topic, locale, timezone, "
        "domain, name, source, attribute.NAME (=, !=, in (a, b), contains, is missing); digest, alerts (= yes, = no); "
        "joined, consented, left, mailed (before 2026-11-22, after 2026-11-22, within 30 days, is missing).",
        show_default=False,
    ),
]


@app.command()
def add(context: typer.Context, name: Name, rule: Rule, *, publication: Slug, as_json: AsJson = False) -> None:
    """Check a rule, say whom it chooses now, and keep it under a name."""
    with opened(context) as container:
        made, found = segmenting.add(container.store, publication, name=name, rule=rule, now=now())
    document = {"name": made.name, "rule": made.rule, **_counts(found)}
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{made.name}: {_told(found)}"))


@app.command()
def show(
    context: typer.Context,
    name: Name,
    *,
    publication: Slug,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many readers.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show a segment's rule, and the readers it chooses."""
    with opened(context) as container:
        rule, found = segmenting.members(container.store, publication, name=name, now=now(), limit=limit)
    document = {"name": name, "rule": rule, **_counts(found), "readers": [_reader(item) for item in found.first]}
    output.emit(document, as_json=as_json, human=lambda: _describe(f"{name}: {rule}", found))


@app.command()
def count(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of a segment.")] = "",
    *,
    publication: Slug,
    where: Annotated[str, typer.Option(help="A rule, instead of a segment's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Count the readers a segment or a rule chooses, by the state of their subscription."""
    _one_of(name, where)
    with opened(context) as container:
        rule, found = segmenting.members(container.store, publication, name=name, rule=where, now=now(), limit=0)
    output.emit({"rule": rule, **_counts(found)}, as_json=as_json, human=lambda: output.say(_told(found)))


@app.command("list")
def list_(context: typer.Context, *, publication: Slug, as_json: AsJson = False) -> None:
    """List the segments of a publication."""
    with opened(context) as container, container.store.read() as tx:
        found = segments.of_publication(tx, publications.get(tx, publication).id)
    rows = [{"name": item.name, "rule": item.rule, "created_at": item.created_at} for item in found]
    columns = {"NAME": lambda row: row["name"], "RULE": lambda row: row["rule"]}
    output.emit_list(rows, as_json=as_json, columns=columns, empty="No segments yet. `digest segment add` makes one.")


@app.command()
def remove(context: typer.Context, name: Name, *, publication: Slug, yes: Yes = False, as_json: AsJson = False) -> None:
    """Forget a rule; nobody's subscription changes."""
    with opened(context) as container:
        output.confirm(f"Remove the segment {name} of {publication}?", yes=yes)
        gone = segmenting.remove(container.store, publication, name=name, now=now())
    output.emit({"removed": gone.name}, as_json=as_json, human=lambda: output.say(f"{gone.name} is removed"))


def edit(
    context: typer.Context,
    *,
    publication: Slug,
    segment: Annotated[str, typer.Option(help="Name of the segment whose readers are changed.")] = "",
    where: Annotated[str, typer.Option(help="A rule, instead of a segment's.")] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="name=value; name one of cadence, format, deliver_at, state, locale, timezone."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whom it would change.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set the same of every reader that a segment or a rule chooses. Exit code 3 when it chooses nobody."""
    _one_of(segment, where)
    settings = dict(_pair(text) for text in set_ or [])
    with opened(context) as container:

        def run(*, as_trial: bool) -> Members:
            return segmenting.edit(
                container.store,
                publication,
                name=segment,
                rule=where,
                settings=settings,
                now=now(),
                dry_run=as_trial,
            )

        found = run(as_trial=True)
        if not dry_run:
            output.confirm(f"Change {output.count(found.total, 'reader')} of {publication}?", yes=yes)
            found = run(as_trial=False)
    document = {"dry_run": dry_run, "set": settings, **_counts(found), "readers": [_reader(one) for one in found.first]}
    verb = "would be changed" if dry_run else "changed"
    told = f"{output.count(found.total, 'reader')} {verb}"
    output.emit(document, as_json=as_json, human=lambda: _describe(told, found) if dry_run else output.say(told))


def _one_of(name: str, rule: str) -> None:
    if bool(name) is bool(rule):
        raise BadInput("one of a segment and --where is needed", hint="name a segment, or give a rule")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise BadInput(f"{text[:40]!r} sets nothing", hint="write it as cadence=weekly")
    return name.strip(), value.strip()


def _counts(found: Members) -> dict[str, Any]:
    return {"count": found.total, "by_state": {state.value: number for state, number in found.counts.items()}}


def _told(found: Members) -> str:
    active = found.counts[SubscriptionState.ACTIVE]
    others = ", ".join(
        f"{number:,} {state}"
        for state, number in found.counts.items()
        if number and state is not SubscriptionState.ACTIVE
    )
    return f"{output.count(found.total, 'reader')}, {active:,} active{f', {others}' if others else ''}"


def _reader(item: Subscription) -> dict[str, Any]:
    return {"email": item.subscriber.email, "state": item.state, "cadence": item.cadence, "topics": item.topics}


def _describe(title: str, found: Members) -> None:
    output.say(title)
    output.say(_told(found))
    columns = {
        "ADDRESS": lambda item: item.subscriber.email,
        "STATE": lambda item: item.state.value,
        "CADENCE": lambda item: item.cadence,
        "TOPICS": lambda item: ", ".join(item.topics) or None,
    }
    output.emit_list(found.first, as_json=False, columns=columns, empty="Nobody.")
    if found.total > len(found.first):
        output.note(f"{len(found.first)} of {found.total:,} shown")
