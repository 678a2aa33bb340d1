"""The days of files: as a mapping writes them, as everybody does, and as Excel counts them
(interfaces.md, *Order lines as a file*).
"""

import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from services.ingest.fields import Wrong, read_day

# what a date_format may be beside a format of strptime: days since a first one, as a workbook
# counts them. Excel holds 1900 to be a leap year, so that its count fits from March 1900 on.
SERIALS = {"excel": date(1899, 12, 30), "excel-1904": date(1904, 1, 1)}
ISO = "a day such as 2026-03-31"

_USUAL_SERIAL = re.compile(r"[2-6][0-9]{4}(?:\.[0-9]+)?")  # of the years 1954 to 2091
_SERIAL = re.compile(r"([0-9]{1,7})(?:[.,][0-9]{1,18})?")
# a clock time behind a day, as databases, programs and spreadsheets write it
_TIME = re.compile(
    r"(?P<day>.*?[^\s,T])(?:[\s,]+|T|(?<=[0-9]{4}):)"
    r"(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2})(?:[.,:][0-9]{1,9})?)?"
    r"\s*(?P<half>[AaPp])?(?(half)\.?[Mm]\.?)\s*"
    r"(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?(?:\s+UTC)?"
)
_HOUR_FORMAT = re.compile(r"%[HIkl]")  # a format's time begins with it


def file_day(text: str, zone: ZoneInfo, formats: Sequence[str] = ()) -> date:
    """A day as the mapping writes it, else as everybody does. A time behind it may be there or not;
    one without a zone is the organization's. Raises Wrong, also where two formats read two days.
    """
    found: list[date] = []
    for one in formats:
        day = _by_serial(text, SERIALS[one]) if one in SERIALS else _by_format(text, one, zone)
        if day is not None and day not in found:
            found.append(day)
    if len(found) > 1:
        raise Wrong(f"is {found[0]} or {found[1]}: two forms of date_format can read it")
    if found:
        return found[0]
    try:
        return read_day(text, zone)
    except Wrong as error:
        if _USUAL_SERIAL.fullmatch(text) and not any(one in SERIALS for one in formats):
            day = _by_serial(text, SERIALS["excel"])
            hint = f'a spreadsheet counts {day} so: "excel" in date_format reads it'
        else:
            hint = "" if formats else "date_format in a mapping says how else days look"
        reason = f"is neither {', '.join(formats)} nor {ISO}" if formats else str(error)
        raise Wrong(f"{reason}; {hint}" if hint else reason) from None


def _by_serial(text: str, first: date) -> date | None:
    found = _SERIAL.fullmatch(text)
    if found is None:
        return None
    try:
        return first + timedelta(days=int(found[1]))
    except OverflowError:
        raise Wrong("is no day of the calendar") from None


def _by_format(text: str, date_format: str, zone: ZoneInfo) -> date | None:
    """None where the text is of another form."""
    try:
        at = datetime.strptime(text, date_format)  # noqa: DTZ007  # naive: of the organization
    except ValueError:
        return _with_a_time(text, date_format, zone)
    if "%Z" in date_format:
        at = at.replace(tzinfo=_named_zone(text, date_format))
    return at.date() if at.tzinfo is None else _local(at, zone)


def _with_a_time(text: str, date_format: str, zone: ZoneInfo) -> date | None:
    """The day where the text has a time that the format lacks, or one of another form."""
    time_format = _HOUR_FORMAT.search(date_format)
    day_format = date_format
    if time_format is not None:
        day_format = date_format[: time_format.start()].rstrip(" \t\r\n,T:")
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            # of a format with a time: the day alone
            return None if day_format == date_format else _plain_day(text, day_format)
        day = _plain_day(found["day"], day_format)
        hour, half = int(found["hour"]), (found["half"] or "").lower()
        if half and not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half == "p") if half else hour
        at = datetime(
            *(day.year, day.month, day.day),
            *(hour, int(found["minute"]), int(found["second"] or 0)),
            tzinfo=_offset(found["zone"]),
        )
    except ValueError:
        return None
    return at.date() if at.tzinfo is None else _local(at, zone)


def _plain_day(text: str, day_format: str) -> date:
    return datetime.strptime(text, day_format).date()  # noqa: DTZ007  # no time in it


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if text[0] == "-" else offset)


def _local(at: datetime, zone: ZoneInfo) -> date:
    try:
        return at.astimezone(zone).date()
    except OverflowError:
        raise Wrong("is no day of the calendar") from None


def _named_zone(text: str, date_format: str) -> tzinfo:
    """The zone behind `%Z`, which Python reads and forgets. Raises Wrong for another than UTC."""
    zone = time.strptime(text, date_format).tm_zone
    if zone is None or zone.upper() not in ("UTC", "GMT"):
        raise Wrong(
            f"names the zone {zone}: only UTC and GMT are known by name, %z reads an offset"
        )
    return UTC
