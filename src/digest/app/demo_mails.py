"""The mails of `digest demo` as they were captured: read back, and laid out for a browser.

Rules: a captured mail is parsed with the standard library's own parser, which shares no code with the builder.
The .eml stays as it came; its decoded parts are written beside it, unaltered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from digest.model.errors import DigestError
from digest.smtp.capture import Captured

_URL = re.compile(r"<(https?://[^>\s]+)>")


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail as it arrived. ``body_html`` and ``html`` are None for a mail of plain text only."""

    email: str
    subject: str
    eml: Path
    text: Path
    html: Path | None
    body_text: str
    body_html: str | None
    unsubscribe_url: str
    is_one_click: bool
    size_bytes: int

    def mentions(self, title: str) -> bool:
        """Whether the plain text has this headline, however its lines are broken."""
        return " ".join(title.split()) in " ".join(self.body_text.split())


def read(captured: Captured) -> SentMail:
    """Parse a captured mail and write its decoded parts beside it as .txt and .html."""
    raw = captured.read()
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - what this policy makes
    text, html = _part(message, "plain"), _part(message, "html")
    if text is None:
        raise DigestError(f"the mail {captured.path} has no plain text", hint="every mail must have one")
    text_path, html_path = captured.path.with_suffix(".txt"), captured.path.with_suffix(".html")
    text_path.write_text(text, encoding="utf-8")
    if html is not None:
        html_path.write_text(html, encoding="utf-8")
    link = _URL.search(str(message["List-Unsubscribe"]))
    return SentMail(
        email=captured.rcpt_to[0],
        subject=str(message["Subject"]),
        eml=captured.path,
        text=text_path,
        html=html_path if html is not None else None,
        body_text=text,
        body_html=html,
        unsubscribe_url=link.group(1) if link else "",
        is_one_click=str(message["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click",
        size_bytes=len(raw),
    )


def _part(message: EmailMessage, subtype: str) -> str | None:
    for part in message.walk():
        if part.get_content_type() == f"text/{subtype}":
            content: str = part.get_content()
            return content
    return None
