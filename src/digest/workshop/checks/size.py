"""How much the mail weighs, and how much more it may carry.

Rules: Gmail cuts a mail off at about 102 KB of HTML. Whether it counts before or after the transfer encoding is
disputed (hteumeuleu/email-bugs#41), so the larger is budgeted: the bytes of the encoded part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from digest.mime.encode import encode
from digest.workshop.checks.plaintext import stories_of
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.mail import Mail
from digest.workshop.page import Page

CLIPPED = 100 * 1024
HEAVY = 75 * 1024
_COMMENTS_HEAVY = 2048
_COMMENT = re.compile(r"<!--(?!\[if)(?!<!\[endif).*?-->", re.DOTALL)
_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL)


def check_size(page: Page) -> Iterator[Finding]:
    """The weight against the limit, and what is carried for nothing."""
    mail = page.mail
    size = html_bytes(mail)
    yield _weight(mail, size)
    comments = sum(len(one.encode()) for one in _COMMENT.findall(mail.rendered.html))
    if comments > _COMMENTS_HEAVY:
        yield Finding(
            "size-comments",
            Severity.DEGRADES,
            Group.SIZE,
            f"{_kb(comments)} of HTML comments go to every reader",
            hint="Write comments as {# … #}, which are not sent.",
            template=mail.part("body.html"),
        )


def html_bytes(mail: Mail) -> int:
    """The bytes of the HTML part as it leaves, transfer encoding included."""
    return len(encode(mail.rendered.html).raw)


def _weight(mail: Mail, size: int) -> Finding:
    template = mail.part("body.html")
    styles = sum(len(one.encode()) for one in _STYLE.findall(mail.rendered.html))
    tables = mail.rendered.html.count("<table")
    says = f"{_kb(size)} of {_kb(CLIPPED)}; {_kb(styles)} of it style elements, {tables} tables{_room(mail, size)}"
    if size > CLIPPED:
        return Finding(
            "size",
            Severity.BREAKS,
            Group.SIZE,
            f"Gmail cuts the mail off: {says}",
            hint="Shorten: briefs instead of stories, or fewer of them; the web view has room.",
            template=template,
        )
    if size > HEAVY:
        return Finding(
            "size",
            Severity.DEGRADES,
            Group.SIZE,
            f"Near the size at which Gmail cuts mails off: {says}",
            hint="Leave room: links grow when they are rewritten.",
            template=template,
        )
    return Finding("size", Severity.NOTE, Group.SIZE, says, template=template)


def _room(mail: Mail, size: int) -> str:
    """How many more stories fit, by what one costs in this mail: the middle of the distances between their links."""
    places = sorted({mail.rendered.html.find(one.url.replace("&", "&amp;")) for one in stories_of(mail) if one.url})
    steps = [after - before for before, after in pairwise(place for place in places if place >= 0)]
    if not steps:
        return ""
    each = median(steps) * size / max(1, len(mail.rendered.html.encode()))
    left = int((CLIPPED - size) / each)
    return f"; room for about {left} more stories of {_kb(int(each))}" if left > 0 else ""


def _kb(size: int) -> str:
    return f"{size / 1024:.1f} KB"
