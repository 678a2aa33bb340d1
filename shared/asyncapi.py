"""The AsyncAPI 3.1 document over all topics of `shared/topics.py`, and the few lines
of YAML that it needs.

A channel is a topic, a message an event with its CloudEvents headers, an operation a service that
writes or reads a topic.
"""

import json
import re
from importlib import metadata
from typing import Any

from shared import event_schemas
from shared.topics import TOPICS, Topic, dead_letters_of

REF = "#/components/schemas/{name}"
DEAD_LETTER_DAYS_MS = 30 * 24 * 3600 * 1000

CLOUD_EVENTS = {
    "type": "object",
    "description": "CloudEvents 1.0, binary mode of the Kafka protocol binding.",
    "properties": {
        "ce_id": {
            "type": "string",
            "description": "Same id, same event: a repeat is recognised by it.",
        },
        "ce_type": {"type": "string", "description": "winback.<Event>.v<version>"},
        "ce_source": {"type": "string", "description": "/winback/<service>"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_specversion": {"type": "string", "const": "1.0"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C Trace Context, where traces are on."},
        "tracestate": {"type": "string", "description": "As its beginner sent it."},
        "raw_records": {
            "type": "string",
            "description": "Of a block from a raw topic: TOPIC#ID/PARTITION@FIRST-NEXT, the "
            "records that its orders came in.",
        },
    },
    "required": ["ce_id", "ce_type", "ce_source", "ce_time", "ce_specversion"],
}

DEAD_LETTER_HEADERS = {
    "type": "object",
    "description": "Where the record came from and why it was put aside; its own headers follow.",
    "properties": {
        "dead_topic": {"type": "string"},
        "dead_partition": {"type": "string", "description": "A whole number."},
        "dead_offset": {"type": "string", "description": "A whole number."},
        "dead_reason": {"type": "string"},
        "dead_consumer": {"type": "string"},
        "dead_organization": {
            "type": "string",
            "description": "Of the token that the record came with; empty where none did.",
        },
        "dead_at": {"type": "string", "format": "date-time"},
        "dead_size": {
            "type": "string",
            "description": "Bytes of the value as it came: a whole number.",
        },
        "dead_sha256": {
            "type": "string",
            "description": "SHA-256 (hex) of the value as it came; empty for a tombstone.",
        },
        "dead_record_sha256": {
            "type": "string",
            "description": "SHA-256 (hex) over key, value, and each header's name and value: every "
            "part behind its length, `6:`.",
        },
        "dead_cut": {
            "type": "string",
            "description": "What is not here whole, since it fitted nowhere: value, key, headers. "
            "Empty as a rule.",
        },
    },
    "required": [
        "dead_topic",
        "dead_partition",
        "dead_offset",
        "dead_consumer",
        "dead_organization",
        "dead_at",
        "dead_size",
        "dead_sha256",
        "dead_record_sha256",
        "dead_reason",
        "dead_cut",
    ],
}

_DECIMAL = {"type": "string", "description": "A decimal as text, up to six places."}
_DECIMAL_OR_NONE = {"type": ["string", "null"], "description": "A decimal as text."}
_TEXT = {"type": ["string", "null"]}

# Ingest's model of the same body is stricter about values; a test holds the fields together.
RAW_LINE = {
    "type": "object",
    "properties": {
        "product": {"type": "string"},
        "revenue": _DECIMAL,
        "od": {
            "type": ["string", "null"],
            "description": "As it is written: 5 1/2, 139.7 mm, NPS 6.",
        },
        "grade": _TEXT,
        "quantity": _DECIMAL_OR_NONE,
    },
    "required": ["product", "revenue"],
    "additionalProperties": False,
}
RAW_ORDER = {
    "type": "object",
    "title": "RawOrder",
    "description": "One order as an ERP sends it: the body of POST /v1/orders. "
    "The organization comes from the topic's token.",
    "properties": {
        "order": {"type": "string"},
        "account": {"type": "string"},
        "ordered_on": {"type": "string", "description": "A day, or a timestamp with its offset."},
        "lines": {"type": "array", "items": RAW_LINE, "minItems": 1},
        "account_name": _TEXT,
        "revision": {"type": ["integer", "null"]},
        "status": {
            "type": ["string", "null"],
            "description": "`cancelled` takes the order out of every count.",
        },
        "currency": {
            "type": ["string", "null"],
            "description": "ISO 4217; then it must be the organization's.",
        },
        "total": {
            **_DECIMAL_OR_NONE,
            "description": "Then it must be the sum of the lines within one minor unit.",
        },
    },
    "required": ["order", "account", "ordered_on", "lines"],
    "additionalProperties": False,
}

Document = dict[str, Any]


