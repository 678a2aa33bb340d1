"""What all events share; apart from them, so that they can stand in several modules."""

from typing import Literal

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What all events share. The tag is the class's name."""

    version: Literal[1] = 1
