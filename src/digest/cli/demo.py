"""`digest demo`: everything at once, on this machine alone, ending in a story one can check."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from digest.app.container import Container
from digest.app.demo import performed
from digest.app.demo_acts import Stage
from digest.app.demo_facts import CAST, Check, Performance, examine
from digest.app.demo_story import story
from digest.cli import output
from digest.cli.output import AsJson
from digest.model.errors import DigestError
from digest.web import server
from digest.web.asgi import create_app

_WIDEST = 92


def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="New or empty folder (default: a temporary one).")
    ] = None,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the pages up until Ctrl+C, to click through mails and articles.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Play the whole job with a sample newsroom: collect, compose, send, unsubscribe, audit.

    Needs no network and no configuration, and touches none you have. Mails go into a capture mailbox, to nobody.
    Exit code 1 when something is not as it must be.
    """
    place = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="digest-demo-"))
    return asyncio.run(_demo(place, keep=keep, as_json=as_json))


async def _demo(folder: Path, *, keep: bool, as_json: bool) -> int:
    async with AsyncExitStack() as stage_door:
        with _told(quiet=as_json) as stage:
            played = await stage_door.enter_async_context(performed(folder, site=_site, stage=stage, stays_up=keep))
        checks = examine(played)
        output.emit(
            _document(played, checks, keep=keep), as_json=as_json, human=lambda: _tell(played, checks, keep=keep)
        )
        if keep:
            await _stay_up(played)
    return 0 if all(check.holds for check in checks) else 1


async def _stay_up(played: Performance) -> None:
    output.note(f"The pages are up, {played.addresses['Every mail']} first. Ctrl+C ends it.")
    with server.stop_signal() as stopped:
        await stopped.wait()


def _site(container: Container, port: int) -> AbstractAsyncContextManager[str]:
    return server.serving(create_app(container), host="127.0.0.1", port=port)


@contextmanager
def _told(*, quiet: bool) -> Iterator[Stage]:
    """Steps with check marks on the terminal; silent in pipes."""
    if quiet or not output.stderr.is_terminal:
        yield Stage()
        return
    with output.stderr.status("Starting") as status:
        yield Stage(
            doing=lambda text: status.update(f"{text}…"),
            done=lambda text: output.stderr.print(Text.assemble(("✓ ", "green"), text)),
        )


def _tell(played: Performance, checks: tuple[Check, ...], *, keep: bool) -> None:
    for chapter in story(played):
        _heading(chapter.title)
        for line in chapter.lines:
            _paragraph(line)
        if chapter.title == "What went out":
            _readers(played)
    broken = [check for check in checks if not check.holds]
    if broken:
        for check in broken:
            output.print_error(DigestError(f"this does not hold: {check.what}"), as_json=False)
    else:
        _paragraph(f"All {len(checks)} checks hold.")
    _heading("See for yourself")
    output.say(f"  {played.index.as_uri()}")
    for mail in played.mails:
        output.say(f"  {mail.eml}")
    output.say(f"  {_program()} --config {played.config} issue audit {played.result.issue.id}")
    if keep:
        _heading("Until Ctrl+C")
        width = max(map(len, played.addresses))
        for name, address in played.addresses.items():
            output.say(f"  {name:<{width}}  {address}")
    else:
        output.say("  The sites behind the links in the mails have stopped; --keep leaves them up.")
    output.say(f"  Everything is in {played.folder}: delete it when you have seen enough.")


def _program() -> str:
    """How this program was called, so that the line can be copied (``make demo`` has no `digest` on the PATH)."""
    return sys.argv[0] if Path(sys.argv[0]).name == "digest" else "digest"


def _readers(played: Performance) -> None:
    rows = [(reader, played.mail_to(reader.email)) for reader in CAST]
    counts = {mail.email: len(played.titles_in(mail)) for mail in played.mails}
    table = output.table(
        {
            "": lambda _row: "",
            "READER": lambda row: row[0].email,
            "WANTS": lambda row: row[0].wants,
            "GOT": lambda row: f"{counts[row[0].email]} stories" if row[1] else "nothing",
            "AS": lambda row: ("HTML and text" if row[1].html else "text") if row[1] else None,
        },
        rows,
    )
    output.stdout.print()
    output.stdout.print(table)


def _heading(title: str) -> None:
    output.stdout.print(Text(f"\n{title}", style="bold"))


def _paragraph(line: str) -> None:
    width = min(_WIDEST, output.stdout.width)
    output.say(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))


def _document(played: Performance, checks: tuple[Check, ...], *, keep: bool) -> dict[str, Any]:
    issue, audit, wants = played.result.issue, played.audit, {reader.email: reader.wants for reader in CAST}
    return {
        "holds": all(check.holds for check in checks),
        "folder": played.folder,
        "config": played.config,
        "index": played.index,
        "issue": {
            "id": issue.id,
            "publication": issue.publication_slug,
            "number": issue.number,
            "period": issue.period_start,
            "state": issue.state,
            "subject": issue.subject,
        },
        "sources": played.reports,
        "merged": [
            {"title": merge.title, "source": merge.source, "others": [_copy(*other) for other in merge.others]}
            for merge in played.merges
        ],
        "mails": [
            {
                "email": mail.email,
                "wants": wants.get(mail.email),
                "subject": mail.subject,
                "articles": played.titles_in(mail),
                "eml": mail.eml,
                "text": mail.text,
                "html": mail.html,
                "size_bytes": mail.size_bytes,
            }
            for mail in played.mails
        ],
        "unsubscribed": played.departure,
        "second_run": played.second_run,
        "audit": {
            "audience": audit.tally.audience,
            "counts": {str(state): count for state, count in audit.tally.counts.items()},
            "balanced": audit.is_balanced,
        },
        "checks": checks,
        "pages": played.addresses if keep else {},
    }


def _copy(title: str, source: str) -> dict[str, str]:
    return {"title": title, "source": source}
