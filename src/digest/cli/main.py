"""`digest`: the one door. Registers every command and turns expected failures into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import digest
from digest.cli import output
from digest.cli.state import State
from digest.model.errors import BadInput, DigestError

#: Each command and where it lives. Only what was asked for is imported: all of it together takes seconds.
COMMANDS = {
    "init": "project:init",
    "doctor": "project:doctor",
    "db": "project:db",
    "publication": "publication:app",
    "source": "source:app",
    "article": "article:app",
    "collect": "collect:collect",
    "why": "article:why",
    "run": "run:run",
    "issue": "issue:app",
    "schedule": "schedule:schedule",
    "alert": "alert:alert",
    "subscriber": "subscriber:app",
    "segment": "segment:app",
    "explain": "explain:explain",
    "audit": "audit:app",
    "feedback": "feedback:app",
    "preview": "preview:app",
    "serve": "serve:serve",
    "worker": "worker:worker",
    "tick": "run:tick",
    "demo": "demo:demo",
}


def build(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands, in the order of `COMMANDS`."""
    app = typer.Typer(
        name="digest",
        help="Collect the day's articles, compose one digest, send it provably once.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_globals)
    wanted = set(names)
    for name, place in COMMANDS.items():
        if name in wanted:
            module, _, attribute = place.partition(":")
            target = getattr(import_module(f"digest.cli.{module}"), attribute)
            if isinstance(target, typer.Typer):
                app.add_typer(target, name=name)
            else:
                app.command(name)(target)
    return app


def _version(asked: bool) -> None:
    if asked:
        output.say(f"digest {digest.__version__}")
        sys.exit(0)


def _globals(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration file (default: digest.toml here, or DIGEST_CONFIG).")
    ] = None,
    version: Annotated[  # noqa: ARG001 - eager option, handled in its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    context.obj = State(config)


def run(arguments: list[str]) -> int:
    """Run one command and give its exit code: 0 done, 1 failed, 2 wrong usage or bad input, 3 nothing to do."""
    as_json = "--json" in arguments
    app = build([word for word in arguments if word in COMMANDS] or COMMANDS)
    try:
        result = typer.main.get_command(app).main(args=arguments, prog_name="digest", standalone_mode=False)
    except DigestError as error:
        output.print_error(error, as_json=as_json)
        return error.exit_code
    except typer.TyperException as error:
        return _wrong_usage(error, as_json=as_json)
    except typer.Abort:
        output.note("aborted")
        return 1
    except KeyboardInterrupt:
        output.note("interrupted; nothing is lost, run the command again to go on")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`| head`): nothing more to say, and nobody to say it to
        return 0
    return result if isinstance(result, int) else 0


def _wrong_usage(error: typer.TyperException, *, as_json: bool) -> int:
    context: typer.Context | None = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if "\n" in message or not message:  # a command group called without a command: Typer's message is its help
        output.note(context.get_help() if context else message)
        return BadInput.exit_code
    where = context.command_path if context else "digest"
    output.print_error(BadInput(message.rstrip("."), hint=f"see `{where} --help`"), as_json=as_json)
    return BadInput.exit_code


def main() -> None:
    """Entry point of the ``digest`` command."""
    if sys.argv[1:] == ["--version"]:
        _version(asked=True)  # needs none of the commands: answers at once
    sys.exit(run(sys.argv[1:]))
