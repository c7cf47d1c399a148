"""What the workshop does beyond showing: keep a fixture, send a test mail, open the editor, ask somebody else.

Rules: by POST only, from our own page only (same origin and the token of this start), and each answers with the page
of the state it was asked from, so that it works without a script. No action takes a path: a place in a template is a
name of a template, looked up in the folders of templates.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest.compose.kinds import MailKind
from digest.model.errors import BadInput, DigestError
from digest.web.preview.page import Told, explained
from digest.workshop import editor, saving
from digest.workshop.desk import Desk
from digest.workshop.findings import Finding
from digest.workshop.sources import data_of
from digest.workshop.states import State, parse

_LARGEST_FORM = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """The state to show again, what to say above it, and findings that were asked for."""

    state: State
    told: tuple[Told, ...]
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of one start of the workshop."""

    desk: Desk
    token: str
    clock: Callable[[], datetime]

    async def take(self, name: str, request: Request) -> Answer:
        """Do what a form asks for. Raises HTTPException for one that is not ours."""
        form = await self._guarded(request)
        state = self._state(str(form.get("state", "")))
        does = {"save": self._save, "send": self._send, "open": self._open, "check": self._check}.get(name)
        if does is None:
            raise HTTPException(404)
        try:
            return await does(state, form)
        except DigestError as error:
            return Answer(state, (explained(error),))

    async def _guarded(self, request: Request) -> FormData:
        own = request.headers.get("host", "")
        origin = request.headers.get("origin", "")
        site = request.headers.get("sec-fetch-site", "same-origin" if origin else "none")
        if urlsplit(origin).netloc != own or site != "same-origin":
            raise HTTPException(403, "This form was not sent by the workshop's own page.")
        if int(request.headers.get("content-length") or _LARGEST_FORM + 1) > _LARGEST_FORM:
            raise HTTPException(413, "This form is too large.")
        form = await request.form(max_files=0, max_fields=20)
        if not hmac.compare_digest(str(form.get("token", "")).encode(), self.token.encode()):
            raise HTTPException(403, "The workshop was started again; load its page anew.")
        return form

    def _state(self, address: str) -> State:
        parts = urlsplit(address)
        return parse(parts.path.removeprefix("/preview/"), parts.query, self.desk.choices())[0]

    async def _save(self, state: State, form: FormData) -> Answer:
        def save() -> tuple[str, str]:
            data = data_of(state, container=self.desk.container, search_path=self.desk.search_path, now=self.clock())
            text = saving.fixture_text(state, data)
            kind, name = MailKind(state.kind), str(form.get("name", "")).strip()
            path = saving.save_fixture(
                name, text, kind=kind, search_path=self.desk.search_path, replaces=form.get("replace") == "1"
            )
            return name, str(path)

        name, path = await run_in_threadpool(save)
        return Answer(state.changed(source=name, patch=""), (Told("Saved as", command=path),))

    async def _send(self, state: State, form: FormData) -> Answer:
        if self.desk.container is None:
            raise BadInput("there is no project here", hint="test mails go over the relay of one")
        from digest.workshop import posting  # noqa: PLC0415 - brings delivering along, which few starts need

        drawn = await run_in_threadpool(self.desk.draw, state)
        if drawn.mail is None or drawn.fault is not None:
            raise BadInput("there is no good mail to send", hint="mend the template first")
        address = str(form.get("address", ""))
        status = await posting.send(self.desk.container, drawn.mail, address, stop=asyncio.Event())
        is_sent, said = posting.told(status, address)
        return Answer(state, (Told(said, is_good=is_sent),))

    async def _open(self, state: State, form: FormData) -> Answer:
        template, _, line = str(form.get("at", "")).rpartition(":")
        path = await run_in_threadpool(self.desk.path, template, state.theme)
        if path is None or not line.isdecimal():
            raise BadInput("that is no line of a template", hint="choose an element of the mail")
        opened = await run_in_threadpool(editor.open_at, path, int(line), below=self.desk.folders)
        if opened.started:
            return Answer(state, (Told(f"Opened {template}:{line}."),))
        return Answer(state, (Told("Your editor needs a terminal. Paste there:", command=opened.command),))

    async def _check(self, state: State, form: FormData) -> Answer:
        from digest.workshop import asking  # noqa: PLC0415 - the same

        drawn = await run_in_threadpool(self.desk.draw, state)
        if drawn.mail is None:
            raise BadInput("there is no mail to check", hint="mend the template first")
        settings = self.desk.container.settings if self.desk.container else None
        found = await asking.ask(str(form.get("what", "")), drawn.mail, settings=settings)
        return Answer(state, (Told(found.says, is_good=found.is_good),), found.findings)
