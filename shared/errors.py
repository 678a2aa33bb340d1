"""What can go wrong, in three words.

    WinbackError
    ├── Rejected      the input is wrong: it goes to the dead letters (or back to the sender) with the fields that are
    ├── Retryable     something outside is not there now: the same call may go through later
    └── Misconfigured a setting cannot be right: the process says which in one line and does not start

Anything else is a bug and stops the process loudly.
"""

from dataclasses import dataclass


class WinbackError(Exception):
    """The parent of what this project raises on purpose."""


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One reason for a refusal: `field` in the sender's own terms (`lines[3].revenue`), `reason` in words."""

    field: str
    reason: str


class Rejected(WinbackError):
    """The input is wrong, and will be however often it is sent."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


class Retryable(WinbackError):
    """Kafka, PostgreSQL or the mail server is not there now."""


class Misconfigured(WinbackError):
    """A setting names what cannot be; the message says which, and what it accepts."""


class NotFound(WinbackError):
    """The thing that was named does not exist (in this organization)."""
