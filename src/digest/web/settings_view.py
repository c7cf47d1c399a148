"""The preference centre as data for its page: what is on offer, what is chosen, and what that comes to in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from digest.audience.preferences import Change, Choice, Offer, Preferences
from digest.model.errors import BadInput
from digest.model.publication import Archive, Cadence, Publication, Topic
from digest.model.subscriber import Format, Subscription, SubscriptionState
from digest.text.wording import clock_time, language_name, plain_date
from digest.web.forms import Form
from digest.web.reader_strings import READERS

#: The pages are in English, and say times as most of the world writes them.
SAID_IN = "en-GB"
_AREAS = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
_STANDS = frozenset({SubscriptionState.ACTIVE, SubscriptionState.PAUSED})
PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Row:
    """One publication on the page; ``says`` is what its choices come to, ``script`` the same for other choices."""

    publication: Publication
    topics: tuple[Topic, ...]
    digest: bool
    alerts: bool
    chosen_topics: tuple[str, ...]
    cadence: str
    pause: str
    deliver_at: str
    as_text: bool
    says: str
    script: str

    @property
    def usual_time(self) -> str:
        """When the digest comes out, as people write it."""
        found = _rhythm(self.publication, self.cadence)
        return clock_time(found.send_at, SAID_IN) if found else ""


@dataclass(frozen=True, slots=True)
class View:
    """The whole page. ``own`` is the publication whose mail the link came in; ``zone`` the reader's."""

    own: Row
    others: tuple[Row, ...]
    email_masked: str
    zone: str
    zones: tuple[str, ...]
    language: str
    languages: tuple[tuple[str, str], ...]
    usual_language: str
    earliest_pause: str


def view_of(found: Preferences, *, languages: Sequence[str], now: datetime) -> View:
    """The page of what is stored."""
    own = found.publication
    zone = found.reader.timezone or own.timezone
    rows = {offer.publication.id: _row(offer, zone) for offer in found.offers if _is_shown(offer, own)}
    language = found.reader.locale or ""
    tags = dict.fromkeys([*languages, own.locale, *([language] if language else [])])
    return View(
        own=rows[own.id],
        others=tuple(row for key, row in rows.items() if key != own.id),
        email_masked=found.email_masked,
        zone=zone,
        zones=tuple(dict.fromkeys([zone, *_zones()])),
        language=language,
        languages=tuple((tag, language_name(tag)) for tag in tags),
        usual_language=language_name(own.locale),
        earliest_pause=now.astimezone(ZoneInfo(zone)).date().isoformat(),
    )


def change_of(form: Form, view: View) -> Change:
    """What a sent form asks for. Raises BadInput for a day that is none."""
    zone = form.text("timezone", 64) or view.zone
    rows = [view.own, *(row for row in view.others if _is_meant(form, row))]
    choices = {row.publication.slug: _choice(form, row, zone) for row in rows}
    return Change(choices=choices, locale=form.text("language", 35) or None, timezone=zone)


def _is_shown(offer: Offer, own: Publication) -> bool:
    """What a reader has, and what anybody may find: one installation can serve publishers who do not know another."""
    has = offer.has is not None and offer.has.state in _STANDS
    return has or offer.publication.id == own.id or offer.publication.archive is Archive.PUBLIC


def _is_meant(form: Form, row: Row) -> bool:
    slug = row.publication.slug
    return row.digest or row.alerts or form.has(f"{slug}.digest") or form.has(f"{slug}.alerts")


def _row(offer: Offer, zone: str) -> Row:
    publication, has = offer.publication, offer.has
    stands = has is not None and has.state in _STANDS
    digest, alerts = (has.digest, has.alerts) if has and stands else (False, False)
    is_paused = has is not None and has.state is SubscriptionState.PAUSED
    until = has.paused_until if has else None
    cadence = has.cadence if has else (publication.cadences[0].name if publication.cadences else "")
    deliver_at = has.deliver_at.strftime("%H:%M") if has and has.deliver_at else ""
    return Row(
        publication=publication,
        topics=offer.topics,
        digest=digest,
        alerts=alerts,
        chosen_topics=has.topics if has else (),
        cadence=PAUSE if is_paused else cadence,
        pause=_local_day(until, zone).isoformat() if until else "",
        deliver_at=deliver_at,
        as_text=has is not None and has.format is Format.TEXT,
        says=_says(publication, has if stands else None, zone),
        script=_script(publication),
    )


def _says(publication: Publication, has: Subscription | None, zone: str) -> str:
    if has is None:
        return READERS["says-nothing"]
    if has.state is SubscriptionState.PAUSED:
        until = has.paused_until
        if until is None:
            return READERS["says-paused"]
        return READERS["says-paused-until"].format(day=plain_date(_local_day(until, zone), SAID_IN))
    said = []
    rhythm = _rhythm(publication, has.cadence)
    if has.digest and rhythm is not None:
        at = has.deliver_at or rhythm.send_at
        where = zone if has.deliver_at else publication.timezone
        count = publication.max_items
        said.append(READERS[f"says-{rhythm.rule}"].format(count=count, time=clock_time(at, SAID_IN), zone=where))
    if has.alerts:
        said.append(READERS["says-alerts"])
    return " ".join(said) or READERS["says-nothing"]


def _script(publication: Publication) -> str:
    """The words for ``settings.js``, with what it puts in still in braces."""
    often = {
        rhythm.name: {
            "says": READERS[f"says-{rhythm.rule}"].replace("{count}", str(publication.max_items)),
            "time": clock_time(rhythm.send_at, SAID_IN),
            "zone": publication.timezone,
        }
        for rhythm in publication.cadences
    }
    words = {
        "often": often,
        "pause": READERS["says-paused-until"],
        "alerts": READERS["says-alerts"],
        "nothing": READERS["says-nothing"],
    }
    return json.dumps(words, ensure_ascii=False)


def _rhythm(publication: Publication, name: str) -> Cadence | None:
    return next((one for one in publication.cadences if one.name == name), next(iter(publication.cadences), None))


def _choice(form: Form, row: Row, zone: str) -> Choice:
    def said(name: str) -> str:
        return form.text(f"{row.publication.slug}.{name}", 64)

    cadence, digest, alerts = said("cadence"), bool(said("digest")), bool(said("alerts"))
    pauses = cadence == PAUSE
    return Choice(
        is_wanted=digest or alerts,
        digest=digest,
        alerts=alerts,
        topics=form.all(f"{row.publication.slug}.topics") if row.topics else None,
        cadence=None if pauses or not cadence else cadence,
        format={"html": Format.HTML, "text": Format.TEXT}.get(said("format")),
        deliver_at=said("deliver_at"),
        is_paused=pauses if cadence else None,
        pause_until=_pause_until(said(PAUSE), zone) if pauses else None,
    )


def _pause_until(text: str, zone: str) -> datetime | None:
    """The beginning of a day where the reader lives."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, KeyError, OverflowError) as error:
        raise BadInput(f"{text!r} is not a day", hint="write it as 2026-12-24") from error


def _local_day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    """Time zones by the places that people know; names for the same place in other orders are left out."""
    return tuple(sorted(zone for zone in available_timezones() if zone.startswith(_AREAS) and zone.count("/") == 1))
