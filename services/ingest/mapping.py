"""Which column of a file means what, and how it writes days and numbers
(interfaces.md, *Order lines as a file*).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from services.ingest.bodies import REPEATED, NotJson, Number, read_json
from shared.errors import FieldError, Rejected

LARGEST = 1_000_000  # bytes of a mapping file
OF_AN_ORDER = (
    "order",
    "account",
    "account_name",
    "owner",
    "ordered_on",
    "revision",
    "status",
    "currency",
)  # its lines share them
A_DAY = datetime(2024, 11, 23, 17, 45, 59, tzinfo=UTC)  # no two parts of it alike


def _told_again(date_format: str) -> date:
    """A_DAY written and read as the format says. Raises ValueError where it cannot be read."""
    told = datetime.strptime(A_DAY.strftime(date_format), date_format)  # noqa: DTZ007  # a day
    return told.date()


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
            *("revenue_cents", "currency"),
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


class Mapping(BaseModel):
    """A mapping file. `columns` is theirs -> ours; null leaves a column out. `fill_down`: our
    columns whose empty cells take the value of the row above, of the same order; true for all that
    the lines of an order share. `null`: texts that stand for nothing, beside NULL, N/A and
    their like (`identifiers.is_nothing`). `status`: their word, in any case -> open or cancelled.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    columns: dict[str, str | None] = Field(default_factory=dict)
    date_format: str | None = None
    decimal: str = "."
    thousands: str | None = None
    delimiter: str | None = None
    currency: str | None = None
    fill_down: bool | tuple[str, ...] = False
    null: tuple[str, ...] = ()
    status: dict[str, str] = Field(default_factory=dict)

    @field_validator("status")
    @classmethod
    def _ours(cls, value: dict[str, str]) -> dict[str, str]:
        for theirs, ours in value.items():
            if theirs.endswith(REPEATED):
                raise ValueError(f"{theirs.removesuffix(REPEATED)} comes twice")
            if ours not in ("open", "cancelled"):
                raise ValueError(f"{theirs} must be open or cancelled")
        plain = {theirs.strip().lower(): ours for theirs, ours in value.items()}
        if any(plain[theirs.strip().lower()] != ours for theirs, ours in value.items()):
            raise ValueError("one word is open and cancelled, in another case")
        return plain

    @field_validator("null", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise ValueError('must be a list of texts, such as ["unknown"]')
        return tuple(one.strip() for one in value)

    @field_validator("fill_down", mode="before")
    @classmethod
    def _of_an_order(cls, value: object) -> object:
        if isinstance(value, bool):
            return value
        if not isinstance(value, list | tuple) or not all(name in OF_AN_ORDER for name in value):
            raise ValueError(f"must be true, false or a list of: {', '.join(OF_AN_ORDER)}")
        return tuple(value)

    @property
    def filled(self) -> tuple[str, ...]:
        """Our columns that are filled down."""
        if isinstance(self.fill_down, bool):
            return OF_AN_ORDER if self.fill_down else ()
        return self.fill_down

    @field_validator("columns")
    @classmethod
    def _each_once(cls, value: dict[str, str | None]) -> dict[str, str | None]:
        for name in value:
            if name.endswith(REPEATED):
                raise ValueError(f"{name.removesuffix(REPEATED)} comes twice")
        return value

    @field_validator("date_format")
    @classmethod
    def _a_whole_day(cls, value: str | None) -> str | None:
        try:
            found = value is None or _told_again(value) == A_DAY.date()
        except ValueError:
            found = False
        if not found:
            raise ValueError("must tell day, month and year, such as %d.%m.%Y")
        return value

    @field_validator("decimal")
    @classmethod
    def _decimal(cls, value: str) -> str:
        if value not in (".", ","):
            raise ValueError('must be "." or ","')
        return value

    @field_validator("delimiter", "thousands")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = {"\\t": "\t", "tab": "\t"}.get(value or "", value)
        if value is not None and len(value) != 1:
            raise ValueError("must be one character")
        return value

    @field_validator("delimiter")
    @classmethod
    def _divides(cls, value: str | None) -> str | None:
        if value is not None and (value.isalnum() or value in "\"'\\\r\n\x00 "):
            raise ValueError("must be a character that no cell begins with, such as ; or a tab")
        return value

    @field_validator("thousands")
    @classmethod
    def _groups(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value not in ",.' _\u00a0\u202f\u2019":
            raise ValueError("must be a comma, a point, a blank, an apostrophe or _")
        if value is not None and value == info.data.get("decimal"):
            raise ValueError("must be another one than decimal")
        return value


PLAIN = Mapping()


def read_mapping(path: Path) -> Mapping:
    """A mapping file. Raises Rejected, naming the key that is wrong."""
    try:
        if path.stat().st_size > LARGEST:
            raise Rejected(
                FieldError(field="--map", reason=f"{path} is larger than {LARGEST} bytes")
            )
        value = read_json(path.read_bytes())
        return Mapping.model_validate(_plain(value))
    except OSError as error:
        raise Rejected(
            FieldError(field="--map", reason=f"{path} cannot be read: {error.strerror}")
        ) from None
    except NotJson as error:
        raise Rejected(FieldError(field="--map", reason=str(error))) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = (
            "comes twice"
            if place.endswith(REPEATED)
            else first["msg"].removeprefix("Value error, ")
        )
        raise Rejected(
            FieldError(
                field=f"--map: {place.removesuffix(REPEATED)}".removesuffix(": "), reason=reason
            )
        ) from None


def resolve(header: Sequence[str], kind: str, mapping: Mapping) -> dict[str, int]:
    """Our column -> its place in the header. Raises Rejected for what
    is missing, doubled or unknown.

    A column that the mapping does not name counts under our name, whatever its case.
    """
    columns = COLUMNS[kind]
    theirs = {_plain_name(name): ours for name, ours in mapping.columns.items()}
    for name, ours in mapping.columns.items():
        if ours is not None and ours not in columns.all:
            raise Rejected(
                FieldError(field=f"--map: columns.{name}", reason=f"{ours} is no column of {kind}")
            )
    mapped: dict[str, int] = {}
    own: dict[str, int] = {}
    for place, text in enumerate(header):
        name = _plain_name(text)
        if name in theirs:
            ours = theirs[name]
            if ours is not None:
                if ours in mapped:
                    raise Rejected(
                        FieldError(field=ours, reason="two columns of the file are mapped to it")
                    )
                mapped[ours] = place
        else:
            ours = columns.aliases.get(name, name)
            if ours in columns.all:
                if ours in own:
                    raise Rejected(FieldError(field=ours, reason="the file has this column twice"))
                own[ours] = place
    found = own | mapped
    if "line" in found and kind == "orders":
        found["label"] = found.pop("line")
    if "revenue" in found and "revenue_cents" in found:
        del found[
            "revenue_cents" if "revenue" in mapped or "revenue_cents" not in mapped else "revenue"
        ]
    missing = [
        name
        for name in columns.required
        if name not in found and not (name == "revenue" and "revenue_cents" in found)
    ]
    if missing:
        known = ", ".join(text.strip() for text in header)[:300]
        raise Rejected(
            *(
                FieldError(field=name, reason=f"the file has no such column, only: {known}")
                for name in missing
            )
        )
    return found


def needed(places: dict[str, int], mapping: Mapping) -> list[str]:
    """Our columns without which a line is no row of an order."""
    names = ("order", "account", "ordered_on", "revenue", "revenue_cents")
    return [name for name in names if name in places and name not in mapping.filled]


def not_there(header: Sequence[str], mapping: Mapping) -> list[str]:
    """The names of the mapping that the file does not have: worth a warning,
    since what they hold is left out.
    """
    there = {_plain_name(text) for text in header}
    return [
        name
        for name, ours in mapping.columns.items()
        if ours is not None and _plain_name(name) not in there
    ]


def known_columns(header: Sequence[str], kind: str, mapping: Mapping) -> int:
    """How many of the header's names mean something: the right delimiter finds the most."""
    ours = (
        {_plain_name(name) for name in mapping.columns}
        | set(COLUMNS[kind].all)
        | set(COLUMNS[kind].aliases)
    )
    return sum(_plain_name(text) in ours for text in header)


def _plain_name(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).lower()


def _plain(value: object) -> object:
    """Numbers of the strict reader as floats: no key takes one, and the model says so."""
    return float("nan") if isinstance(value, Number) else value
