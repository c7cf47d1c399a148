"""Notices from the outside: putting one in line, and sending a rendered issue to one address to look at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_hex

from digest.app.container import Container
from digest.app.session import delivering
from digest.deliver.letter import address_letter
from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.mime.address import Address, parse_address
from digest.mime.message import Message
from digest.model.delivery import DeliveryState, Marked, Recipient
from digest.model.errors import BadInput
from digest.model.issue import Issue, Rendition
from digest.model.notice import NewNotice, NoticeKind, NoticeRef, NoticeStatus
from digest.model.publication import Publication
from digest.model.subscriber import Format
from digest.store import issues, notices, publications, renditions
from digest.store.engine import Tx

#: A test mail that comes much later than it was asked for is a riddle.
TEST_EXPIRES_AFTER = timedelta(minutes=15)
#: How long another process that took the notice is waited for.
_PATIENCE_S = 30.0
_GLANCE_S = 0.2
_UNDER_WAY = frozenset({DeliveryState.PENDING, DeliveryState.LEASED, DeliveryState.SENDING})


def post(tx: Tx, engine: Engine, new: NewNotice, *, now: datetime) -> int | None:
    """Put a notice in line and wake somebody up for it, both with the caller's transaction; gives its id.

    None: one with that dedupe key is there already, and nothing more is sent.
    """
    made = notices.enqueue(tx, new, now=now)
    if made is not None:
        engine.submit(tx, [NoticeRef()])
    return made


async def send_test(
    container: Container, issue_id: int, address: str, *, as_text: bool, stop: asyncio.Event
) -> NoticeStatus:
    """Send a composed issue to one address as a notice, with neutral values where a reader's would stand.

    Gives how it ended; one that waits is tried again by whoever delivers. Raises BadInput for an issue that was never
    composed, and what keeps the relay from taking anything.
    """
    to = parse_address(address)
    return await send_now(container, lambda tx: _of_issue(tx, container, issue_id, to, as_text=as_text), stop=stop)


async def send_now(container: Container, make: Callable[[Tx], NewNotice], *, stop: asyncio.Event) -> NoticeStatus:
    """Put the notice that ``make`` gives in line and see it through; gives how it ended.

    One that waits is tried again by whoever delivers. Raises what ``make`` does, and what keeps the relay from taking
    anything.
    """
    engine = LocalEngine()
    notice_id = await asyncio.to_thread(_post_fresh, container, engine, make)
    async with delivering(container, engine, stop=stop) as session:
        await session.see_notices()
    end = time.monotonic() + _PATIENCE_S
    while True:
        found = await asyncio.to_thread(_status, container, notice_id)
        waits = found.state in _UNDER_WAY and found.next_attempt_at is None
        if not waits or stop.is_set() or time.monotonic() > end:
            return found
        await asyncio.sleep(_GLANCE_S)  # a session of another process was faster


def _status(container: Container, notice_id: int) -> NoticeStatus:
    with container.store.read() as tx:
        found = notices.status(tx, notice_id)
    if found is None:
        raise BadInput("the publication was removed meanwhile", hint="nothing was sent")
    return found


def _post_fresh(container: Container, engine: Engine, make: Callable[[Tx], NewNotice]) -> int:
    with container.store.write() as tx:
        notice_id = post(tx, engine, make(tx), now=tx.now())
    if notice_id is None:
        raise AssertionError("a fresh random key was there already")
    return notice_id


def _of_issue(tx: Tx, container: Container, issue_id: int, to: Address, *, as_text: bool) -> NewNotice:
    issue = issues.get(tx, issue_id)
    publication = publications.by_id(tx, issue.publication_id)
    wanted = Format.TEXT if as_text else Format.HTML
    made = [one for one in renditions.of_issue(tx, issue_id) if one.key.format != renditions.WEB]
    if not made:
        raise BadInput(
            f"issue {issue_id} is {issue.state}: it was never composed", hint="only composed issues can be sent"
        )
    # The one most readers get: the wanted format, all topics, the publication's language.
    made.sort(key=lambda one: (one.key.format != wanted, one.key.topics, one.key.locale != publication.locale))
    message = _message(container, publication, issue, made[0], to, now=tx.now())
    return NewNotice(
        kind=NoticeKind.TEST,
        dedupe_key=f"test:{issue_id}:{token_hex(8)}",
        publication_id=publication.id,
        email=to.email,
        email_norm=to.norm,
        language=message.language,
        subject=message.subject,
        text=message.text,
        html=None if as_text else message.html,
        expire_after=TEST_EXPIRES_AFTER,
    )


def _message(
    container: Container, publication: Publication, issue: Issue, rendition: Rendition, to: Address, *, now: datetime
) -> Message:
    letter = address_letter(
        publication, issue, {rendition.id: rendition}, settings=container.settings, keyring=container.keyring
    )
    nobody = Recipient(
        issue_id=issue.id,
        subscriber_id=0,
        rendition_id=rendition.id,
        attempt=1,
        first_attempt_at=None,
        email=to.email,
        name="",
        locale=rendition.key.locale,
        token_id="example",  # noqa: S106 - no secret: it stands where a reader's would
        signed_up_at=now,
    )
    return letter.message(nobody, Marked(0, 1, now))
