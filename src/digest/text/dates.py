"""Dates as feeds and pages write them, to aware UTC instants.

Order (collection.md §2.3): RFC 822 by email.utils, ISO 8601 by fromisoformat, the plain forms of articles
("08/20/2025", "August 20, 2025"), and only then dateparser, which costs a thousand times more and guesses.
A date without a zone is read as UTC, and says so; a date without a time is noon UTC of that day and says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from email.utils import parsedate_tz

_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_MAX_CHARS = 80

# Zone names that mail software does not know or reads as UTC. Where a name has two meanings, the one news uses.
_ZONES_H = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "IST": 5.5, "CET": 1, "CEST": 2, "MET": 1,
    "MEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "SAST": 2, "EAT": 3, "WAT": 1, "CAT": 2, "EST": -5,
    "EDT": -4, "ET": -5, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "PT": -8, "AKST": -9,
    "AKDT": -8, "HST": -10, "AST": -4, "ADT": -3, "NST": -3.5, "NDT": -2.5, "BRT": -3, "ART": -3, "JST": 9, "KST": 9,
    "HKT": 8, "SGT": 8, "PHT": 8, "WIB": 7, "ICT": 7, "PKT": 5, "AEST": 10, "AEDT": 11, "ACST": 9.5, "ACDT": 10.5,
    "AWST": 8, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_ZONE_AT_END = re.compile(r"(?<=[\d\sapmAPM])\s*\(?(?:GMT|UTC)?\b([A-Z]{1,4})\)?$")
_OFFSET_AT_END = re.compile(r"\s*(?:GMT|UTC)\s*([+-]\d{1,2}):?(\d{2})?$")
_RFC822 = re.compile(r"^(?:[^\W\d]{2,12}\.?,?\s*)?\d{1,2}[\s-]+[A-Za-z]{3,9}\.?,?[\s-]+\d{2,4}\b")
_ISO = re.compile(r"^\d{4}-?\d{2}-?\d{2}")
_ISO_LOOSE = re.compile(
    r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?\s*"
    r"(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?$"
)
_NUMERIC = re.compile(
    r"^(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})"
    r"(?:,?\s+(?:at\s+)?(\d{1,2})[:.](\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?|Uhr)?)?$",
    re.IGNORECASE,
)
_WORDS_MONTH_FIRST = re.compile(
    r"^(?:[^\W\d]{3,9}\.?,?\s+)?([A-Za-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b(.*)$"
)
_WORDS_DAY_FIRST = re.compile(
    r"^(?:[^\W\d]{3,9}\.?,?\s+)?(\d{1,2})(?:st|nd|rd|th)?\.?\s+([A-Za-z]{3,9})\.?,?\s+(\d{4})\b(.*)$"
)
_TIME = re.compile(r"^[\s,|–-]*(?:at\s+)?(\d{1,2})[:.](\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?)?$", re.IGNORECASE)
_EAST_ASIAN = re.compile(r"^(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일号號]?(?: ?[(（].[)）])?(.*)$")
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?")  # 2001 to 2033
_HAS_TIME = re.compile(r"\d{1,2}\s*[:hH.]\s*\d{2}(?!\d)|\d\s*[ap]\.?m\b|\d\s*Uhr", re.IGNORECASE)
_HALF_DAY = re.compile(r"\d\s*[ap]\.?m\b", re.IGNORECASE)  # email.utils ignores it: 8 pm would be 8 am
_HAS_YEAR_AND_DAY = re.compile(r"(?=.*(?<!\d)\d{4}(?!\d))(?=.*(?<!\d)\d{1,2}(?!\d))")
_MONTH_NAMES = "january february march april may june july august september october november december"
_ENGLISH_MONTHS = [name[:3].title() for name in _MONTH_NAMES.split()]
_MONTHS = {name[:3]: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_MONTH_WORDS = frozenset(_MONTH_NAMES.split()) | frozenset(_MONTHS) | {"sept"}
_FOREIGN_MONTH_NAMES = """
janv janvier januar januari jän jänner ene enero gen gennaio janeiro stycznia sty января янв ιαν ιανουαρίου ledna led
fév févr février februar februari febrero febbraio fev fevereiro lutego lut февраля фев φεβ φεβρουαρίου února úno
mars mär märz mrz maart mrt marzo março marca марта мар μαρ μαρτίου března bře
avr avril abr abril aprile kwietnia kwi апреля апр απρ απριλίου dubna dub
mai mei mayo mag maggio maio maj maja мая май μαΐ μαϊ μάι μαι μαΐου května kvě
juin juni junio giu giugno junho czerwca cze июня июн ιουν ιούν ιουνίου června čvn
juil juillet juli julio lug luglio julho lipca lip июля июл ιουλ ιούλ ιουλίου července čvc
août aout augustus augusti ago agosto sierpnia sie августа авг αυγ αύγ αυγούστου srpna srp
septembre septiembre set settembre setembro września wrz сентября сен σεπ σεπτεμβρίου září zář
octobre okt oktober oct octubre ott ottobre out outubro października paź октября окт οκτ οκτωβρίου října říj
novembre noviembre novembro listopada lis ноября ноя νοε νοεμβρίου listopadu
déc décembre dez dezember des desember dic diciembre dicembre dezembro grudnia gru декабря дек δεκ δεκεμβρίου prosince
"""
_MORE_MONTH_NAMES = """
ocak oca ianuarie ian tammi tammikuuta січня
şubat şub februarie helmi helmikuuta лютого
mart martie maalis maaliskuuta березня
nisan nis huhti huhtikuuta квітня
mayıs touko toukokuuta травня
haziran haz iunie iun kesä kesäkuuta червня
temmuz tem iulie iul heinä heinäkuuta липня
ağustos ağu elo elokuuta agu agt серпня
eylül eyl septembrie syys syyskuuta вересня
ekim eki octombrie loka lokakuuta жовтня
kasım kas noiembrie marras marraskuuta листопада
aralık ara decembrie joulu joulukuuta грудня
"""
_FOREIGN_MONTHS = {
    name: number
    for names_by_month in (_MORE_MONTH_NAMES, _FOREIGN_MONTH_NAMES)
    for number, names in enumerate(names_by_month.strip().split("\n"), start=1)
    for name in names.split()
}
_FOREIGN = re.compile(
    r"^(?:[^\W\d]{2,12}(?:-feira)?\.?,?\s+(?:den\s+)?)?(\d{1,2})(?:\.|er|º)?[\s-]+(?:de\s+)?"
    r"([^\W\d]{3,12})\.?,?[\s-]+(?:de\s+|del\s+)?(\d{4})\b(.*)$"
)
_ENDS_WITH_TIME = re.compile(r"\d:\d\d(?:[:.]\d+)*$")
_LAST_RESORT_NAMES = "en fr de es it pt nl pl ru uk cs hu ro tr sv da nb fi el bg ja zh ko ar he vi id"
_LAST_RESORT_LANGUAGES = _LAST_RESORT_NAMES.split()  # all of dateparser's would take 5 s to load
_MONTH_FIRST_LOCALES = frozenset({"en", "en-us", "en-ph", "es-us"})


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """An aware UTC instant; ``is_day`` when only the day was given, and ``at`` is its noon.

    ``has_zone`` is false where a time was given without a zone and was read as UTC.
    """

    at: datetime
    is_day: bool
    has_zone: bool = True


def parse(text: str, *, language: str | None = None) -> ParsedDate | None:
    """The instant that ``text`` names, or None. ``language`` (BCP 47) helps with month names and 03/04/2025."""
    text = _squeezed(text)
    if not text:
        return None
    return parse_plain(text, language=language) or _epoch(text) or _last_resort(text, language)


class DateReader:
    """Reads the dates of one document: guessing, a thousand times as dear as reading, only so often.

    Without that limit, a document of 15 MB full of words that might be dates would take minutes.
    """

    def __init__(self, language: str | None = None, *, guesses: int = 100) -> None:
        self.language = language
        self._guesses_left = guesses

    def read(self, text: str) -> ParsedDate | None:
        """The instant that ``text`` names, or None."""
        if not text:
            return None
        if found := parse_plain(text, language=self.language):
            return found
        if not self._guesses_left:
            return None
        self._guesses_left -= 1
        return parse(text, language=self.language)


def parse_plain(text: str, *, language: str | None = None) -> ParsedDate | None:
    """`parse` without its last resort: for texts that are most often no dates, where a guess costs and misleads."""
    text = _squeezed(text)
    if not text:
        return None
    bare, zone = _split_zone(_anglicise(text))
    for attempt in (_rfc822, _iso, _iso_loose):
        if found := attempt(bare, zone):
            return found
    return _numeric(bare, zone, language) or _in_words(bare, zone) or _east_asian(bare, zone)


def _east_asian(text: str, zone: timezone | None) -> ParsedDate | None:
    """Chinese, Japanese and Korean dates: "2025年8月20日 14:34"."""
    match = _EAST_ASIAN.match(text)
    if match is None:
        return None
    year, month, day = (int(match[at]) for at in (1, 2, 3))
    if not match[4].strip():
        return _day(year, month, day)
    clock = _TIME.match(match[4])
    return _instant(year, month, day, int(clock[1]), int(clock[2]), int(clock[3] or 0), zone=zone) if clock else None


def _epoch(text: str) -> ParsedDate | None:
    """Seconds since 1970, or milliseconds, as some programs write them into feeds."""
    if not _EPOCH.fullmatch(text):
        return None
    return _plausible(datetime.fromtimestamp(int(text[:10]), UTC))


def _squeezed(text: str) -> str:
    """On one line; ``""`` for what is too long to be a date."""
    if len(text) > 10 * _MAX_CHARS:
        return ""
    text = " ".join(text.split())
    return text if len(text) <= _MAX_CHARS else ""


def from_day(day: date) -> ParsedDate:
    """A day whose time nobody told: noon UTC."""
    return ParsedDate(datetime.combine(day, time(12), UTC), is_day=True)


def from_datetime(instant: datetime) -> ParsedDate:
    """An instant from a library; a naive one is UTC."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return ParsedDate(aware.astimezone(UTC), is_day=False)


