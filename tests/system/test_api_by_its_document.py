"""Both OpenAPI documents, held against the running services by schemathesis: no 500, and answers
that are as they are described.

Made-up requests, valid by the document and not, to every operation. What a document cannot say (an
id without invisible characters, a day of the calendar) may be refused where it looks valid:
`positive_data_acceptance` is left out for that.
"""

import os
import sys
from pathlib import Path
from subprocess import run

import httpx
import pytest

from tests.eventually import eventually
from tests.ingest.door import EVERY_SCOPE, make_token
from tests.stack_fixtures import START_SECONDS, Stack

CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "unsupported_method",
    )
)
EXAMPLES = "30"


def wait_ready(url: str) -> None:
    """By its own word: tests kill what it stands on, and the supervisor hears of that later."""
    eventually(
        lambda: httpx.get(f"{url}/readyz", timeout=20).status_code == 200,
        seconds=START_SECONDS,
        ignoring=httpx.TransportError,
        what=f"a ready {url}",
    )


@pytest.mark.parametrize("service", ["ingest", "console"])
def test_answers_are_as_the_document_describes_them(
    service: str, services: Stack, organization: str, tmp_path: Path
) -> None:
    url = services.service(service)["url"]
    wait_ready(url)
    token = make_token(organization, [*EVERY_SCOPE, "signals:read"])
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{url}/openapi.json",
        "--checks",
        CHECKS,
    ]
    command += [
        "--header",
        f"Authorization: Bearer {token}",
        "--max-examples",
        os.environ.get("SCHEMATHESIS_EXAMPLES", EXAMPLES),
    ]
    command += ["--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color"]
    done = run(command, cwd=tmp_path, capture_output=True, text=True, timeout=3_000)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
