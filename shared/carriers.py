"""What a trace travels on: the headers of a record."""

from typing import Protocol

Headers = list[tuple[str, bytes]]


class Carrier(Protocol):
    """A record that was read (`records.Record`)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
