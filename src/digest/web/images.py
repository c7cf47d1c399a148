"""Our own copies of pictures at ``/images/HASH.jpg``.

Rules: the name is the content's hash, so what is there never changes and may be kept by anybody for good; nothing
about the reader who asks is looked at or written down.
"""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app.container import Container
from digest.store import images

_NAME = re.compile(r"[0-9a-f]{64}")
#: A year is the longest that makes sense (RFC 9111 §5.2.2.1); immutable: not even a reload asks again (RFC 8246).
_FOR_GOOD = "public, max-age=31536000, immutable"


def routes(container: Container) -> list[Route]:
    """The route of pictures."""

    def picture(request: Request) -> Response:
        name: str = request.path_params["name"]
        if not _NAME.fullmatch(name):
            raise HTTPException(404)
        headers = {
            "Cache-Control": _FOR_GOOD,
            "ETag": f'"{name}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'",
            "Cross-Origin-Resource-Policy": "cross-origin",  # web mail shows it from another origin
        }
        if f'"{name}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        with container.store.read() as tx:
            content = images.content(tx, name)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="image/jpeg", headers=headers)

    return [Route("/images/{name}.jpg", picture)]
