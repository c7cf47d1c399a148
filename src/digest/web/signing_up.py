"""The sign-up box: ``/PUBLICATION``, and the same in a frame of another site at ``/PUBLICATION/box``.

Rules: the page answers alike whether or not an address is known, and before anybody looks; which mail it is worth is
decided behind it (`app.answering`). A form is taken from any site, as embeds need it, and from no robot: it carries a
token of this site that is some seconds old. Whoever has none presses once more, on our page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.app.answering import Answers
from digest.app.container import Container
from digest.app.latest import Latest
from digest.app.publishing import RESERVED
from digest.audience import proofofwork, signup
from digest.audience.signup import SignUpForm, SignUpResult, Taken
from digest.compose.context import DigestContext
from digest.mime.address import parse_address
from digest.model.errors import BadInput, NotFound
from digest.model.publication import Cadence, Publication, Topic
from digest.store import publications
from digest.text.wording import clock_time
from digest.web.archive import found_by, slug_in
from digest.web.forms import Form, address_of, form_of, language_of, read_form
from digest.web.pages import Pages
from digest.web.providers import inbox_of
from digest.web.reader_strings import WORDING
from digest.web.shell import BodyLimit

#: Looked at anew each time, but may come back from the browser's memory with what was typed.
_FRESH = {"Cache-Control": "no-cache", "Referrer-Policy": "same-origin"}
#: The answer to a form holds an address.
_ANSWER = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "same-origin"}
_ANYBODY = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
#: Seconds after which the mail may be asked for again.
_AGAIN_AFTER_S = 60.0
_HOUR_S = "3600"
#: The field nobody sees.
TRAP = "company_fax"

_PROBLEMS = {
    Taken.FORM_EXPIRED: "signup-expired",
    Taken.TOO_FAST: "signup-fast",
    Taken.WORK_NEEDED: "signup-work",
}


@dataclass(frozen=True, slots=True)
class Box:
    """What the sign-up page of one publication offers."""

    publication: Publication
    topics: tuple[Topic, ...]
    latest: DigestContext | None

    @property
    def cadence(self) -> Cadence | None:
        """The rhythm that most have."""
        return self.publication.cadences[0] if self.publication.cadences else None

    def time(self, cadence: Cadence) -> str:
        """When it comes out, as people write it."""
        return clock_time(cadence.send_at, "en-GB")


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the form when it is shown; ``problem`` is the id of what is wrong, ``at`` the field."""

    token: str
    email: str = ""
    digest: bool = True
    alerts: bool = False
    topics: tuple[str, ...] = ()
    cadence: str = ""
    timezone: str = ""
    page: str = ""
    problem: str = ""
    at: str = ""
    suggestion: str = ""


