"""The text part: is it there, does it say the same, can it be read.

Rules: it is a mail of its own for those who read text, so it has every story with its link, the way out and the postal
address. Lines hold 78 columns (RFC 5322 §2.1.1 asks for no more); an address alone on its line may be longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape

from digest.compose.context import Brief, Story
from digest.text.wording import display_width
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.mail import HARMLESS_TOKEN, Mail
from digest.workshop.page import Page, text_of

_LONGEST = 78
_MARKUP = re.compile(r"</?(?:p|a|br|div|td|tr|table|h[1-6]|span|strong|em|li|ul)\b[^>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d+|#x[0-9a-f]+);", re.IGNORECASE)


def check_text(page: Page) -> Iterator[Finding]:
    """Faults of the text part, and where it and the HTML part tell different things."""
    mail = page.mail
    text = mail.rendered.text
    if not text_of(page.body):
        yield Finding(
            "html-empty",
            Severity.BREAKS,
            Group.TEXT,
            "The HTML part is empty",
            hint="Fill the blocks of the layout.",
            template=mail.part("body.html"),
            line=1,
        )
        return
    if not text.strip():
        yield _finding(
            mail,
            "text-empty",
            Severity.BREAKS,
            says="The text part is empty",
            hint="Write the mail as text, too.",
            line=1,
        )
        return
    yield from _stories(page)
    yield from _ways(mail)
    yield from _lines(mail)


def _stories(page: Page) -> Iterator[Finding]:
    mail = page.mail
    text, html = _bare(mail.rendered.text), _bare(text_of(page.body))
    stories = stories_of(mail)
    told = [one for one in stories if _bare(one.title) in text]
    shown = [one for one in stories if _bare(one.title) in html]
    unlinked = [one for one in told if one.url and one.url not in mail.rendered.text]
    if lost := [one for one in stories if one not in told]:
        yield replace(
            _finding(
                mail,
                "text-story",
                Severity.BREAKS,
                says=f"The text part lacks {_named(lost)}",
                hint="Loop over lead, sections and briefs, as the HTML does.",
            ),
            count=len(lost),
        )
    if lost := [one for one in stories if one not in shown]:
        yield Finding(
            "html-story",
            Severity.BREAKS,
            Group.TEXT,
            f"The HTML lacks {_named(lost)}",
            hint="Loop over lead, sections and briefs, as the text part does.",
            template=mail.part("body.html"),
            count=len(lost),
        )
    if unlinked:
        yield replace(
            _finding(
                mail,
                "text-link",
                Severity.BREAKS,
                says=f"The text part has no link to {_named(unlinked)}",
                hint="Write {{ story.url }} on a line of its own.",
            ),
            count=len(unlinked),
        )


def _named(stories: Sequence[Story | Brief]) -> str:
    first = f"“{stories[0].title[:50]}”"
    return f"the story {first}" if len(stories) == 1 else f"{len(stories)} stories, the first {first}"


def stories_of(mail: Mail) -> list[Story | Brief]:
    """All stories of a mail in reading order, told or only named."""
    context = mail.context
    lead = [context.lead] if context.lead is not None else []
    return [*lead, *(story for section in context.sections for story in section.stories), *context.briefs]


def _ways(mail: Mail) -> Iterator[Finding]:
    if not (mail.is_listed and mail.context.personal):
        return
    if HARMLESS_TOKEN not in mail.rendered.text:
        yield _finding(
            mail,
            "text-unsubscribe",
            Severity.BREAKS,
            says="The text part has no link to unsubscribe",
            hint="Write {{ slots.unsubscribe_url }} on a line of its own.",
        )
    address = _bare(mail.context.publication.postal_address)
    if address and address not in _bare(mail.rendered.text):
        yield _finding(
            mail,
            "text-postal-address",
            Severity.BREAKS,
            says="The text part lacks the publisher’s postal address",
            hint="Write {{ publication.postal_address }}.",
        )


def _lines(mail: Mail) -> Iterator[Finding]:
    for row in mail.rendered.text.splitlines():
        if display_width(row) > _LONGEST and len(row.split()) > 1:
            yield _finding(
                mail,
                "text-width",
                Severity.DEGRADES,
                says=f"A line of {display_width(row)} columns; mail has 78",
                hint="Wrap it: {{ words|wrap(72) }}.",
                line=_line_of(row, mail),
            )
        found = _MARKUP.search(row) or _ENTITY.search(row)
        if found and found[0] not in _data(mail):
            yield _finding(
                mail,
                "text-markup",
                Severity.DEGRADES,
                says=f"Markup in the text part: {found[0][:30]}",
                hint="Write text; body.txt is not escaped.",
                line=_line_of(found[0], mail),
            )


def _data(mail: Mail) -> str:
    return "\n".join(f"{one.title}\n{getattr(one, 'teaser', '')}" for one in stories_of(mail))


def _line_of(row: str, mail: Mail) -> int | None:
    """The line of the text template that says this, if one does in so many words."""
    words = sorted(re.findall(r"[^\s{}%]{4,}", row), key=len, reverse=True)
    source = mail.sources.get(mail.part("body.txt"), "").splitlines()
    for word in words:
        for number, line in enumerate(source, start=1):
            if word in line:
                return number
    return None


def _bare(text: str) -> str:
    """Words only: what wrapping, indenting and soft breaks add is taken out."""
    return "".join(unescape(text).replace("\u200b", "").split()).casefold()


def _finding(mail: Mail, rule: str, severity: Severity, *, says: str, hint: str, line: int | None = None) -> Finding:
    template = mail.part("body.txt")
    return Finding(rule, severity, Group.TEXT, says, hint=hint, template=template, line=line)
