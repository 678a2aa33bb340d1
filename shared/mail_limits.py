"""How many mails people may cause: each is counted by who causes it, where it goes and for which
organization, before it is sent. Counting and refusing are one statement, so two at once are two.

What goes out by a schedule is bounded by the schedule: a digest a member and slot, a letter a step.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from shared import db, keys
from shared.errors import FieldError, Rejected

Kind = Literal["sign-in", "sign-in, known browser", "invitation", "digest by hand"]
Scope = Literal["person", "address", "organization"]
SCOPE_WORDS: dict[Scope, str] = {
    "person": "you",
    "address": "this address",
    "organization": "your organization",
}
KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Limit:
    """Most mails of a kind in a span; spans begin at full hours, or at midnight UTC."""

    scope: Scope
    most: int
    span: Literal["hour", "day"]

    def since(self, now: datetime) -> datetime:
        """When the span began that `now` is in."""
        plain = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return plain if self.span == "hour" else plain.replace(hour=0)


# Whoever asks for links of somebody else's address fills the share of unknown browsers alone: who
# signed in from this browser before has a share of their own.
LIMITS: dict[Kind, tuple[Limit, ...]] = {
    "sign-in": (Limit("address", 10, "hour"),),
    "sign-in, known browser": (Limit("address", 10, "hour"),),
    "invitation": (
        Limit("person", 20, "hour"),
        Limit("address", 3, "day"),
        Limit("organization", 100, "day"),
    ),
    "digest by hand": (
        Limit("person", 10, "hour"),
        Limit("address", 10, "hour"),
        Limit("organization", 60, "hour"),
    ),
}

TAKE = """
INSERT INTO mails_counted AS counted (kind, scope, name, since, mails)
VALUES (%(kind)s, %(scope)s, %(name)s, %(since)s, 1)
ON CONFLICT (kind, scope, name, since) DO UPDATE SET
    mails = counted.mails + 1
WHERE counted.mails < %(most)s
RETURNING mails
"""

FORGET = "DELETE FROM mails_counted WHERE since < %s"


def take(
    connection: db.Connection,
    kind: Kind,
    *,
    now: datetime,
    person: str = "",
    address: str = "",
    organization: str = "",
) -> None:
    """One mail more, in the caller's transaction; where a limit is reached, none of them counts it.
    Raises Rejected, whose field is `email`.
    """
    names: dict[Scope, str] = {
        "person": person,
        "address": address,
        "organization": organization,
    }
    with connection.transaction():
        for limit in LIMITS[kind]:
            values = {
                "kind": kind,
                "scope": limit.scope,
                "name": keys.named("mail-counts", names[limit.scope]),
                "since": limit.since(now),
                "most": limit.most,
            }
            if connection.execute(TAKE, values).fetchone() is None:
                raise Rejected(
                    FieldError(
                        field="email",
                        reason=f"{SCOPE_WORDS[limit.scope]} had {limit.most} such mails this "
                        f"{limit.span}: try again later",
                    )
                )


def forget(connection: db.Connection, *, now: datetime) -> int:
    """Counts that decide nothing any more. Returns how many."""
    return connection.execute(FORGET, (now - KEPT,)).rowcount