class SignUpPages:
    """The pages around one box."""

    def __init__(
        self, container: Container, pages: Pages, *, clock: Callable[[], datetime], answers: Answers, latest: Latest
    ) -> None:
        self._container = container
        self._pages = pages
        self._clock = clock
        self._answers = answers
        self._latest = latest
        self._limits = container.settings.signup

    def show(self, request: Request) -> Response:
        """The empty form; a link may fill in an address and say where it stands."""
        box, asked = self._box(slug_in(request)), form_of(request.query_params.multi_items())
        filled = Filled(self._token(), page=asked.text("from", 300))
        return self._form(box, filled, is_framed=_is_framed(request))

    async def take(self, request: Request) -> Response:
        """Take a form."""
        form = await read_form(request)
        with self._answers.taking():
            return await run_in_threadpool(self._take, request, form)

    def token(self, request: Request) -> Response:
        """A token for a form that stands on another site; it is good for nothing else."""
        self._box(slug_in(request))
        return JSONResponse({"form_token": self._token()}, headers=_ANYBODY)

    def challenge(self, request: Request) -> Response:
        """A sum for the browser, where the operator wants one (ALTCHA)."""
        self._box(slug_in(request))
        if not self._limits.proof_of_work:
            raise HTTPException(404)
        made = proofofwork.challenge(self._container.keyring, effort=self._limits.proof_of_work, now=self._clock())
        return JSONResponse(asdict(made), headers=_ANYBODY)

    def _take(self, request: Request, form: Form) -> Response:
        box, is_framed = self._box(slug_in(request)), _is_framed(request)
        filled = self._filled(form)
        if found := _fault(filled):
            return self._form(box, found, is_framed=is_framed, status=422)
        sent = self._sent(request, form, filled)
        is_again = form.has("again")
        limits = self._limits.model_copy(update={"min_seconds": _AGAIN_AFTER_S}) if is_again else self._limits
        result = signup.take(
            self._container.store,
            self._container.keyring,
            box.publication.slug,
            form=sent,
            limits=limits,
            now=self._clock(),
        )
        if result.taken is Taken.CHECK_INBOX or (is_again and result.taken is Taken.TOO_FAST):
            return self._inbox(box, filled, result, is_framed=is_framed)
        return self._once_more(box, filled, result, is_framed=is_framed)

    def _sent(self, request: Request, form: Form, filled: Filled) -> SignUpForm:
        path = filled.page or request.headers.get("referer", "") or request.url.path
        return SignUpForm(
            email=filled.email,
            digest=filled.digest,
            alerts=filled.alerts,
            topics=filled.topics,
            cadence=filled.cadence,
            locale=language_of(request),
            timezone=filled.timezone,
            form_token=filled.token,
            trap=form.text(TRAP),
            work=form.text("altcha", 2000),
            page=path.partition("?")[0],
            address=address_of(request, self._container.settings.site.proxies),
            wording=WORDING,
            as_written=form.has("as_written") or form.has("fix"),
        )

    def _filled(self, form: Form) -> Filled:
        return Filled(
            token=form.text("form_token"),
            email=form.text("fix", 320) or form.text("email", 320),
            digest=form.has("digest"),
            alerts=form.has("alerts"),
            topics=form.all("topics"),
            cadence=form.text("cadence", 64),
            timezone=form.text("timezone", 64),
            page=form.text("page", 300),
        )

    def _once_more(self, box: Box, filled: Filled, result: SignUpResult, *, is_framed: bool) -> Response:
        """The form again, with what is to be done about it. Where it had no good token it has one from now on."""
        if result.taken is Taken.TOO_MANY:
            later = {"Retry-After": _HOUR_S}
            return self._pages.message("many", status=429, headers=_ANSWER, more=later, is_framed=is_framed)
        if result.taken is Taken.DOUBTFUL:
            found = replace(filled, suggestion=result.suggestion)
            return self._page("doubt", box, found, is_framed=is_framed)
        if result.taken is Taken.FORM_EXPIRED:
            filled = replace(filled, token=self._token())
        problem = _PROBLEMS.get(result.taken, "signup-bad-choice")
        status = 422 if result.taken is Taken.INVALID else 200
        return self._form(box, replace(filled, problem=problem), is_framed=is_framed, status=status)

    def _inbox(self, box: Box, filled: Filled, result: SignUpResult, *, is_framed: bool) -> Response:
        sender = box.publication.sender_email
        page = self._page(
            "inbox",
            box,
            replace(filled, token=self._token()),
            is_framed=is_framed,
            more={"inbox": inbox_of(filled.email, sender=sender), "is_early": result.taken is Taken.TOO_FAST},
        )
        if result.signup_id is not None:
            page.background = BackgroundTask(self._answers.soon, result.signup_id)
        return page

    def _form(self, box: Box, filled: Filled, *, is_framed: bool, status: int = 200) -> Response:
        headers = _FRESH | {name: text for name, text in found_by(box.publication).items() if name == "X-Robots-Tag"}
        if is_framed:
            headers |= {"X-Robots-Tag": "noindex"}
        return self._page("signup", box, filled, is_framed=is_framed, status=status, headers=headers)

    def _page(
        self,
        name: str,
        box: Box,
        filled: Filled,
        *,
        is_framed: bool,
        status: int = 200,
        headers: Mapping[str, str] = _ANSWER,
        more: Mapping[str, object] | None = None,
    ) -> Response:
        filled = filled if filled.token else replace(filled, token=self._token())
        values = {
            "box": box,
            "publication": box.publication,
            "filled": filled,
            "is_framed": is_framed,
            "action": f"/{box.publication.slug}/box" if is_framed else f"/{box.publication.slug}",
            "home_url": f"{self._container.settings.site.base_url.rstrip('/')}/{box.publication.slug}",
            "privacy_url": self._container.settings.site.privacy_url,
            "needs_work": bool(self._limits.proof_of_work),
            "trap": TRAP,
            **(more or {}),
        }
        return self._pages.page(name, values, headers=headers, status=status, scripts=True, is_framed=is_framed)

    def _box(self, slug: str) -> Box:
        with self._container.store.read() as tx:
            try:
                publication = publications.get(tx, slug)
            except NotFound as error:
                raise HTTPException(404) from error
            topics = tuple(publications.topics(tx, publication.id))
            return Box(publication, topics, self._latest.of(tx, publication))

    def _token(self) -> str:
        return signup.form_token(self._container.keyring, now=self._clock())


def routes(pages: SignUpPages) -> list[Route]:
    """The hosted page, the frame, and what embeds ask for. To be placed after every route of a fixed name."""
    limited = [Middleware(BodyLimit)]
    register_url_convertor("publication", _Slug())
    return [
        Route("/{publication}/form-token", pages.token),
        Route("/{publication}/challenge", pages.challenge),
        Route("/{publication}/box", pages.show),
        Route("/{publication}/box", pages.take, methods=["POST"], middleware=limited),
        Route("/{publication:publication}", pages.show),
        Route("/{publication:publication}", pages.take, methods=["POST"], middleware=limited),
    ]


class _Slug(StringConvertor):
    """The name of a publication in an address, and of nothing else that is there: else POST to those were a sign-up."""

    regex = rf"(?!(?:{'|'.join(sorted(RESERVED))})$)[^/]+"


def _is_framed(request: Request) -> bool:
    return request.url.path.endswith("/box")


def _fault(filled: Filled) -> Filled | None:
    """The form with what is wrong in it, in words for people; None when nothing is."""
    try:
        parse_address(filled.email)
    except BadInput:
        return replace(filled, problem="signup-bad-email", at="email")
    if not (filled.digest or filled.alerts):
        return replace(filled, problem="signup-nothing", at="choices")
    return None
