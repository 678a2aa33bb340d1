"""Progress of work that takes longer than a second: a bar on a terminal, a line every
10 s elsewhere, both on stderr.
"""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINE_EVERY_SECONDS = 10.0


class Progress:
    """`read` and `sent` count rows, of about `total`."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._read = 0
        self._sent = 0
        self._said = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            for name in ("rows read", "rows sent"):
                self._bar.add_task(name, total=self._total or None)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, *, read: int = 0, sent: int = 0) -> None:
        """So many rows more."""
        self._read += read
        self._sent += sent
        if self._bar is not None:
            for task, rows in zip(self._bar.task_ids, (self._read, self._sent), strict=True):
                self._bar.update(task, completed=rows)
        elif time.monotonic() - self._said >= LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            about = f" of about {self._total:,}" if self._total else ""
            print(
                f"{self._read:,} rows read{about}, {self._sent:,} sent", file=sys.stderr, flush=True
            )
