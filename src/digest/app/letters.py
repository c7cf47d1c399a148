"""What a session writes: the letters of the issues under way, and the letterheads of notices, each made once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime

import structlog

from digest.app import fence
from digest.app import line as steps
from digest.app.container import Container
from digest.app.line import Line
from digest.app.signing import signer_for
from digest.deliver.letter import Letter
from digest.deliver.notices import Letterhead
from digest.engine.port import Engine
from digest.model.errors import DigestError
from digest.model.issue import Issue, IssueState
from digest.store import issues, publications

log = structlog.get_logger()


class Letters:
    """Letters by issue and letterheads by publication."""

    def __init__(self, container: Container, engine: Engine) -> None:
        self._container = container
        self._engine = engine
        self._letters: dict[int, Letter] = {}
        self._heads: dict[int, Letterhead] = {}
        self._stuck: set[int] = set()
        self._loading = asyncio.Lock()

    async def of(self, issue_id: int) -> Letter | None:
        """The letter of an issue that is being sent, None of any other. Raises what keeps it from being written."""
        async with self._loading:
            if issue_id not in self._letters:
                letter = await asyncio.to_thread(self._load, issue_id)
                if letter is None:
                    return None
                self._letters[issue_id] = letter
            return self._letters[issue_id]

    async def if_possible(self, issue_id: int) -> Letter | None:
        """The same, where one issue's trouble is its own: it is logged once, and tried again after `look_again`."""
        if issue_id in self._stuck:
            return None
        try:
            return await self.of(issue_id)
        except DigestError as error:
            self._stuck.add(issue_id)
            log.warning("issue.stuck", issue=issue_id, error=error.message, hint=error.hint)
            self._container.counts.trouble(error)
            return None

    def head(self, publication_id: int) -> Letterhead:
        """The letterhead of a publication's notices. Raises ConfigInvalid for a key that cannot be used."""
        if publication_id not in self._heads:
            settings = self._container.settings
            with self._container.store.read() as tx:
                publication = publications.by_id(tx, publication_id)
            self._heads[publication_id] = Letterhead(
                publication,
                return_path=settings.delivery.return_path or publication.sender_email,
                key=self._container.keyring.stable,
                signer=signer_for(settings, publication.sender_email),
            )
        return self._heads[publication_id]

    def line(self, issue_id: int) -> tuple[Line, Issue]:
        """An issue as it stands, and the line it is on."""
        with self._container.store.read() as tx:
            issue = issues.get(tx, issue_id)
            publication = publications.by_id(tx, issue.publication_id)
        return Line(self._container, publication, self._engine, lambda: datetime.now(UTC)), issue

    def look_again(self, sending: Collection[int]) -> None:
        """Forget what may have been mended or changed, and the letters of issues that are not ``sending``."""
        self._stuck.clear()
        self._heads.clear()
        self.forget(self._letters.keys() - set(sending))

    def forget(self, issue_ids: Collection[int]) -> None:
        """These issues are done, or may be sent again under other conditions."""
        for issue_id in issue_ids:
            self._letters.pop(issue_id, None)

    def _load(self, issue_id: int) -> Letter | None:
        line, issue = self.line(issue_id)
        if issue.state is not IssueState.SENDING:
            return None  # a wake-up from before it was paused or closed
        fence.begin(line, issue)
        return steps.letter_of(line, issue)
