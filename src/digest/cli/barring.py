"""`digest subscriber suppress`, `unsuppress`, `erase`, `data`, `consent`: what must not be mailed, what is kept."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Annotated

import typer

from digest.audience import erase as erasing
from digest.audience import mydata
from digest.audience import suppress as suppressing
from digest.cli import output
from digest.cli.output import AsJson, Yes
from digest.cli.state import now, opened
from digest.mime.address import parse_address
from digest.model.errors import BadInput, NotFound, NothingToDo
from digest.store import consents, publications, subscribers

Address = Annotated[str, typer.Argument(help="The reader's e-mail address.", show_default=False)]


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
        until = None if days is None else now() + timedelta(days=days)
        done = suppressing.suppress(
            container.store,
            container.keyring,
            email=address,
            publication_slug=publication,
            why=why,
            until=until,
            now=now(),
        )
    if not done.is_new:
        raise NothingToDo(f"{done.email} is suppressed already", hint="nothing changed")
    document = {"email": done.email, "publication": publication, "until": until, "is_reader": done.is_reader}
    ending = "for good" if until is None else f"until {output.instant(until)}"
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{done.email} is suppressed {ending}"))


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
            container.store, container.keyring, email=address, publication_slug=publication, now=now()
        )
    if not changed:
        raise NothingToDo(f"{parsed.email} is not suppressed", hint="nothing changed")
    document = {"email": parsed.email, "publication": publication}
    output.emit(document, as_json=as_json, human=lambda: output.say(f"{parsed.email} may be mailed again"))


def erase(context: typer.Context, address: Address, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Erase a reader for good: subscriptions, name, history. A keyed hash stays, so that no import brings them back.

    For an address that was never a reader's, `digest subscriber suppress` does that.
    """
    with opened(context) as container:
        output.confirm(f"Erase {address} and all that is known about them? This cannot be undone.", yes=yes)
        erasing.erase_address(container.store, container.keyring, email=address, now=now())
    output.emit({"erased": True}, as_json=as_json, human=lambda: output.say("erased; only a keyed hash is kept"))


def data(context: typer.Context, address: Address) -> None:
    """Print everything that is kept about one person, as one JSON document to hand over (GDPR art. 15)."""
    with opened(context) as container:
        document = mydata.of_address(container.store, container.keyring, email=address, now=now())
    output.print_json(document)


def consent(
    context: typer.Context,
    address: Annotated[str | None, typer.Argument(help="Whose consent; none: of everybody in a publication.")] = None,
    *,
    publication: Annotated[
        str | None, typer.Option(help="Without an address: write this publication's whole ledger as JSON Lines.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the consent ledger: who agreed to what, when, where, by which words and which mail."""
    if (address is None) is (publication is None):
        raise BadInput("one of ADDRESS and --publication is needed", hint="name whose consent is to be shown")
    with opened(context) as container, container.store.read() as tx:
        if publication is not None:
            for email_hash, line in consents.pages(tx, publications.get(tx, publication).id):
                document = {"email_hash": email_hash, **output.jsonable(line)}
                sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
            return
        parsed = parse_address(address or "")
        reader = subscribers.by_norm(tx, parsed.norm)
        email_hash = container.keyring.address_hash(parsed.norm)
        lines = consents.of_reader(tx, reader.id if reader else None, email_hash=email_hash)
    if not lines:
        raise NotFound(
            f"nothing is recorded about {parsed.email}", hint="what an import brought: `digest subscriber show`"
        )
    columns = {
        "AT": lambda line: line.at,
        "PUBLICATION": lambda line: line.publication_slug,
        "ACT": lambda line: line.act,
        "DIGEST": lambda line: "yes" if line.digest else "no",
        "ALERTS": lambda line: "yes" if line.alerts else "no",
        "HOW": lambda line: line.origin.how,
        "WHERE": lambda line: line.origin.page or None,
        "NETWORK": lambda line: line.origin.network or None,
        "WORDING": lambda line: line.origin.wording or None,
    }
    output.emit_list(lines, as_json=as_json, columns=columns, empty="")
