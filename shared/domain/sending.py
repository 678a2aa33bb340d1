"""How an organization sends letters: who hears the answers, when letters leave, how many.

Every number is a default; `read` says of each that was given what is wrong with it.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from shared.errors import FieldError, Rejected

LONGEST_ADDRESS = 500
MOST = 1_000_000
COUNTRY = re.compile(r"[A-Z]{2}")
REGION = re.compile(r"[A-Z0-9]{1,3}")
DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")

Count = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]


class SendingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """replies: who hears an answer; `door`: the rep and we, where mail for our door comes in;
    `by_hand`: the rep alone, who says before each follow-up whether one came; `unset`: nobody said
    yet, and nothing is launched.
    postal_address: stands at the foot of each letter.
    country, region, closing_days: when nobody is there to answer; letters wait then.
    …_hour: letters leave between them, in local time. every_day: weekends and holidays too.
    first_after_…: the first letter, seconds after launch; until the least of it a launch can be
      taken back.
    gap_…: seconds between two letters of one sender.
    …_daily, …_hourly: letters in any 24 hours, or in any hour. new_sender_…: what a sender begins
      with, and how much more there is each day on which they sent.
    """

    replies: Literal["unset", "by_hand", "door"] = "unset"
    postal_address: str = ""
    country: str = ""
    region: str = ""
    closing_days: tuple[date, ...] = ()
    every_day: bool = False
    from_hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 9
    to_hour: Annotated[int, msgspec.Meta(ge=1, le=24)] = 17
    first_after_least_seconds: Seconds = 120
    first_after_most_seconds: Seconds = 1_800
    gap_least_seconds: Seconds = 90
    gap_most_seconds: Seconds = 420
    sender_daily: Count = 40
    sender_hourly: Count = 20
    organization_daily: Count = 150
    domain_daily: Count = 5
    new_sender_daily: Count = 10
    new_sender_step: Annotated[int, msgspec.Meta(ge=0, le=MOST)] = 5


DEFAULTS = SendingSettings()


def changed(now: SendingSettings, patch: Any) -> SendingSettings:
    """`now` with the keys of `patch` (what JSON gives) in place of its own. Raises Rejected naming
    every field that is wrong.
    """
    if not isinstance(patch, dict):
        raise Rejected(FieldError(field="settings", reason="must be a JSON object"))
    whole = msgspec.to_builtins(now)
    wrong: list[FieldError] = []
    for key, value in patch.items():
        if key not in whole:
            wrong.append(FieldError(field=str(key), reason="is no setting of sending"))
            continue
        try:
            msgspec.convert(whole | {key: value}, SendingSettings)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at")[0]
            wrong.append(FieldError(field=key, reason=reason[:1].lower() + reason[1:]))
            continue
        whole[key] = value
    if wrong:
        raise Rejected(*wrong)
    found = msgspec.convert(whole, SendingSettings)
    wrong = _wrong(found)
    if wrong:
        raise Rejected(*wrong)
    return msgspec.structs.replace(found, postal_address=found.postal_address.strip())


def _wrong(found: SendingSettings) -> list[FieldError]:
    """What only several fields, or their texts, tell."""
    wrong = []
    address = found.postal_address
    if len(address) > LONGEST_ADDRESS or any(
        not (char.isprintable() or char == "\n") for char in address.replace("\r\n", "\n")
    ):
        reason = f"must be plain lines, {LONGEST_ADDRESS} characters at most"
        wrong.append(FieldError(field="postal_address", reason=reason))
    if found.country and not COUNTRY.fullmatch(found.country):
        reason = "must be a code of ISO 3166 in two capital letters, such as US"
        wrong.append(FieldError(field="country", reason=reason))
    if found.region and not (found.country and REGION.fullmatch(found.region)):
        reason = "must be a code of ISO 3166-2 without its country, such as TX, beside a country"
        wrong.append(FieldError(field="region", reason=reason))
    for least, most in (
        ("from_hour", "to_hour"),
        ("first_after_least_seconds", "first_after_most_seconds"),
        ("gap_least_seconds", "gap_most_seconds"),
    ):
        low, high = getattr(found, least), getattr(found, most)
        if low > high or (most == "to_hour" and low == high):
            wrong.append(FieldError(field=most, reason=f"must be above {least}, which is {low}"))
    return wrong


def read_domain(text: str) -> str:
    """A domain in small letters. Raises Rejected."""
    domain = text.strip().lower().removeprefix("@").rstrip(".")
    if not DOMAIN.fullmatch(domain):
        raise Rejected(FieldError(field="domain", reason="must be a domain such as example.com"))
    return domain
