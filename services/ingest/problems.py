"""Answers: the results of a request, and problems (RFC 9457) that name the fields."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response

from services.ingest.intake import Intake, Result
from shared.errors import FieldError

MOST_ERRORS = 100  # in the head of a problem; the results have them all


def respond(intake: Intake, *, batch: bool, duplicate: bool) -> Response:
    """202 with a result per item; 422 where none was accepted. `duplicate`: the same request was confirmed before."""
    results = [_result(result, duplicate=duplicate) for result in intake.results]
    if intake.accepted:
        return _json(202, {"results": results}, "application/json")
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


def _result(result: Result, *, duplicate: bool) -> dict[str, Any]:
    found = result.as_json()
    if duplicate and result.status == "accepted":
        found["status"] = "duplicate"
    return found


def _problem(
    status: int,
    title: str,
    detail: str,
    errors: Sequence[FieldError],
    *,
    results: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body["errors"] = [{"field": error.field, "reason": error.reason} for error in errors]
    if results is not None:
        body["results"] = results
    return _json(status, body, "application/problem+json", headers)


def _json(status: int, body: Any, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """ASCII with escapes: whatever a sender put into a name of a field can be answered."""
    return Response(json.dumps(body).encode(), status_code=status, media_type=media_type, headers=dict(headers or {}))
