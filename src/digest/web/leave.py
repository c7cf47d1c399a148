"""Leaving by link: ``/u/TOKEN``, for people and for mailbox providers (RFC 8058).

Rules: GET and HEAD never change anything, because link scanners open every link. POST leaves, at once and as
often as it is repeated, without cookie, login or redirect (RFC 8058 §3.1, §3.2, §6). The answer to a forged
link is the same for every forgery; a link we signed gets 200 even when its subscriber is long gone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app.container import Container
from digest.audience.leave import LeaveResult, find_by_token, unsubscribe_by_token
from digest.web.pages import SECRET, Pages
from digest.web.shell import BODY_LIMIT, BodyLimit


def routes(container: Container, pages: Pages, *, clock: Callable[[], datetime]) -> list[Route]:
    """``/u/{token}`` for GET, HEAD and POST."""
    store, keyring = container.store, container.keyring

    def ask(request: Request) -> Response:
        found = find_by_token(store, keyring, token=request.path_params["token"])
        return _page(pages, found, has_left=found is not None and not found.was_active)

    async def leave(request: Request) -> Response:
        how = "one-click" if await is_one_click(request) else "page"
        return await run_in_threadpool(act, request.path_params["token"], how)

    def act(token: str, how: str) -> Response:
        return _page(pages, unsubscribe_by_token(store, keyring, token, now=clock(), how=how), has_left=True)

    limited = [Middleware(BodyLimit)]
    return [Route("/u/{token}", ask), Route("/u/{token}", leave, methods=["POST"], middleware=limited)]


async def is_one_click(request: Request) -> bool:
    """Whether the body is that of RFC 8058 §3.1, in either of its two encodings.

    A body that cannot be read is not one, and is no reason to keep anybody: a POST to the link is wish enough.
    """
    try:
        async with request.form(max_files=4, max_fields=20, max_part_size=BODY_LIMIT) as form:
            value = form.get("List-Unsubscribe")
    except HTTPException as error:
        if error.status_code != 400:  # 413 from the body limit stays an answer of its own
            raise
        return False
    return isinstance(value, str) and value.strip().lower() == "one-click"


def _page(pages: Pages, found: LeaveResult | None, *, has_left: bool) -> Response:
    if found is None:
        return pages.message("bad-link", status=404)
    if not found.publication_name:  # erased since it was mailed
        return pages.message("gone", status=200)
    values = {"publication": found.publication_name, "email": found.email_masked}
    return pages.page("left" if has_left else "leave", values, headers=SECRET)
