"""What is known of a person beside name and address: text -> the one spelling that is kept.

Whoever takes a contact reads by these: ingest, and the console's form. Each raises ValueError
with a reason for people, which names no field.
"""

import re
from functools import cache
from importlib.resources import files
from typing import Literal
from zoneinfo import available_timezones

from babel import Locale

from shared.domain.cleaning import clean
from shared.domain.identifiers import is_cut, unforced
from shared.errors import Rejected
from shared.mail import checked_address

Newsletter = Literal["subscribed", "unsubscribed"]

LONGEST_PHONE = 40
FEWEST_DIGITS, MOST_DIGITS = 3, 20  # an inside number; E.164 with a prefix and an extension
LONGEST_LANGUAGE = 35  # what RFC 5646 4.4.1 asks of everybody

# RFC 5646: language, script, region, variants, extensions, private use
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<rest>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?)",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r"\s*(?:;?\s*ext(?:ension)?\.?\s*=?|x|#|,)\s*([0-9]{1,8})\s*$", re.I)
_NO_PHONE = "is no phone number: it has fewer than 3 digits, or more than 20"


def read_address(text: str) -> str:
    """An address as our sender takes it, with a domain of at least two names; its domain in the
    letters in which it was written.
    """
    address = text.strip().removesuffix(".")
    try:
        checked = checked_address(address)
    except Rejected as error:
        raise ValueError(error.errors[0].reason) from None
    if "." not in checked.rpartition("@")[2]:
        raise ValueError("names no domain such as example.com")
    return address


def read_phone(text: str) -> str:
    """As it was written, for eyes: `dialled` makes what a phone takes of it."""
    plain = clean(unforced(text)).text or ""
    if is_cut(plain):
        raise ValueError("a spreadsheet has cut this number: export the column as text")
    if len(plain) > LONGEST_PHONE:
        raise ValueError(f"is longer than {LONGEST_PHONE} characters")
    if not FEWEST_DIGITS <= sum(mark in "0123456789" for mark in plain) <= MOST_DIGITS:
        raise ValueError(_NO_PHONE)
    return plain


def dialled(phone: str) -> str:
    """What stands behind `tel:` (RFC 3966): `+1 (432) 555-0142 x7` is `+14325550142;ext=7`."""
    extension = _EXTENSION.search(phone)
    number = phone[: extension.start()] if extension else phone
    plus = "+" if number.lstrip(" (").startswith("+") else ""
    if plus:
        number = number.replace("(0)", "")  # +44 (0)20: the 0 is for callers at home
    digits = "".join(mark for mark in number if mark in "0123456789")
    return plus + digits + (f";ext={extension[1]}" if extension else "")


def read_newsletter(text: str) -> Newsletter:
    """Whether they asked for newsletters."""
    match text.strip().lower():
        case "subscribed":
            return "subscribed"
        case "unsubscribed":
            return "unsubscribed"
    raise ValueError("must be subscribed or unsubscribed")


def read_language(text: str) -> str:
    """A tag of BCP 47, in its usual letters: `pt_br` is `pt-BR`."""
    found = _TAG.fullmatch(text.strip().replace("_", "-")[: LONGEST_LANGUAGE + 1])
    if found is None or len(found[0]) > LONGEST_LANGUAGE:
        raise ValueError("must be a language of BCP 47 such as en or pt-BR")
    language, script, region = found["language"].lower(), found["script"], found["region"]
    if language not in _languages():
        raise ValueError(f"is no language of BCP 47: nobody knows {language}")
    parts = [language, script and script.capitalize(), region and region.upper()]
    return "-".join(part for part in parts if part) + found["rest"].lower()


def read_zone(text: str) -> str:
    """A time zone of IANA, in its own letters: `america/chicago` is `America/Chicago`."""
    zone = _zones().get(text.strip().lower())
    if zone is None:
        raise ValueError("must be an IANA time zone such as America/Chicago")
    return zone


def read_country(text: str) -> str:
    """Two letters of ISO 3166-1: `us` is `US`."""
    country = text.strip().upper()
    if country not in _countries():
        raise ValueError("must be two letters of ISO 3166 such as US")
    return country


@cache
def _languages() -> frozenset[str]:
    return frozenset(name for name in map(str, Locale("en").languages) if name.isalpha())


@cache
def _zones() -> dict[str, str]:
    """In small letters -> as IANA writes it."""
    not_places = ("Factory", "localtime", "posixrules")
    return {zone.lower(): zone for zone in available_timezones() if zone not in not_places}


@cache
def _countries() -> frozenset[str]:
    """The list that comes with the time zones."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line for line in table.splitlines() if line and not line.startswith("#"))
    return frozenset(row.partition("\t")[0] for row in rows)
