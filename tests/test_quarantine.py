"""When a record is put aside for ending processes: the third time, whole, and no other one."""

from hypothesis import given
from hypothesis import strategies as st

from shared import quarantine
from shared.quarantine import LIMIT, Note


class Reader:
    """A process that is started again and again, over a log in which some records end it; what it
    keeps between its starts is the note and the position.
    """

    def __init__(self, fatal: set[int], end: int, most: int) -> None:
        self.fatal, self.end, self.most = fatal, end, most
        self.note, self.position = Note(), 0
        self.taken: list[int] = []
        self.aside: list[int] = []
        self.ends: list[int] = []

    def start(self) -> bool:
        """False: it ended in a record."""
        self.note = quarantine.met(self.note, self.position)
        while self.position < self.end:
            batch = [self.position]
            while (
                len(batch) < self.most
                and batch[-1] + 1 < self.end
                and not self.note.is_careful(batch[-1] + 1)
                and not self.note.is_careful(batch[0])
            ):
                batch.append(batch[-1] + 1)
            self.note = quarantine.taking(self.note, batch[0], batch[-1] + 1)
            if self.note.is_over(batch[0]):
                assert len(batch) == 1
                self.aside += batch
            elif died := self.fatal.intersection(batch):
                self.ends.append(min(died))
                return False
            else:
                self.taken += batch
            self.position = batch[-1] + 1
        return True


@given(st.sets(st.integers(0, 30), max_size=5), st.integers(1, 30), st.integers(1, 12))
def test_each_record_that_ends_processes_is_put_aside_and_nothing_else(
    fatal: set[int], end: int, most: int
) -> None:
    fatal = {one for one in fatal if one < end}
    reader = Reader(fatal, end, most)
    starts = 1
    while not reader.start():
        starts += 1
        assert starts <= LIMIT * len(fatal) + 1
    assert reader.aside == sorted(fatal)
    assert sorted(reader.taken) == [one for one in range(end) if one not in fatal]
    assert all(reader.ends.count(one) == LIMIT for one in fatal)


def test_an_end_while_nothing_is_under_way_says_nothing_of_the_next_record() -> None:
    note = quarantine.taking(Note(), 4, 5)
    for _ in range(10):  # taken, and ended afterwards
        note = quarantine.met(note, 5)
    assert not note.is_over(5)
    note = quarantine.at_rest(quarantine.taking(Note(), 4, 5))
    for _ in range(10):  # it waited for PostgreSQL, and was ended
        note = quarantine.met(note, 4)
    assert not note.is_over(4)


def test_a_record_that_was_taken_in_the_end_is_forgotten() -> None:
    note = quarantine.met(quarantine.taking(Note(), 7, 8), 7)
    note = quarantine.met(quarantine.taking(note, 7, 8), 7)
    assert (note.suspect, note.ends) == (7, 2)
    note = quarantine.met(quarantine.taking(note, 8, 9), 8)  # 7 went in; 8 ended it once
    assert (note.suspect, note.ends, note.is_over(8)) == (8, 1, False)
