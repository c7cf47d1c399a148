"""Buttons of mails that act once: ``/c/TOKEN`` confirms a subscription, ``/a/TOKEN`` a new address.

Rules: GET and HEAD show a button and change nothing, because scanners open every link; POST acts, and may be repeated.
Every link that is refused is refused in the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app.container import Container
from digest.app.reader_mails import links_of
from digest.audience import confirm, readdress
from digest.audience.confirm import Confirmation
from digest.audience.mails import Post
from digest.audience.readdress import Readdressed
from digest.config.secrets import Purpose
from digest.store import publications, signups
from digest.web.forms import address_of, require_own_page
from digest.web.pages import SECRET, Pages
from digest.web.shell import BodyLimit


class ConfirmPages:
    """The button pages."""

    def __init__(self, container: Container, pages: Pages, *, clock: Callable[[], datetime], post: Post) -> None:
        self._container = container
        self._pages = pages
        self._clock = clock
        self._post = post
        self._links = links_of(container)
        self._limits = container.settings.signup

    def ask(self, request: Request) -> Response:
        """The button that confirms a subscription."""
        token = request.path_params["token"]
        found = confirm.look(self._container.store, self._links, token=token, limits=self._limits, now=self._clock())
        return self._confirmation(found, token)

    async def confirm(self, request: Request) -> Response:
        """Confirm it."""
        require_own_page(request, self._container.settings.site.base_url)
        return await run_in_threadpool(self._confirm, request)

    def _confirm(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = confirm.confirm(
            self._container.store,
            self._links,
            token=token,
            post=self._post,
            limits=self._limits,
            address=address_of(request, self._container.settings.site.proxies),
            page="/c/",
            now=self._clock(),
        )
        return self._confirmation(found, token)

    def _confirmation(self, found: Confirmation | None, token: str) -> Response:
        if found is None:
            values = {"what": "confirm-gone", "home": self._sign_up_again(token), "button": "confirm-gone-button"}
            return self._pages.page("had_its_day", values, headers=SECRET, status=404)
        name = "confirmed" if found.is_done else "confirm"
        return self._pages.page(name, {"publication": found.publication, "found": found}, headers=SECRET)

    def _sign_up_again(self, token: str) -> str:
        """Where somebody with a genuine link that is too old can ask for a new one; "" for any other."""
        token_id = self._container.keyring.verify(Purpose.CONFIRM, token)
        if token_id is None:
            return ""
        with self._container.store.read() as tx:
            request = signups.seen_by_token(tx, token_id.partition("~")[0])
            return f"/{publications.by_id(tx, request.publication_id).slug}" if request else ""

    def ask_move(self, request: Request) -> Response:
        """The button that puts a new address in the place of the old one."""
        found = readdress.look(
            self._container.store, self._links, token=request.path_params["token"], now=self._clock()
        )
        return self._move(found)

    async def move(self, request: Request) -> Response:
        """Do it."""
        require_own_page(request, self._container.settings.site.base_url)
        return await run_in_threadpool(self._moved, request)

    def _moved(self, request: Request) -> Response:
        found = readdress.confirm(
            self._container.store,
            self._links,
            token=request.path_params["token"],
            post=self._post,
            address=address_of(request, self._container.settings.site.proxies),
            now=self._clock(),
        )
        return self._move(found, is_asked=False)

    def _move(self, found: Readdressed | None, *, is_asked: bool = True) -> Response:
        if found is None:
            values = {"what": "move-gone", "home": "", "button": ""}
            return self._pages.page("had_its_day", values, headers=SECRET, status=404)
        what = "moved" if found.is_done else "move-taken"
        return self._pages.page("move", {"found": found, "what": "move" if is_asked else what}, headers=SECRET)


def routes(pages: ConfirmPages) -> list[Route]:
    """``/c/TOKEN`` and ``/a/TOKEN``."""
    limited = [Middleware(BodyLimit)]
    return [
        Route("/c/{token}", pages.ask),
        Route("/c/{token}", pages.confirm, methods=["POST"], middleware=limited),
        Route("/a/{token}", pages.ask_move),
        Route("/a/{token}", pages.move, methods=["POST"], middleware=limited),
    ]
