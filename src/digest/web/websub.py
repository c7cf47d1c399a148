"""Where hubs reach us: ``/websub/TOKEN`` (W3C WebSub).

Rules: a token nobody has is 404 for everything. What is delivered gets 202 also when its signature is wrong, so that
a forger learns nothing (WebSub §7.1); reading it happens after the answer's decision and never in the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from random import SystemRandom

import structlog
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.app.collecting import tell_stories
from digest.app.container import Container
from digest.collect import websub
from digest.collect.websub import PATH, Asked
from digest.model.errors import DigestError, FeedMalformed
from digest.store import websub as stored
from digest.web.shell import BodyLimit

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
#: A hub sends the entries that are new; this is more than any of them sends, and less than would hurt.
_MAX_BODY_BYTES = 5_000_000
_MAX_CHALLENGE_CHARS = 1000

log = structlog.get_logger("web")


def routes(container: Container, *, clock: Callable[[], datetime]) -> list[Route]:
    """The callback, for GET (do we want this?) and POST (here is news)."""
    store = container.store

    def asked(request: Request) -> Response:
        query = request.query_params
        lease = query.get("hub.lease_seconds", "")
        question = Asked(
            mode=query.get("hub.mode", ""),
            topic=query.get("hub.topic", ""),
            challenge=query.get("hub.challenge", "")[:_MAX_CHALLENGE_CHARS],
            lease_s=int(lease) if lease.isascii() and lease.isdigit() and len(lease) < 12 else None,
            reason=query.get("hub.reason", ""),
        )
        challenge = websub.answer(store, request.path_params["token"], question, now=clock())
        return PlainTextResponse(challenge or "", 404 if challenge is None else 200, headers=_HEADERS)

    async def delivered(request: Request) -> Response:
        token, body = request.path_params["token"], await request.body()
        if await run_in_threadpool(_is_unknown, container, token):
            return PlainTextResponse("", 404, headers=_HEADERS)
        headers = {name: request.headers.get(name, "") for name in ("content-type", "x-hub-signature")}
        now = clock()
        has_news = await run_in_threadpool(_take, container, token, body, headers=headers, now=now)
        # After the answer: hubs count slow callbacks as failed ones.
        task = BackgroundTask(_tell_stories, container, now=now) if has_news else None
        return PlainTextResponse("", 202, headers=_HEADERS, background=task)

    path = PATH + "/{token}"
    limited = [Middleware(BodyLimit, limit=_MAX_BODY_BYTES)]
    return [Route(path, asked, methods=["GET"]), Route(path, delivered, methods=["POST"], middleware=limited)]


def _is_unknown(container: Container, token: str) -> bool:
    with container.store.read() as tx:
        return stored.by_token(tx, token) is None


def _take(container: Container, token: str, body: bytes, *, headers: Mapping[str, str], now: datetime) -> bool:
    """Whether the delivery brought something to the ledger."""
    try:
        report = websub.receive(
            container.store,
            token,
            body,
            content_type=headers["content-type"],
            signature=headers["x-hub-signature"],
            full_text=container.settings.collect.full_text,
            languages=container.settings.collect.languages,
            now=now,
            rng=SystemRandom(),
        )
    except FeedMalformed as error:
        log.warning("websub.malformed", error=error.message)
        return False
    if report is None:
        return False
    log.info("websub.delivered", source=report.source_id, new=report.new, updated=report.updated)
    return bool(report.new or report.updated)


def _tell_stories(container: Container, *, now: datetime) -> None:
    try:
        tell_stories(container.store, now=now)
    except DigestError as error:  # the next run that collects tells them
        log.warning("websub.untold", error=error.message, hint=error.hint)
