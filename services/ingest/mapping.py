"""What a mapping file says: which column of a file means what, and how the file writes lines, days,
numbers and words (interfaces.md, *Order lines as a file*; the schema is `schemas/mapping.json`).
"""

import codecs
import difflib
import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from services.ingest.amounts import APOSTROPHES, BLANKS, FORMS
from services.ingest.bodies import REPEATED, NotJson, Number, read_json
from services.ingest.days import SERIALS
from shared.errors import FieldError, Rejected, printable

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
ANY_WORD = "*"  # in `status`: every other word
LARGEST_HEADER_LINE = 10_000
MOST_FORMATS = 12
A_DAY = datetime(2024, 11, 23, 17, 45, 59, tzinfo=UTC)  # no two parts of it alike
NO_TEXT_CODECS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs"}

_TEXTS = {"type": "array", "items": {"type": "string"}}
_TEXT_OR_TEXTS = WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS]})
_CHARACTER = {"type": "string", "minLength": 1}


def _told_again(date_format: str) -> date:
    """A_DAY written and read as the format says. Raises ValueError where it cannot be read."""
    told = datetime.strptime(A_DAY.strftime(date_format), date_format)  # noqa: DTZ007  # a day
    return told.date()


class Mapping(BaseModel):
    """How a file is to be read. Every key may be left out."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, title="A mapping file of winback import"
    )

    columns: Annotated[
        dict[str, str | None],
        Field(
            description="Their column, by its name or its number from 1, to ours; null leaves it "
            "out. A column that is not named counts under our name, in any case."
        ),
    ] = Field(default_factory=dict)
    header_line: Annotated[
        int | None,
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST_HEADER_LINE}),
        Field(
            description="The line (of a workbook: the row) with the names of the columns, from 1; "
            "0: there is none, columns go by number. Without it, the first that names all that is "
            "needed."
        ),
    ] = None
    sheet: Annotated[
        str | int | None,
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}),
        Field(description="Of a workbook, or a page with several tables: by name, or by number."),
    ] = None
    encoding: Annotated[
        str | None,
        Field(
            description="Of its letters: utf-8, utf-16, cp1250, cp1251, cp850, cp932, gb18030, … "
            "Without it UTF-8, else cp1252."
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        WithJsonSchema(_CHARACTER),
        Field(description="One character between cells; `tab` for a tab."),
    ] = None
    quote: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "maxLength": 1}),
        Field(description='One character around cells; "" where a quote is part of a text.'),
    ] = None
    decimal: Annotated[
        str,
        WithJsonSchema({"enum": [".", ","]}),
        Field(description="The decimal mark."),
    ] = "."
    thousands: Annotated[
        str | None,
        WithJsonSchema(_CHARACTER),
        Field(
            description="What stands between groups of digits: a comma, a point, a blank, an "
            "apostrophe or _. Without it, only numbers that can be nothing else are read so."
        ),
    ] = None
    negative: Annotated[
        str | tuple[str, ...] | None,
        _TEXT_OR_TEXTS,
        Field(
            description="How credits are written: `minus` (-5), `brackets` ((5)), `trailing` (5-), "
            "or a text before or behind the amount, such as CR. One or a list; without it the "
            "first three."
        ),
    ] = None
    currency: Annotated[
        str | None, Field(description="What the amounts are in: the organization's, or refused.")
    ] = None
    date_format: Annotated[
        str | tuple[str, ...] | None,
        _TEXT_OR_TEXTS,
        Field(
            description="How days are written, as in strptime (%m/%d/%Y); `excel` for days that a "
            "spreadsheet counts (`excel-1904` on old Macs). One or a list; a time behind the day "
            "may be there or not. Days such as 2026-03-31 are always read."
        ),
    ] = None
    status: Annotated[
        dict[str, str],
        WithJsonSchema({"type": "object", "additionalProperties": {"enum": ["open", "cancelled"]}}),
        Field(
            description="Their word, in any case, to open or cancelled; * is every other word. An "
            "empty cell is open."
        ),
    ] = Field(default_factory=dict)
    null: Annotated[
        tuple[str, ...],
        WithJsonSchema(_TEXTS),
        Field(description="Texts that stand for nothing, beside NULL, N/A and their like."),
    ] = ()
    fill_down: Annotated[
        bool | tuple[str, ...],
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "boolean"},
                    {"type": "array", "items": {"enum": list(OF_AN_ORDER)}},
                ]
            }
        ),
        Field(
            description="Our columns whose empty cells take the value of the row above, of the "
            "same order; true for all that the lines of an order share."
        ),
    ] = False

    @property
    def filled(self) -> tuple[str, ...]:
        """Our columns that are filled down."""
        if isinstance(self.fill_down, bool):
            return OF_AN_ORDER if self.fill_down else ()
        return self.fill_down

    @property
    def formats(self) -> tuple[str, ...]:
        """The forms of days."""
        return _as_many(self.date_format)

    @property
    def credits(self) -> tuple[str, ...]:
        """The forms of credits."""
        return _as_many(self.negative) or FORMS

    def over(self, other: "Mapping") -> "Mapping":
        """`other` with what this one says in its place; columns one by one."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        columns = {**other.columns, **self.columns}
        return other.model_copy(update=said | {"columns": columns})

    def as_written(self) -> dict[str, Any]:
        """As it would stand in a file: what is said, and nothing else."""
        written = self.model_dump(mode="json", exclude_defaults=True)
        return {name: written[name] for name in type(self).model_fields if name in written}

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

    @field_validator("columns")
    @classmethod
    def _each_once(cls, value: dict[str, str | None]) -> dict[str, str | None]:
        for name in value:
            if name.endswith(REPEATED):
                raise ValueError(f"{name.removesuffix(REPEATED)} comes twice")
        return value

    @field_validator("header_line", mode="before")
    @classmethod
    def _a_line(cls, value: object) -> object:
        line = _whole(value)
        if value is not None and (line is None or not 0 <= line <= LARGEST_HEADER_LINE):
            raise ValueError(f"must be a whole number from 0 to {LARGEST_HEADER_LINE}")
        return line

    @field_validator("sheet", mode="before")
    @classmethod
    def _a_sheet(cls, value: object) -> object:
        if value is None or isinstance(value, str):
            return value
        number = _whole(value)
        if number is None or number < 1:
            raise ValueError("must be the name of a sheet, or its number from 1")
        return number

    @field_validator("encoding")
    @classmethod
    def _a_codec(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            name = codecs.lookup(value).name
            "".encode(name)  # raises LookupError for what is no encoding of text
        except (LookupError, ValueError, UnicodeError):
            name = "undefined"
        if name.replace("-", "_") in NO_TEXT_CODECS:
            raise ValueError(f"{value} is no encoding of text, such as utf-8, cp1252 or cp932")
        return name

    @field_validator("date_format", mode="before")
    @classmethod
    def _whole_days(cls, value: object) -> object:
        if value is None:
            return None
        formats = _listed(value, "a form of a day, such as %d.%m.%Y", most=MOST_FORMATS)
        for one in formats:
            try:
                found = one in SERIALS or _told_again(one) == A_DAY.date()
            except ValueError:
                found = False
            if not found:
                raise ValueError(
                    f"{one} must tell day, month and year, such as %d.%m.%Y, or be excel"
                )
        return value if isinstance(value, str) else formats

    @field_validator("negative", mode="before")
    @classmethod
    def _forms(cls, value: object) -> object:
        if value is None:
            return None
        forms = _listed(value, "minus, brackets, trailing or a text such as CR")
        for one in forms:
            if not one.strip() or (one not in FORMS and re.search(r"[0-9.,()+-]", one)):
                raise ValueError("must be minus, brackets, trailing or a text such as CR")
        return value if isinstance(value, str) else tuple(one.strip() for one in forms)

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

    @field_validator("quote")
    @classmethod
    def _quotes(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and (len(value) != 1 or value.isalnum() or value in "\\\r\n\x00 "):
            raise ValueError('must be one character such as " or \', or "" for none')
        if value and value == info.data.get("delimiter"):
            raise ValueError("must be another one than delimiter")
        return value

    @field_validator("thousands")
    @classmethod
    def _groups(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value not in f",.' _{BLANKS}{APOSTROPHES}":
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
        return checked(read_json(path.read_bytes()))
    except OSError as error:
        raise Rejected(
            FieldError(field="--map", reason=f"{path} cannot be read: {error.strerror}")
        ) from None
    except NotJson as error:
        raise Rejected(FieldError(field="--map", reason=str(error))) from None


def checked(value: object, *, field: str = "--map") -> Mapping:
    """A mapping of decoded JSON, wherever it came from. Raises Rejected with every key that is
    wrong, behind `field`.
    """
    try:
        return Mapping.model_validate(_plain(value))
    except ValidationError as error:
        found = error.errors()
    raise Rejected(*(_key_error(one, field) for one in found))


def _key_error(error: Any, field: str) -> FieldError:
    parts = [str(part) for part in error["loc"]]
    place = ".".join(part for part in parts if not part.startswith(("tuple[", "dict[")))
    if place.endswith(REPEATED):
        reason = "comes twice"
    elif error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place, Mapping.model_fields, 1)
        known = f"there are {', '.join(Mapping.model_fields)}"
        reason = f"is no key of a mapping: {f'is {near[0]} meant?' if near else known}"
    else:
        reason = error["msg"].removeprefix("Value error, ")
    name = printable(f"{field}: {place.removesuffix(REPEATED)}".removesuffix(": "))
    return FieldError(field=name, reason=printable(reason))


def _plain(value: object) -> object:
    """Numbers of the strict reader as floats: no key takes one, and the model says so."""
    return float("nan") if isinstance(value, Number) else value


def _as_many(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _listed(value: object, what: str, *, most: int = 20) -> tuple[str, ...]:
    """One text or several, as several. Raises ValueError."""
    texts: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    found = tuple(one for one in texts if isinstance(one, str))
    if not found or len(found) != len(texts) or len(found) > most:
        raise ValueError(f"must be {what}, or a list of at most {most}")
    return found


def _whole(value: object) -> int | None:
    """A whole number, of the strict reader too."""
    if isinstance(value, Number) and len(value.text) <= 10 and value.text.isdecimal():
        return int(value.text)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def schema() -> AnyMapping[str, Any]:
    """JSON Schema (2020-12) of a mapping file."""
    found = Mapping.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
