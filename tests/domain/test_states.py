"""The two state machines of letters, every state by every move: what is not in the table is not
done.
"""

from itertools import product
from typing import get_args

import pytest

from shared.domain import enrollment_states as enrollments
from shared.domain import sequence_states as sequences

# what the contract draws, written down a second time
SEQUENCES = """
draft     launch     launched
draft     archive    archived
archived  restore    draft
launched  take_back  draft
launched  pause      paused
launched  archive    archived
launched  finish     finished
paused    resume     launched
paused    archive    archived
paused    finish     finished
"""
ENROLLMENTS = """
enrolled  launch     active
enrolled  skip       skipped
enrolled  stop       stopped
skipped   take_back  enrolled
active    take_back  enrolled
active    hold       held
active    ask        task
active    stop       stopped
active    finish     finished
held      hold       held
held      release    active
held      stop       stopped
held      take_back  enrolled
task      done       active
task      stop       stopped
task      take_back  enrolled
stopped   resume     active
finished  resume     active
"""


def drawn(table: str) -> dict[tuple[str, str], str]:
    rows = [line.split() for line in table.strip().splitlines()]
    return {(state, move): after for state, move, after in rows}


@pytest.mark.parametrize(
    ("state", "move"), list(product(get_args(sequences.State), get_args(sequences.Move)))
)
def test_a_sequence_goes_where_the_table_says_and_nowhere_else(
    state: sequences.State, move: sequences.Move
) -> None:
    found = sequences.after(state, move, was_launched=False)
    assert found == drawn(SEQUENCES).get((state, move))


@pytest.mark.parametrize("move", get_args(sequences.Move))
def test_a_sequence_that_wrote_to_people_never_comes_back_from_the_archive(
    move: sequences.Move,
) -> None:
    assert sequences.after("archived", move, was_launched=True) is None


@pytest.mark.parametrize(
    ("state", "move"), list(product(get_args(enrollments.State), get_args(enrollments.Move)))
)
def test_a_person_goes_where_the_table_says_and_nowhere_else(
    state: enrollments.State, move: enrollments.Move
) -> None:
    assert enrollments.after(state, move) == drawn(ENROLLMENTS).get((state, move))


@pytest.mark.parametrize("reason", enrollments.REASONS)
def test_who_refused_letters_is_never_resumed(reason: enrollments.StopReason) -> None:
    resumed = enrollments.after("stopped", "resume", reason=reason)
    for_good = ("bounced", "opted_out", "complained", "erased")
    assert resumed == (None if reason in for_good else "active")


def test_open_is_who_may_be_written_to() -> None:
    assert {"active", "held", "task"} == enrollments.OPEN


@pytest.mark.parametrize(
    ("contacts", "governs", "needed"),
    [(25, False, False), (26, False, True), (26, True, False), (10_000, True, False)],
)
def test_a_member_s_launch_to_many_waits_for_somebody_who_governs(
    contacts: int, governs: bool, needed: bool
) -> None:
    assert sequences.needs_approval(contacts=contacts, governs=governs) is needed
