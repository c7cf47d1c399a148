"""The rhythms of a publication: checking what an operator says about them, and taking one away."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, time, timedelta

from digest.model.errors import BadInput, NotFound
from digest.model.publication import Cadence, CadenceRule, CatchUp, Publication
from digest.store import publications, subscriptions
from digest.store.engine import Tx

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOST_DAYS_OFF = 120


def new_cadence(
    rule: CadenceRule,
    *,
    send_at: str,
    catch_up: CatchUp = CatchUp.LATEST,
    max_lateness: timedelta = timedelta(hours=6),
    on: str | None = None,
) -> Cadence:
    """A checked cadence, named after its rule. ``on`` is a weekday's name or a day of the month."""
    return Cadence(
        name=rule.value,
        rule=rule,
        send_at=_clock_time(send_at),
        catch_up=catch_up,
        max_lateness=_late(max_lateness),
        day=_day(rule, on) if on else None,
    )


def changed_cadence(
    cadence: Cadence,
    *,
    send_at: str | None,
    catch_up: CatchUp | None,
    max_lateness_h: float | None,
    on: str | None = None,
) -> Cadence:
    """The cadence with what is not None changed."""
    if on is not None:
        cadence = replace(cadence, day=_day(cadence.rule, on))
    if send_at is not None:
        cadence = replace(cadence, send_at=_clock_time(send_at))
    if catch_up is not None:
        cadence = replace(cadence, catch_up=catch_up)
    if max_lateness_h is not None:
        cadence = replace(cadence, max_lateness=_late(timedelta(hours=max_lateness_h)))
    return cadence


def end_cadence(tx: Tx, publication: Publication, rule: CadenceRule) -> int:
    """Take a rhythm away and give its readers the first that is left; gives how many that moved.

    Raises NotFound where the publication has no such rhythm, BadInput where it is the only one.
    """
    left = [one for one in publication.cadences if one.name != rule.value]
    if len(left) == len(publication.cadences):
        raise NotFound(
            f"publication {publication.slug!r} has no {rule} issue",
            hint=f"it has: {', '.join(one.name for one in publication.cadences)}",
        )
    if not left:
        raise BadInput(
            f"the {rule} issue is the only one of {publication.slug!r}",
            hint="add another with `digest publication cadence add` first",
        )
    publications.drop_cadence(tx, publication.id, rule.value)
    return subscriptions.move_to_cadence(tx, publication.id, rule.value, to=left[0].name)


def days_off(text: str) -> str:
    """Days on which a publication rests, as they are stored: sorted, once each. Raises BadInput for anything else."""
    days = sorted({word for word in text.replace(",", " ").split() if word})
    for word in days:
        try:
            date.fromisoformat(word if len(word) == len("2026-12-25") else f"2024-{word}")  # a leap year has them all
        except ValueError as error:
            raise BadInput(
                f"{word!r} is no day off",
                hint="write 12-25 for every year, or 2026-05-01 for once, with commas between",
            ) from error
    if len(days) > _MOST_DAYS_OFF:
        raise BadInput(
            f"{len(days)} days off are too many", hint=f"at most {_MOST_DAYS_OFF}; pause the sources instead"
        )
    return " ".join(days)


def _day(rule: CadenceRule, on: str) -> int:
    word = on.strip().lower()
    if rule is CadenceRule.WEEKLY:
        for number, name in enumerate(WEEKDAYS, start=1):
            if len(word) > 1 and name.startswith(word):
                return number
        raise BadInput(f"{on!r} is no day of the week", hint="write its name, such as friday")
    if rule is CadenceRule.MONTHLY:
        if word.isascii() and word.isdigit() and 1 <= int(word) <= 31:
            return int(word)
        raise BadInput(
            f"{on!r} is no day of the month", hint="write a number from 1 to 31; shorter months have their last"
        )
    raise BadInput(f"a {rule} issue has no day of its own", hint="--on goes with weekly and monthly")


def _clock_time(text: str) -> time:
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", text):
        raise BadInput(f"{text!r} is not a time of day", hint="write HH:MM, such as 07:00")
    hour, _, minute = text.partition(":")
    return time(int(hour), int(minute))


def _late(value: timedelta) -> timedelta:
    if not timedelta() <= value <= timedelta(days=7):
        raise BadInput("--max-lateness must be between 0 and 168 hours", hint="6 is the default")
    return value
