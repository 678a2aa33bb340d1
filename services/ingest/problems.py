"""Answers: the results of a request, and problems (RFC 9457) that name the fields."""

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from fastapi import Response

from services.ingest.intake import Intake, Result
from shared.errors import FieldError

MOST_ERRORS = 100  # in the head of a problem; the results have them all


def respond(intake: Intake, *, batch: bool, duplicate: bool) -> Response:
    """202 with a result per item; 422 where none was accepted. `duplicate`: the
    same request was confirmed before.
    """
    if intake.accepted:
        written = ", ".join([_written(result, duplicate=duplicate) for result in intake.results])
        return Response(
            f'{{"results": [{written}]}}'.encode(), status_code=202, media_type="application/json"
        )
    results = [result.as_json() for result in intake.results]
    count = len(results)
    detail = "the item was refused" if count == 1 else f"all {count} items were refused"
    errors = intake.errors[:MOST_ERRORS]
    return _problem(422, "Refused", detail, errors, results=results)


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    field: str | None = None,
    reason: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A request that was refused as a whole."""
    errors = [] if field is None else [FieldError(field=field, reason=reason or detail)]
    return _problem(status, title, detail, errors, headers=headers)


def _written(result: Result, *, duplicate: bool) -> str:
    """The result as JSON."""
    if result.status != "accepted":
        return json.dumps(result.as_json())
    status = "duplicate" if duplicate else "accepted"
    if result.warnings or result.id is None:
        return json.dumps(result.as_json() | {"status": status})
    id_ = encode_basestring_ascii(result.id)  # nearly all: written by hand, as json.dumps would
    return (
        f'{{"index": {result.index}, "id": {id_}, "status": "{status}", "errors": [], '
        '"warnings": []}'
    )


def _problem(
    status: int,
    title: str,
    detail: str,
    errors: Sequence[FieldError],
    *,
    results: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
    body["errors"] = [{"field": error.field, "reason": error.reason} for error in errors]
    if results is not None:
        body["results"] = results
    return _json(status, body, "application/problem+json", headers)


def _json(
    status: int, body: Any, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """ASCII with escapes: whatever a sender put into a name of a field can be answered."""
    return Response(
        json.dumps(body).encode(),
        status_code=status,
        media_type=media_type,
        headers=dict(headers or {}),
    )
