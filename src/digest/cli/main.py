"""`digest`: the one door. Registers every command and turns expected failures into one line and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import digest
from digest.cli import demo, issue, output, project, publication, source, subscriber
from digest.cli import run as running
from digest.cli.state import State
from digest.model.errors import BadInput, DigestError

app = typer.Typer(
    name="digest",
    help="Collect the day's articles, compose one digest, send it provably once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        output.say(f"digest {digest.__version__}")
        raise typer.Exit


@app.callback()
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


app.command()(project.init)
app.command()(project.doctor)
app.add_typer(project.db, name="db")
app.add_typer(publication.app, name="publication")
app.add_typer(source.app, name="source")
app.add_typer(source.article_app, name="article")
app.command()(source.collect)
app.command()(source.why)
app.command()(running.run)
app.add_typer(issue.app, name="issue")
app.add_typer(subscriber.app, name="subscriber")
app.command()(running.preview)
app.command()(running.serve)
app.command()(running.tick)
app.command()(demo.demo)


def run(arguments: list[str]) -> int:
    """Run one command and give its exit code: 0 done, 1 failed, 2 wrong usage or bad input, 3 nothing to do."""
    as_json = "--json" in arguments
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
    sys.exit(run(sys.argv[1:]))
