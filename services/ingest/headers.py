"""The line of a file that names its columns, and what each of them means
(interfaces.md, *Order lines as a file*).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ingest.mapping import Mapping
from shared.errors import FieldError, Rejected, printable

LOOKED_THROUGH = 60  # lines for the names of the columns, where a title stands before them
SHOWN_NAMES = 300  # characters of names in an error


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a file of one kind can have."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    aliases: dict[str, str]

    @property
    def all(self) -> tuple[str, ...]:
        return self.required + self.optional


COLUMNS = {
    "orders": Columns(
        required=("order", "account", "ordered_on", "revenue"),
        optional=(
            *(
                "account_name",
                "owner",
                "revision",
                "status",
                "line",
                "product",
                "od",
                "grade",
                "quantity",
            ),
            *("revenue_cents", "currency", "unit_price", "discount"),
        ),
        aliases={},
    ),
    "accounts": Columns(
        required=("account",),
        optional=("name", "owner", "revision"),
        aliases={"account_name": "name"},
    ),
    "contacts": Columns(
        required=("contact", "account"),
        optional=(
            *("email", "name", "primary", "revision"),
            *("phone", "title", "newsletter", "language", "zone", "country"),
        ),
        aliases={"contact_name": "name"},
    ),
}


class CannotBegin(Rejected):
    """A file whose columns cannot be told: what is needed has no name in it. `path`: of the
    file.
    """

    def __init__(self, *errors: FieldError, path: Path) -> None:
        super().__init__(*errors)
        self.path = path


# what stands in the place of `revenue`: minor units, or a price and a quantity
INSTEAD_OF_REVENUE = ("revenue_cents", "unit_price")


def resolve(header: Sequence[str], kind: str, mapping: Mapping) -> dict[str, int]:
    """Our column -> its place in the header. Raises Rejected for what
    is missing, doubled or unknown.

    A column that the mapping does not name counts under our name, whatever its case. A name of the
    mapping that is a number, and no column's name, is the number of a column, from 1.
    """
    columns = COLUMNS[kind]
    for name, ours in mapping.columns.items():
        if ours is not None and ours not in columns.all:
            known = ", ".join(columns.all)
            raise Rejected(
                FieldError(
                    field=f"--map: columns.{name}",
                    reason=f"{ours} is no column of {kind}: there are {known}",
                )
            )
    theirs, numbers = _by_name_and_number(header, mapping)
    mapped: dict[str, int] = {}
    own: dict[str, int] = {}
    doubled: list[FieldError] = []
    for place, text in enumerate(header):
        name = plain_name(text)
        if place in numbers or name in theirs:
            ours = numbers[place] if place in numbers else theirs[name]
            if ours is not None:
                if ours in mapped:
                    doubled.append(_two(ours, mapped[ours], place, header))
                mapped[ours] = place
        else:
            ours = columns.aliases.get(name, name)
            if ours in columns.all:
                if ours in own and ours not in mapping.columns.values():
                    doubled.append(_two(ours, own[ours], place, header))
                own.setdefault(ours, place)
    if doubled:
        raise Rejected(*doubled)
    found = own | mapped
    if "line" in found and kind == "orders":
        found["label"] = found.pop("line")
    if "revenue" in found and "revenue_cents" in found:
        del found[
            "revenue_cents" if "revenue" in mapped or "revenue_cents" not in mapped else "revenue"
        ]
    missing = [name for name in columns.required if name not in found]
    if "revenue" in missing and any(name in found for name in INSTEAD_OF_REVENUE):
        missing.remove("revenue")
    if missing:
        known = printable(", ".join(text.strip() for text in header)[:SHOWN_NAMES])
        raise Rejected(
            *(
                FieldError(field=name, reason=f"the file has no such column, only: {known}")
                for name in missing
            )
        )
    if "unit_price" in found and "quantity" not in found and "revenue" not in found:
        raise Rejected(
            FieldError(field="quantity", reason="a unit_price without a quantity is no revenue")
        )
    return found


def _by_name_and_number(
    header: Sequence[str], mapping: Mapping
) -> tuple[dict[str, str | None], dict[int, str | None]]:
    """(plain name -> ours, place -> ours)."""
    there = {plain_name(text) for text in header}
    theirs: dict[str, str | None] = {}
    numbers: dict[int, str | None] = {}
    for name, ours in mapping.columns.items():
        plain = plain_name(name)
        if plain in there or not re.fullmatch("[1-9][0-9]{0,4}", plain):
            theirs[plain] = ours
        elif int(plain) > len(header):
            reason = f"the file has {len(header)} columns"
            raise Rejected(FieldError(field=f"--map: columns.{name}", reason=reason))
        else:
            numbers[int(plain) - 1] = ours
    return theirs, numbers


def _two(ours: str, one: int, other: int, header: Sequence[str]) -> FieldError:
    names = " and ".join(
        f"{place + 1} ({printable(header[place].strip())})" for place in (one, other)
    )
    return FieldError(
        field=ours,
        reason=f"two columns of the file are meant, {names}: the mapping can name one by its "
        f'number, {{"columns": {{"{one + 1}": "{ours}", "{other + 1}": null}}}}',
    )


def needed(places: dict[str, int], mapping: Mapping) -> list[str]:
    """Our columns without which a line is no row of an order."""
    names = ["order", "account", "ordered_on", "revenue", "revenue_cents"]
    if "revenue" not in places and "revenue_cents" not in places:
        names += ["unit_price", "quantity"]
    return [name for name in names if name in places and name not in mapping.filled]


def not_there(header: Sequence[str], mapping: Mapping) -> list[str]:
    """The names of the mapping that the file does not have: worth a warning,
    since what they hold is left out.
    """
    there = {plain_name(text) for text in header}
    return [
        name
        for name, ours in mapping.columns.items()
        if ours is not None
        and (plain := plain_name(name)) not in there
        and not (plain.isdecimal() and 0 < int(plain) <= len(header))
    ]


def known_columns(header: Sequence[str], kind: str, mapping: Mapping) -> int:
    """How many of the header's names mean something: the right delimiter finds the most."""
    names = known_names(kind, mapping)
    return sum(plain_name(text) in names for text in header)


def known_names(kind: str, mapping: Mapping) -> set[str]:
    """What a column may be called, plainly."""
    return (
        {plain_name(name) for name in mapping.columns}
        | set(COLUMNS[kind].all)
        | set(COLUMNS[kind].aliases)
    )


def is_whole(header: Sequence[str], kind: str, mapping: Mapping) -> bool:
    """True where all that is needed has a name in it."""
    try:
        resolve(header, kind, mapping)
    except Rejected:
        return False
    return True


def find_header(
    count: int,
    row: Callable[[int], Sequence[str]],
    kind: str,
    mapping: Mapping,
) -> int:
    """Which of the first rows of a file names its columns: the first that names all that is needed,
    else the first that is not empty. `row(place)`: its cells. Raises IndexError where all are
    empty.
    """
    first: int | None = None
    for place in range(min(count, LOOKED_THROUGH)):
        cells = row(place)
        if any(cell.strip() for cell in cells):
            if is_whole(cells, kind, mapping):
                return place
            first = place if first is None else first
    if first is None:
        raise IndexError("no row")
    return first


def looks_like_one(cells: Sequence[str], names: set[str]) -> bool:
    """True for a row that names columns in the middle of a file."""
    return sum(plain_name(cell) in names for cell in cells) > 1


def plain_name(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).lower()
