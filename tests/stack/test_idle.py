"""What does nothing costs little: a process that waits is not woken again and again."""

import threading
from pathlib import Path

from shared import kafka
from tests.eventually import eventually

MOST_A_SECOND = 15.0  # 25 where it looked by itself twenty times a second


def test_a_publisher_that_sends_nothing_is_hardly_ever_woken() -> None:
    """Of its thread; counted from the first wake to a later one, however long that takes."""
    before = set(threading.enumerate())
    publisher = kafka.Publisher(extra={"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    (poller,) = set(threading.enumerate()) - before
    status = Path(f"/proc/self/task/{poller.native_id}/status")

    def wakes() -> tuple[int, float]:
        line = next(one for one in status.read_text().splitlines() if one.startswith("voluntary"))
        return int(line.split()[1]), float(Path("/proc/uptime").read_text().split()[0])

    def after(many: int) -> tuple[int, float]:
        eventually(lambda: wakes()[0] >= many, seconds=30, pause=1.0)
        return wakes()

    first, began = after(wakes()[0] + 10)  # its start is over
    seen, now = after(first + 4)
    publisher.close()
    assert (seen - first) / (now - began) < MOST_A_SECOND
