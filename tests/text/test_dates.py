from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.text import dates


def _at(text: str, **options: str) -> str | None:
    found = dates.parse(text, **options)
    return found.at.strftime("%Y-%m-%d %H:%M") if found else None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Wed, 20 Aug 2025 10:00:00 +0200", "2025-08-20 08:00"),
        ("Wed, 20 Aug 2025 10:00:00 BST", "2025-08-20 09:00"),
        ("Wed, 20 Aug 2025 10:00:00 EDT", "2025-08-20 14:00"),
        ("Wed, 20 Aug 2025 10:00:00 CEST", "2025-08-20 08:00"),
        ("Wed, 20 Aug 2025 10:00:00 GMT+2", "2025-08-20 08:00"),
        ("20 Aug 2025 8:56 pm PST", "2025-08-21 04:56"),
        ("2025-08-20T10:00:00.123456789Z", "2025-08-20 10:00"),
        ("2025-08-20T10:00+0100", "2025-08-20 09:00"),
        ("2025-08-20 07:46", "2025-08-20 07:46"),
        ("20.08.2025, 19:46 Uhr", "2025-08-20 19:46"),
        ("20.08.2025 7.46 Uhr", "2025-08-20 07:46"),
        ("2025/8/20 07:46:00", "2025-08-20 07:46"),
        ("2025-08-20T24:00:00Z", "2025-08-21 00:00"),
        ("August 20, 2025 8:05 am EDT", "2025-08-20 12:05"),
        ("mer, 20 août 2025 10:00:00 +0200", "2025-08-20 08:00"),
        ("Seg, 24 Set 2018 19:42:40 -0300", "2018-09-24 22:42"),
        ("20. März 2025 10:00", "2025-03-20 10:00"),
        ("St, 02 Říj 2019 10:00:00 +0200", "2019-10-02 08:00"),
        ("Çrş, 02 Eki 2019 10:00:00 +0300", "2019-10-02 07:00"),
        ("Κυρ, 11 Ιούλ 2004 12:00:00 +0300", "2004-07-11 09:00"),
        ("2025年8月20日 14:34", "2025-08-20 14:34"),
        ("1748937900", "2025-06-03 08:05"),
        ("1748937900000", "2025-06-03 08:05"),
    ],
)
def test_an_instant_is_read_in_its_zone(text: str, instant: str):
    assert _at(text) == instant


@pytest.mark.parametrize(
    "text", ["2025-08-20", "08/20/2025", "20/08/2025", "20.08.2025", "August 20, 2025", "20 Aug 2025"]
)
def test_a_day_without_a_time_is_noon_utc_and_says_so(text: str):
    found = dates.parse(text)

    assert found == dates.ParsedDate(datetime(2025, 8, 20, 12, tzinfo=UTC), is_day=True)


def test_an_ambiguous_day_is_month_first_unless_the_locale_says_otherwise():
    assert _at("03/04/2025") == "2025-03-04 12:00"
    assert _at("03/04/2025", language="en-GB") == "2025-04-03 12:00"
    assert _at("03.04.2025") == "2025-04-03 12:00"


@pytest.mark.parametrize(
    "text", ["", "by:", "12345", "2025", "yesterday", "Fri, 31 Feb 2025 10:00:00 GMT", "x" * 200, "9999-12-31"]
)
def test_what_is_no_date_is_none(text: str):
    assert dates.parse(text) is None


def test_rare_languages_reach_the_last_resort():
    assert _at("20 августа 2025 г. в 14:30", language="ru") == "2025-08-20 14:30"
    assert dates.parse_plain("20 августа 2025 г. в 14:30", language="ru") is None


def test_a_reader_guesses_only_so_often():
    reader = dates.DateReader("ru", guesses=1)

    assert reader.read("20 августа 2025 г. в 14:30") is not None
    assert reader.read("21 августа 2025 г. в 14:30") is None
    assert reader.read("2025-08-21T14:30:00Z") is not None


def test_real_dates_are_all_right(shared_data: Path):
    lines = (shared_data / "articles/dates/raw_dates.jsonl").read_text().splitlines()
    known = [record for line in lines if (record := json.loads(line))["epoch"] is not None]

    wrong = [
        record["raw"]
        for record in known
        if (found := dates.parse(record["raw"])) is None or abs(found.at.timestamp() - record["epoch"]) > 60
    ]

    assert known
    assert wrong == []