def _split_zone(text: str) -> tuple[str, timezone | None]:
    """``text`` without a zone name at its end, and that zone; offsets such as +0100 stay where they are."""
    if match := _OFFSET_AT_END.search(text):
        hours, minutes = int(match.group(1)), int(match.group(2) or 0)
        if abs(hours) <= 14 and minutes < 60:
            sign = -1 if match.group(1).startswith("-") else 1
            return text[: match.start()].rstrip(), timezone(timedelta(hours=hours, minutes=sign * minutes))
    match = _ZONE_AT_END.search(text)
    if match and (hours_east := _ZONES_H.get(match.group(1))) is not None:
        return text[: match.start()].rstrip(), timezone(timedelta(hours=hours_east))
    return text, None


def _anglicise(text: str) -> str:
    """``text`` with a month name of another language in English and without its weekday."""
    match = _FOREIGN.match(text)
    month = _FOREIGN_MONTHS.get(match.group(2).lower()) if match else None
    if match is None or month is None:
        return text
    return f"{match.group(1)} {_ENGLISH_MONTHS[month - 1]} {match.group(3)}{match.group(4)}"


def _rfc822(text: str, zone: timezone | None) -> ParsedDate | None:
    if not _RFC822.match(text) or _HALF_DAY.search(text):
        return None
    try:
        fields = parsedate_tz(text)
    except (ValueError, IndexError, TypeError):  # email.utils trips over some shapes instead of returning None
        return None
    if fields is None:
        return None
    year, month, day, hour, minute, second = fields[:6]
    if not _HAS_TIME.search(text):
        return _day(year, month, day)
    if zone is None and not _ENDS_WITH_TIME.search(text):
        zone = timezone(timedelta(seconds=fields[9])) if fields[9] and abs(fields[9]) < 86400 else UTC
    return _instant(year, month, day, hour, minute, second, zone=zone)


