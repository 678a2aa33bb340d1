"""What a consumer has under way in its partitions, noted in PostgreSQL before it is taken; and what
is taken alone, or not at all any more, since processes ended in it (shared/quarantine.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TypedDict

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from shared import db, quarantine, quarantine_store
from shared.applying import bounded
from shared.outage import Place
from shared.quarantine import Note
from shared.records import Record

log = structlog.get_logger()

REST_SECONDS = 2.0  # so long a note may take that nothing is under way: a process may be ending


class _Key(TypedDict):
    consumer: str
    topic: str
    partition: int


class UnderWay:
    """The notes of one consumer's partitions."""

    def __init__(self, consumer: str, pool: ConnectionPool[db.Connection]) -> None:
        self._consumer, self._pool = consumer, pool
        self._notes: dict[Place, Note] = {}
        self._is_kept = False

    def meet(self, connection: db.Connection, place: Place, position: int) -> None:
        """Ours from now on, from `position` on: was something under way when a process ended?"""
        key = self._key(place)
        note = quarantine.met(quarantine_store.read(connection, **key), position)
        self._notes[place] = note
        if note.ends:
            quarantine_store.write(connection, note, **key)
            log.warning(
                "a process ended in records",
                **key,
                offset=note.suspect if note.suspect >= 0 else f"below {note.careful_until}",
                times=note.ends,
            )

    def cut(self, whole: list[Record]) -> Iterator[list[Record]]:
        """One partition's records for transactions of bounded size; alone what a process may have
        ended in.
        """
        note = self._of(whole)
        for is_careful, part in groupby(whole, lambda record: note.is_careful(record.offset)):
            if is_careful:
                yield from ([record] for record in part)
            else:
                yield from bounded(list(part))

    def begin(self, batch: Sequence[Record]) -> Note | None:
        """These are under way: known to the next start, should they end the process. Returns the
        note where the record has ended processes often enough: it is put aside.
        """
        place, first = (batch[0].topic, batch[0].partition), batch[0].offset
        note = quarantine.taking(self._of(batch), first, batch[-1].offset + 1)
        with self._pool.connection() as connection:
            quarantine_store.write(connection, note, **self._key(place))
        self._notes[place] = note
        return note if note.is_over(first) else None

    def rest(self, place: Place) -> None:
        """Nothing of it is under way. Where PostgreSQL cannot be told, the next start may count an
        end that was none.
        """
        note = self._notes.get(place)
        if self._is_kept or note is None or note.taking == note.until:
            return
        self._notes[place] = quarantine.at_rest(note)
        with (
            suppress(psycopg.OperationalError),
            self._pool.connection(timeout=REST_SECONDS) as connection,
        ):
            quarantine_store.write(connection, self._notes[place], **self._key(place))

    def let_go(self, place: Place) -> None:
        """Another's from now on."""
        self.rest(place)
        self._notes.pop(place, None)

    def keep(self) -> None:
        """The process ends now, by what nobody foresaw: the notes stay as they are."""
        self._is_kept = True

    def rest_all(self) -> None:
        """The process ends in order."""
        for place in list(self._notes):
            self.rest(place)

    def _of(self, records: Sequence[Record]) -> Note:
        return self._notes.get((records[0].topic, records[0].partition), Note())

    def _key(self, place: Place) -> _Key:
        return {"consumer": self._consumer, "topic": place[0], "partition": place[1]}
