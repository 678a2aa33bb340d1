"""Events as JSON Schema (2020-12): made of the structs in `shared/events.py`."""

import inspect
from pathlib import Path
from typing import Any, get_args

import msgspec

from shared.event_base import Event
from shared.events import AnyEvent

FOLDER = Path(__file__).parents[1] / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def events() -> dict[str, type[Event]]:
    """Every event by its name, in the order of `shared/events.py`."""
    return {event.__name__: event for event in get_args(AnyEvent)}


def components(ref_template: str) -> dict[str, Schema]:
    """The schema of every event and of every struct inside one, by name; they name each
    other by `ref_template`.
    """
    _, by_name = msgspec.json.schema_components(events().values(), ref_template=ref_template)
    return {name: _in_words(schema) for name, schema in by_name.items()}


def event_schema(name: str) -> Schema:
    """One event's JSON Schema, with what it refers to in `$defs`."""
    _, by_name = msgspec.json.schema_components([events()[name]], ref_template="#/$defs/{name}")
    own = _in_words(by_name.pop(name))
    schema = {"$schema": DIALECT, **own}
    if by_name:
        schema["$defs"] = {inner: _in_words(by_name[inner]) for inner in sorted(by_name)}
    return schema


def _in_words(schema: Schema) -> Schema:
    """Docstrings without their indent; and every `…_at` says that it is an instant,
    which msgspec leaves out.
    """
    if "description" in schema:
        schema["description"] = inspect.cleandoc(schema["description"])
    for name, field in schema.get("properties", {}).items():
        if name == "at" or name.endswith("_at"):
            instant = next(
                (kind for kind in field.get("anyOf", [field]) if kind.get("type") == "string"), None
            )
            if instant is not None:
                instant["format"] = "date-time"
    return schema
