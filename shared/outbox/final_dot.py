"""The moment of no return of one mail: the note before its final dot, and the guard held over it.

The note is committed first: from then on the server may have the mail. Then a second transaction
asks the guard, and stays open while the dot is written. What the guard locked can change before it
was asked or after the dot is out, and not in between.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType

import psycopg
from psycopg_pool import ConnectionPool

from shared import db
from shared.outbox import store
from shared.outbox.table import Claimed, Outbox

# PostgreSQL takes the locks of a sender that froze away after that long. It drops its dot then.
HOLD_SECONDS = 2.0


class FinalDot:
    """For `Session.send`: says on entering whether the dot may be written. It may not where the
    mail is another sender's by now, where the guard refuses it, where PostgreSQL is gone, or where
    asking took so long that what the guard saw may not hold any more.

    refusal: what the guard said. is_unheld: the dot was written, and PostgreSQL had given up what
      the guard locked before.
    """

    def __init__(
        self,
        pool: ConnectionPool[db.Connection],
        outbox: Outbox,
        mail: Claimed,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.refusal: str | None = None
        self.is_unheld = False
        self._pool, self._outbox, self._mail, self._now = pool, outbox, mail, now
        self._held = ExitStack()

    def __enter__(self) -> bool:
        try:
            with ExitStack() as held:
                connection = held.enter_context(self._pool.connection())
                if not store.note(connection, self._outbox, self._mail, now=self._now()):
                    return False
                asked_at = time.monotonic()
                store.hold(connection, seconds=HOLD_SECONDS)
                self.refusal = self._outbox.guard(connection, self._mail)
                self._held = held.pop_all()
        except psycopg.OperationalError:
            return False
        return self.refusal is None and time.monotonic() - asked_at < HOLD_SECONDS

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The guard only asked: if its transaction cannot be ended, PostgreSQL has ended it."""
        try:
            self._held.close()
        except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout):
            self.is_unheld = self.refusal is None and error is None
