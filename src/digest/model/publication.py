"""A publication: a newsletter's identity, sender and policy, and its cadences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

#: How the cadence of an alert begins. Alerts have no rhythm, and readers choose them apart.
ALERT_PREFIX = "alert-"


def alert_cadence(article_id: int) -> str:
    """The cadence of the alert about an article: one of its own, so that no article can be alerted of twice."""
    return f"{ALERT_PREFIX}{article_id}"


def is_alert(cadence: str) -> bool:
    """Whether issues of a cadence are alerts."""
    return cadence.startswith(ALERT_PREFIX)


class CadenceRule(StrEnum):
    """How periods follow each other, in the publication's local time."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class CatchUp(StrEnum):
    """What to do about a period whose send time passed while nothing was running."""

    LATEST = "latest"
    NONE = "none"


class Archive(StrEnum):
    """Who may read a publication's issues on the web, beside those who got them by mail."""

    PUBLIC = "public"  # listed, searched, in feeds
    UNLISTED = "unlisted"  # whoever has the address of an issue
    OFF = "off"  # nobody


@dataclass(frozen=True, slots=True)
class Cadence:
    """One rhythm of a publication. ``send_at`` is local wall-clock time; ``max_lateness`` bounds catching up.

    ``day`` is that of the week (1 is Monday) or of the month (a shorter month has its last one), None the first.
    On a day off, ``2026-05-01`` or every year's ``12-25``, nothing is due: a daily issue falls out, a weekly or monthly
    one comes on the next day that is none.
    """

    name: str
    rule: CadenceRule
    send_at: time
    catch_up: CatchUp = CatchUp.LATEST
    max_lateness: timedelta = timedelta(hours=6)
    day: int | None = None
    days_off: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Publication:
    """A newsletter. ``timezone`` is an IANA name, ``locale`` a BCP 47 tag, ``slug`` the URL path.

    Between composing and sending editors have ``hold_s`` seconds; with ``needs_approval`` nothing goes out unless one
    of them approves it.
    ``max_per_source`` None is a fair share, ``max_per_section`` None no limit. A story that was carried is not carried
    again for ``story_days`` days, unless there is news of it. ``theme`` is the look of its mails.
    Search engines are asked to keep away from its pages unless ``is_indexed`` and the archive is public.
    """

    id: int
    slug: str
    name: str
    sender_name: str
    sender_email: str
    reply_to: str | None
    timezone: str
    locale: str
    postal_address: str
    min_items: int
    max_items: int
    template: str
    cadences: tuple[Cadence, ...]
    created_at: datetime
    hold_s: int = 0
    needs_approval: bool = False
    max_per_source: int | None = None
    max_per_section: int | None = None
    story_days: int = 7
    archive: Archive = Archive.PUBLIC
    is_indexed: bool = True
    days_off: tuple[str, ...] = ()
    theme: str = "meridian"


@dataclass(frozen=True, slots=True)
class NewPublication:
    """What it takes to add a publication."""

    slug: str
    name: str
    sender_name: str
    sender_email: str
    timezone: str
    postal_address: str
    cadence: Cadence
    reply_to: str | None = None
    locale: str = "en"
    min_items: int = 1
    max_items: int = 20
    template: str = "digest"
    hold_s: int = 0
    needs_approval: bool = False
    max_per_source: int | None = None
    max_per_section: int | None = None
    story_days: int = 7
    archive: Archive = Archive.PUBLIC
    is_indexed: bool = True
    days_off: tuple[str, ...] = ()
    theme: str = "meridian"


@dataclass(frozen=True, slots=True)
class Topic:
    """A label of one publication that articles carry and readers choose."""

    id: int
    slug: str
    name: str
