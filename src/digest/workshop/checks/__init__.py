"""Everything that can be said of a mail without a browser and without the network, in a few milliseconds.

Rules: each module here is one kind of question and yields findings; `check` asks them all. A check reads the mail,
never changes it, and judges by the data it was given: what only the data cause is said of the data. What an author
has looked at and finds fine is said in the template, with a reason: ``{# lint: ignore RULE "reason" #}``.
"""

from __future__ import annotations

from collections.abc import Iterator

from digest.workshop.checks import (
    accessibility,
    contrast,
    inbox,
    leftovers,
    links,
    pictures,
    plaintext,
    size,
    structure,
)
from digest.workshop.checks.ignoring import excused
from digest.workshop.compat import check_compatibility
from digest.workshop.facts import DEFAULT_CLIENTS
from digest.workshop.findings import Finding, Group, Severity, gather
from digest.workshop.mail import Mail
from digest.workshop.page import Page

__all__ = ["DEFAULT_CLIENTS", "Finding", "Group", "Severity", "check"]


def check(mail: Mail, *, clients: tuple[str, ...] = DEFAULT_CLIENTS) -> tuple[Finding, ...]:
    """All findings of a mail, worst first; those with a reason to be ignored last. ``clients`` are the readers'."""
    page = Page(mail)
    return gather(excused(_all(page, clients), mail))


def _all(page: Page, clients: tuple[str, ...]) -> Iterator[Finding]:
    yield from structure.check_structure(page)
    yield from leftovers.check_leftovers(page)
    yield from links.check_links(page)
    yield from plaintext.check_text(page)
    yield from inbox.check_inbox(page)
    yield from pictures.check_pictures(page)
    yield from accessibility.check_accessibility(page)
    yield from contrast.check_contrast(page)
    yield from size.check_size(page)
    yield from check_compatibility(page, clients)
