"""OpenAPI of both HTTP services is valid; docs/http.md and docs/events.md show what
OpenAPI and AsyncAPI say.
"""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from shared import asyncapi
from winback import documents


@pytest.mark.parametrize("name", documents.openapis())
def test_openapi_is_valid(name: str) -> None:
    document: Any = documents.openapis()[name]
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_a_document_that_is_not_valid_is_refused() -> None:
    document: Any = documents.openapis()["ingest"]
    document["paths"]["/v1/orders"]["post"]["responses"] = "none"
    with pytest.raises(OpenAPIValidationError):
        OpenAPIV31SpecValidator(document).validate()


def test_every_operation_and_every_topic_is_shown() -> None:
    http, events = documents.http_page(), documents.events_page()
    for document in documents.openapis().values():
        for path, methods in document["paths"].items():
            for method in methods:
                assert f"### `{method.upper()} {path}`" in http
    described = asyncapi.document()
    assert [name for name in described["channels"] if f"\n## {name}\n" not in events] == []
    assert [
        name for name in described["components"]["messages"] if f"\n### {name}\n" not in events
    ] == []
