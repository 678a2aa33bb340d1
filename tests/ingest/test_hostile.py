"""Hostile input at the HTTP door: each is refused with its status and its
field, and its neighbours go in.
"""

import gzip
import json
import re
import select
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from shared import ids, kafka
from shared.events import AccountChanged, ContactChanged
from shared.topics import ACCOUNTS, CONTACTS
from tests.ingest.door import Ingest, landed, make_token, problem_fields, records
from tests.ingest.hostile import KINDS, ORDER, Hostile
from tests.stack_fixtures import Organizations, Stack

LARGE = 100_000  # bytes of one item
GOOD = ORDER | {"order": "GOOD"}
IDS = {"orders": "order", "accounts": "account", "contacts": "contact"}


def went_in(kind: str, organization: str) -> list[str]:
    """The ids that Kafka has of the organization."""
    if kind == "orders":
        return [order.order for order in landed(organization)]
    topic, model = {"accounts": (ACCOUNTS, AccountChanged), "contacts": (CONTACTS, ContactChanged)}[
        kind
    ]
    ours = ids.record_key(
        organization, ""
    )  # by the key: all tests share one log, and another's poison may be in it
    found = [
        msgspec.json.decode(one.value, type=model)
        for one in records(topic.name, kafka.partition_of(organization))
        if one.value and one.key and one.key.startswith(ours)
    ]
    return [getattr(event, IDS[kind]) for event in found if event.organization == organization]


@pytest.mark.parametrize("kind", KINDS)
def test_each_hostile_item_is_refused_by_its_field_alone_and_among_others(
    kind: str, ingest: Ingest, token: str
) -> None:
    good = json.dumps(
        KINDS[kind][0] | {IDS[kind]: "GOOD"}
    ).encode()  # small ones stand among others below
    for item, field in KINDS[kind][1]:
        alone = ingest.post(kind, item, token=token)
        assert alone.status_code == 422, (item[:200], alone.text[:500])
        assert field in problem_fields(alone), (item[:200], alone.text[:500])
        if len(item) < LARGE:
            continue
        among = ingest.post(kind, b"[" + item + b"," + good + b"]", token=token)
        assert among.status_code == 202, item[:200]
        results = among.json()["results"]
        assert [one["status"] for one in results] == ["rejected", "accepted"], item[:200]
        assert field in {error["field"] for error in results[0]["errors"]}, item[:200]


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_batch_full_of_hostile_items_every_other_one_goes_in(
    kind: str, ingest: Ingest, organization: str, token: str
) -> None:
    small: list[Hostile] = [(item, field) for item, field in KINDS[kind][1] if len(item) < LARGE]
    items = []
    for number, (item, _) in enumerate(small):
        items += [item, json.dumps(KINDS[kind][0] | {IDS[kind]: f"G-{number}"}).encode()]
    answer = ingest.post(kind, b"[" + b",".join(items) + b"]", token=token)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["rejected", "accepted"] * len(small)
    for (_, field), result in zip(small, results[::2], strict=True):
        assert field in {error["field"] for error in result["errors"]}
    assert went_in(kind, organization) == [f"G-{number}" for number in range(len(small))]


BODIES: list[tuple[bytes, dict[str, str], int]] = [
    (b"", {}, 400),
    (b"{", {}, 400),
    (b"nonsense", {}, 400),
    (b"{} {}", {}, 400),
    (json.dumps(ORDER).encode("utf-16"), {}, 400),
    (json.dumps(ORDER).encode("utf-32"), {}, 400),
    (b"[" * 100_000, {}, 400),
    (b"[" * 100_000 + b"]" * 100_000, {}, 400),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}, 400),
    (b'[{"lines":' * 50_000, {}, 400),
    (b"\xff", {}, 400),
    (b'{"order": "\xed\xa0\x80"}', {}, 400),
    (b"not gzip", {"Content-Encoding": "gzip"}, 400),
    (gzip.compress(b"[]", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400),
    (b"x", {"Content-Encoding": "br"}, 400),
    (
        gzip.compress(gzip.compress(b"[]", mtime=0), mtime=0),
        {"Content-Encoding": "gzip, gzip"},
        400,
    ),
    (gzip.compress(b" " * 200_000_000, 1, mtime=0), {"Content-Encoding": "gzip"}, 413),
    (gzip.compress(b" " * 9_000_000, mtime=0) * 2, {"Content-Encoding": "gzip"}, 413),
    (b" " * 17_000_000, {}, 413),
    (json.dumps([GOOD] * 1001).encode(), {}, 413),
    (b"[]", {}, 422),
    (b'{"orders": []}', {}, 422),
    (b"null", {}, 422),
    (b'"x"', {}, 422),
    (b"NaN", {}, 422),
]


