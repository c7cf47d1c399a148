"""HTML pages in one look, and the headers each of them is sent with.

Rules: every response of the public site is made here, so none goes out without its security headers. Pages need
no script, no cookie and nothing from another host; their one style sheet is inside them and named in the
Content-Security-Policy by its hash. Colours and fonts are those of the mail (``email/theme.toml``).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from digest.compose.environment import templates, theme, words_of
from digest.web.around import Parts
from digest.web.strings import ENGLISH

#: Never stored, never indexed, never passed on: for pages whose address is a secret (mail-standards E8).
SECRET = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}
#: Anybody's, for a while: issues and articles hardly change once they are out.
PUBLIC = {"Cache-Control": "public, max-age=300", "Referrer-Policy": "same-origin"}

_ALWAYS = {"X-Content-Type-Options": "nosniff"}
_NO_FRAME = {"X-Frame-Options": "DENY"}
_OPEN = "default-src 'none'; base-uri 'none'"
_CLOSED = f"{_OPEN}; frame-ancestors 'none'"
#: A mail shown as a page: inline styles and pictures, nothing that runs, nothing that submits.
MAIL_POLICY = f"{_CLOSED}; form-action 'none'; style-src 'unsafe-inline'; img-src https: http: data:"


class Pages:
    """The site's templates with their style sheet. Raises TemplateBroken when the operator's theme is."""

    def __init__(self, search_path: Sequence[Path] = ()) -> None:
        self._env = templates(search_path)
        self._env.globals["t"] = _say
        self._style = _style_sheet(self._env)
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode("ascii")
        self._style_hash = f"'sha256-{digest}'"

    def page(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        headers: Mapping[str, str],
        status: int = 200,
        pictures: bool = False,
        scripts: bool = False,
        frames: bool = False,
        is_framed: bool = False,
    ) -> HTMLResponse:
        """The page of template ``web/<name>.html``.

        ``pictures`` lets it show images of other hosts, ``scripts`` run this site's own (`web.scripts`), ``frames``
        show pages of this site in it. ``is_framed``: other sites may show it in theirs.
        """
        # The style sheet holds no value of a request, and its hash above is over exactly these characters.
        style = Markup(self._style)  # noqa: S704 - our own file and checked theme values
        html = self._env.get_template(f"web/{name}.html").render({"lang": "en", "style": style, **values})
        allowed = {
            "; img-src https: http:": pictures,
            "; script-src 'self'; connect-src 'self'": scripts,
            "; frame-src 'self'": frames,
        }
        policy = f"{_OPEN}; form-action 'self'; style-src {self._style_hash}"
        policy += "".join(rule for rule, holds in allowed.items() if holds)
        policy += "; frame-ancestors *" if is_framed else "; frame-ancestors 'none'"
        return respond(html, policy=policy, headers=headers, status=status)

    @property
    def theme(self) -> Mapping[str, Mapping[str, str]]:
        """The operator's colours and fonts."""
        return theme(self._env)

    @property
    def languages(self) -> list[str]:
        """The languages that mails can be written in, English first."""
        return ["en", *(tag for tag in words_of(self._env).languages() if tag != "en")]

    @property
    def env(self) -> Environment:
        """The templates, for what is no page by itself."""
        return self._env

    def source(self, name: str) -> str:
        """A file of the templates as it is."""
        assert self._env.loader is not None  # noqa: S101 - narrows the type: `templates` sets one
        return self._env.loader.get_source(self._env, name)[0]

    def parts(self, name: str) -> Parts:
        """The three templates in ``web/<name>/`` that stand around a page made elsewhere."""
        head, top, bottom = (self._env.get_template(f"web/{name}/{part}.html") for part in ("head", "top", "bottom"))
        return Parts(head, top, bottom)

    def message(
        self,
        name: str,
        *,
        status: int,
        headers: Mapping[str, str] = SECRET,
        more: Mapping[str, str] | None = None,
        is_framed: bool = False,
    ) -> HTMLResponse:
        """A page that says one thing: strings ``<name>-title`` and ``<name>-text``; ``more`` are further headers."""
        values = {"title": ENGLISH[f"{name}-title"], "text": ENGLISH[f"{name}-text"]}
        return self.page("message", values, headers={**headers, **(more or {})}, status=status, is_framed=is_framed)


def respond(html: str, *, policy: str, headers: Mapping[str, str], status: int = 200) -> HTMLResponse:
    """A response with the headers every page has, its own policy, and ``headers``."""
    frame = {} if "frame-ancestors *" in policy else _NO_FRAME
    return HTMLResponse(html, status, headers={**_ALWAYS, **frame, "Content-Security-Policy": policy, **headers})


def _say(string_id: str, /, **values: object) -> Markup:
    return Markup(escape(ENGLISH[string_id])).format_map(values)  # noqa: S704 - escaped here; format escapes values


def _style_sheet(env: Environment) -> str:
    tables = theme(env)
    light = _variables({**tables["light"], **tables["fonts"]})
    dark = _variables(tables["dark"])
    assert env.loader is not None  # noqa: S101 - narrows the type: `templates` sets one
    rules, _, _ = env.loader.get_source(env, "web/site.css")
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}"


def _variables(values: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in values.items())
