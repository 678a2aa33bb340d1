"""The mapping of a raw topic: where in a connector's records what stands, by JSON pointers
(connectors.md, *A mapping*).

What files and records say alike (`status`, `null`, `date_format`, `decimal`, `thousands`, …) has
the keys of a file's mapping, and its checker (`mapping.py`).
"""

from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from services.ingest.bodies import REPEATED, NotJson, Number, read_json
from services.ingest.connect import LARGEST_SCALE, whole
from services.ingest.mapping import LARGEST, Mapping
from services.ingest.pointers import Pointer, pointer
from shared.errors import FieldError, Misconfigured, Rejected

Deletes = Literal["refuse", "cancel", "ignore"]

OF_AN_ORDER = (
    *("order", "account", "account_name", "ordered_on", "revision", "status", "currency"),
    "total",
)
OF_A_LINE = ("line", "product", "od", "grade", "quantity", "revenue", "revenue_cents")
REQUIRED = ("order", "account", "ordered_on")
DECIMALS = ("revenue", "revenue_cents", "quantity", "total", "od")
# what a number may count from the beginning of 1970 on; how many of it are a second
COUNTS = {"days": 0, "seconds": 1, "millis": 10**3, "micros": 10**6, "nanos": 10**9}
SHARED = ("decimal", "thousands", "negative", "currency", "date_format", "status", "null")
OWN = ("columns", "deletes", "zone", "scale")


@dataclass(frozen=True, kw_only=True)
class RawMapping:
    """of_order, of_line: our name -> where. lines: the steps to the list of an order's lines; None
    where each record is one line. scale: of decimals that come as base64 without a schema, by our
    name. zone: of times that name none; None: the organization's.
    """

    of_order: AnyMapping[str, Pointer]
    of_line: AnyMapping[str, Pointer]
    lines: tuple[str, ...] | None
    deletes: Deletes = "refuse"
    zone: ZoneInfo | None = None
    scale: AnyMapping[str, int] = field(default_factory=dict)
    counts: str | None = None
    writing: Mapping = field(default_factory=Mapping)

    @property
    def is_grouped(self) -> bool:
        """Whether each record is one line of its order."""
        return self.lines is None

    @property
    def remembers(self) -> bool:
        """Whether what records say is put together with what others said before."""
        return self.is_grouped or self.deletes == "cancel"


def read_raw_mapping(path: Path, *, name: str = "--map") -> RawMapping:
    """Raises Rejected with every key that is wrong, behind `name`."""
    try:
        if path.stat().st_size > LARGEST:
            raise Rejected(FieldError(field=name, reason=f"{path} is larger than {LARGEST} bytes"))
        value = read_json(path.read_bytes())
    except OSError as error:
        raise Rejected(
            FieldError(field=name, reason=f"{path} cannot be read: {error.strerror}")
        ) from None
    except NotJson as error:
        raise Rejected(FieldError(field=name, reason=f"{path}: {error}")) from None
    return raw_mapping(value, name=name)


def of_topics(paths: AnyMapping[str, str]) -> dict[str, RawMapping]:
    """The mappings of the setting. Raises Misconfigured with one line."""
    try:
        return {
            topic: read_raw_mapping(Path(path), name=f"WINBACK_ERP_MAPPINGS: {topic}")
            for topic, path in paths.items()
        }
    except Rejected as error:
        raise Misconfigured(str(error)) from None


def raw_mapping(value: object, *, name: str = "--map") -> RawMapping:
    """A mapping of decoded JSON. Raises Rejected with every key that is wrong."""
    if not isinstance(value, dict):
        raise Rejected(FieldError(field=name, reason="must be a JSON object"))
    errors: list[FieldError] = []

    def wrong(key: str, reason: str) -> None:
        errors.append(FieldError(field=f"{name}: {key}", reason=reason))

    for key in value:
        if key.endswith(REPEATED):
            wrong(key.removesuffix(REPEATED), "comes twice")
        elif key not in (*SHARED, *OWN):
            wrong(key, f"is no key; there are {', '.join((*OWN, *SHARED))}")
    where = _columns(value.get("columns"), wrong)
    deletes = value.get("deletes", "refuse")
    if deletes not in get_args(Deletes):
        wrong("deletes", "must be refuse, cancel or ignore")
    zone = _zone(value.get("zone"), wrong)
    scale = _scale(value.get("scale"), wrong)
    counts, formats = _counts(value.get("date_format"), wrong)
    writing = _writing({key: value[key] for key in SHARED if key in value}, formats, wrong)
    lines = _lines(where, wrong) if where else None
    if errors:
        raise Rejected(*errors)
    return RawMapping(
        of_order={ours: one for ours, one in where.items() if ours in OF_AN_ORDER},
        of_line={ours: one for ours, one in where.items() if ours in OF_A_LINE},
        lines=lines,
        deletes=deletes,
        zone=zone,
        scale=scale,
        counts=counts,
        writing=writing,
    )


