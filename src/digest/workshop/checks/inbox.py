"""The row in the inbox: subject, and what clients show behind it.

Rules: clients show the first words of the mail behind the subject, about 90 characters; on phones the subject has about
40 to itself. What the data write there is said of the data.
"""

from __future__ import annotations

from collections.abc import Iterator

from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Page, text_of

_SUBJECT_CUT = 70  # what desktop clients show at most
_SUBJECT_LONGEST = 200
_PREHEADER_SHORT = 30


def check_inbox(page: Page) -> Iterator[Finding]:
    """Length of subject and preheader, and whether the mail begins with the preheader."""
    mail = page.mail
    subject = mail.rendered.subject
    place = mail.part("subject.txt")
    if len(subject) > _SUBJECT_LONGEST:
        yield Finding(
            "subject-length",
            Severity.DEGRADES,
            Group.TEXT,
            f"A subject of {len(subject)} characters",
            hint="Say it in 70.",
            template=place,
            line=1,
        )
    elif len(subject) > _SUBJECT_CUT:
        yield Finding(
            "subject-length",
            Severity.NOTE,
            Group.TEXT,
            f"A subject of {len(subject)} characters is cut after about 70, on phones after 40",
            template=place,
            line=1,
        )
    yield from _preheader(page)


def _preheader(page: Page) -> Iterator[Finding]:
    mail = page.mail
    preheader = " ".join(mail.context.preheader.split())
    body = mail.part("body.html")
    begins = "".join(text_of(page.body).split()).casefold()
    expected = "".join(preheader.replace("\u200b", "").split()).casefold()
    if expected and not begins.startswith(expected):
        yield Finding(
            "preheader-first",
            Severity.DEGRADES,
            Group.TEXT,
            f"The inbox shows “{text_of(page.body)[:50]}…” behind the subject, not the preheader",
            hint="Let {{ preheader }} be the first text of the body.",
            template=body,
        )
    if preheader and preheader == mail.rendered.subject:
        yield Finding(
            "preheader-repeats",
            Severity.DEGRADES,
            Group.TEXT,
            "The preheader repeats the subject",
            hint="Let it say what the subject does not.",
            template=body,
        )
    elif expected and len(preheader) < _PREHEADER_SHORT and mail.is_listed:
        yield Finding(
            "preheader-length",
            Severity.NOTE,
            Group.TEXT,
            f"A preheader of {len(preheader)} characters: the inbox fills up with what follows it",
            template=body,
        )
