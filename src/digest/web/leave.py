"""Leaving by link: ``/u/TOKEN``, for people and for mailbox providers (RFC 8058), and ``/b/TOKEN``, the way back.

Rules: GET and HEAD never change anything, because link scanners open every link. POST leaves, at once and as
often as it is repeated, without cookie, login or redirect (RFC 8058 §3.1, §3.2, §6). The answer to a forged
link is the same for every forgery; a link we signed gets 200 even when its subscriber is long gone. Whoever left on
the page may take it back there; a mail client's request gets no way back, since nobody reads its answer.
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
from digest.app.reader_mails import links_of
from digest.audience.leave import (
    LeaveResult,
    Softer,
    find_by_token,
    find_departure,
    say_why,
    take_less,
    undo,
    unsubscribe_by_token,
)
from digest.audience.mails import Post
from digest.model.errors import BadInput, NotFound
from digest.web.forms import Form, form_of, read_form, require_own_page
from digest.web.pages import SECRET, Pages
from digest.web.shell import BODY_LIMIT, BodyLimit

#: What may be said about why, by one tap; the ids are what is stored.
REASONS = ("too-many", "not-for-me", "never", "looks", "other")


class LeavePages:
    """The pages around leaving."""

    def __init__(self, container: Container, pages: Pages, *, clock: Callable[[], datetime], post: Post) -> None:
        self._container = container
        self._pages = pages
        self._clock = clock
        self._post = post

    def ask(self, request: Request) -> Response:
        """The question, with one button, and softer choices below it."""
        found = find_by_token(self._container.store, self._container.keyring, token=request.path_params["token"])
        return self._page(found, has_left=found is not None and not found.was_active)

    async def leave(self, request: Request) -> Response:
        """Leave, or take less."""
        form = await sent_form(request)
        token = request.path_params["token"]
        if is_one_click(form):
            return await run_in_threadpool(self._leave, token, "one-click")
        if instead := next((one for one in Softer if one == form.text("instead")), None):
            return await run_in_threadpool(self._take_less, token, instead)
        return await run_in_threadpool(self._leave, token, "page")

    def _leave(self, token: str, how: str) -> Response:
        found = unsubscribe_by_token(
            self._container.store,
            self._container.keyring,
            token,
            now=self._clock(),
            how=how,
            links=links_of(self._container),
            post=self._post,
        )
        return self._page(found, has_left=True, with_undo=how == "page")

    def _take_less(self, token: str, instead: Softer) -> Response:
        try:
            found = take_less(
                self._container.store, self._container.keyring, token=token, instead=instead, now=self._clock()
            )
        except (BadInput, NotFound) as error:  # no longer on offer since the page was opened
            raise HTTPException(400) from error
        if found is None or not found.publication_name or not found.was_active:
            return self._page(found, has_left=True)
        return self._pages.page("less", {"found": found, "instead": instead.value}, headers=SECRET)

    def _page(self, found: LeaveResult | None, *, has_left: bool, with_undo: bool = False) -> Response:
        if found is None:
            return self._pages.message("bad-link", status=404)
        if not found.publication_name:  # erased since it was mailed
            return self._pages.message("gone", status=200)
        values = {
            "publication": found.publication_name,
            "only_alerts": found.only_alerts,
            "slug": found.publication_slug,
            "email": found.email_masked,
            "softer": found.softer,
            "undo": found.undo_token if with_undo else "",
            "reasons": REASONS,
        }
        return self._pages.page("left" if has_left else "leave", values, headers=SECRET)

    def ask_back(self, request: Request) -> Response:
        """The button that takes leaving back."""
        token = request.path_params["token"]
        found = find_departure(self._container.store, self._container.keyring, token=token, now=self._clock())
        if found is None:
            return self._undo_gone()
        return self._pages.page("undo", {"found": found, "what": "undo"}, headers=SECRET)

    async def take_back(self, request: Request) -> Response:
        """Take leaving back; or, with a reason, say why."""
        require_own_page(request, self._container.settings.site.base_url)
        form = await read_form(request)
        return await run_in_threadpool(self._take_back, request.path_params["token"], form.text("why"))

    def _take_back(self, token: str, why: str) -> Response:
        store, keyring, now = self._container.store, self._container.keyring, self._clock()
        if why in REASONS:
            said = say_why(store, keyring, token=token, reason=why, now=now)
            return self._pages.page("thanks", {"undo": token}, headers=SECRET) if said else self._undo_gone()
        found = undo(store, keyring, token=token, now=now)
        if found is None:
            return self._undo_gone()
        what = "undone" if found.is_done else "undo-over"
        return self._pages.page("undo", {"found": found, "what": what}, headers=SECRET)

    def _undo_gone(self) -> Response:
        return self._pages.page(
            "had_its_day", {"what": "undo-gone", "home": "", "button": ""}, headers=SECRET, status=404
        )


def routes(pages: LeavePages) -> list[Route]:
    """``/u/{token}`` and ``/b/{token}`` for GET, HEAD and POST."""
    limited = [Middleware(BodyLimit)]
    return [
        Route("/u/{token}", pages.ask),
        Route("/u/{token}", pages.leave, methods=["POST"], middleware=limited),
        Route("/b/{token}", pages.ask_back),
        Route("/b/{token}", pages.take_back, methods=["POST"], middleware=limited),
    ]


async def sent_form(request: Request) -> Form:
    """The fields of a request to leave. A body that cannot be read is none, and no reason to keep anybody."""
    try:
        async with request.form(max_files=4, max_fields=20, max_part_size=BODY_LIMIT) as form:
            return form_of(form.multi_items())
    except HTTPException as error:
        if error.status_code != 400:  # 413 from the body limit stays an answer of its own
            raise
        return Form()


def is_one_click(form: Form) -> bool:
    """Whether the body is that of RFC 8058 §3.1, in either of its two encodings."""
    return form.text("List-Unsubscribe").strip().lower() == "one-click"
