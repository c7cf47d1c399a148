"""Periods and send times at clock changes, in every zone there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.model.calendar import Period, due_period, local_instant, next_period, reader_instant
from digest.model.publication import Cadence, CadenceRule

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
DAY = timedelta(days=1)

zones = st.sampled_from(ZONES).map(ZoneInfo)
clock_times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
rules = st.sampled_from(CadenceRule)
instants = st.integers(365 * 86400, 120 * 365 * 86400).map(lambda second: datetime.fromtimestamp(second, UTC))


def cadence(rule: CadenceRule = CadenceRule.DAILY, at: time = time(7)) -> Cadence:
    return Cadence(rule.value, rule, at)


def is_matching(rule: CadenceRule, day: date) -> bool:
    return {
        "daily": True,
        "weekdays": day.isoweekday() <= 5,
        "weekly": day.isoweekday() == 1,
        "monthly": day.day == 1,
    }[rule.value]


def first_minute_from(naive: datetime, zone: ZoneInfo) -> datetime:
    """The same by brute force: the first UTC minute whose wall clock reads ``naive`` or later."""
    instant = naive.replace(tzinfo=UTC) - timedelta(hours=27)
    while instant.astimezone(zone).replace(tzinfo=None) < naive:
        instant += timedelta(minutes=1)
    return instant


def periods_of_year(year: int, zone: ZoneInfo, rhythm: Cadence) -> list[Period]:
    now, found = datetime(year - 1, 12, 30, tzinfo=UTC), []
    while now.year <= year:
        found.append(next_period(rhythm, zone, now))
        now = found[-1].due_at
    return [period for period in found if period.start.year == year]


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 3, 29), time(2, 0), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 3, 29), time(1, 59), "2026-03-29 00:59"),
        ("Europe/Berlin", date(2026, 3, 29), time(3, 0), "2026-03-29 01:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 59), "2026-03-08 07:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03 15:30"),
        ("Antarctica/Troll", date(2026, 3, 29), time(1, 30), "2026-03-29 01:00"),
        ("Africa/Casablanca", date(2026, 3, 22), time(2, 30), "2026-03-22 02:00"),
        ("Pacific/Apia", date(2011, 12, 30), time(7, 0), "2011-12-30 10:00"),
        ("Pacific/Apia", date(2011, 12, 30), time(23, 59), "2011-12-30 10:00"),
        ("Africa/Monrovia", date(1972, 1, 7), time(0, 10), "1972-01-07 00:44:30"),
    ],
)
def test_a_time_in_a_gap_is_the_first_valid_instant_after_it(zone: str, day: date, at: time, expected: str):
    assert local_instant(day, at, ZoneInfo(zone)) == datetime.fromisoformat(f"{expected}Z")


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25 00:30"),
        ("Europe/Berlin", date(2026, 10, 25), time(3, 0), "2026-10-25 02:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-04 14:45"),
        ("America/St_Johns", date(2026, 11, 1), time(1, 30), "2026-11-01 04:00"),
        ("Antarctica/Troll", date(2026, 10, 25), time(2, 30), "2026-10-25 00:30"),
    ],
)
def test_a_time_that_happens_twice_is_its_first_occurrence(zone: str, day: date, at: time, expected: str):
    assert local_instant(day, at, ZoneInfo(zone)) == datetime.fromisoformat(f"{expected}Z")


@given(st.dates(date(1973, 1, 1), date(2036, 12, 31)), clock_times, zones)
@example(date(2011, 12, 30), time(0, 0), ZoneInfo("Pacific/Apia"))
@example(date(2026, 3, 29), time(2, 30), ZoneInfo("Europe/Berlin"))
@example(date(2026, 10, 25), time(2, 30), ZoneInfo("Europe/Berlin"))
def test_a_wall_clock_time_is_the_first_minute_at_which_a_clock_on_the_wall_shows_it(
    day: date, at: time, zone: ZoneInfo
):
    assert local_instant(day, at, zone) == first_minute_from(datetime.combine(day, at), zone)


@given(rules, clock_times, zones, instants)
@example(CadenceRule.DAILY, time(0, 0), ZoneInfo("Pacific/Apia"), datetime(2011, 12, 30, 10, 0, tzinfo=UTC))
@example(CadenceRule.WEEKLY, time(23, 59), ZoneInfo("Pacific/Kiritimati"), datetime(2028, 2, 29, 23, 59, tzinfo=UTC))
@example(CadenceRule.DAILY, time(2, 30), ZoneInfo("Europe/Berlin"), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
def test_now_lies_between_the_due_period_and_the_next_one(rule: CadenceRule, at: time, zone: ZoneInfo, now: datetime):
    due, following = (choose(cadence(rule, at), zone, now) for choose in (due_period, next_period))

    assert due.due_at <= now < following.due_at
    assert due.start < following.start
    assert is_matching(rule, due.start)
    assert is_matching(rule, following.start)
    assert not any(is_matching(rule, due.start + n * DAY) for n in range(1, (following.start - due.start).days))


@given(rules, clock_times, zones, instants)
def test_a_period_is_due_at_its_own_send_instant_and_not_a_microsecond_before(
    rule: CadenceRule, at: time, zone: ZoneInfo, now: datetime
):
    rhythm = cadence(rule, at)
    due = due_period(rhythm, zone, now)

    assert due_period(rhythm, zone, due.due_at).due_at == due.due_at
    assert due_period(rhythm, zone, due.due_at - timedelta(microseconds=1)).start < due.start


@pytest.mark.parametrize("at", [time(0, 0), time(1, 45), time(2, 30), time(7, 0), time(23, 59)])
@pytest.mark.parametrize(
    ("zone", "year"),
    [
        ("Europe/Berlin", 2026),
        ("America/New_York", 2028),
        ("Australia/Lord_Howe", 2026),
        ("Africa/Casablanca", 2026),
        ("Antarctica/Troll", 2026),
        ("America/Nuuk", 2024),
        ("Africa/Cairo", 2024),
        ("Asia/Kathmandu", 2026),
    ],
)
def test_a_whole_year_has_one_period_a_day_none_twice_and_none_left_out(zone: str, year: int, at: time):
    found = periods_of_year(year, ZoneInfo(zone), cadence(at=at))
    lengths = [later.due_at - earlier.due_at for earlier, later in pairwise(found)]

    assert {later.start - earlier.start for earlier, later in pairwise(found)} == {DAY}
    assert [found[0].start, found[-1].start] == [date(year, 1, 1), date(year, 12, 31)]
    assert min(lengths) >= timedelta(hours=22)
    assert max(lengths) <= timedelta(hours=26)


@pytest.mark.parametrize(("rule", "count"), [(CadenceRule.WEEKDAYS, 261), (CadenceRule.WEEKLY, 52)])
def test_a_year_of_weekdays_and_of_mondays_is_complete(rule: CadenceRule, count: int):
    found = [period.start for period in periods_of_year(2026, ZoneInfo("Europe/Berlin"), cadence(rule))]
    days = [date(2026, 1, 1) + n * DAY for n in range(365)]

    assert found == [day for day in days if is_matching(rule, day)]
    assert len(found) == count


def test_the_leap_day_has_its_own_period():
    starts = [period.start for period in periods_of_year(2028, ZoneInfo("Europe/Berlin"), cadence())]

    assert date(2028, 2, 29) in starts
    assert len(starts) == 366


def test_a_day_that_a_zone_left_out_is_due_when_the_next_one_begins():
    found = periods_of_year(2011, ZoneInfo("Pacific/Apia"), cadence(at=time(7)))
    by_start = {period.start.isoformat(): period.due_at for period in found}

    assert by_start["2011-12-29"] == datetime(2011, 12, 29, 17, 0, tzinfo=UTC)
    assert by_start["2011-12-30"] == datetime(2011, 12, 30, 10, 0, tzinfo=UTC)
    assert by_start["2011-12-31"] == datetime(2011, 12, 30, 17, 0, tzinfo=UTC)


def test_two_periods_that_fall_on_one_instant_give_the_later_one():
    """Midnight of the day Apia left out and midnight of the next are the same moment: one issue, not two."""
    rhythm, zone = cadence(at=time(0)), ZoneInfo("Pacific/Apia")
    moment = datetime(2011, 12, 30, 10, 0, tzinfo=UTC)

    assert due_period(rhythm, zone, moment) == Period(date(2011, 12, 31), moment)
    assert next_period(rhythm, zone, moment).start == date(2012, 1, 1)


def test_on_a_weekend_the_due_weekday_period_is_fridays():
    sunday = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    rhythm, zone = cadence(CadenceRule.WEEKDAYS), ZoneInfo("Europe/Dublin")

    assert due_period(rhythm, zone, sunday) == Period(date(2026, 11, 20), datetime(2026, 11, 20, 7, tzinfo=UTC))
    assert next_period(rhythm, zone, sunday).start == date(2026, 11, 23)


def test_the_local_day_names_the_period_where_the_date_line_is_far_away():
    rhythm, now = cadence(at=time(6)), datetime(2026, 11, 22, 16, 0, tzinfo=UTC)

    assert due_period(rhythm, ZoneInfo("Pacific/Kiritimati"), now).start == date(2026, 11, 23)
    assert due_period(rhythm, ZoneInfo("Pacific/Pago_Pago"), now).start == date(2026, 11, 21)


@given(zones, zones, clock_times, clock_times, st.integers(2024, 2030))
@example(ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), time(7), time(1, 30), 2026)
@example(ZoneInfo("Europe/Dublin"), ZoneInfo("Africa/Casablanca"), time(0), time(0), 2026)
@example(ZoneInfo("Etc/GMT+12"), ZoneInfo("Pacific/Kiritimati"), time(23, 59), time(0), 2026)
def test_a_reader_gets_one_issue_on_each_local_day_of_a_year(
    zone: ZoneInfo, reader_zone: ZoneInfo, send_at: time, deliver_at: time, year: int
):
    due = [
        (period, reader_instant(period, send_at=send_at, zone=zone, deliver_at=deliver_at, reader_zone=reader_zone))
        for period in periods_of_year(year, zone, cadence(at=send_at))
    ]
    wished = {
        local_instant(due[0][1].astimezone(reader_zone).date() + n * DAY, deliver_at, reader_zone)
        for n in range(-2, 370)
    }

    assert all(one < other for (_, one), (_, other) in pairwise(due))
    assert all(timedelta() <= instant - period.due_at <= timedelta(hours=26) for period, instant in due)
    late = [instant - max(wish for wish in wished if wish <= instant) for _, instant in due]
    assert max(late) <= timedelta(hours=2)
    assert len({wish for _, instant in due for wish in [max(wish for wish in wished if wish <= instant)]}) == len(due)


def test_a_readers_hour_is_the_first_that_is_not_before_the_issue():
    berlin, period = ZoneInfo("Europe/Berlin"), Period(date(2026, 12, 1), datetime(2026, 12, 1, 6, tzinfo=UTC))

    def at(hour: int, zone: str) -> datetime:
        clock = {"deliver_at": time(hour), "reader_zone": ZoneInfo(zone)}
        return reader_instant(period, send_at=time(7), zone=berlin, **clock)

    assert at(7, "Europe/Berlin") == period.due_at
    assert at(8, "Europe/Berlin") == datetime(2026, 12, 1, 7, tzinfo=UTC)
    assert at(6, "Europe/Berlin") == datetime(2026, 12, 2, 5, tzinfo=UTC)
    assert at(18, "America/New_York") == datetime(2026, 12, 1, 23, tzinfo=UTC)
    assert at(9, "Asia/Tokyo") == datetime(2026, 12, 2, 0, tzinfo=UTC)


def starts(rhythm: Cadence, year: int) -> list[str]:
    return [f"{period.start:%m-%d}" for period in periods_of_year(year, ZoneInfo("Europe/Berlin"), rhythm)]


def test_a_monthly_issue_comes_on_its_day_or_on_the_last_of_a_shorter_month():
    monthly = replace(cadence(CadenceRule.MONTHLY), day=31)

    assert starts(monthly, 2028)[:4] == ["01-31", "02-29", "03-31", "04-30"]
    assert len(starts(monthly, 2026)) == 12


def test_a_weekly_issue_comes_on_its_day_of_the_week():
    weekly = replace(cadence(CadenceRule.WEEKLY), day=5)

    assert starts(weekly, 2026)[:3] == ["01-02", "01-09", "01-16"]


def test_on_a_day_off_a_daily_issue_falls_out_and_a_weekly_one_comes_the_day_after():
    holidays = frozenset({"12-25", "12-26", "2026-12-28"})
    daily = replace(cadence(), days_off=holidays)
    weekly = replace(cadence(CadenceRule.WEEKLY), day=5, days_off=holidays)

    assert starts(daily, 2026)[-6:] == ["12-23", "12-24", "12-27", "12-29", "12-30", "12-31"]
    assert starts(daily, 2027)[-5:] == ["12-27", "12-28", "12-29", "12-30", "12-31"]
    assert starts(weekly, 2026)[-2:] == ["12-18", "12-27"]


@given(rules, st.integers(1, 31), st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=60), st.data())
def test_whatever_the_days_off_the_period_that_is_due_is_the_last_that_was_next(
    rule: CadenceRule, day: int, off: set[date], data: st.DataObject
):
    of_week = day % 7 + 1
    rhythm = Cadence(
        rule.value,
        rule,
        time(7),
        day={CadenceRule.WEEKLY: of_week, CadenceRule.MONTHLY: day}.get(rule),
        days_off=frozenset(one.isoformat() for one in off),
    )
    now = data.draw(st.datetimes(datetime(2026, 2, 1), datetime(2026, 11, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
    zone = ZoneInfo("America/Santiago")
    due = due_period(rhythm, zone, now)
    following = next_period(rhythm, zone, due.due_at)

    assert due.due_at <= now < following.due_at
    assert not {due.start, following.start} & off
