"""What a body may look like: which fields there are and of what type. The OpenAPI
document is made from these models.

Numbers arrive as `bodies.Number`, which keeps them as they were
written: no float ever touches money.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from services.ingest.bodies import REPEATED, Number
from services.ingest.fields import LARGEST_REVISION
from shared.errors import FieldError, Rejected

MOST_LINES = 5_000
MOST_ITEMS = 1_000
MOST_ERRORS = 20  # of one item: enough to see what is wrong with it
LONGEST_FIELD = 64

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a field",
    "string_type": "must be text",
    "string_unicode": "is not valid Unicode",
    "list_type": "must be a list",
    "bool_type": "must be true or false",
    "model_type": "must be a JSON object",
    "int_type": "must be a whole number",
}


def _decimal_text(value: Any) -> Any:
    return value.text if isinstance(value, Number) else value


def _whole_number(value: Any) -> Any:
    if isinstance(value, Number) and len(value.text) <= 20 and value.text.lstrip("-").isdigit():
        return int(value.text)
    return value


def _digits(value: Any) -> Any:
    """A whole number as its digits. One that not every JSON reader holds exactly stays a number."""
    whole = isinstance(value, Number) and len(value.text) <= 16 and value.text.isdecimal()
    return value.text if whole and int(value.text) <= LARGEST_REVISION else value


DecimalText = Annotated[
    str,
    BeforeValidator(_decimal_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$"},
                {"type": "number"},
            ],
            "description": "A decimal, best as text: no float is ever made of it.",
            "examples": ["1234.50", "-3.999"],
        }
    ),
]
SizeText = Annotated[
    str,
    BeforeValidator(_decimal_text),
    WithJsonSchema({"type": ["string", "number"], "examples": ['5 1/2"', "139.7 mm"]}),
]
Revision = Annotated[
    int,
    BeforeValidator(_whole_number),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 2**53}),
]
Id = Annotated[
    str,
    BeforeValidator(_digits),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 100},
                {"type": "integer", "minimum": 0, "maximum": 2**53},
            ],
            "description": "Best as text; of a whole number the digits count.",
        }
    ),
]
Phone = Annotated[
    str,
    BeforeValidator(_digits),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "maxLength": 40}, {"type": "integer", "minimum": 0}],
            "description": "Best as text, with + and the country's number.",
        }
    ),
]
Name = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 200})]
Text = Annotated[str, Field(json_schema_extra={"maxLength": 200})]


class Shape(BaseModel):
    """Unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


S = TypeVar("S", bound=Shape)


class LineShape(Shape):
    """One order line; equal lines are separate lines."""

    product: Text
    revenue: DecimalText
    od: SizeText | None = None
    grade: Text | None = None
    quantity: DecimalText | None = None


class OrderShape(Shape):
    """One version of one order."""

    order: Id
    account: Id
    ordered_on: Annotated[
        str, Field(description="A day, or a timestamp with its offset.", examples=["2026-03-31"])
    ]
    lines: Annotated[list[LineShape], Field(min_length=1, max_length=MOST_LINES)]
    account_name: Name | None = None
    revision: Revision | None = None
    status: Annotated[str, Field(json_schema_extra={"enum": ["open", "cancelled"]})] | None = None
    currency: (
        Annotated[str, Field(description="If given, the organization's base currency.")] | None
    ) = None
    total: DecimalText | None = None


class AccountShape(Shape):
    """Name and owner of an account."""

    account: Id
    name: Name | None = None
    owner: Name | None = None
    revision: Revision | None = None


class ContactShape(Shape):
    """A person at an account."""

    contact: Id
    account: Id
    email: Annotated[str, Field(json_schema_extra={"format": "email"})] | None = None
    name: Name | None = None
    primary: bool | None = None
    revision: Revision | None = None
    phone: Annotated[Phone | None, Field(examples=["+1 432 555 0142"])] = None
    title: Annotated[Text | None, Field(examples=["Purchasing manager"])] = None
    newsletter: (
        Annotated[str, Field(json_schema_extra={"enum": ["subscribed", "unsubscribed"]})] | None
    ) = None
    language: Annotated[str | None, Field(description="Of BCP 47.", examples=["pt-BR"])] = None
    zone: Annotated[
        str | None,
        Field(description="Of IANA.", examples=["America/Chicago"]),
    ] = None
    country: Annotated[str | None, Field(description="Of ISO 3166.", examples=["US"])] = None


def shaped(model: type[S], item: object) -> S:
    """`item` (decoded JSON) as the model. Raises Rejected with every
    field that has the wrong shape.
    """
    try:
        return model.model_validate(item)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=True)
    raise Rejected(*(_field_error(one) for one in found[:MOST_ERRORS]))


def _field_error(error: Any) -> FieldError:
    kind, place = error["type"], error["loc"]
    field = path(place) or "body"
    if kind == "extra_forbidden" and str(place[-1]).endswith(REPEATED):
        return FieldError(
            field=path((*place[:-1], str(place[-1]).removesuffix(REPEATED))), reason="comes twice"
        )
    if kind == "too_long":
        return FieldError(field=field, reason=f"has more than {error['ctx']['max_length']} lines")
    if kind == "too_short":
        return FieldError(field=field, reason="must not be empty")
    return FieldError(field=field, reason=_WORDS.get(kind, error["msg"]))


def path(place: tuple[int | str, ...]) -> str:
    """`("lines", 3, "revenue")` as `lines[3].revenue`; names from
    outside are cut and made printable.
    """
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part[:LONGEST_FIELD]
            text += ("." if text else "") + (name if name.isprintable() else ascii(name)[1:-1])
    return text
