"""From a state to the data of its mail: a fixture, the project's own news, or a past issue, with a patch laid over.

Rules: reads only. What is wrong with the data is said with the path of the field (`compose.parsing`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from digest.app.container import Container
from digest.compose.context import DigestContext
from digest.compose.fixtures import load_fixture, merge_patch, parse_context, to_fixture
from digest.compose.folders import DEFAULT_THEME
from digest.compose.kinds import MailKind
from digest.model.errors import BadInput
from digest.text.wording import direction
from digest.workshop.mail import Sender
from digest.workshop.states import State


@dataclass(frozen=True, slots=True)
class Data:
    """What one mail is made of.

    ``label`` says whose it is; ``theme`` is what it looks like unless the state says; ``template`` the folder of its
    templates, None for that of its kind.
    """

    label: str
    context: DigestContext
    sender: Sender
    theme: str = DEFAULT_THEME
    template: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it is a digest without news, which is never sent."""
        return not self.context.kind.is_notice and self.context.lead is None


def data_of(
    state: State,
    *,
    container: Container | None,
    search_path: Sequence[Path],
    now: datetime,
) -> Data:
    """The data that ``state`` asks for. Raises NotFound, FixtureInvalid, and NothingToDo for a project without news."""
    kind, patch = MailKind(state.kind), _patch(state.patch)
    if state.is_real:
        if container is None:
            raise BadInput(
                "there is no project here", hint="start the preview in the folder of one, or choose a fixture"
            )
        from digest.workshop import live  # noqa: PLC0415 - brings collecting along: 20 MB that fixtures do without

        taken = live.take(container, state.source, now=now, locale=state.locale)
        context = replace(taken.context, kind=kind)
        if patch:
            context = parse_context(merge_patch(to_fixture(context), patch))
        publication = taken.publication
        sender = Sender(
            email=publication.sender_email,
            mailbox=container.settings.delivery.unsubscribe_mailbox or publication.sender_email,
            reply_to=publication.reply_to,
            slug=publication.slug,
            issue_id=taken.issue_id,
            cadence=taken.cadence,
        )
        template = publication.template if kind is MailKind.DIGEST else None
        return Data(taken.label, context, sender, publication.theme, template)
    context = load_fixture(state.source, kind=kind, search_path=search_path, patch=patch or None)
    if state.locale:
        context = replace(context, lang=state.locale.replace("_", "-"), dir=direction(state.locale))
    return Data(f"fixture {state.source}", context, Sender())


def _patch(text: str) -> Mapping[str, Any]:
    patch: dict[str, Any] = json.loads(text) if text else {}
    return patch
