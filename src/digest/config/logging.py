"""Logs: JSON lines for machines, aligned colours for people, always on stderr, never an address.

Rules: an event is named noun.verb (`delivery.finished`), its facts are keys beside it. Who logs leaves addresses,
tokens and subject lines out; what texts from outside bring along is masked here, in the last step before writing.
What libraries say through the standard library's logging goes the same way, from warnings up.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from digest.config.settings import LoggingSettings
from digest.text.discreet import discreet


def configure(settings: LoggingSettings, *, unless_told: str = "") -> None:
    """Set logging up at the top of the process.

    ``unless_told``: the level where the operator has set none, for commands that say themselves how it went, with a bar
    meanwhile and a result or one line of error at the end.
    """
    level = settings.level if "level" in settings.model_fields_set else unless_told or settings.level
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_for_machines() if as_json else _for_people()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Asked for at each line, not once: whoever puts another stderr in place (a test does) gets the logs there.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    if not any(isinstance(handler, _FromLibraries) for handler in logging.getLogger().handlers):
        logging.getLogger().addHandler(_FromLibraries(logging.WARNING))


def _for_machines() -> list[structlog.types.Processor]:
    # Tracebacks without local variables: those hold addresses and tokens.
    plain = ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(plain), _mask, structlog.processors.JSONRenderer()]


def _for_people() -> list[structlog.types.Processor]:
    return [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # made text here, so that it is masked like the rest
        _mask,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]


def _mask(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return discreet(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


class _FromLibraries(logging.Handler):
    """Passes what libraries log on, so that every line has one form and none an address."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, "library.warned", logger=record.name, said=record.getMessage(), exc_info=record.exc_info
        )
