"""The preview as a web application: one page, the mail in a frame, and events on every save.

Rules: for this machine only. Requests under another Host are refused (DNS rebinding); no route writes anything
or takes a path; the mail is framed without scripts and forms. Every control has a key and a query parameter,
and the page works without its script, too: each control is a link.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from digest.app.container import Container, open_container
from digest.compose.environment import package_templates
from digest.compose.pictures import picture
from digest.config import settings as settings_module
from digest.store.engine import Store
from digest.web.asgi import utc_now
from digest.web.preview.bench import Bench
from digest.web.preview.changes import Changes
from digest.web.preview.scheme import framed, in_scheme

TABS = ("html", "text", "headers", "source")
WIDTHS = (600, 375)

_HERE = Path(__file__).parent
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'"
_PAGE_POLICY = (
    f"{_CLOSED}; frame-ancestors 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'"
)
_FRAME_POLICY = (
    "default-src 'none'; form-action 'none'; frame-ancestors 'self'; style-src 'unsafe-inline'; "
    "img-src 'self' https: http: data:; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class View:
    """What the address bar says: which tab, how wide, how dark. Anything else in it is ignored."""

    tab: str = "html"
    width: int = 600
    dark: bool = False

    @classmethod
    def of(cls, request: Request) -> View:
        """The view a request asks for."""
        query = request.query_params
        tab = query.get("tab", "html")
        return cls(
            tab if tab in TABS else "html",
            375 if query.get("w") == "375" else 600,
            query.get("dark") == "1",
        )

    def query(self, **changed: object) -> str:
        """The address of this view with something changed; what is default stays out of it."""
        view = replace(self, **changed)  # type: ignore[arg-type]  # called by our own template with field names
        parts = [f"tab={view.tab}"] if view.tab != "html" else []
        parts += [f"w={view.width}"] if view.width != 600 else []
        parts += ["dark=1"] if view.dark else []
        return "/?" + "&".join(parts) if parts else "/"


def preview_app(config: Path | None) -> Starlette:
    """The preview for the project ``config`` names, or the one here; where there is no project, of the sample.

    Raises DigestError when there is a project that cannot be opened. The application closes what it opened.
    """
    settings = settings_module.load(config)
    database = Store(settings.database_url).sqlite_path
    if settings_module.find_config(config) is None and database is not None and not database.exists():
        return create_preview_app(search_path=[settings.path(settings.site.templates)])
    opened = contextlib.ExitStack()
    container = opened.enter_context(open_container(config))
    return create_preview_app(container, on_close=opened.close)


def create_preview_app(
    container: Container | None = None,
    *,
    search_path: Sequence[Path] = (),
    clock: Callable[[], datetime] = utc_now,
    on_close: Callable[[], None] | None = None,
) -> Starlette:
    """The preview of this installation, or of the sample issue where there is none.

    ``search_path`` are folders of own templates; left out, they are the container's. ``on_close`` is called when
    the server has stopped.
    """
    own = tuple(search_path) or (container.template_path if container else ())
    bench = Bench(container, own, clock=clock)
    changes = Changes([*own, package_templates()])
    page = Environment(
        loader=FileSystemLoader(_HERE), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
    ).get_template("preview.html")

    def show(request: Request) -> Response:
        drawn = bench.draw()
        html = page.render(view=View.of(request), drawn=drawn, tabs=TABS, widths=WIDTHS)
        return HTMLResponse(html, headers={**_ALWAYS, "Content-Security-Policy": _PAGE_POLICY})

    def frame(request: Request) -> Response:
        html = framed(in_scheme(bench.last_good_html, dark=View.of(request).dark))
        return HTMLResponse(html, headers={**_ALWAYS, "Content-Security-Policy": _FRAME_POLICY})

    async def events(_request: Request) -> Response:
        return StreamingResponse(changes.stream(), media_type="text/event-stream", headers=_ALWAYS)

    @contextlib.asynccontextmanager
    async def watching(_app: Starlette) -> AsyncIterator[None]:
        watcher = asyncio.create_task(changes.watch(), name="template watcher")
        yield
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        if on_close is not None:
            on_close()

    app = Starlette(
        routes=[
            Route("/", show),
            Route("/frame", frame),
            Route("/events", events),
            Route("/pictures/{name}.png", _picture),
            Route("/preview.css", _asset("preview.css", "text/css")),
            Route("/preview.js", _asset("preview.js", "text/javascript")),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
        ],
        lifespan=watching,
    )
    app.state.on_stop = changes.close
    return app


def _asset(name: str, media_type: str) -> Callable[[Request], Response]:
    def give(_request: Request) -> Response:
        return FileResponse(_HERE / name, media_type=media_type, headers=_ALWAYS)

    return give


def _picture(request: Request) -> Response:
    return Response(
        _drawn(request.path_params["name"]), media_type="image/png", headers={"Cache-Control": "max-age=60"}
    )


@lru_cache(maxsize=32)
def _drawn(name: str) -> bytes:
    return picture(name)
