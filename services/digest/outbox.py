"""Sends what is in the outbox: claim, hand over, note the answer. Any number of senders can run.

A mail goes out again only when the server's answer was lost, or when this process died or froze
past its lease between noting that the final dot goes out and noting the answer; then with the same
Message-ID, once.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.digest import outbox_store as store
from services.digest.outbox_store import Claimed
from shared import clock, db, mail, metrics, tracing
from shared.errors import Retryable, said
from shared.settings import settings
from shared.smtp import Answer, MailServer, Session, mail_server

log = structlog.get_logger()

OUTBOX = "digest"
CLAIM_AT_ONCE = 10  # few enough to be handed over within a lease by a slow server
SOONEST_RETRY = timedelta(seconds=5)
LATEST_RETRY = timedelta(minutes=30)
LOOK_EVERY_SECONDS = 0.5
MEASURE_EVERY_SECONDS = 5.0
FORGET_EVERY_SECONDS = 3600.0
LONGEST_PAUSE_SECONDS = 30.0  # between attempts to reach the mail server


class Sender:
    """One thread's worth of sending. `now` is the clock, for tests."""

    def __init__(
        self,
        pool: ConnectionPool[db.Connection],
        *,
        server: MailServer | None = None,
        digest: str | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """digest: send this one's mails alone."""
        self.pool, self.digest, self.now = pool, digest, now
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
        """One batch. Returns how many mails were tried.

        Raises Retryable when the mail server cannot be reached; then nothing is claimed.
        """
        self._sweep()
        with self.pool.connection() as connection:
            if not store.is_due(connection, now=self.now(), digest=self.digest):
                return 0
        self._connected()
        with self.pool.connection() as connection:
            claimed = store.claim(
                connection, now=self.now(), most=CLAIM_AT_ONCE, digest=self.digest
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
                self._settle(one, self._hand_over(session, one))
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
            lost = store.sweep(connection, now=self.now())
        for organization, digest, email in lost:
            metrics.MAILS_AMBIGUOUS.labels(OUTBOX).inc()
            log.warning(
                "mail may have arrived: sender gone",
                organization=organization,
                digest=digest,
                email=email,
            )

    def _hand_over(self, session: Session, claimed: Claimed) -> Answer:
        @contextmanager
        def at_final_dot() -> Iterator[bool]:
            try:
                with self.pool.connection() as connection:
                    is_noted = store.submitting(connection, claimed, now=self.now())
            except psycopg.OperationalError:
                is_noted = False
            yield is_noted

        return session.send(
            sender=self.from_address,
            recipient=mail.checked_address(claimed.email),
            message=claimed.message,
            at_final_dot=at_final_dot(),
        )

    def _settle(self, claimed: Claimed, answer: Answer) -> None:
        now = self.now()
        log.info("mail", **claimed.key, state=answer.state, answer=answer.text)
        if (
            answer.state == "dropped"
        ):  # unsubscribed, or another sender's by now, or PostgreSQL is gone: the row decides
            return self._release([claimed])
        metrics.MAILS.labels(OUTBOX, answer.state).inc()
        if answer.state == "unknown":
            metrics.MAILS_AMBIGUOUS.labels(OUTBOX).inc()
        wait = timedelta() if answer.state == "unknown" else backoff(claimed.attempts)
        self._note(
            lambda connection: store.settle(
                connection,
                claimed,
                state=answer.state,
                answer=answer.text,
                now=now,
                next_attempt_at=now + wait,
            )
        )
        if answer.state == "sent":
            metrics.DIGEST_LAST_SUCCESS.labels(claimed.organization).set(now.timestamp())
            metrics.MAIL_DELAY_SECONDS.labels(OUTBOX).observe(
                max(0.0, (now - claimed.slot_at).total_seconds())
            )

    def _release(self, mails: Sequence[Claimed]) -> None:
        self._note(lambda connection: store.release(connection, mails))

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


def measure(
    pool: ConnectionPool[db.Connection],
    stop: threading.Event,
    *,
    now: Callable[[], datetime] = clock.now,
) -> None:
    """Until `stop`: the outbox's gauges; now and then forget old mails."""
    for state in ("sent", "retry", "bounced", "unknown"):
        metrics.MAILS.labels(OUTBOX, state)
    metrics.MAILS_AMBIGUOUS.labels(OUTBOX)
    metrics.MAIL_DELAY_SECONDS.labels(OUTBOX)
    forgotten: float | None = None
    while not stop.is_set():
        try:
            with pool.connection() as connection:
                if forgotten is None or time.monotonic() - forgotten > FORGET_EVERY_SECONDS:
                    store.forget(connection, now=now())
                    _remember_last_success(store.last_sent(connection))
                    forgotten = time.monotonic()
                set_gauges(connection, now())
        except psycopg.OperationalError as error:
            log.warning("the outbox is not measured", reason=said(error))
        stop.wait(MEASURE_EVERY_SECONDS)


def _remember_last_success(last_sent: dict[str, datetime]) -> None:
    for organization, at in last_sent.items():
        metrics.DIGEST_LAST_SUCCESS.labels(organization).set(at.timestamp())


def set_gauges(connection: db.Connection, now: datetime) -> None:
    """How many mails wait in which state, and the age of the oldest."""
    pending = store.pending(connection)
    for state in store.PENDING_STATES:
        metrics.OUTBOX_MAILS.labels(OUTBOX, state).set(pending[state][0] if state in pending else 0)
    oldest = min((at for _, at in pending.values()), default=now)
    metrics.OUTBOX_OLDEST_SECONDS.labels(OUTBOX).set((now - oldest).total_seconds())