@pytest.mark.parametrize(("body", "headers", "status"), BODIES)
def test_a_body_that_cannot_be_taken_is_one_problem(
    body: bytes, headers: dict[str, str], status: int, ingest: Ingest, organization: str, token: str
) -> None:
    answer = ingest.post("orders", body, token=token, headers=headers)
    assert answer.status_code == status
    assert problem_fields(answer) == {"body"}
    assert landed(organization) == []


def test_a_byte_order_mark_is_no_part_of_the_document(
    ingest: Ingest, organization: str, token: str
) -> None:
    assert (
        ingest.post("orders", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), token=token).status_code
        == 202
    )
    assert went_in("orders", organization) == ["GOOD"]


def test_texts_full_of_brackets_are_not_deep(ingest: Ingest, organization: str, token: str) -> None:
    name = '{["\\' * 40 + '"]}'
    assert ingest.post("orders", GOOD | {"account_name": name}, token=token).status_code == 202
    assert [order.account_name for order in landed(organization)] == [name]


def test_what_is_strange_and_right_goes_in_as_it_was(
    ingest: Ingest, organization: str, token: str
) -> None:
    names = [
        "=cmd|'/C calc'!A1",
        "שלום בע״מ",
        "👩\u200d🏭 Ölwerk",
        "{{ 7 * 7 }}",
        "<script>alert(1)</script>",
        "Robert'); DROP TABLE",
    ]
    orders = [
        GOOD | {"order": f"=1+{number}", "account_name": name} for number, name in enumerate(names)
    ]
    assert ingest.post("orders", orders, token=token).status_code == 202
    assert [order.account_name for order in landed(organization)] == names


# -- twice -----------------------------------------------------------------------------------------


def test_an_order_twice_in_a_batch_is_one_version(
    ingest: Ingest, organization: str, token: str
) -> None:
    answer = ingest.post("orders", [GOOD, GOOD], token=token)
    assert [one["status"] for one in answer.json()["results"]] == ["accepted", "accepted"]
    assert (
        len({(order.order, order.revision, order.content) for order in landed(organization)}) == 1
    )


def test_a_key_is_the_organizations_and_its_tokens_share_it(
    ingest: Ingest, organizations: Organizations
) -> None:
    one, other = organizations(), organizations()
    first, second, foreign = make_token(one), make_token(one), make_token(other)
    assert (
        ingest.post("orders", GOOD, token=first, key="k").json()["results"][0]["status"]
        == "accepted"
    )
    assert (
        ingest.post("orders", GOOD, token=second, key="k").json()["results"][0]["status"]
        == "duplicate"
    )
    assert (
        ingest.post("orders", GOOD, token=foreign, key="k").json()["results"][0]["status"]
        == "accepted"
    )
    assert problem_fields(ingest.post("orders", [GOOD], token=second, key="k")) == {
        "Idempotency-Key"
    }
    assert (len(landed(one)), len(landed(other))) == (1, 1)


def test_a_key_of_a_request_that_was_refused_stays_with_it(
    ingest: Ingest, organization: str, token: str
) -> None:
    assert ingest.post("orders", ORDER | {"lines": []}, token=token, key="k").status_code == 422
    assert problem_fields(ingest.post("orders", GOOD, token=token, key="k")) == {"Idempotency-Key"}
    assert landed(organization) == []


