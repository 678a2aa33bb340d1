"""`schemas/` is up to date, compatible with the last release, and its examples
are what consumers read.
"""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from pydantic import BaseModel

from services.ingest.shapes import LineShape, OrderShape
from shared import asyncapi, event_schemas, schemas
from shared.events import AnyEvent
from shared.topics import TOPICS, dead_letters_of

EXAMPLES = sorted((event_schemas.FOLDER / "examples").glob("*.json"))


def test_schemas_are_generated_from_the_events_as_they_are() -> None:
    assert schemas.outdated() == [], "run `make schemas`"


def test_nothing_breaks_with_the_last_release() -> None:
    assert schemas.breaks_with_release() == []


def test_every_event_was_released_or_is_new() -> None:
    released = {path.stem for path in (event_schemas.FOLDER / "released").glob("*.json")}
    assert released and released <= event_schemas.events().keys()


def test_every_event_has_an_example_and_travels_on_a_topic() -> None:
    assert {path.stem for path in EXAMPLES} == event_schemas.events().keys() | {"RawOrder"}
    assert {event for topic in TOPICS for event in topic.events} >= event_schemas.events().keys()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_its_schema(path: Path) -> None:
    schema = (
        asyncapi.RAW_ORDER if path.stem == "RawOrder" else event_schemas.event_schema(path.stem)
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_text()), schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.stem != "RawOrder"], ids=lambda path: path.stem
)
def test_an_example_is_read_and_written_without_loss(path: Path) -> None:
    decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
    event = decoder.decode(path.read_text())
    assert type(event).__name__ == path.stem
    assert json.loads(msgspec.json.encode(event)) == json.loads(path.read_text())


def test_readers_ignore_fields_that_they_do_not_know() -> None:
    decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
    for path in EXAMPLES:
        if path.stem != "RawOrder":
            plain = json.loads(path.read_text())
            assert decoder.decode(json.dumps(plain | {"added_later": 1})) == decoder.decode(
                path.read_text()
            )


def test_readers_refuse_a_version_that_they_do_not_know() -> None:
    plain = json.loads((event_schemas.FOLDER / "examples" / "SignalOpened.json").read_text())
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(plain | {"version": 2}), type=AnyEvent)


# -- what is compatible ----------------------------------------------------------------------------

RELEASED: dict[str, Any] = {
    "type": "object",
    "description": "As it was.",
    "properties": {
        "account": {"type": "string"},
        "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "kind": {"enum": ["new", "old"]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "settings": {"$ref": "#/$defs/Settings"},
    },
    "required": ["account", "kind", "lines", "settings"],
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"cents": {"type": "integer"}},
            "required": ["cents"],
        },
        "Settings": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        },
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """RELEASED with one thing set, or taken away where the value is None."""
    schema = copy.deepcopy(RELEASED)
    *folders, last = path.split("/")
    at = schema
    for folder in folders:
        at = at[folder]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", "In better words."),
        ("properties/added", {"type": "integer", "default": 0}),
        ("$defs/Line/properties/added", {"type": "integer", "default": 0}),
        ("properties/account/description", "Theirs."),
    ],
)
def test_words_and_fields_with_defaults_may_be_added(path: str, value: Any) -> None:
    assert schemas.breaks("E", RELEASED, changed(path, value)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("properties/name", None, "E.name: removed"),
        ("properties/account/type", "integer", "E.account: retyped"),
        ("properties/kind/enum", ["new", "old", "newer"], "E.kind: retyped"),
        ("properties/name/default", "x", "E.name: its default changed"),
        ("properties/name/anyOf", [{"type": "string"}], "E.name: retyped"),
        ("properties/name/anyOf", [{"type": "integer"}, {"type": "null"}], "E.name: retyped"),
        ("$defs/Line/properties/cents/type", "string", "E.lines[].cents: retyped"),
        ("$defs/Line/properties/cents", None, "E.lines[].cents: removed"),
        ("required", ["account", "kind", "lines", "settings", "name"],
         "E.name: is required now, and records of the last release may lack it"),
        ("required", ["account", "kind", "settings"],
         "E.lines: may be missing now, and readers of the last release need it"),
        ("$defs/Settings/properties/new", {"type": "integer", "default": 0},
         "E.settings.new: added, and readers of the last release refuse unknown fields there"),
    ],
)  # fmt: skip
def test_what_old_records_or_old_readers_would_trip_over_is_named(
    path: str, value: Any, fault: str
) -> None:
    assert schemas.breaks("E", RELEASED, changed(path, value)) == [fault]


def test_a_required_field_cannot_be_added() -> None:
    schema = changed("properties/added", {"type": "integer"})
    schema["required"].append("added")
    assert schemas.breaks("E", RELEASED, schema) == ["E.added: added without a default"]


def test_an_event_of_the_last_release_cannot_go(tmp_path: Path) -> None:
    (tmp_path / "OrdersForgotten.json").write_text(json.dumps(RELEASED))
    assert schemas.breaks_with_release(tmp_path) == ["OrdersForgotten: removed"]


# -- AsyncAPI --------------------------------------------------------------------------------------


def test_asyncapi_has_every_topic_and_who_writes_and_reads_it() -> None:
    document = asyncapi.document()
    topics = [
        name
        for t in TOPICS
        for name in ([t.name, dead_letters_of(t.name)] if t.dead_letters else [t.name])
    ]
    assert list(document["channels"]) == topics
    assert list(document["operations"])[:4] == [
        "ingest-writes-orders", "signals-writes-orders", "detector-reads-orders",
        "signals-reads-orders",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "schema"), [(OrderShape, asyncapi.RAW_ORDER), (LineShape, asyncapi.RAW_LINE)]
)
def test_a_raw_order_has_the_fields_that_ingest_takes(
    shape: type[BaseModel], schema: dict[str, Any]
) -> None:
    assert list(schema["properties"]) == list(shape.model_fields)
    assert schema["required"] == [
        name for name, field in shape.model_fields.items() if field.is_required()
    ]


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi.document()

    def follow(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                follow(item)
        elif isinstance(value, dict):
            if "$ref" in value:
                at = document
                for part in value["$ref"].removeprefix("#/").split("/"):
                    at = at[part]
            for item in value.values():
                follow(item)

    follow(document)


def test_the_yaml_is_block_style_with_json_scalars() -> None:
    value = {
        "a": {"b": [], "c": "yes", "d": "two words", "e": None},
        "f": [{"g": 1, "h": [{"i": True}]}, "x"],
        "$ref": "#/a",
        "1": {},
    }
    assert asyncapi.as_yaml(value).splitlines()[1:] == [
        "a:", "  b: []", '  c: "yes"', '  d: "two words"', "  e: null",
        "f:", "  - g: 1", "    h:", "      - i: true", "  - x",
        '$ref: "#/a"', '"1": {}',
    ]  # fmt: skip
