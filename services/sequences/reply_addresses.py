"""The addresses at our door that a letter carries, each with the letter's token.

b.TOKEN@DOMAIN   the envelope: servers report here what they could not deliver
r.TOKEN@DOMAIN   beside the rep's in Reply-To: here we hear the answer too
u.TOKEN@DOMAIN   in List-Unsubscribe: mail programs opt out here
t.TOKEN@DOMAIN   of a test mail to ourselves (round_trip.py)
"""

from dataclasses import dataclass
from typing import Literal, get_args

from shared.settings import settings

Role = Literal["b", "r", "u", "t"]
TOKEN_LETTERS = 24


@dataclass(frozen=True, kw_only=True)
class ReplyAddress:
    """What an address at our door says."""

    role: Role
    token: str


def domain() -> str:
    """Where our door is reached; "": there is none."""
    return settings().replies_domain.lower()


def address(role: Role, token: str) -> str:
    """Of a letter, or of a test mail."""
    return f"{role}.{token}@{domain()}"


def read(text: str) -> ReplyAddress | None:
    """None: no address of ours. Servers may have written it in capital letters."""
    local, _, at = text.strip().strip("<>").lower().rpartition("@")
    role, dot, token = local.partition(".")
    known = next((one for one in get_args(Role) if one == role), None)
    if at != domain() or not at or known is None or not dot or len(token) != TOKEN_LETTERS:
        return None
    return ReplyAddress(role=known, token=token) if token.isascii() and token.isalnum() else None
