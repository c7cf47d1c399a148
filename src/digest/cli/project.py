"""`digest init`, `digest doctor` and `digest db`: making an installation and keeping it well."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest.app import doctor as examination
from digest.app import engines, project
from digest.app.container import open_store
from digest.cli import output
from digest.cli.output import AsJson
from digest.cli.state import config_of
from digest.model.errors import SchemaMismatch
from digest.store import migrate

db = typer.Typer(no_args_is_help=True, help="Bring the database schema up or down.")

_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Project folder.")] = Path(),
    *,
    base_url: Annotated[str | None, typer.Option(help="Public address of this site, https://…")] = None,
    database: Annotated[str | None, typer.Option(help="Database address (default: SQLite in the folder).")] = None,
    relay_host: Annotated[str | None, typer.Option(help="SMTP server that takes our mail.")] = None,
    relay_port: Annotated[int | None, typer.Option(help="Its port.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a project folder: digest.toml with every setting, a secret key, the database."""
    asks = sys.stdin.isatty() and not as_json
    if asks and base_url is None:
        base_url = typer.prompt("Public address of this site", default="http://127.0.0.1:8025", err=True)
    if asks and relay_host is None:
        relay_host = typer.prompt("SMTP server", default="127.0.0.1", err=True)
    given = {
        "site.base_url": base_url,
        "database.url": database,
        "relays.default.host": relay_host,
        "relays.default.port": relay_port,
    }
    made = project.create(folder, {key: value for key, value in given.items() if value is not None})

    def human() -> None:
        where = "" if folder == Path() else f"cd {folder} && "
        output.say(f"Made a Digest project in {made.folder.absolute()}")
        output.say(f"  {made.config.name}   settings, all of them commented")
        output.say(f"  {made.key_file.name}    signs every link: back it up, keep it secret")
        output.say("Next:")
        output.say(
            f"  {where}digest publication add morning --name 'The Morning' --from 'The Morning <news@example.com>' \\"
        )
        output.say("    --timezone Europe/Dublin --send-at 07:00 --postal-address 'Street 1, Town'")

    output.emit(made, as_json=as_json, human=human)


def doctor(context: typer.Context, *, as_json: AsJson = False) -> int:
    """Check configuration, keys, database, templates, clock and relays; say what to do about each trouble."""
    checks = examination.examine(config_of(context))

    def human() -> None:
        for check in checks:
            output.stdout.print(_MARKS[check.health.value], end=" ")
            output.say(f"{check.name}: {check.message}")
            if check.remedy:
                output.say(f"    → {check.remedy}")

    output.emit({"items": checks}, as_json=as_json, human=human)
    return 1 if any(check.health is examination.Health.FAIL for check in checks) else 0


@db.command()
def upgrade(
    context: typer.Context, revision: Annotated[str, typer.Argument(help="A version; head is the newest.")] = "head"
) -> None:
    """Bring the schema up to this version of Digest."""
    with open_store(config_of(context)) as (_, store):
        engines.upgrade(store, revision)
        output.say(f"the database is at {migrate.current(store)}")


@db.command()
def downgrade(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(help="A version, -1 for one step, base for none.")],
    *,
    yes: output.Yes = False,
) -> None:
    """Take the schema back; what the newer schema added is lost."""
    output.confirm(f"Take the schema back to {revision}?", yes=yes)
    with open_store(config_of(context)) as (_, store):
        migrate.downgrade(store, revision)
        output.say(f"the database is at {migrate.current(store)}")


@db.command()
def current(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the schema version of the database and the one this program needs."""
    with open_store(config_of(context)) as (_, store):
        document = {"current": migrate.current(store), "needed": migrate.HEAD}
    output.emit(
        document, as_json=as_json, human=lambda: output.say(f"{document['current']} (needed: {document['needed']})")
    )


@db.command()
def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Fail unless the schema is exactly the one this program needs."""
    with open_store(config_of(context)) as (_, store):
        migrate.require_current(store)
        differences = migrate.drift(store)
    if differences:
        raise SchemaMismatch(
            f"the schema differs from the code in {len(differences)} places, first: {differences[0]}",
            hint="somebody changed tables by hand; restore them or run `digest db upgrade`",
        )
    output.emit({"ok": True, "version": migrate.HEAD}, as_json=as_json, human=lambda: output.say("the schema is right"))
