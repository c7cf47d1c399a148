"""The checks that ask somebody else, one mail at a time and when told to: axe, the sites linked to, a spam filter.

Rules: nothing here runs by itself. What cannot be asked is an error that says what is missing; what was found comes as
findings like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from digest.config.settings import Settings
from digest.model.errors import BadInput
from digest.workshop.axe import axe_findings
from digest.workshop.browser import opened_page
from digest.workshop.findings import Finding, gather
from digest.workshop.linkcheck import link_findings
from digest.workshop.mail import Mail
from digest.workshop.spam import spam_findings, spam_score


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody else said of a mail."""

    says: str
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        """Whether nothing of it breaks."""
        return not any(one.breaks for one in self.findings)


async def ask(what: str, mail: Mail, *, settings: Settings | None) -> Asked:
    """Ask ``axe``, ``links`` or ``spam`` about a mail, away from the event loop.

    Raises BadInput, BrowserMissing, SpamFilterUnavailable.
    """
    if what == "axe":
        return await asyncio.to_thread(ask_axe, mail)
    if what == "links":
        found = await link_findings(mail)
        says = f"{len(found)} of its links may not work." if found else "Every link answers."
        return Asked(says, found)
    if what == "spam":
        url = (settings.preview.spam_url if settings else None) or ""
        return await asyncio.to_thread(ask_spam, mail, url)
    raise BadInput(f"nobody can be asked for {what!r}", hint="choose axe, links or spam")


def ask_axe(mail: Mail) -> Asked:
    """What axe finds, in light and in dark."""
    with opened_page() as page:
        found = gather([*axe_findings(page, mail, dark=False), *axe_findings(page, mail, dark=True)])
    if not found:
        return Asked("axe finds nothing, in light and in dark.", ())
    return Asked(f"axe finds {len(found)} {'thing' if len(found) == 1 else 'things'}.", found)


def ask_spam(mail: Mail, url: str) -> Asked:
    """What the spam filter at ``url`` says."""
    if not url:
        raise BadInput("no spam filter is set", hint="name one in digest.toml: [preview] spam_url")
    found = spam_findings(spam_score(mail.eml, url))
    return Asked(f"{found[0].message}.", found)
