"""`/metrics`: the numbers for a monitoring system, and who may read them.

Rules: they tell strangers how many readers there are and how the sending goes, so nobody reads them by accident.
With a token set, whoever shows it reads, from anywhere, and nobody else. Without one the peer must be on this machine
or in a private network, and must be the asker itself: behind a proxy every peer is the proxy. So where the public
address is not this listener's own (https, or a public name), the pages' port asks for a token, and a port of its own
(`--metrics-port`) serves the neighbourhood. No header is believed for this: a proxy may add one, or may not.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.app.metrics import Metrics
from digest.config.secrets import read_password
from digest.config.settings import Settings
from digest.model.errors import ConfigInvalid
from digest.web.shell import RequestLog

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_SHORTEST_TOKEN = 16
_READS = ("GET", "HEAD")
#: This machine and private networks (RFC 1918, RFC 4193, link-local); not those a carrier shares among strangers.
_NEAR = [
    ip_network(name)
    for name in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
]


def route(settings: Settings, metrics: Metrics, *, own_port: bool = False) -> Route:
    """The page; ``own_port``: on a listener that nothing is published through. Raises ConfigInvalid for the token."""
    admit = _gate(settings, own_port=own_port)

    def page(request: Request) -> Response:
        if request.method not in _READS:
            raise HTTPException(405, headers={"Allow": ", ".join(_READS)})
        if refusal := admit(request):
            return refusal
        text, content_type = metrics.page(request.headers.get("accept", ""))
        return Response(text, headers={**_HEADERS, "Content-Type": content_type})

    # All of them, or what is posted here would be posted to a publication of this name.
    return Route("/metrics", page, methods=[*_READS, "POST", "PUT", "PATCH", "DELETE"])


def metrics_app(settings: Settings, metrics: Metrics) -> Starlette:
    """The numbers on a port of their own."""
    app = Starlette(routes=[route(settings, metrics, own_port=True)])
    app.add_middleware(RequestLog)
    return app


def _gate(settings: Settings, *, own_port: bool) -> Callable[[Request], Response | None]:
    """What gives the refusal of a request that may not read them."""
    if settings.metrics.token_file is not None:
        expected = f"Bearer {_token(settings.path(settings.metrics.token_file))}".encode()

        def by_token(request: Request) -> Response | None:
            if hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
                return None
            return _refusal(401, "A bearer token is needed", {"WWW-Authenticate": "Bearer"})

        return by_token

    # Where the public address is a public one, a proxy stands in front, and the peer says nothing about who asks.
    is_direct = own_port or _is_near(urlsplit(settings.site.base_url).hostname)

    def by_place(request: Request) -> Response | None:
        if is_direct and request.client is not None and _is_near(request.client.host):
            return None
        return _refusal(403, "Not without a token", {})

    return by_place


def _refusal(status: int, why: str, more: Mapping[str, str]) -> Response:
    return PlainTextResponse(
        f"{why}: see metrics.token_file and --metrics-port in Digest's documentation.\n",
        status,
        headers={**_HEADERS, **more},
    )


def _token(path: Path) -> str:
    token = read_password(path)
    if len(token) < _SHORTEST_TOKEN:
        raise ConfigInvalid(
            f"metrics.token_file: the token in {path} is too short to keep anybody out",
            hint=f"write one of {_SHORTEST_TOKEN} characters or more, such as `openssl rand -hex 32` makes",
        )
    return token


def _is_near(host: str | None) -> bool:
    """Whether a host is this machine or in a private network, going by its address; names are not looked up."""
    if host is None or host == "localhost":
        return host is not None
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _NEAR)
