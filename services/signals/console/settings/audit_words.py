"""A row of the audit log as a sentence: who did what to whom, with names where they are known."""

import re
from collections.abc import Mapping
from typing import Any

from shared.wording import plain_name

ACCOUNT = re.compile(r"account (?P<id>.{1,100}?)(?:, signal [0-9a-f-]{36})?")

# {who}, {it}: the subject by name; {detail}: of that name, as far as it is there.
SENTENCES: dict[str, str] = {
    "enrollment": "{who} set {it} to {to}",
    "reached out": "{who} reached out to {it}",
    "won back": "{who} noted {it} as won back",
    "lost": "{who} noted {it} as lost",
    "undid reached out": "{who} took back having reached out to {it}",
    "undid won back": "{who} took back that {it} was won back",
    "undid lost": "{who} took back that {it} was lost",
    "primary contact": "{who} chose the primary contact of {it}",
    "added contact": "{who} added a contact of {it}",
    "changed contact": "{who} changed a contact of {it}",
    "wrote note": "{who} wrote a note about {it}",
    "deleted note": "{who} deleted a note about {it}",
    "did follow-up": "{who} did the promised call to {it}",
    "moved follow-up": "{who} moved the promised call to {it}",
    "invited": "{who} invited {it} as {role}",
    "removed": "{who} removed {it}",
    "rotated": "{who} made the secret of {it} anew",
    "revoked": "{who} revoked {it}",
    "mapped": "{who} said who {it} is",
    "unsubscribed": "{who} unsubscribed from the digest",
    "subscribed again": "{who} wants the digest again",
}


def accounts_of(subjects: list[str]) -> list[str]:
    """The accounts that rows are about, so that their names can be looked up at once."""
    found = (ACCOUNT.fullmatch(subject) for subject in subjects)
    return sorted({match["id"] for match in found if match})


def sentence(
    actor: str, action: str, subject: str, detail: Mapping[str, Any], names: Mapping[str, str]
) -> str:
    """Dana set Permian Supply to No. `names`: of accounts, by id."""
    who = plain_name(actor.partition("@")[0]).capitalize()
    about = ACCOUNT.fullmatch(subject)
    it = names.get(about["id"]) or about["id"] if about else subject
    it = plain_name(it.removeprefix("member "))
    if action == "changed role" and isinstance(detail.get("role"), dict):
        return f"{who} made {it} {plain_name(str(detail['role'].get('to')))}"
    said = SENTENCES.get(action)
    if said is None:
        return f"{who} {plain_name(action)} {it}"
    words = said.format_map(_Known(who=who, it=it, **_texts(detail)))
    reason = detail.get("reason")
    return f"{words}: {plain_name(str(reason)).replace('_', ' ')}" if reason else words


class _Known(dict[str, str]):
    """What a sentence names and the row does not have is left open."""

    def __missing__(self, key: str) -> str:
        return "…"


def _texts(detail: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: plain_name(str(value)).capitalize() if key == "to" else plain_name(str(value))
        for key, value in detail.items()
        if isinstance(value, str) and key not in ("who", "it")
    }
