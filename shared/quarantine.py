"""A record that ends processes: how often one did, and when it is put aside so that its partition
goes on. Pure: where the note is kept (PostgreSQL, or the detector's disk) is for others.

Before records are taken it is noted which; a note that is still open at the next start says that a
process ended in them. Where they were many, they are taken one by one from then on, so that the
next end names one. At LIMIT ends the record is put aside whole.
"""

from dataclasses import dataclass, replace

LIMIT = 3  # ends of a process at one record
NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class Note:
    """Of one partition. taking, until: the records under way, [taking, until); none where they are
    equal. suspect: the record at which processes ended, `ends` times; NOBODY: it was one of many,
    those below `careful_until`.
    """

    taking: int = 0
    until: int = 0
    suspect: int = NOBODY
    ends: int = 0
    careful_until: int = 0

    def is_careful(self, offset: int) -> bool:
        """It is taken alone: a process ended in it, or in those around it."""
        return self.suspect <= offset < self.careful_until

    def is_over(self, offset: int) -> bool:
        """It has ended processes often enough: it is put aside."""
        return offset == self.suspect and self.ends >= LIMIT


def met(note: Note, position: int) -> Note:
    """The note as it is found at the start, of a partition whose next record is `position`: where
    it is open, and not all of it was taken, a process ended there.
    """
    if note.taking >= note.until or note.until <= position:
        return at_rest(note)
    if note.until - note.taking > 1:
        return Note(ends=1, careful_until=note.until)
    if note.taking == note.suspect:
        ends = note.ends + 1
    elif note.suspect == NOBODY and note.is_careful(note.taking):
        ends = note.ends + 1  # it was among those of the first end
    else:
        ends = 1
    careful_until = max(note.careful_until, note.until)
    return Note(suspect=note.taking, ends=ends, careful_until=careful_until)


def taking(note: Note, begin: int, until: int) -> Note:
    """From now on these are under way."""
    return replace(note, taking=begin, until=until)


def at_rest(note: Note) -> Note:
    """Nothing is under way any more."""
    return replace(note, taking=0, until=0)


def reason(note: Note) -> str:
    """For people: why the record is put aside."""
    return (
        f"it ended this process {note.ends} times, and is put aside whole: what is known of its "
        "organization lacks it until it is replayed"
    )
