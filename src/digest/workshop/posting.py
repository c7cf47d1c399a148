"""A test mail of what is on the stage, over the project's own relay.

Rules: only to addresses of the setting ``preview.send_to``. It goes as a notice, so nothing of it counts as an issue,
and its links carry tokens that do nothing. The subject says that it is a test. The bytes are those the stage shows.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex

from digest.app.container import Container
from digest.app.notices import TEST_EXPIRES_AFTER, send_now
from digest.mime.address import Address, parse_address
from digest.model.errors import BadInput
from digest.model.notice import NewNotice, NoticeKind, NoticeStatus
from digest.store import publications
from digest.store.engine import Tx
from digest.workshop.mail import Mail


def allowed(container: Container, address: str) -> Address:
    """The address, if test mails may go there. Raises BadInput otherwise."""
    to = parse_address(address)
    known = {parse_address(one).norm for one in container.settings.preview.send_to}
    if to.norm not in known:
        raise BadInput(
            f"{to.email} is not among the addresses that test mails may go to",
            hint=f'allow it in digest.toml: [preview] send_to = ["{to.email}"]',
        )
    return to


async def send(container: Container, mail: Mail, address: str, *, stop: asyncio.Event) -> NoticeStatus:
    """Send ``mail`` to an allowed address and give how it ended. Raises BadInput, and what keeps the relay from it."""
    to = allowed(container, address)

    def notice(tx: Tx) -> NewNotice:
        known = publications.list_all(tx)
        own = next((one for one in known if one.name == mail.context.publication.name), known[0] if known else None)
        if own is None:
            raise BadInput("there is no publication to send as", hint="make one: digest publication add")
        return NewNotice(
            kind=NoticeKind.TEST,
            dedupe_key=f"preview:{token_hex(12)}",
            publication_id=own.id,
            email=to.email,
            email_norm=to.norm,
            language=mail.context.lang,
            subject=f"[TEST] {mail.rendered.subject}",
            text=mail.rendered.text,
            html=mail.rendered.html,
            expire_after=TEST_EXPIRES_AFTER,
        )

    return await send_now(container, notice, stop=stop)


def told(status: NoticeStatus, address: str) -> tuple[bool, str]:
    """Whether it went, and how that is said."""
    if status.sent_at is not None:
        by = f" by {status.relay}" if status.relay else ""
        return True, f"Sent to {address}{by}."
    said = f": {status.reply_code or ''} {status.reply_text or ''}".rstrip(": ") if status.reply_text else ""
    if status.next_attempt_at is not None:
        return False, f"Not accepted yet{said}. Whoever delivers tries again."
    return False, f"Not sent ({status.reason or status.state}){said}."
