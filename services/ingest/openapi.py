"""The OpenAPI document: bodies are read by hand (strictly), so their schemas are put in by
hand too, from the same models.
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.ingest.shapes import MOST_ITEMS, AccountShape, ContactShape, OrderShape, Shape


class FieldReason(BaseModel):
    """One reason: the field in the sender's own terms (`lines[3].revenue`)."""

    field: str
    reason: str


class ItemResult(BaseModel):
    """What became of one item: accepted, duplicate (of this request's key) or rejected."""

    index: int
    id: str | None
    status: str
    errors: list[FieldReason]
    warnings: list[FieldReason]


class Results(BaseModel):
    """A result per item, in the order of the items."""

    results: list[ItemResult]


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldReason]
    results: list[ItemResult] | None = None


SHAPES: dict[str, type[Shape]] = {
    "orders": OrderShape,
    "accounts": AccountShape,
    "contacts": ContactShape,
}
_REF = "#/components/schemas/{model}"
_PROBLEMS = {
    400: "The body is no JSON, or a header comes with several values.",
    401: "No token, or one that is unknown or revoked.",
    403: "The token lacks the scope.",
    408: "The body took too long to arrive.",
    413: "The body or the batch is too large.",
    415: "The Content-Type is another one than JSON in UTF-8.",
    422: "None was accepted; or the Idempotency-Key was used for another request.",
    429: "More is waiting than can be taken: again after Retry-After.",
    503: "Kafka or PostgreSQL is away, nothing was confirmed: again after Retry-After.",
}


def operation(plural: str) -> dict[str, Any]:
    """Keyword arguments of the route."""
    item = {"$ref": _REF.format(model=SHAPES[plural].__name__)}
    batch = {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_ITEMS}
    problem = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    results = {"application/json": {"schema": {"$ref": _REF.format(model="Results")}}}
    return {
        "status_code": 202,
        "summary": f"Take one of the {plural}, or a batch of up to {MOST_ITEMS}",
        "operation_id": f"post_{plural}",
        "tags": [plural],
        "responses": {
            202: {
                "description": "Kafka has on disk what was accepted; a result per item.",
                "content": results,
            },
            **{
                status: {"description": text, "content": problem}
                for status, text in _PROBLEMS.items()
            },
        },
        "openapi_extra": {
            "security": [{"token": []}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [item, batch]}}},
            },
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "A retry with the same key and body repeats the time of "
                    "acceptance, and is done once.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
                }
            ],
        },
    }


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` know the models and the token."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            models = [(model, "validation") for model in (*SHAPES.values(), Results, Problem)]
            _, schemas = models_json_schema(
                models,  # type: ignore[arg-type]  # the mode is a literal
                ref_template=_REF,
            )
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(schemas["$defs"])
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend the document
