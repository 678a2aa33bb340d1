"""docs/http.md and docs/events.md: what OpenAPI and AsyncAPI say, for people.
`winback.reference` writes them.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from services.ingest import app as ingest
from services.signals.console import app as console
from shared import asyncapi, db

Document = dict[str, Any]

HTTP_HEAD = """\
# HTTP

What ERPs and other programs may call. Each service says the same at `/openapi.json` (OpenAPI 3.1,
validated by the tests) and shows it at `/docs`. Errors are `application/problem+json`. Written by
`python -m winback.reference` from the applications themselves.
"""

EVENTS_HEAD = """\
# Events

Every topic, who writes and reads it, and what its records hold.
[AsyncAPI](../schemas/asyncapi.yaml) says the same for programs (`make asyncapi` validates it with
the AsyncAPI parser), [JSON Schemas](../schemas/) hold each event exactly. Readers ignore unknown
fields; CloudEvents attributes travel as headers. Written by `python -m winback.reference`.
"""


def openapis() -> dict[str, Document]:
    """Of the two services that others call, by name. Nothing is started."""

    @asynccontextmanager
    async def never(app: FastAPI) -> AsyncIterator[None]:
        yield

    pool: ConnectionPool[db.Connection] = ConnectionPool(open=False)
    return {"ingest": ingest.build(never).openapi(), "console": console.build(pool).openapi()}


# -- HTTP ------------------------------------------------------------------------------------------


def http_page() -> str:
    """A section a service, an operation a heading."""
    return HTTP_HEAD + "".join(
        part for name, document in openapis().items() for part in _service(name, document)
    )


def _service(name: str, document: Document) -> Iterator[str]:
    yield f"\n## {name}\n\n{document['info'].get('description', '')}\n"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            words = _sentence(operation.get("summary", "")) + operation.get("description", "")
            yield f"\n### `{method.upper()} {path}`\n\n{words.strip()}\n"
            yield from _rows(
                ("parameter", "in", "what"),
                [
                    (f"`{one['name']}`", one["in"], one.get("description", ""))
                    for one in operation.get("parameters", [])
                ],
            )
            body = (
                operation.get("requestBody", {})
                .get("content", {})
                .get("application/json", {})
                .get("schema")
            )
            if body:
                yield f"\nBody: {_type(body)}.\n"
            answers = sorted(operation.get("responses", {}).items())
            yield from _rows(
                ("answer", "what"),
                [(code, answer.get("description", "")) for code, answer in answers],
            )
    schemas = document.get("components", {}).get("schemas", {})
    for title, schema in sorted(schemas.items()):
        if "properties" in schema:
            yield f"\n#### {title}\n\n{schema.get('description', '')}\n"
            yield from _fields(schema)


# -- events ----------------------------------------------------------------------------------------


def events_page() -> str:
    """Topics, then events, then what events are made of."""
    document = asyncapi.document()
    return EVENTS_HEAD + "".join((*_channels(document), *_messages(document)))


def _channels(document: Document) -> Iterator[str]:
    for name, channel in document["channels"].items():
        messages = ", ".join(f"[{message}](#{message.lower()})" for message in channel["messages"])
        yield f"\n## {name}\n\n{channel['description']}\n\nHolds {messages}.\n"
        mine = [
            one
            for one in document["operations"].values()
            if one["channel"]["$ref"] == f"#/channels/{name}"
        ]
        if mine:
            yield f"{' '.join(one['summary'] for one in mine)}\n"


def _messages(document: Document) -> Iterator[str]:
    schemas = document["components"]["schemas"]
    yield "\n## Records\n"
    for name, message in document["components"]["messages"].items():
        schema = schemas.get(name, {})
        about = schema.get("description") or message.get("summary", "")
        yield f"\n### {name}\n\n{' '.join(about.split())}\n"
        yield from _fields(schema)
    yield "\n## Parts of records\n"
    for name, schema in sorted(schemas.items()):
        if name not in document["components"]["messages"] and "properties" in schema:
            yield f"\n### {name}\n\n{' '.join(schema.get('description', '').split())}\n"
            yield from _fields(schema)


# -- both ------------------------------------------------------------------------------------------


def _fields(schema: Document) -> Iterator[str]:
    required = schema.get("required", [])
    rows = [
        (
            f"`{name}`",
            _type(field),
            "yes" if name in required else "",
            _cell(field.get("description", "")),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    yield from _rows(("field", "type", "needed", "what"), rows)


def _rows(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
        yield from (f"| {' | '.join(map(_cell, row))} |\n" for row in rows)


def _type(schema: Document) -> str:
    """In words, short."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[several])))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    kind = schema.get("type", "anything")
    return (
        f"{kind} ({schema['format']})"
        if "format" in schema
        else " or ".join(kind)
        if isinstance(kind, list)
        else str(kind)
    )


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}. " if text else ""
