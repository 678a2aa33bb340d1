"""What operators do by the command line is kept with their names: a security event a verb.

Only verbs that change something; a verb that was refused is kept too, with its exit code. Arguments
are kept as they were typed: none of these takes a secret.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from shared.errors import Misconfigured, Rejected, Retryable, WinbackError

CHANGING: dict[str, tuple[str, ...]] = {
    "organization": ("create", "set", "delete"),
    "member": ("add", "remove"),
    "sessions": ("end",),
    "sign-in": (),
    "token": ("create", "rotate", "revoke"),
    "settings": ("set",),
    "run": (),
    "digest": ("send",),
    "undo": (),
    "contact": ("erase",),
    "dead-letters": ("replay",),
    "import": (),
    "purge": (),
}
RETRY = 3  # PostgreSQL or Kafka was away: nothing was done, and nothing can be kept
LONGEST_ARGUMENT, MOST_ARGUMENTS = 200, 20


@contextmanager
def noted(words: Sequence[str]) -> Iterator[None]:
    """Around a verb: whatever comes of it, it is kept that it was asked for."""
    code = 0
    try:
        yield
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1 if ended.code else 0
        raise
    except Retryable:
        code = RETRY
        raise
    except (WinbackError, Rejected):
        code = 2
        raise
    except BaseException:
        code = 1
        raise
    finally:
        if changes(words) and code != RETRY:
            _note(words, code)


def changes(words: Sequence[str]) -> bool:
    """Of a verb and its arguments, as they are typed."""
    parts = [word for word in words if not word.startswith("-")]
    if not parts or parts[0] not in CHANGING or {"--help", "--dry-run"} & set(words):
        return False
    return not CHANGING[parts[0]] or (len(parts) > 1 and parts[1] in CHANGING[parts[0]])


def _note(words: Sequence[str], code: int) -> None:
    """Best effort: a verb that worked does not fail because PostgreSQL went away after it."""
    from shared import db, security

    kept = [word[:LONGEST_ARGUMENT] for word in words[:MOST_ARGUMENTS]]
    try:
        with db.connect() as connection:
            security.keep(
                connection,
                "operator's verb",
                operator=security.operator_name(),
                verb=" ".join(kept[:1]),
                arguments=kept[1:],
                exit_code=code,
                pid=os.getpid(),
            )
    except (Misconfigured, Retryable, psycopg.Error):
        return
