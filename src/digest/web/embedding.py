"""``/PUBLICATION/embed``: the sign-up box for other sites, as code to copy, each kind live beside its code."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app.container import Container
from digest.model.errors import NotFound
from digest.model.publication import Publication
from digest.store import publications
from digest.web.archive import slug_in
from digest.web.pages import Pages
from digest.web.signing_up import TRAP

_HEADERS = {"Cache-Control": "no-cache", "X-Robots-Tag": "noindex", "Referrer-Policy": "same-origin"}
KINDS = ("link", "form", "frame")


@dataclass(frozen=True, slots=True)
class Snippet:
    """Code for another site. ``kind`` is link, form or frame."""

    kind: str
    code: str


def snippets(publication: Publication, base_url: str, *, env: Environment) -> tuple[Snippet, ...]:
    """The code of each kind of embed, for a site whose pages are at ``base_url``."""
    values = {"publication": publication, "base_url": base_url.rstrip("/"), "trap": TRAP, "lang": "en"}
    made = ((kind, env.get_template(f"web/embeds/{kind}.html").render(values).strip()) for kind in KINDS)
    return tuple(Snippet(kind, code) for kind, code in made)


def routes(container: Container, pages: Pages) -> list[Route]:
    """The page of snippets."""

    def show(request: Request) -> Response:
        with container.store.read() as tx:
            try:
                publication = publications.get(tx, slug_in(request))
            except NotFound as error:
                raise HTTPException(404) from error
        values = {
            "publication": publication,
            "snippets": snippets(publication, container.settings.site.base_url, env=pages.env),
        }
        return pages.page("embed", values, headers=_HEADERS, scripts=True, frames=True)

    return [Route("/{publication}/embed", show)]