def document() -> Document:
    """The whole document, as plain values."""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Winback",
            "version": metadata.version("winback"),
            "description": (
                "Every topic of Winback. In orders, signals, accounts and contacts the "
                "organization chooses the partition: murmur2 of its id, modulo the count. "
                "Readers ignore unknown fields; unknown types and versions are dead letters."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {name: channel for topic in TOPICS for name, channel in _channels(topic)},
        "operations": {
            name: operation for topic in TOPICS for name, operation in _operations(topic)
        },
        "components": {
            "messages": {
                **{
                    name: _message(topic, name)
                    for topic in TOPICS
                    for name in _message_names(topic)
                },
                "DeadLetter": {
                    "name": "DeadLetter",
                    "summary": "A record that its consumer could not read: original key and bytes.",
                    "contentType": "application/octet-stream",
                    "headers": {"$ref": REF.format(name="DeadLetterHeaders")},
                },
            },
            "schemas": {
                "CloudEventsHeaders": CLOUD_EVENTS,
                "DeadLetterHeaders": DEAD_LETTER_HEADERS,
                "RawOrder": RAW_ORDER,
                **{
                    name: _plain(schema)
                    for name, schema in sorted(event_schemas.components(REF).items())
                },
            },
        },
    }


def _message_names(topic: Topic) -> list[str]:
    """Its events; a topic that carries none carries raw orders."""
    return [name for name in topic.events if name in event_schemas.events()] or ["RawOrder"]


def _channels(topic: Topic) -> list[tuple[str, Document]]:
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)}
    count = {} if topic.partitions is None else {"partitions": topic.partitions}
    policy = {
        "cleanup.policy": ["compact" if topic.compacted else "delete"],
        "retention.ms": topic.retention_ms,
    }
    note = (
        " Partitions: WINBACK_PARTITIONS, which never changes." if topic.partitions is None else ""
    )
    channels = [
        (topic.name, _channel(topic.name, topic.description + note, messages, count, policy))
    ]
    if topic.dead_letters:
        name = dead_letters_of(topic.name)
        channels.append(
            (
                name,
                _channel(
                    name,
                    f"What a consumer of {topic.name} could not read. "
                    "`winback dead-letters` lists, shows and replays it.",
                    {"DeadLetter": {"$ref": "#/components/messages/DeadLetter"}},
                    {"partitions": 1},
                    {"cleanup.policy": ["delete"], "retention.ms": DEAD_LETTER_DAYS_MS},
                ),
            )
        )
    return channels


def _channel(
    address: str, description: str, messages: Document, count: Document, policy: Document
) -> Document:
    return {
        "address": address,
        "description": description,
        "messages": messages,
        "bindings": {
            "kafka": {
                "topic": address,
                **count,
                "topicConfiguration": policy,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, Document]]:
    """One per service and direction, from the service's point of view."""
    sides = [("send", "writes", who) for who in topic.writers] + [
        ("receive", "reads", who) for who in topic.readers
    ]
    return [
        (
            f"{who.lower().replace(' ', '-')}-{verb}-{topic.name}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": f"{who} {verb} {topic.name}.",
            },
        )
        for action, verb, who in sides
    ]


def _message(topic: Topic, name: str) -> Document:
    example = json.loads(
        (event_schemas.FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8")
    )
    headers = (
        {} if name == "RawOrder" else {"headers": {"$ref": REF.format(name="CloudEventsHeaders")}}
    )
    return {
        "name": name,
        **headers,
        "payload": {"$ref": REF.format(name=name)},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": topic.key},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"payload": example}],
    }


def _plain(schema: Any) -> Any:
    """Without `discriminator`: AsyncAPI means something else by it than OpenAPI; each alternative
    names its own tag anyway.
    """
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key != "discriminator"}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema


# -- YAML ------------------------------------------------------------------------------------------

_BARE = re.compile(r"[A-Za-z_$][\w$.-]*")
_NOT_BARE = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def as_yaml(value: Document) -> str:
    """Block YAML of plain values: words stand bare, every other scalar is JSON,
    which YAML reads as it is.
    """
    return (
        "\n".join(["# Generated by `python -m shared.schemas write`.", *_lines(value, "")]) + "\n"
    )


def _lines(value: Any, indent: str) -> list[str]:
    if isinstance(value, dict):
        return [
            line
            for key, item in value.items()
            for line in _entry(f"{indent}{_scalar(key)}:", item, indent + "  ")
        ]
    lines = []
    for item in value:
        if _is_leaf(item):
            lines.append(f"{indent}- {_scalar(item)}")
        else:
            first, *rest = _lines(item, indent + "  ")
            lines += [f"{indent}- {first.lstrip()}", *rest]
    return lines


def _entry(head: str, item: Any, indent: str) -> list[str]:
    return [f"{head} {_scalar(item)}"] if _is_leaf(item) else [head, *_lines(item, indent)]


def _is_leaf(value: Any) -> bool:
    """Scalars, what is empty, and lists of scalars stand on the line of their key."""
    if isinstance(value, list):
        return all(not isinstance(item, (dict, list)) for item in value)
    return not isinstance(value, dict) or not value


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _NOT_BARE:
        return value
    return json.dumps(value, ensure_ascii=False)
