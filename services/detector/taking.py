"""The detector's notes: what it takes from each partition, on its own disk, so that the next start
knows in which records a process ended (shared/quarantine.py).

A note is a line of a fixed length, written over in place: what the kernel has of it outlives any
end of the process. Another detector has notes of its own.
"""

import os
from pathlib import Path

import structlog

from shared import quarantine
from shared.quarantine import Note

log = structlog.get_logger()

LENGTH = 120  # of a note, in bytes: five numbers of Kafka's fit


class Taking:
    """The notes of all partitions that are ours. `folder` is the detector's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "taking"
        self._files: dict[int, int] = {}
        self._notes: dict[int, Note] = {}

    def own(self, partition: int, position: int) -> None:
        """Ours from now on, from `position` on: was something under way when a process ended?"""
        self.let_go(partition)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{partition}"
        self._files[partition] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        note = quarantine.met(self._read(partition), position)
        if note.ends:
            log.warning(
                "a process ended in records",
                partition=partition,
                offset=note.suspect if note.suspect >= 0 else f"below {note.careful_until}",
                times=note.ends,
            )
        self._write(partition, note)

    def of(self, partition: int) -> Note:
        return self._notes[partition]

    def begin(self, partition: int, first: int, until: int) -> None:
        """These are under way."""
        self._write(partition, quarantine.taking(self._notes[partition], first, until))

    def rest(self, partition: int) -> None:
        """Nothing is under way."""
        self._write(partition, quarantine.at_rest(self._notes[partition]))

    def rest_all(self) -> None:
        """What ends the process now is no record's fault."""
        for partition in self._files:
            self.rest(partition)

    def let_go(self, partition: int) -> None:
        """Another's from now on."""
        if partition in self._files:
            self.rest(partition)
            os.close(self._files.pop(partition))
            self._notes.pop(partition)

    def _read(self, partition: int) -> Note:
        try:
            numbers = os.pread(self._files[partition], LENGTH, 0).split()
            taking, until, suspect, ends, careful_until = map(int, numbers)
        except ValueError:
            return Note()
        return Note(
            taking=taking, until=until, suspect=suspect, ends=ends, careful_until=careful_until
        )

    def _write(self, partition: int, note: Note) -> None:
        self._notes[partition] = note
        line = f"{note.taking} {note.until} {note.suspect} {note.ends} {note.careful_until}"
        os.pwrite(self._files[partition], line.encode().ljust(LENGTH), 0)
