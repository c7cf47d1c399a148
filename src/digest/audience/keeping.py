"""What time does to readers' rows: answers that were lost, the one reminder, pauses that end, and what is let go of.

Run by the clock, any number of times and by any number of clocks: each step is a compare-and-set or a deletion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.audience import signup
from digest.audience.mails import Links, Post
from digest.config.readers import SignUpSettings
from digest.store import address_changes, asking, departures, mail_domains, signups, subscriptions
from digest.store.engine import Store

#: An answer takes a moment; one that has not come by now was lost with its process.
_ANSWERED_BY = timedelta(minutes=2)
_KEEP_COUNTS = timedelta(hours=48)
_KEEP_DEPARTURES = timedelta(days=365)
_KEEP_CHANGES = timedelta(days=7)
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """What one round did."""

    answered: int
    reminded: int
    resumed: int
    forgotten: int


def look_after(store: Store, links: Links, *, post: Post, limits: SignUpSettings, now: datetime) -> Kept:
    """One round. Work is done in small transactions, so that it keeps nobody waiting."""
    with store.read() as tx:
        lost = signups.unanswered(tx, before=now - _ANSWERED_BY, limit=_AT_ONCE)
        due = signups.to_remind(tx, before=now - timedelta(hours=limits.remind_after_h), limit=_AT_ONCE)
    answered = sum(signup.answer(store, links, one, post=post, limits=limits, now=now) is not None for one in lost)
    reminded = 0
    for one in due:
        with store.write() as tx:
            reminded += signup.remind(tx, links, one, post=post, now=now)
    with store.write() as tx:
        resumed = subscriptions.resume_due(tx, now=now)
        forgotten = signups.forget(tx, before=now - timedelta(days=limits.keep_unconfirmed_days))
        asking.forget(tx, before=now - _KEEP_COUNTS, now=now)
        departures.forget(tx, before=now - _KEEP_DEPARTURES)
        address_changes.forget(tx, before=now - _KEEP_CHANGES)
        mail_domains.forget(tx, before=now - timedelta(days=30))
    return Kept(answered, reminded, resumed, forgotten)
