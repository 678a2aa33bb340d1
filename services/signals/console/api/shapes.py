"""What /v1 answers, for the OpenAPI document: the JSON itself is the store's
(interfaces.md, *A signal as JSON*).
"""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from shared.events import SignalType


class Shape(BaseModel):
    """Read by machines: the document says what is always there."""


class ComboShape(Shape):
    """A size and a grade; one of them may be none."""

    od: str | None
    grade: str | None


class EpisodeShape(Shape):
    """From opening to closing; the last one of an active signal is open."""

    opened_on: date
    closed_on: date | None
    closed_at: datetime | None
    resolution: str | None


class SignalShape(Shape):
    """A signal; `figures` differ by type."""

    signal: str
    organization: str
    account: str
    type: SignalType
    combo: ComboShape | None = None
    detected_at: datetime
    last_seen_at: datetime
    recovered_at: datetime | None
    resolution: str | None
    episode: int
    episodes: list[EpisodeShape]
    opened_on: date
    as_of: date
    settings_version: int
    figures: dict[str, int | str | None]


class SignalsPage(Shape):
    """A page of signals, and the cursor of the next one."""

    signals: list[SignalShape]
    next: str | None


class AccountAnswer(Shape):
    """An account, what it bought in all, and its active signals."""

    organization: str
    account: str
    name: str | None
    owner: str | None
    enrollment: str
    orders: int
    lifetime_revenue_cents: int
    last_activity_on: date | None
    last_contact_at: datetime | None
    signals: list[SignalShape]


_TEXT = {"type": "string"}
_ERROR = {
    "type": "object",
    "required": ["field", "reason"],
    "properties": {"field": _TEXT, "reason": _TEXT},
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "errors": {"type": "array", "items": _ERROR},
    },
}
_REASONS = {
    401: "No token, or one that is unknown or revoked.",
    403: "The token lacks the scope signals:read.",
    404: "There is no such account in the token's organization.",
    422: "A parameter cannot be right.",
    503: "PostgreSQL is away: again after Retry-After.",
}


def answers(model: type[Shape], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: what it answers, and the problems (RFC 9457) of these statuses."""
    content = {"application/problem+json": {"schema": _PROBLEM}}
    problems: dict[int | str, dict[str, Any]] = {
        status: {"description": _REASONS[status], "content": content} for status in statuses
    }
    return {200: {"model": model, "description": model.__doc__ or ""}} | problems
