"""By what one request is found again: in the header of its answer, in every log line that it leads
to, in the records that come of it, in the mail that shows it. It needs no traces.

    request, import, run -> record (header `request_ids`) -> who takes it -> record, or mail

A block is one record of many requests and names them all. A run has an id of its own
(`run-ORGANIZATION-NUMBER`): signals, ticks and mails come of runs.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from shared.carriers import Carrier, Headers

ANSWER = b"x-request-id"
RECORD = "request_ids"
MAIL = "X-Request-Id"
MOST = 500  # in one record: as many as a block has orders
MAIL_LINE = re.compile(rb"(?m)^X-Request-Id: ([A-Za-z0-9._:-]{1,200})\r$")
GIVEN = re.compile(r"[A-Za-z0-9._:-]{1,64}")

log = structlog.get_logger()


def fresh() -> str:
    """One that nobody has."""
    return uuid.uuid4().hex


def of_run(organization: str, number: int) -> str:
    """The id of a run."""
    return f"run-{organization}-{number}"


def current() -> tuple[str, ...]:
    """Those that what happens here comes of."""
    known = structlog.contextvars.get_contextvars()
    one = known.get("request_id")
    return (one,) if one else tuple(known.get(RECORD, ()))


@contextmanager
def within(*ids: str) -> Iterator[None]:
    """What happens in the block comes of these."""
    if not ids:
        yield
        return
    bound = {"request_id": ids[0]} if len(ids) == 1 else {RECORD: ids[:MOST]}
    before = structlog.contextvars.get_contextvars()
    structlog.contextvars.unbind_contextvars("request_id", RECORD)
    structlog.contextvars.bind_contextvars(**bound)
    try:
        yield
    finally:
        structlog.contextvars.unbind_contextvars("request_id", RECORD)
        kept = {name: before[name] for name in ("request_id", RECORD) if name in before}
        structlog.contextvars.bind_contextvars(**kept)


def record_headers(ids: Iterable[str] | None = None) -> Headers:
    """For a record that comes of `ids`, or of what is current."""
    these = list(dict.fromkeys(current() if ids is None else ids))[:MOST]
    return [(RECORD, ",".join(these).encode())] if these else []


def mail_headers() -> dict[str, str]:
    """For a mail that comes of what is current."""
    these = current()
    return {MAIL: these[0]} if these else {}


def of_mail(message: bytes) -> str:
    """The one that a mail comes of; empty where it says none."""
    found = MAIL_LINE.search(message, 0, message.find(b"\r\n\r\n") + 2)
    return found[1].decode() if found else ""


def of(record: Carrier) -> tuple[str, ...]:
    """Those that a record comes of."""
    for name, value in record.headers:
        if name == RECORD:
            return tuple(value.decode("latin-1").split(","))
    return ()


def taken(consumer: str, records: Sequence[Carrier]) -> None:
    """A line for each record that comes of a request: here it went on."""
    for record in records:
        if ids := of(record):
            log.info(
                "taken",
                consumer=consumer,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                request_ids=ids,
            )


class RequestIds:
    """ASGI: every request has an id, its sender's (X-Request-Id, where it is fit to be logged) or a
    fresh one, and every answer says it.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == ANSWER), b"")
        text = given.decode("latin-1")
        id_ = text if GIVEN.fullmatch(text) else fresh()

        async def with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (ANSWER, id_.encode())]
            await send(message)

        with within(id_):
            await self.app(scope, receive, with_id)
