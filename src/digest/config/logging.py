"""Logs: JSON lines for machines, aligned colours for people, always on stderr, never an address."""

from __future__ import annotations

import logging
import sys

import structlog
import structlog.tracebacks

from digest.config.settings import LoggingSettings


def configure(settings: LoggingSettings) -> None:
    """Set structlog up once, at the top of the process."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    # Tracebacks without local variables: those hold addresses and tokens.
    traceback = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            traceback if as_json else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