# -- headers and methods ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]
)
def test_other_methods_are_told_which_there_is(method: str, ingest: Ingest, token: str) -> None:
    answer = httpx.request(
        method, f"{ingest.url}/v1/orders", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"


MEDIA = [
    ("application/xml", 415),
    ("text/csv", 415),
    ("multipart/form-data; boundary=x", 415),
    ("text/plain", 415),
]
MEDIA += [
    ("application/json; charset=utf-16", 415),
    ("application/json;charset=latin-1", 415),
    ("nonsense", 415),
]
MEDIA += [
    ("application/json; charset=UTF-8", 202),
    ('application/json;charset="utf-8"', 202),
    ("application/vnd.erp+json", 202),
]
MEDIA += [("application/x-www-form-urlencoded", 202), ("", 202)]


@pytest.mark.parametrize(("media", "status"), MEDIA)
def test_a_body_that_says_it_is_something_else_is_not_read(
    media: str, status: int, ingest: Ingest, token: str
) -> None:
    answer = ingest.post("orders", GOOD, token=token, headers={"Content-Type": media})
    assert answer.status_code == status
    if status == 415:
        assert problem_fields(answer) == {"Content-Type"}


@pytest.mark.parametrize(
    "field", ["Authorization", "Idempotency-Key", "Content-Type", "Content-Encoding"]
)
def test_a_header_with_two_values_is_refused_by_its_name(
    field: str, ingest: Ingest, organization: str, token: str
) -> None:
    headers = [("Authorization", f"Bearer {token}"), (field, "one"), (field, "other")]
    answer = ingest.client.post(
        f"{ingest.url}/v1/orders", content=json.dumps(GOOD).encode(), headers=headers
    )
    assert answer.status_code == 400
    assert problem_fields(answer) == {field}
    assert landed(organization) == []


@pytest.mark.parametrize(
    "header", ["Bearer", "Basic eDp5", "Bearer \xff\xfe", "Bearer " + "x" * 50_000, "\x01"]
)
def test_an_authorization_that_is_none(header: str, ingest: Ingest, organization: str) -> None:
    answer = httpx.post(
        f"{ingest.url}/v1/orders", json=GOOD, headers={b"Authorization": header.encode("latin-1")}
    )
    assert answer.status_code in (400, 401)
    assert problem_fields(answer) <= {"Authorization", "request"}


# -- the wire --------------------------------------------------------------------------------------


def on_the_wire(ingest: Ingest, *pieces: bytes, seconds: float = 20) -> bytes:
    """What a connection answers to these bytes until it ends."""
    place = urlsplit(ingest.url)
    with socket.create_connection((place.hostname, place.port), timeout=seconds) as wire:
        for piece in pieces:
            wire.sendall(piece)
        answer = b""
        while more := wire.recv(65_536):
            answer += more
    return answer


def answer_on(wire: socket.socket) -> tuple[bytes, bytes]:
    """(head, body) of one answer, though the connection stays."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += wire.recv(65_536)
    head, _, body = head.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found is not None
    while len(body) < int(found[1]):
        body += wire.recv(65_536)
    return head, body


def head_of(token: str, *lines: str) -> bytes:
    wanted = [
        "POST /v1/orders HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        "Connection: close",
        *lines,
    ]
    return "\r\n".join(wanted).encode("latin-1") + b"\r\n\r\n"


BODY = json.dumps(GOOD).encode()


def test_a_chunked_body_is_a_body(ingest: Ingest, organization: str, token: str) -> None:
    chunks = [
        b"%x\r\n%b\r\n" % (len(BODY[at : at + 7]), BODY[at : at + 7])
        for at in range(0, len(BODY), 7)
    ]
    answer = on_the_wire(
        ingest, head_of(token, "Transfer-Encoding: chunked"), *chunks, b"0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert went_in("orders", organization) == ["GOOD"]


NO_HTTP = [
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    b"nonsense\r\n\r\n",
    b"POST /v1/orders HTTP/1.1\r\n\r\n",
    b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
    b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nA: a\x00b\r\n\r\n",
    b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
]


@pytest.mark.parametrize("data", NO_HTTP)
def test_what_is_no_http_is_a_problem_too(data: bytes, ingest: Ingest) -> None:
    head, _, body = on_the_wire(ingest, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert [error["field"] for error in json.loads(body)["errors"]] == ["request"]


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n"])
def test_a_body_that_breaks_off_being_one_takes_nothing_in(
    chunk: bytes, ingest: Ingest, organization: str, token: str
) -> None:
    answer = on_the_wire(
        ingest, head_of(token, "Transfer-Encoding: chunked"), b'5\r\n[{"or\r\n', chunk
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert landed(organization) == []


def test_a_body_of_ten_gigabytes_is_refused_before_it_is_sent(ingest: Ingest, token: str) -> None:
    place = urlsplit(ingest.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as wire:
        wire.sendall(head_of(token, f"Content-Length: {10 * 2**30}"))
        head, body = answer_on(wire)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["errors"][0]["field"] == "body"


def test_a_sender_that_hangs_up_leaves_no_error_behind(
    ingest: Ingest, organization: str, token: str
) -> None:
    place = urlsplit(ingest.url)
    for _ in range(5):
        with socket.create_connection((place.hostname, place.port), timeout=20) as wire:
            wire.sendall(head_of(token, f"Content-Length: {len(BODY)}") + BODY[:20])
    assert ingest.post("orders", GOOD, token=token).status_code == 202
    assert went_in("orders", organization) == ["GOOD"]


# -- slowness --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def impatient(stack: Stack) -> Any:
    """Ingest that waits half a second for a head, and one for a body."""
    running = Ingest(
        stack=stack, env={"WINBACK_HTTP_HEAD_SECONDS": "0.5", "WINBACK_HTTP_BODY_SECONDS": "1"}
    )
    running.start()
    yield running
    assert running.stop() == 0


def test_a_body_that_drips_is_refused_in_time_and_holds_nobody_up(
    impatient: Ingest, organization: str, token: str
) -> None:
    place = urlsplit(impatient.url)
    answers: list[tuple[bytes, bytes]] = []

    def drip() -> None:
        with socket.create_connection((place.hostname, place.port), timeout=20) as wire:
            wire.sendall(head_of(token, f"Content-Length: {len(BODY)}"))
            for byte in BODY:
                wire.sendall(bytes([byte]))
                if select.select([wire], [], [], 0.1)[0]:
                    break
            answers.append(answer_on(wire))

    slow = [threading.Thread(target=drip) for _ in range(30)]
    for thread in slow:
        thread.start()
    assert impatient.post("orders", GOOD, token=token).status_code == 202
    for thread in slow:
        thread.join()
    assert len(answers) == 30
    assert all(
        head.startswith(b"HTTP/1.1 408 ") and b'"field": "body"' in body for head, body in answers
    )
    assert went_in("orders", organization) == ["GOOD"]


@pytest.mark.parametrize("beginning", [b"", b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_connection_without_a_request_is_closed(beginning: bytes, impatient: Ingest) -> None:
    assert on_the_wire(impatient, beginning, seconds=50) == b""


def test_a_connection_may_be_used_again_after_a_while_of_work(
    impatient: Ingest, organization: str, token: str
) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        for number in range(4):
            answer = client.post(f"{impatient.url}/v1/orders", json=GOOD | {"order": str(number)})
            assert answer.status_code == 202
            time.sleep(0.3)
    assert len(landed(organization)) == 4


# -- its own page ----------------------------------------------------------------------------------


def test_its_pages_load_nothing_from_elsewhere_and_run_nothing(ingest: Ingest) -> None:
    page = httpx.get(f"{ingest.url}/docs")
    assert page.status_code == 200
    assert re.findall(r"<script|<link|src=|url\(|@import|\son[a-z]+=", page.text) == []
    assert re.findall(r'href="([^"]*)"', page.text) == ["/openapi.json"]
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for path in ("/docs", "/openapi.json", "/v1/orders", "/healthz", "/metrics", "/nothing"):
        answer = httpx.get(f"{ingest.url}{path}")
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_examples_of_its_page_are_taken(ingest: Ingest, token: str) -> None:
    from services.ingest.reference import EXAMPLES

    for path, example in EXAMPLES.items():
        assert (
            ingest.post(path.removeprefix("/v1/"), example.encode(), token=token).status_code == 202
        )
