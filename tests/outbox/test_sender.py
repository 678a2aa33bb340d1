"""What a sender decides without a table."""

from datetime import timedelta

from shared.outbox import sender


def test_pauses_between_attempts_grow_within_bounds() -> None:
    waits = [sender.backoff(attempts) for attempts in range(1, 60)]
    assert all(timedelta(seconds=2) <= wait <= timedelta(minutes=45) for wait in waits)
    assert waits[0] < timedelta(seconds=8)
