"""The public site: its routes, and what is said when something is not as it should be.

Rules: handlers parse, call a stage or the store, and render; those that touch the store are plain functions,
which Starlette runs in its thread pool. No cookie and no session anywhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.app.answering import Answers
from digest.app.container import Container
from digest.app.latest import Latest
from digest.app.reader_mails import ReaderMails
from digest.collect.refresh import takes_hubs
from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.model.errors import StoreUnavailable
from digest.store import migrate
from digest.web import (
    archive,
    confirming,
    embedding,
    images,
    leave,
    listing,
    preferences,
    scripts,
    signing_up,
    websub,
)
from digest.web.pages import Pages
from digest.web.shell import RequestLog

_MESSAGES = {403: "not-ours", 404: "not-found", 405: "not-allowed", 413: "too-large"}


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def create_app(
    container: Container,
    *,
    clock: Callable[[], datetime] = utc_now,
    beside: Sequence[Route] = (),
    engine: Engine | None = None,
) -> Starlette:
    """The public site of this installation, and what is served ``beside`` it (`web.metrics`).

    ``engine`` is woken up for mails to readers; without one, who delivers finds them within a second.
    Raises TemplateBroken when the operator's theme is.
    """
    pages = Pages(container.template_path)
    post = ReaderMails(container, engine or LocalEngine())
    answers = Answers(container, post, clock=clock)
    box = signing_up.SignUpPages(container, pages, clock=clock, answers=answers, latest=Latest(container))

    def health(_request: Request) -> Response:
        return _health(container)

    def refused(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        extra = error.headers if isinstance(error, HTTPException) else None
        return pages.message(_MESSAGES.get(status, "bad-request"), status=status, more=extra)

    def unavailable(_request: Request, _error: Exception) -> Response:
        return pages.message("unavailable", status=503, more={"Retry-After": "60"})

    def failed(_request: Request, _error: Exception) -> Response:
        return pages.message("failed", status=500)

    app = Starlette(
        routes=[
            Route("/healthz", health),
            *beside,
            *(websub.routes(container, clock=clock) if takes_hubs(container.settings) else ()),
            *scripts.routes(pages),
            *leave.routes(leave.LeavePages(container, pages, clock=clock, post=post)),
            *confirming.routes(confirming.ConfirmPages(container, pages, clock=clock, post=post)),
            *preferences.routes(preferences.PreferencePages(container, pages, clock=clock, post=post)),
            *images.routes(container),
            *listing.routes(container, pages),
            *archive.routes(container, pages),
            *embedding.routes(container, pages),
            *signing_up.routes(box),
        ],
        lifespan=_closing(answers),
        middleware=[Middleware(RequestLog)],
        exception_handlers={HTTPException: refused, StoreUnavailable: unavailable, Exception: failed},
    )
    app.router.redirect_slashes = False
    return app


def _closing(answers: Answers) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(answers.close)

    return lifespan


def _health(container: Container) -> Response:
    """200 when the database answers. What is wrong with it is for the log and `digest doctor`, not for strangers."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    try:
        migrate.current(container.store)
    except StoreUnavailable:
        return JSONResponse({"status": "unavailable"}, 503, headers=headers)
    return JSONResponse({"status": "ok"}, headers=headers)
