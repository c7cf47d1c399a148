"""The workshop as a web application: one page for each state, the mail in frames, and events on every save.

Rules: for this machine only. Requests under another Host are refused (DNS rebinding); no route takes a path or
changes a template; the mail is framed without scripts and forms. Every control has a key and a query parameter, and
the page works without its script, too: each control is a link or a form. Drawing is done in threads, never in the
event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlencode

from anyio import to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from digest.app.container import Container, open_container
from digest.compose.fixtures import PICTURES
from digest.compose.pictures import picture
from digest.config import settings as settings_module
from digest.store.engine import Store
from digest.web import images
from digest.web.preview.actions import Actions, Answer
from digest.web.preview.changes import Changes
from digest.web.preview.page import Page
from digest.workshop.clients import Client, simulate
from digest.workshop.desk import Desk
from digest.workshop.scheme import framed
from digest.workshop.states import HEAD, Scheme, State, parse

ASSETS = {
    "workshop.css": "text/css",
    "workshop.js": "text/javascript",
    "frames.js": "text/javascript",
    "keys.js": "text/javascript",
    "palette.js": "text/javascript",
    "difference.js": "text/javascript",
}

_THREADS = 4
_HERE = Path(__file__).parent
_PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'"
)
# Fixtures ask nobody; the pictures of real articles may be their publishers'.
_FRAME_POLICY = (
    "default-src 'none'; form-action 'none'; frame-ancestors 'self'; style-src 'unsafe-inline'; "
    "img-src 'self' data:{others}; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def utc_now() -> datetime:
    """The time by the system's clock. Not that of `web.asgi`, which brings the readers' pages along."""
    return datetime.now(UTC)


def preview_app(config: Path | None, *, kind: str = "", source: str = "") -> Starlette:
    """The preview for the project ``config`` names, or the one here; where there is no project, of the fixtures.

    ``kind`` and ``source`` choose what it begins with. Raises DigestError when there is a project that cannot be
    opened. The application closes what it opened.
    """
    settings = settings_module.load(config)
    database = Store(settings.database_url).sqlite_path
    if settings_module.find_config(config) is None and database is not None and not database.exists():
        return create_preview_app(search_path=[settings.path(settings.site.templates)], first=(kind, source))
    with contextlib.ExitStack() as opening:
        container = opening.enter_context(open_container(config))
        later = contextlib.ExitStack()
        app = create_preview_app(container, first=(kind, source), on_close=later.close)
        later.push(opening.pop_all())  # from here on the application closes it
    return app


def create_preview_app(
    container: Container | None = None,
    *,
    search_path: Sequence[Path] = (),
    first: tuple[str, str] = ("", ""),
    clock: Callable[[], datetime] = utc_now,
    on_close: Callable[[], None] | None = None,
) -> Starlette:
    """The workshop of this installation, or of the fixtures where there is none.

    ``search_path`` are folders of own templates; left out, they are the container's. ``first`` is the kind and source
    that it begins with. ``on_close`` is called when the server has stopped.
    """
    own = tuple(search_path) or (container.template_path if container else ())
    desk = Desk(container, own, clock=clock)
    shop = _Workshop(desk, Actions(desk, token_urlsafe(24), clock), first)

    @contextlib.asynccontextmanager
    async def watching(_app: Starlette) -> AsyncIterator[None]:
        # One draws at a time; more threads would only be more memory.
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        watcher = asyncio.create_task(shop.changes.watch(), name="template watcher")
        yield
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        desk.last_commit.close()
        if on_close is not None:
            on_close()

    app = Starlette(
        routes=[
            Route("/", shop.start),
            Route("/go", shop.go),
            Route("/preview/{kind}", shop.show),
            Route("/frame/{kind}", shop.frame),
            Route("/mail/{kind}", shop.mail),
            Route("/marks", shop.marks),
            Route("/act/{name}", shop.act, methods=["POST"]),
            Route("/events", shop.events),
            Route("/pictures/{name}.png", _picture),
            Route("/assets/{name}", _asset),
            *(images.routes(container) if container else ()),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
        ],
        lifespan=watching,
    )
    app.state.on_stop = shop.changes.close
    return app


class _Workshop:
    """The routes over one desk."""

    def __init__(self, desk: Desk, actions: Actions, first: tuple[str, str]) -> None:
        self.changes = Changes(desk.folders, lambda: desk.generation)
        self._desk = desk
        self._actions = actions
        self._first = first
        self._pages = Environment(
            loader=FileSystemLoader(_HERE / "pages"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def start(self, _request: Request) -> Response:
        """What was asked for at the start; else the project's newest issue, or the default fixture."""
        kind, source = self._first
        choices = self._desk.choices()
        if not source and self._desk.container is not None and kind in {"", choices.kinds[0]}:
            from digest.workshop import live  # noqa: PLC0415 - see `workshop.sources`

            source = live.newest_issue(self._desk.container) or ""
        kind = kind or choices.kinds[0]
        state = State(kind, source or choices.fixtures[kind][0])
        return RedirectResponse(state.address(), 303, headers=_ALWAYS)

    def go(self, request: Request) -> Response:
        """From a form's fields to the address of the state they mean."""
        said = {key: value for key, value in request.query_params.items() if value}
        kind = said.pop("kind", "")
        state, notes = parse(kind, urlencode(said), self._desk.choices())
        if notes:
            return self._page(state, notes)
        return RedirectResponse(state.address(), 303, headers=_ALWAYS)

    def show(self, request: Request) -> Response:
        state, notes = self._state(request)
        return self._page(state, notes)

    def frame(self, request: Request) -> Response:
        """The mail alone, as a client shows it."""
        state, _ = self._state(request)
        drawn = self._desk.draw(state.changed(vs=""), head=state.vs == HEAD)
        html = "" if drawn.mail is None else _as_shown(drawn.mail.mapped, drawn.mail.rendered.text, state)
        policy = _FRAME_POLICY.format(others=" https:" if state.is_real else "")
        return HTMLResponse(framed(self._served_here(html)), headers={**_ALWAYS, "Content-Security-Policy": policy})

    def _served_here(self, html: str) -> str:
        """The HTML with the pictures that fixtures draw, and our own copies, from this server."""
        html = html.replace(f"{PICTURES}/", "/pictures/")
        container = self._desk.container
        return html.replace(f"{container.settings.site.base_url}/images/", "/images/") if container else html

    def mail(self, request: Request) -> Response:
        """The whole mail as a file."""
        state, _ = self._state(request)
        drawn = self._desk.draw(state)
        if drawn.mail is None:
            raise HTTPException(404, "There is no mail of this state.")
        named = {"Content-Disposition": f'attachment; filename="{state.kind}.eml"'}
        return Response(drawn.mail.eml, media_type="message/rfc822", headers={**_ALWAYS, **named})

    def marks(self, _request: Request) -> Response:
        """Look at the default of every kind, so that the page can say how each stands."""
        choices = self._desk.choices()
        for kind in choices.kinds:
            self._desk.mark(self._desk.draw(State(kind, choices.fixtures[kind][0])))
        return Response(status_code=204, headers=_ALWAYS)

    async def act(self, request: Request) -> Response:
        answer = await self._actions.take(request.path_params["name"], request)
        return await run_in_threadpool(self._page, answer.state, (), answer)

    async def events(self, _request: Request) -> Response:
        return StreamingResponse(self.changes.stream(), media_type="text/event-stream", headers=_ALWAYS)

    def _state(self, request: Request) -> tuple[State, tuple[str, ...]]:
        return parse(request.path_params["kind"], request.url.query, self._desk.choices())

    def _page(self, state: State, notes: Sequence[str], answer: Answer | None = None) -> Response:
        page = Page(
            self._desk,
            state,
            notes,
            self._actions.token,
            told=answer.told if answer else (),
            extra=answer.findings if answer else (),
        )
        html = self._pages.get_template("workshop.html").render(page=page)
        return HTMLResponse(html, headers={**_ALWAYS, "Content-Security-Policy": _PAGE_POLICY})


def _as_shown(html: str, text: str, state: State) -> str:
    """The HTML as the state's client and scheme show it."""
    client = Client(state.client)
    if client is Client.TEXT:
        return simulate(text, client, dark=state.scheme is not Scheme.LIGHT)
    shown = simulate(html, client, dark=state.scheme is Scheme.DARK)
    if state.scheme is Scheme.FORCED and client is not Client.FORCED_DARK:
        shown = simulate(shown, Client.FORCED_DARK)
    if not state.with_images and client is not Client.IMAGES_OFF:
        shown = simulate(shown, Client.IMAGES_OFF, dark=state.scheme is Scheme.DARK)
    return shown


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404)
    return FileResponse(_HERE / "assets" / name, media_type=ASSETS[name], headers=_ALWAYS)


def _picture(request: Request) -> Response:
    return Response(
        _drawn(request.path_params["name"]), media_type="image/png", headers={"Cache-Control": "max-age=60"}
    )


@lru_cache(maxsize=32)
def _drawn(name: str) -> bytes:
    return picture(name)