def _iso(text: str, zone: timezone | None) -> ParsedDate | None:
    if not _ISO.match(text):
        return None
    text = re.sub(r"([.,]\d{6})\d+", r"\1", text.replace(" +", "+").replace(" -", "-"))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= 10 and ":" not in text and "T" not in text:
        return _day(instant.year, instant.month, instant.day)
    has_zone = instant.tzinfo is not None or zone is not None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone or UTC)
    return _plausible(instant, has_zone=has_zone)


def _iso_loose(text: str, zone: timezone | None) -> ParsedDate | None:
    match = _ISO_LOOSE.match(text)
    if not match:
        return None
    year, month, day = (int(match.group(i)) for i in (1, 2, 3))
    if match.group(4) is None:
        return _day(year, month, day)
    offset = match.group(7)
    if offset == "Z":
        zone = UTC
    elif offset:
        sign = -1 if offset[0] == "-" else 1
        digits = offset[1:].replace(":", "").ljust(4, "0")
        zone = timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))
    return _instant(year, month, day, int(match.group(4)), int(match.group(5)), int(match.group(6) or 0), zone=zone)


def _numeric(text: str, zone: timezone | None, language: str | None) -> ParsedDate | None:
    match = _NUMERIC.match(text)
    if not match:
        return None
    first, separator, second, year_text = match.group(1), match.group(2), match.group(3), match.group(4)
    year = int(year_text) if len(year_text) == 4 else 2000 + int(year_text)
    month, day = int(first), int(second)
    if month > 12 or (day <= 12 and _is_day_first(separator, language)):
        month, day = day, month
    if match.group(5) is None:
        return _day(year, month, day)
    hour = _hour(int(match.group(5)), match.group(8))
    return _instant(year, month, day, hour, int(match.group(6)), int(match.group(7) or 0), zone=zone)


