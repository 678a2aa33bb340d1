"""Which column of a file means what, and how it writes days and numbers (interfaces.md, *Order lines as a file*)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.ingest.bodies import NotJson, Number, read_json
from shared.errors import FieldError, Rejected


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
            *("account_name", "owner", "revision", "status", "line", "product", "od", "grade", "quantity"),
            *("revenue_cents", "currency"),
        ),
        aliases={},
    ),
    "accounts": Columns(required=("account",), optional=("name", "owner", "revision"), aliases={"account_name": "name"}),
    "contacts": Columns(
        required=("contact", "account"), optional=("email", "name", "primary", "revision"), aliases={"contact_name": "name"}
    ),
}


class Mapping(BaseModel):
    """A mapping file. `columns` is theirs -> ours; null leaves a column out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    columns: dict[str, str | None] = Field(default_factory=dict)
    date_format: str | None = None
    decimal: str = "."
    thousands: str | None = None
    delimiter: str | None = None
    currency: str | None = None

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


PLAIN = Mapping()


def read_mapping(path: Path) -> Mapping:
    """A mapping file. Raises Rejected, naming the key that is wrong."""
    try:
        value = read_json(path.read_bytes())
        return Mapping.model_validate(_plain(value))
    except OSError as error:
        raise Rejected(FieldError(field="--map", reason=f"{path} cannot be read: {error.strerror}")) from None
    except NotJson as error:
        raise Rejected(FieldError(field="--map", reason=str(error))) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise Rejected(FieldError(field=f"--map: {'.'.join(map(str, first['loc']))}", reason=first["msg"])) from None


def resolve(header: Sequence[str], kind: str, mapping: Mapping) -> dict[str, int]:
    """Our column -> its place in the header. Raises Rejected for what is missing, doubled or unknown.

    A column that the mapping does not name counts under our name, whatever its case.
    """
    columns = COLUMNS[kind]
    theirs = {_plain_name(name): ours for name, ours in mapping.columns.items()}
    for name, ours in mapping.columns.items():
        if ours is not None and ours not in columns.all:
            raise Rejected(FieldError(field=f"--map: columns.{name}", reason=f"{ours} is no column of {kind}"))
    mapped: dict[str, int] = {}
    own: dict[str, int] = {}
    for place, text in enumerate(header):
        name = _plain_name(text)
        if name in theirs:
            ours = theirs[name]
            if ours is not None:
                if ours in mapped:
                    raise Rejected(FieldError(field=ours, reason="two columns of the file are mapped to it"))
                mapped[ours] = place
        else:
            ours = columns.aliases.get(name, name)
            if ours in columns.all:
                if ours in own:
                    raise Rejected(FieldError(field=ours, reason="the file has this column twice"))
                own[ours] = place
    found = own | mapped
    found.pop("line", None)  # a label: equal lines are separate lines
    if "revenue" in found and "revenue_cents" in found:
        del found["revenue_cents" if "revenue" in mapped or "revenue_cents" not in mapped else "revenue"]
    missing = [name for name in columns.required if name not in found and not (name == "revenue" and "revenue_cents" in found)]
    if missing:
        known = ", ".join(text.strip() for text in header)[:300]
        raise Rejected(*(FieldError(field=name, reason=f"the file has no such column, only: {known}") for name in missing))
    return found


def known_columns(header: Sequence[str], kind: str, mapping: Mapping) -> int:
    """How many of the header's names mean something: the right delimiter finds the most."""
    ours = {_plain_name(name) for name in mapping.columns} | set(COLUMNS[kind].all) | set(COLUMNS[kind].aliases)
    return sum(_plain_name(text) in ours for text in header)


def _plain_name(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip()).lower()


def _plain(value: object) -> object:
    """Numbers of the strict reader as floats: no key takes one, and the model says so."""
    return float("nan") if isinstance(value, Number) else value