def _columns(value: object, wrong: Any) -> dict[str, Pointer]:
    """Our name -> where."""
    found: dict[str, Pointer] = {}
    if not isinstance(value, dict) or not value:
        wrong("columns", 'must be an object of JSON pointers and our names, {"/id": "order"}')
        return found
    for theirs, ours in value.items():
        if theirs.endswith(REPEATED):
            wrong(f"columns.{theirs.removesuffix(REPEATED)}", "comes twice")
        elif ours is None:
            continue
        elif ours not in (*OF_AN_ORDER, *OF_A_LINE):
            said = ours if isinstance(ours, str) else "that"
            known = ", ".join((*OF_AN_ORDER, *OF_A_LINE))
            wrong(f"columns.{theirs}", f"{said} is no column of orders; there are {known}")
        elif ours in found:
            wrong(f"columns.{theirs}", f"{found[ours].text} is mapped to {ours} too")
        else:
            try:
                found[ours] = pointer(theirs)
            except ValueError as error:
                wrong("columns", str(error))
    for name in REQUIRED:
        if name not in found:
            wrong("columns", f"nothing is mapped to {name}")
    if found.keys().isdisjoint(("revenue", "revenue_cents")):
        wrong("columns", "nothing is mapped to revenue")
    if {"revenue", "revenue_cents"} <= found.keys():
        wrong("columns", "revenue and revenue_cents are the same, in two units: map one")
    return found


def _lines(where: dict[str, Pointer], wrong: Any) -> tuple[str, ...] | None:
    """The steps to an order's lines; None where a record is one line."""
    lists = {one.each: one.text for one in where.values() if one.each is not None}
    for ours, one in where.items():
        if ours in OF_AN_ORDER and one.each is not None:
            wrong(f"columns.{one.text}", f"{ours} is of the order, not of each line")
    if len(lists) > 1:
        wrong("columns", f"lines are in two lists: {' and '.join(sorted(lists.values()))}")
    if lists:
        money = where.get("revenue", where.get("revenue_cents"))
        if money is not None and money.each is None:
            wrong(f"columns.{money.text}", "revenue is of each line: its pointer has a *")
        return next(iter(lists))
    if "line" not in where:
        wrong(
            "columns",
            "each record is one line (no pointer has a *): something that tells the lines of an "
            "order apart must be mapped to line",
        )
    return None


def _zone(value: object, wrong: Any) -> ZoneInfo | None:
    if value is None:
        return None
    try:
        return ZoneInfo(value)  # type: ignore[arg-type]  # what is no text raises as well
    except (ValueError, TypeError, OSError, KeyError):
        wrong("zone", "must be a time zone such as UTC or America/Chicago")
        return None


def _scale(value: object, wrong: Any) -> dict[str, int]:
    if value is None:
        return {}
    by_name = value if isinstance(value, dict) else dict.fromkeys(DECIMALS[:-1], value)
    found = {name: whole(one) for name, one in by_name.items()}
    if not all(
        name in DECIMALS and places is not None and 0 <= places <= LARGEST_SCALE
        for name, places in found.items()
    ):
        wrong(
            "scale",
            f"must be the places of base64 decimals, 0 to {LARGEST_SCALE}, for all or by "
            f"our name ({', '.join(DECIMALS)})",
        )
        return {}
    return {name: places for name, places in found.items() if places is not None}


def _counts(value: object, wrong: Any) -> tuple[str | None, object]:
    """(what numbers count, the other forms of days)."""
    forms = value if isinstance(value, list) else [value]
    counts = [one for one in forms if isinstance(one, str) and one in COUNTS]
    if len(counts) > 1:
        wrong("date_format", f"numbers count {' or '.join(counts)}: say one")
    others = [one for one in forms if one not in counts and one is not None]
    return next(iter(counts), None), others[0] if len(others) == 1 else others or None


def _writing(shared: dict[str, Any], formats: object, wrong: Any) -> Mapping:
    """What a file's mapping checks."""
    said = {**shared, "date_format": formats}
    try:
        return Mapping.model_validate(
            {
                key: float("nan") if isinstance(one, Number) else one
                for key, one in said.items()
                if one is not None
            }
        )
    except ValidationError as error:
        for one in error.errors():
            place = ".".join(map(str, one["loc"]))
            wrong(place, one["msg"].removeprefix("Value error, "))
        return Mapping()
