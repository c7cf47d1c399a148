"""The preference centre: ``/p/TOKEN``, and ``/PUBLICATION/preferences`` for who has lost the link to it.

Rules: looking changes nothing; a change is one form, answered by a redirect to what is stored then. The link in every
digest is good for ever and gets forwarded with it: what cannot be taken back, or tells who reads (another address, all
data, deletion), takes a link that was mailed to the reader less than a day ago.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.app.container import Container
from digest.app.reader_mails import links_of
from digest.audience import erase, mydata, preferences, readdress
from digest.audience.mails import Post
from digest.audience.preferences import Preferences
from digest.config.secrets import Purpose
from digest.mime.address import parse_address
from digest.model.errors import BadInput, NotFound
from digest.model.publication import Publication
from digest.store import publications
from digest.web.archive import slug_in
from digest.web.forms import Form, address_of, form_of, read_form, require_own_page
from digest.web.pages import SECRET, Pages
from digest.web.settings_view import PAUSE, change_of, view_of
from digest.web.shell import BodyLimit

_PATH = "/p/"
_HOURS = tuple(f"{hour:02}:00" for hour in range(24))
_OPEN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "same-origin"}
#: What a redirect may say, by the id of its words.
_DONE = {"saved": "prefs-saved", "moving": "prefs-move-done", "link": "prefs-fresh-done"}
_FAILED = {"bad-pause": "prefs-bad-pause", "bad": "prefs-bad", "bad-address": "prefs-move-bad"}


class PreferencePages:
    """The pages of one reader's settings."""

    def __init__(self, container: Container, pages: Pages, *, clock: Callable[[], datetime], post: Post) -> None:
        self._container = container
        self._pages = pages
        self._clock = clock
        self._post = post
        self._links = links_of(container)

    def show(self, request: Request) -> Response:
        """Everything there is to choose."""
        token = request.path_params["token"]
        found = self._look(token)
        said = form_of(request.query_params.multi_items())
        return self._gone() if found is None else self._page(found, token, done=_DONE.get(said.text("done"), ""))

    async def act(self, request: Request) -> Response:
        """Save choices, or do what else a form of this page asks for."""
        require_own_page(request, self._container.settings.site.base_url)
        form = await read_form(request)
        return await run_in_threadpool(self._act, request, form)

    def _act(self, request: Request, form: Form) -> Response:
        token = request.path_params["token"]
        found = self._look(token)
        if found is None:
            return self._gone()
        acts: Mapping[str, Callable[[Request, Form, str, Preferences], Response]] = {
            "link": self._mail_link,
            "move": self._move,
            "export": self._export,
            "erase": self._erase,
        }
        what = form.text("act")
        if what not in acts:
            return self._save(request, form, token, found)
        if what != "link" and not self._is_fresh(token):
            return self._page(found, token)
        return acts[what](request, form, token, found)

    def _save(self, request: Request, form: Form, token: str, found: Preferences) -> Response:
        view = view_of(found, languages=self._languages(), now=self._clock())
        try:
            wanted = change_of(form, view)
            preferences.change(
                self._container.store,
                self._links,
                token=token,
                change=wanted,
                address=self._address(request),
                page=_PATH,
                now=self._clock(),
            )
        except BadInput:
            problem = "bad-pause" if PAUSE in dict(form.fields).values() else "bad"
            return self._page(found, token, problem=_FAILED[problem], status=422)
        return self._back(token, "saved")

    def _mail_link(self, request: Request, _form: Form, token: str, found: Preferences) -> Response:
        preferences.send_lost_link(
            self._container.store,
            self._links,
            found.publication.slug,
            email=found.reader.email,
            post=self._post,
            limits=self._container.settings.signup,
            address=self._address(request),
            now=self._clock(),
        )
        return self._back(token, "link")

    def _move(self, _request: Request, form: Form, token: str, found: Preferences) -> Response:
        try:
            readdress.ask(
                self._container.store,
                self._links,
                token=token,
                email=form.text("email", 320),
                post=self._post,
                limits=self._container.settings.signup,
                now=self._clock(),
            )
        except BadInput:
            return self._page(found, token, problem=_FAILED["bad-address"], status=422)
        return self._back(token, "moving")

    def _export(self, _request: Request, _form: Form, token: str, _found: Preferences) -> Response:
        document = mydata.by_link(self._container.store, self._links, token=token, now=self._clock())
        if document is None:
            return self._gone()
        body = json.dumps(document, ensure_ascii=False, indent=2).encode()
        headers = {
            **SECRET,
            "Content-Disposition": 'attachment; filename="my-data.json"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, media_type="application/json", headers=headers)

    def _erase(self, _request: Request, form: Form, token: str, found: Preferences) -> Response:
        """Ask once more, then delete."""
        if form.text("sure") != "yes":
            values = {"token": token, "email": found.email_masked, "publication": found.publication}
            return self._pages.page("erase", values, headers=SECRET)
        erase.erase_by_link(self._container.store, self._links, token=token, now=self._clock())
        return self._pages.message("erased", status=200)

    def _look(self, token: str) -> Preferences | None:
        return preferences.look(self._container.store, self._links, token=token, now=self._clock())

    def _page(
        self, found: Preferences, token: str, *, done: str = "", problem: str = "", status: int = 200
    ) -> Response:
        values = {
            "view": view_of(found, languages=self._languages(), now=self._clock()),
            "publication": found.publication,
            "token": token,
            "leave_token": self._leave_token(found),
            "is_fresh": self._is_fresh(token),
            "hours": _HOURS,
            "done": done,
            "problem": problem,
        }
        return self._pages.page("preferences", values, headers=SECRET, status=status, scripts=True)

    def _leave_token(self, found: Preferences) -> str:
        own = next(one.has for one in found.offers if one.publication.id == found.publication.id)
        return self._container.keyring.sign(Purpose.UNSUBSCRIBE, own.token_id) if own else ""

    def _is_fresh(self, token: str) -> bool:
        """Whether this link was asked for lately: only such links have an end, and a day at most."""
        return self._container.keyring.end_of(Purpose.PREFERENCES, token) is not None

    def _languages(self) -> list[str]:
        return self._pages.languages

    def _back(self, token: str, done: str) -> Response:
        return RedirectResponse(f"{_PATH}{token}?done={done}", 303, headers=SECRET)

    def _gone(self) -> Response:
        slug = self._only_publication()
        values = {
            "what": "prefs-gone",
            "home": f"/{slug}/preferences" if slug else "",
            "button": "lost-button",
        }
        return self._pages.page("had_its_day", values, headers=SECRET, status=404)

    def _only_publication(self) -> str:
        """Where a new link may be asked for: of a link that is refused nothing is known, so only if there is one."""
        with self._container.store.read() as tx:
            known = publications.list_all(tx)
        return known[0].slug if len(known) == 1 else ""

    def _address(self, request: Request) -> str:
        return address_of(request, self._container.settings.site.proxies)

    def show_lost(self, request: Request) -> Response:
        """The form for who has no link."""
        return self._lost(self._publication(slug_in(request)))

    async def send_lost(self, request: Request) -> Response:
        """Mail a link; the same words whoever has the address."""
        require_own_page(request, self._container.settings.site.base_url)
        form = await read_form(request)
        return await run_in_threadpool(self._send_lost, request, form)

    def _send_lost(self, request: Request, form: Form) -> Response:
        publication = self._publication(slug_in(request))
        email = form.text("email", 320)
        try:
            parse_address(email)
        except BadInput:
            return self._lost(publication, email=email, problem="signup-bad-email", status=422)
        sent = preferences.send_lost_link(
            self._container.store,
            self._links,
            publication.slug,
            email=email,
            post=self._post,
            limits=self._container.settings.signup,
            address=self._address(request),
            now=self._clock(),
        )
        if not sent:
            return self._pages.message("many", status=429, headers=_OPEN, more={"Retry-After": "3600"})
        return self._lost(publication, email=email, is_done=True)

    def _lost(
        self, publication: Publication, *, email: str = "", problem: str = "", is_done: bool = False, status: int = 200
    ) -> Response:
        values = {"publication": publication, "email": email, "problem": problem, "is_done": is_done}
        return self._pages.page("lost_link", values, headers=_OPEN, status=status)

    def _publication(self, slug: str) -> Publication:
        with self._container.store.read() as tx:
            try:
                return publications.get(tx, slug)
            except NotFound as error:
                raise HTTPException(404) from error


def routes(pages: PreferencePages) -> list[Route]:
    """``/p/TOKEN`` and ``/PUBLICATION/preferences``."""
    limited = [Middleware(BodyLimit)]
    return [
        Route("/p/{token}", pages.show),
        Route("/p/{token}", pages.act, methods=["POST"], middleware=limited),
        Route("/{publication}/preferences", pages.show_lost),
        Route("/{publication}/preferences", pages.send_lost, methods=["POST"], middleware=limited),
    ]
