"""Sends what is in an outbox: claim, hand over, note the answer. Any number of senders can run.

Two senders have the same mail only when the server's answer was lost, or when a process died or
froze past its lease between noting that the final dot goes out and noting the answer. Whether such
a mail goes out once more is the outbox's to say (`most_ambiguous`).
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from shared import clock, db, mail, metrics, request_ids, tracing
from shared.errors import Rejected, Retryable, said
from shared.outbox import store
from shared.outbox.final_dot import FinalDot
from shared.outbox.table import Claimed, Outbox
from shared.settings import settings
from shared.smtp import Answer, MailServer, Session, mail_server

log = structlog.get_logger()

CLAIM_AT_ONCE = 10  # few enough to be handed over within a lease by a slow server
SOONEST_RETRY = timedelta(seconds=5)
LATEST_RETRY = timedelta(minutes=30)
LOOK_EVERY_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0  # between attempts to reach the mail server


class Sender:
    """One thread's worth of sending. `now` is the clock, for tests."""

    def __init__(
        self,
        outbox: Outbox,
        pool: ConnectionPool[db.Connection],
        *,
        server: MailServer | None = None,
        batch: str | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """batch: send the mails that were planned for this alone."""
        self.outbox, self.pool, self.batch, self.now = outbox, pool, batch, now
        self.server = server or mail_server(settings().smtp_url)
        self.from_address = mail.own_mailbox("").email
        self._session: Session | None = None

    def run(self, stop: threading.Event) -> None:
        """Until `stop`: send what is due, look again soon; while the mail server is not there, ask
        it ever more rarely.
        """
        pause = LOOK_EVERY_SECONDS
        while not stop.is_set():
            try:
                busy = self.send_due(stop)
                pause = LOOK_EVERY_SECONDS
            except (Retryable, psycopg.OperationalError) as error:
                log.warning("mail has to wait", reason=said(error), seconds=round(pause, 1))
                busy, pause = False, min(LONGEST_PAUSE_SECONDS, pause * 2)
            if not busy:
                self.close()
                stop.wait(pause)
        self.close()

    def send_due(self, stop: threading.Event | None = None) -> int:
        """What can be claimed at once. Returns how many mails were tried.

        Raises Retryable when the mail server cannot be reached; then nothing is claimed.
        """
        self._sweep()
        with self.pool.connection() as connection:
            if not store.is_due(connection, self.outbox, now=self.now(), batch=self.batch):
                return 0
        self._connected()
        with self.pool.connection() as connection:
            claimed = store.claim(
                connection, self.outbox, now=self.now(), most=CLAIM_AT_ONCE, batch=self.batch
            )
        for done, one in enumerate(claimed):
            if stop is not None and stop.is_set():
                self._release(claimed[done:])
                return done
            try:
                session = self._connected()
            except Retryable:
                self._release(claimed[done:])
                raise
            with tracing.mailing(one.message):
                self._try(session, one)
        return len(claimed)

    def close(self) -> None:
        """The connection to the mail server is not kept while there is nothing to send."""
        if self._session is not None:
            self._session.quit()
            self._session = None

    def _connected(self) -> Session:
        if self._session is None or not self._session.is_open:
            self._session = Session(self.server)
        return self._session

    def _sweep(self) -> None:
        with self.pool.connection() as connection:
            lost = store.sweep(connection, self.outbox, now=self.now())
        for key in lost:
            metrics.MAILS_AMBIGUOUS.labels(self.outbox.name).inc()
            log.warning("mail may have arrived: sender gone", **key)

    def _try(self, session: Session, claimed: Claimed) -> None:
        """One mail, from its envelope to the row that says what came of it."""
        try:
            recipient = mail.checked_address(claimed.email)
        except Rejected as error:  # it was checked when it was planned; one row ends no process
            answer = Answer(state="bounced", text=str(error))
            self._count(answer)
            self._settle(claimed, answer.state, answer.text)
            return
        final_dot = FinalDot(self.pool, self.outbox, claimed, now=self.now)
        answer = session.send(
            sender=claimed.envelope or self.from_address,
            recipient=recipient,
            message=claimed.message,
            at_final_dot=final_dot,
        )
        if final_dot.is_unheld and answer.state != "dropped":
            self._note(lambda connection: self.outbox.unheld(connection, claimed))
        if final_dot.refusal is not None:
            self._settle(claimed, "suppressed", final_dot.refusal)
        elif answer.state == "dropped":  # another sender's by now, or PostgreSQL is gone
            self._log(claimed, answer.state, answer.text)
            self._release([claimed])
        else:
            self._count(answer)
            self._settle(claimed, answer.state, answer.text)

    def _log(self, claimed: Claimed, state: str, answer: str) -> None:
        request_id = request_ids.of_mail(claimed.message)
        log.info("mail", **claimed.claim, request_id=request_id, state=state, answer=answer)

    def _count(self, answer: Answer) -> None:
        metrics.MAILS.labels(self.outbox.name, answer.state).inc()
        if answer.state == "unknown":
            metrics.MAILS_AMBIGUOUS.labels(self.outbox.name).inc()

    def _settle(self, claimed: Claimed, state: str, answer: str) -> None:
        now = self.now()
        self._log(claimed, state, answer)
        wait = backoff(claimed.attempts) if state == "retry" else timedelta()
        self._note(
            lambda connection: store.settle(
                connection,
                self.outbox,
                claimed,
                state=state,
                answer=answer,
                now=now,
                next_attempt_at=now + wait,
            )
        )
        if state == "sent":
            late_seconds = max(0.0, (now - claimed.due_at).total_seconds())
            metrics.MAIL_DELAY_SECONDS.labels(self.outbox.name).observe(late_seconds)
            self.outbox.sent(claimed, now)

    def _release(self, mails: Sequence[Claimed]) -> None:
        self._note(lambda connection: store.release(connection, self.outbox, mails))

    def _note(self, write: Callable[[db.Connection], object]) -> None:
        """What was answered must not be forgotten because PostgreSQL restarts: try for as long as
        the lease holds.
        """
        until = time.monotonic() + store.LEASE.total_seconds()
        while True:
            try:
                with self.pool.connection() as connection:
                    write(connection)
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > until:
                    raise
                log.warning(
                    "PostgreSQL does not take the answer of the mail server yet", reason=said(error)
                )
                time.sleep(1)


def backoff(attempts: int) -> timedelta:
    """5 s, 10 s, … 30 min, each half to one and a half of that, so that what failed together does
    not return together.
    """
    whole: timedelta = min(LATEST_RETRY, SOONEST_RETRY * 2 ** min(attempts - 1, 20))
    return whole * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