def _is_day_first(separator: str, language: str | None) -> bool:
    """How to read 03/04/2025: dots are day first everywhere, slashes month first only in American English."""
    if separator == ".":
        return True
    return (language or "en").lower().replace("_", "-") not in _MONTH_FIRST_LOCALES


def _in_words(text: str, zone: timezone | None) -> ParsedDate | None:
    """English dates: "August 20, 2025", "Wed, Aug. 20 2025 8:05 am", "20 August 2025"."""
    if match := _WORDS_MONTH_FIRST.match(text):
        name, day, year, rest = match.groups()
    elif match := _WORDS_DAY_FIRST.match(text):
        day, name, year, rest = match.groups()
    else:
        return None
    if name.lower() not in _MONTH_WORDS:
        return None
    month = _MONTHS[name[:3].lower()]
    if not rest.strip(" ,|–-"):
        return _day(int(year), month, int(day))
    clock = _TIME.match(rest)
    if clock is None:
        return None
    hour = _hour(int(clock.group(1)), clock.group(4))
    return _instant(int(year), month, int(day), hour, int(clock.group(2)), int(clock.group(3) or 0), zone=zone)


def _last_resort(text: str, language: str | None) -> ParsedDate | None:
    if not _HAS_YEAR_AND_DAY.match(text):
        return None
    import dateparser  # noqa: PLC0415 - a third of a second to import, needed for one date string in thirty

    settings = {
        "STRICT_PARSING": True,
        "REQUIRE_PARTS": ["day", "month", "year"],
        "RETURN_AS_TIMEZONE_AWARE": True,
        "TIMEZONE": "UTC",
        "TO_TIMEZONE": "UTC",
        "PARSERS": ["absolute-time"],
    }
    hinted = [language.lower().split("-")[0]] if language else None
    instant = None
    for languages in (hinted, _LAST_RESORT_LANGUAGES) if hinted else (_LAST_RESORT_LANGUAGES,):
        try:
            instant = dateparser.parse(text, languages=languages, settings=settings)
        except (ValueError, OverflowError):  # ValueError also for a language it has never heard of
            continue
        if instant:
            break
    if instant is None:
        return None
    return _plausible(instant) if _HAS_TIME.search(text) else _day(instant.year, instant.month, instant.day)


def _hour(hour: int, half: str | None) -> int:
    if not half or half[0] not in "aApP":  # "Uhr" counts to 24
        return hour
    return hour % 12 + (12 if half[0] in "pP" else 0)


def _day(year: int, month: int, day: int) -> ParsedDate | None:
    try:
        found = from_day(date(year, month, day))
    except ValueError:
        return None
    return found if _FIRST_YEAR <= year <= _LAST_YEAR else None


def _instant(  # noqa: PLR0917 - the parts of a date are read in their own order
    year: int, month: int, day: int, hour: int, minute: int, second: int, *, zone: timezone | None
) -> ParsedDate | None:
    extra = timedelta(0)
    if hour == 24 and minute == 0 and second == 0:  # ISO 8601: the end of that day
        hour, extra = 0, timedelta(days=1)
    try:
        instant = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone or UTC) + extra
    except ValueError:
        return None
    return _plausible(instant, has_zone=zone is not None)


def _plausible(instant: datetime, *, has_zone: bool = True) -> ParsedDate | None:
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        return None
    return ParsedDate(instant.astimezone(UTC), is_day=False, has_zone=has_zone)
