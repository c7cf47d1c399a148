"""One render function: preview, sending and the archive make the same bytes of the same context."""

from __future__ import annotations

import email
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email import policy

import pytest

from digest.compose.build import build_context
from digest.compose.environment import templates
from digest.compose.renditions import renditions, web_view
from digest.compose.sourcemap import strip
from digest.config.secrets import Keyring
from digest.config.settings import Settings
from digest.deliver.letter import address_letter
from digest.model.delivery import Marked, Recipient
from digest.model.issue import Rendition
from digest.text.slots import fill_html, fill_text
from digest.workshop.mail import READER, Sender, lay_out, slot_values
from support import composing

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
_TOKENS = re.compile(r"/[up]/[\w.~-]+")


def sent(values: Mapping[str, str]) -> tuple[str, str, str]:
    """Subject, HTML and text out of the bytes that delivering would put on the wire."""
    publication, issue = composing.publication(), composing.issue()
    items, articles = composing.newsroom()
    composed = renditions(
        publication, issue, items, articles, keys=[composing.ALL], env=templates(), base_url=composing.BASE_URL
    )
    (one,) = composed.renditions
    rendition = Rendition(1, issue.id, one.key, one.subject, one.html, one.text)
    settings = Settings(site={"base_url": composing.BASE_URL})
    letter = address_letter(publication, issue, {1: rendition}, settings=settings, keyring=Keyring([b"k" * 43]))
    nobody = Recipient(
        issue_id=issue.id,
        subscriber_id=0,
        rendition_id=1,
        attempt=1,
        first_attempt_at=None,
        email=READER,
        name="",
        locale="en",
        token_id="example",
        signed_up_at=NOW,
    )
    return parts(letter.wire(nobody, Marked(0, 1, NOW)))


def parts(eml: bytes) -> tuple[str, str, str]:
    mail = email.message_from_bytes(eml, policy=policy.default)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    return str(mail["Subject"]), neutral(html.get_content()), neutral(text.get_content())


def neutral(text: str) -> str:
    """Without whose token a link carries, which must differ, and line ends as on the wire."""
    return _TOKENS.sub("/TOKEN", text.replace("\r\n", "\n")).rstrip("\n")


@pytest.mark.parametrize("personal", [True, False])
def test_preview_and_what_is_sent_and_the_archive_are_the_same_bytes(personal: bool):  # noqa: FBT001 - a case
    publication, issue = composing.publication(), composing.issue()
    items, articles = composing.newsroom()
    context = build_context(
        publication,
        issue,
        items,
        articles,
        key=composing.ALL,
        base_url=composing.BASE_URL,
        personal=personal,
    )
    mail = lay_out(context, env=templates(), mapped_env=templates(source_map=True), sender=Sender(), now=NOW)

    assert strip(mail.mapped) == mail.rendered.html
    if personal:
        subject, html, text = sent(slot_values(context, NOW))
        assert (mail.rendered.subject, neutral(mail.rendered.html), neutral(mail.rendered.text)) == (
            subject,
            html,
            text,
        )
        assert parts(mail.eml) == (subject, html, text)
    else:
        page = web_view(publication, issue, items, articles, env=templates(), base_url=composing.BASE_URL)
        assert (page.subject, page.html, page.text) == (
            mail.rendered.subject,
            fill_html(mail.rendered.html, {}),
            fill_text(mail.rendered.text, {}),
        )
