"""What a browser sent: fields of a form as clean text, who sent it, and from which page.

Rules: a field is one line without control characters, and no longer than it can need to be; what cannot be read is a
request that was not understood (400), never a fault. The peer is the peer, unless the operator named proxies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest.text.wording import one_line
from digest.web.shell import BODY_LIMIT

_FIELDS = 200
_LONGEST = 500

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Form:
    """The fields, in the order they came."""

    fields: tuple[tuple[str, str], ...] = ()

    def text(self, name: str, longest: int = _LONGEST) -> str:
        """The last value of a field, on one line and cut to ``longest``; "" where there is none."""
        found = [value for key, value in self.fields if key == name]
        return found[-1][:longest] if found else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(value[:_LONGEST] for key, value in self.fields if key == name)

    def has(self, name: str) -> bool:
        """Whether a field came and is not empty: a ticked box, a pressed button."""
        return bool(self.text(name))


def form_of(pairs: Iterable[tuple[str, object]]) -> Form:
    """Fields as clean text; files are passed over."""
    return Form(tuple((name, one_line(_unbroken(value))) for name, value in pairs if isinstance(value, str)))


async def read_form(request: Request) -> Form:
    """The form in a request's body, in either of its two encodings. Raises HTTPException 400 and 413."""
    async with request.form(max_files=0, max_fields=_FIELDS, max_part_size=BODY_LIMIT) as form:
        return form_of(form.multi_items())


def _unbroken(text: str) -> str:
    """Without what is no character by itself: half a surrogate pair cannot be stored, nor be sent back."""
    return text.encode("utf-8", "ignore").decode("utf-8")


def address_of(request: Request, proxies: Sequence[Network]) -> str:
    """The IP address a request came from: behind proxies of ours, the first one that none of them has."""
    peer = request.client.host if request.client else ""
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    while hops and _is_within(peer, proxies):
        peer = hops.pop()
    return peer


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def require_own_page(request: Request, base_url: str) -> None:
    """Refuse a form that a page of another site sent (403). Browsers say so; what says nothing is no browser's.

    ``Sec-Fetch-Site`` first: a page that sends no referrer sends ``Origin: null`` even to itself (Fetch, 3.2).
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise HTTPException(403)
        return
    origin = request.headers.get("origin")
    if origin in {None, "null"}:
        return
    said = urlsplit(str(origin)).netloc
    if said not in {urlsplit(base_url).netloc, request.headers.get("host", "")}:
        raise HTTPException(403)


def language_of(request: Request) -> str:
    """The language a browser asks for first, as a BCP 47 tag; "" where it says none."""
    first = request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
    return first if first.replace("-", "").isalnum() and first.isascii() and len(first) <= 35 else ""
