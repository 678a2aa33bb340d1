"""A partition that does not move makes its process not ready, with topic, partition, position and
reason.
"""

from shared.health import Readiness
from shared.standing import FAILS_SECONDS, WAITS_SECONDS, Standing

PLACE = ("erp-orders", 2)


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_partition_stands_where_records_wait_and_its_position_does_not_move() -> None:
    clock = Clock()
    standing = Standing(clock)
    standing.waits(PLACE, 7)
    clock.at += WAITS_SECONDS - 1
    standing.waits(PLACE, 7)
    assert standing.why() == ""
    clock.at += 1
    assert standing.why() == "erp-orders/2 stands at 7 for 60 s"
    standing.waits(PLACE, 8)
    assert standing.why() == ""


def test_a_partition_that_fails_is_named_with_its_reason_however_often_it_is_tried() -> None:
    clock = Clock()
    standing = Standing(clock)
    standing.fails(PLACE, 7, "no such topic")
    clock.at += FAILS_SECONDS
    standing.waits(PLACE, 7)  # the next try begins
    standing.fails(PLACE, 7, "too large")
    assert standing.why() == "erp-orders/2 stands at 7 for 10 s: too large"
    standing.moves(PLACE)
    assert standing.why() == ""


def test_a_raw_topic_as_a_whole_is_named_without_a_partition() -> None:
    clock = Clock()
    standing = Standing(clock)
    standing.fails(("erp-orders", -1), -1, "Kafka does not answer")
    clock.at += FAILS_SECONDS
    assert standing.why() == "erp-orders cannot be read for 10 s: Kafka does not answer"


def test_readiness_is_asked_for_what_stands_and_adds_what_is_missing() -> None:
    why, missing = "", ""
    readiness = Readiness(lambda: why, lambda: missing)
    assert readiness.answer() == (503, "starting\n")
    readiness.set(True)
    assert readiness.answer() == (200, "ready\n")
    missing = "raw topic nope: not there\n"
    assert readiness.answer() == (200, "ready\nraw topic nope: not there\n")
    why = "erp-orders/2 stands at 7 for 60 s"
    assert readiness.answer() == (503, f"{why}\n{missing}")
    readiness.set(False, "")
    assert readiness.answer()[0] == 503
