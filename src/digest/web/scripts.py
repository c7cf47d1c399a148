"""The few scripts of our own that help pages along: each a file of ``templates/web``, each at an address of its own.

Rules: no page needs one (but for a proof of work, where the operator asks for it), and no page runs any other.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.web.feeds import etag
from digest.web.pages import Pages

NAMES = ("box", "embed", "copy", "settings")


def routes(pages: Pages) -> list[Route]:
    """``/box.js`` and its like; no publication can be called so."""
    return [Route(f"/{name}.js", _giving(pages.source(f"web/{name}.js"))) for name in NAMES]


def _giving(source: str) -> Callable[[Request], Response]:
    body = source.encode()
    headers = {
        "Cache-Control": "public, max-age=3600",
        "ETag": etag(body),
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }

    def give(request: Request) -> Response:
        if etag(body) in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="text/javascript", headers=headers)

    return give
