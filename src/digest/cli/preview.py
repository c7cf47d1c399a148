"""`digest preview`: the workshop in the browser, and what it can do without one."""

from __future__ import annotations

import asyncio
import contextlib
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import loop, output
from digest.cli.preview_check import check
from digest.cli.state import config_of, opened
from digest.compose.folders import DEFAULT_THEME
from digest.compose.kinds import MailKind
from digest.config import settings as settings_module
from digest.model.errors import BadInput, DigestError
from digest.web import server

app = typer.Typer(
    help="Without a command: show the mails of your templates in the browser, anew on every save. "
    "Nothing leaves this machine."
)

# Not that of `digest serve`: its module brings all of delivery along, and this process is to stay small.
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Kind = Annotated[MailKind, typer.Option(help="Which mail.")]
Kinds = Annotated[list[MailKind] | None, typer.Option("--kind", help="Only this kind of mail; may be repeated.")]
Fixture = Annotated[str, typer.Option(help="Which data: a fixture, live, or issue:ID.")]
Fixtures = Annotated[list[str] | None, typer.Option("--fixture", help="Only this fixture; may be repeated.")]
Theme = Annotated[str, typer.Option(help="Which theme.")]


@app.callback(invoke_without_command=True)
def preview(
    context: typer.Context,
    *,
    port: Port = 8026,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
    kind: Kind = MailKind.DIGEST,
    fixture: Annotated[
        str, typer.Option(help="What to begin with: a fixture, live, or issue:ID; else the last issue.")
    ] = "",
) -> None:
    """Show the mails of your templates in the browser while you work on them; reloads on save.

    Nothing leaves this machine. The page works on 127.0.0.1 only.
    """
    if context.invoked_subcommand is not None:
        return
    from digest.web.preview import preview_app  # noqa: PLC0415 - pulls watchfiles in, which no other command needs

    served = preview_app(config_of(context), kind=kind.value, source=fixture)

    def ready(address: str) -> None:
        output.note(f"Preview at {address}. Save a template and it reloads. Ctrl+C stops it.")
        if open_browser and not webbrowser.open(address):
            raise DigestError("no browser could be opened", hint=f"open {address} yourself")

    server.serve(served, host="127.0.0.1", port=port, on_ready=ready)


def snapshot(
    context: typer.Context,
    *,
    update: Annotated[bool, typer.Option("--update", help="Keep what the mails look like now.")] = False,
    theme: Theme = DEFAULT_THEME,
    kind: Kinds = None,
    fixture: Fixtures = None,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="HTML and text only, also where there is a Chromium.")
    ] = False,
) -> int:
    """Compare the mails with how they were kept in email/snapshots; exit code 1 and the differences, if any."""
    from digest.workshop.snapshot import folder_of, settle, shots  # noqa: PLC0415 - only here

    folders = _folders(config_of(context))
    folder = folder_of(folders, theme)
    taken = list(shots(folders, theme=theme, kinds=kind or (), fixtures=fixture or ()))
    if not taken:
        raise BadInput("there is no such mail", hint="see the names: digest preview check --help")
    is_all = not kind and not fixture
    with _photographing(asked=not no_pictures) as photograph:
        found = settle(taken, folder, updates=update, is_all=is_all, photograph=photograph)
    for difference in found.changed.values():
        output.say(difference)
    _say_new_and_gone(found.new, found.gone)
    total = output.count(len(found.same) + len(found.changed) + len(found.new), "file")
    if update:
        output.say(f"Kept {total} in {folder} ({len(found.changed)} changed, {len(found.new)} new).")
        return 0
    if found.differs:
        output.note(f"{len(found.changed)} of {total} changed. Meant so? digest preview snapshot --update")
        return 1
    output.say(f"All {total} are as they were kept.")
    return 0


@contextlib.contextmanager
def _photographing(*, asked: bool) -> Iterator[Callable[[str, int], bytes] | None]:
    """What photographs pages, None where no browser is or none is asked for."""
    from digest.workshop.browser import BrowserMissing, opened_page  # noqa: PLC0415 - only here
    from digest.workshop.photograph import photographer  # noqa: PLC0415 - the same

    with contextlib.ExitStack() as stack:
        photograph = None
        if asked:
            try:
                photograph = photographer(stack.enter_context(opened_page()))
            except BrowserMissing as missing:
                output.note(f"{missing.message}: HTML and text only")
        yield photograph


def _say_new_and_gone(new: list[str], gone: list[str]) -> None:
    for noun, names in (("not kept yet", new), ("kept, and no longer made", gone)):
        if names:
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            output.say(f"{noun}: {', '.join(names[:6])}{more}")


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an export of before.")],
    *,
    theme: Theme = DEFAULT_THEME,
    kind: Kinds = None,
    fixture: Fixtures = None,
) -> None:
    """Write the mails as plain pages with an index, to show to somebody who has no Digest."""
    from digest.workshop.export import export as write  # noqa: PLC0415 - only here
    from digest.workshop.snapshot import shots  # noqa: PLC0415 - the same

    folders = _folders(config_of(context))
    taken = list(shots(folders, theme=theme, kinds=kind or (), fixtures=fixture or ()))
    if not taken:
        raise BadInput("there is no such mail", hint="leave out --kind and --fixture for all")
    made = write(taken, folder)
    output.say(f"Wrote {output.count(made.mails, 'mail')} as {made.files} files. Open {made.folder / 'index.html'}")


def send(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="One of the addresses in preview.send_to.")],
    *,
    kind: Kind = MailKind.DIGEST,
    fixture: Fixture = "default",
    theme: Annotated[str, typer.Option(help="Which theme; else the publication's.")] = "",
) -> int:
    """Send a mail of your templates to yourself, over the project's own relay; links in it do nothing."""
    from digest.web.preview.asgi import utc_now  # noqa: PLC0415 - only here
    from digest.workshop import posting  # noqa: PLC0415 - the same
    from digest.workshop.desk import Desk  # noqa: PLC0415 - the same
    from digest.workshop.states import State  # noqa: PLC0415 - the same

    with opened(context) as container:
        posting.allowed(container, address)
        desk = Desk(container, container.template_path, clock=utc_now)
        drawn = desk.draw(State(kind.value, fixture, theme=theme))
        if drawn.fault is not None:
            raise DigestError(f"{drawn.fault.place}: {drawn.fault.message}", hint=drawn.fault.hint)
        if drawn.mail is None:
            raise BadInput(drawn.nothing, hint="choose another fixture")

        async def post() -> int:
            assert drawn.mail is not None  # noqa: S101 - narrows the type: looked at above
            status = await posting.send(container, drawn.mail, address, stop=asyncio.Event())
            is_sent, said = posting.told(status, address)
            (output.say if is_sent else output.note)(said)
            return 0 if is_sent else 1

        return loop.run(post())


def copy(
    context: typer.Context,
    templates: Annotated[
        list[str], typer.Argument(metavar="TEMPLATE…", help="Templates or folders, such as theme.toml or digest.")
    ],
) -> None:
    """Copy built-in templates into your own folder to change them; what is there is never overwritten."""
    from digest.workshop.copying import copy as take  # noqa: PLC0415 - only here

    folder = _folders(config_of(context))[0]
    for path in take(templates, folder):
        output.say(f"Copied {path}")


def _folders(config: Path | None) -> tuple[Path, ...]:
    settings = settings_module.load(config)
    return (settings.path(settings.site.templates),)


app.command("check")(check)
app.command("snapshot")(snapshot)
app.command("export")(export)
app.command("send")(send)
app.command("copy")(copy)
