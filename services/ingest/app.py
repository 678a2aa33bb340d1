"""HTTP: POST /v1/orders, /v1/accounts, /v1/contacts; /openapi.json,
/docs, /healthz, /readyz, /metrics.

    who asks -> the body, within bounds -> its items -> when it was accepted -> each item
    on its own -> Kafka -> results

2xx only after every in-sync replica has it. All that goes wrong is
`application/problem+json` (RFC 9457) with the fields.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg_pool import ConnectionPool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.ingest import openapi, reference, store
from services.ingest.access import Access, Caller, Refused, admitted, bearer
from services.ingest.batcher import Batcher, Overloaded
from services.ingest.blocks import record_of
from services.ingest.bodies import Gunzip, NotJson, TooLarge, wrong_media_type
from services.ingest.intake import KINDS, Intake, Kind, read_items, take_in
from services.ingest.places import Held, Places
from services.ingest.problems import problem, respond
from shared import clock, db, http, kafka, metrics, security
from shared.errors import OtherLog, Retryable, said
from shared.events import Order
from shared.health import Readiness
from shared.settings import settings

log = structlog.get_logger()

LONGEST_KEY = 200
MOST_LOGGED = 10  # ids of what one request brought
ASKERS = 2  # threads that ask PostgreSQL whose token it is
IN_A_THREAD_FROM_BYTES = 50_000  # a larger body is worked on beside the event loop
BROKEN = (
    "the fault is ours, and ingest's log has it; send the request again, with the same key "
    "if it had one"
)

T = TypeVar("T")


@dataclass(kw_only=True)
class Service:
    """What the routes need, built by __main__."""

    app_pool: ConnectionPool[db.Connection]
    access: Access
    batcher: Batcher
    readiness: Readiness
    # why Kafka's log is not the one that positions are of; None: nobody has looked yet
    why_stopped: Callable[[], str | None] = lambda: ""
    places: Places = field(default_factory=Places)
    askers: Executor = field(  # beside the threads that large bodies may fill
        default_factory=lambda: ThreadPoolExecutor(ASKERS, thread_name_prefix="asker")
    )


def build(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """The application. `lifespan` puts a Service into
    `app.state.service` while the event loop runs.
    """
    app = FastAPI(
        lifespan=lifespan,
        title="Winback ingest",
        version="1",
        description="Orders, accounts and contacts of one organization, named by the token. 2xx: "
        "it is on disk in Kafka.",
        docs_url=None,  # its page would load scripts from elsewhere; ours is reference.py
        redoc_url=None,
        telemetry=http.TELEMETRY,
    )
    app.add_middleware(http.Headers)
    app.add_middleware(http.Hosts, names=http.named_hosts)
    openapi.describe(app)

    def route(kind: Kind) -> Callable[[Request], Awaitable[Response]]:
        async def post(request: Request) -> Response:
            began, status = time.perf_counter(), 500
            try:
                response = await answer(request.app.state.service, kind, request)
                status = response.status_code
            finally:
                metrics.INGEST_SECONDS.labels(kind.plural).observe(time.perf_counter() - began)
                metrics.INGEST_REQUESTS.labels(kind.plural, outcome(status)).inc()
            return response

        return post

    metrics.SECURITY_EVENTS.labels("token refused")
    for kind in KINDS.values():
        for known in (202, 422, 503):
            metrics.INGEST_REQUESTS.labels(kind.plural, outcome(known))
        app.post(f"/v1/{kind.plural}", **openapi.operation(kind.plural))(route(kind))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return reference.page(app.openapi())

    @app.get("/livez", include_in_schema=False)
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        ready: Readiness = request.app.state.service.readiness
        status, text = ready.answer()
        return Response(text, status_code=status, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def metrics_page() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        return problem(
            error.status_code,
            error.detail,
            f"{request.method} {request.url.path} is not here",
            headers=error.headers,
        )

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        """A bug. It is raised further to the log; its answer passes by the middleware,
        so it brings the headers itself.
        """
        return problem(500, "This went wrong", BROKEN, headers=http.HEADERS | http.LAST)

    return app


def outcome(status: int) -> str:
    """Whose fault it was: a sender that is asked to slow down (429) did nothing wrong."""
    if status < 300:
        return "accepted"
    return "failed" if status == 429 or status >= 500 else "refused"


async def answer(service: Service, kind: Kind, request: Request) -> Response:
    """One request, whatever comes of it."""
    held = Held(service.places)
    try:
        held.ask()
        caller = await find_caller(service, kind, request)
        held.arrive(caller.organization.organization)
        require_the_log(service)
        body = await read_body(held, request)
        held.admit()
        return await take(service, kind, caller, request, body, held)
    except Refused as refused:
        security.tell("token refused", status=refused.status)
        extra = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
        return problem(
            refused.status, "Not allowed", refused.reason, field="Authorization", headers=extra
        )
    except WrongHeader as wrong:
        return problem(
            wrong.status,
            "Wrong header",
            f"{wrong.field} {wrong.reason}",
            field=wrong.field,
            reason=wrong.reason,
        )
    except TooLarge:
        most = settings().ingest_max_body_bytes
        return problem(413, "Too large", f"the body is larger than {most} bytes", field="body")
    except NotJson as error:
        return problem(400, "Not JSON", str(error), field="body")
    except TimeoutError as error:
        reason = str(error)
        return problem(
            408,
            "Too slow",
            f"the body {reason}",
            field="body",
            reason=reason,
            headers={"Connection": "close"},
        )
    except ClientDisconnect:
        return problem(
            400, "Cut", "the connection ended inside the body", field="body"
        )  # nobody hears it
    except Overloaded as error:
        return problem(
            429,
            "Too many requests",
            str(error) or "more is waiting than can be taken",
            headers={"Retry-After": "1"},
        )
    except OtherLog as error:
        return problem(
            503,
            "Nothing is taken now",
            said(error),
            headers={"Retry-After": "30"},
        )
    except (Retryable, psycopg.OperationalError) as error:
        log.warning("not taken", reason=said(error))
        return problem(
            503,
            "Try again",
            "nothing of this request was confirmed: send it again",
            headers={"Retry-After": "2"},
        )
    finally:
        held.release()


def require_the_log(service: Service) -> None:
    """What would be accepted into another log than the one that positions are of would be passed by
    in silence. Raises OtherLog, Retryable.
    """
    why = service.why_stopped()
    if why is None:
        raise Retryable("starting: nobody has looked at Kafka's logs yet")
    if why:
        raise OtherLog(why)


class WrongHeader(ValueError):
    """A header of the request cannot be right; `status` as in HTTP."""

    def __init__(self, status: int, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.status, self.field, self.reason = status, field, reason


async def find_caller(service: Service, kind: Kind, request: Request) -> Caller:
    """Raises Refused, Retryable."""
    token = bearer(only(request, "Authorization"))
    caller = service.access.remembered(token) or await asyncio.get_running_loop().run_in_executor(
        service.askers, service.access.find, token
    )
    return admitted(caller, kind.scope)


def only(request: Request, field: str) -> str | None:
    """The value of a header that may come once. Raises WrongHeader where it comes with several."""
    values = set(request.headers.getlist(field))
    if len(values) > 1:
        raise WrongHeader(400, field, "comes with several values")
    return values.pop() if values else None


async def read_body(held: Held, request: Request) -> bytes:
    """The body, decompressed. Raises WrongHeader, TooLarge, NotJson,
    TimeoutError, ClientDisconnect, Overloaded.
    """
    if wrong := wrong_media_type(only(request, "Content-Type") or ""):
        raise WrongHeader(415, "Content-Type", wrong)
    most = settings().ingest_max_body_bytes
    coding = (only(request, "Content-Encoding") or "identity").strip().lower()
    if coding not in ("gzip", "identity"):
        raise NotJson("the Content-Encoding must be gzip or none")
    length = request.headers.get("content-length", "")
    if length.isdigit() and len(length) < 20 and int(length) > most:
        raise TooLarge
    gunzip = Gunzip(most) if coding == "gzip" else None
    parts, size = list[bytes](), 0
    async for piece in http.body_in_time(request.stream()):
        part = gunzip.feed(piece) if gunzip is not None and piece else piece
        size += len(part)
        if size > most:
            raise TooLarge
        held.add(len(part))
        parts.append(part)
    if gunzip is not None:
        gunzip.end()
    return b"".join(parts)


async def take(
    service: Service, kind: Kind, caller: Caller, request: Request, body: bytes, held: Held
) -> Response:
    """The items, accepted and confirmed. Raises NotJson, WrongHeader, Overloaded, Retryable."""
    large = len(body) > IN_A_THREAD_FROM_BYTES
    most_levels = settings().ingest_max_depth
    async with held.turn(large=large):
        items, batch = await maybe_in_a_thread(
            large, lambda: read_items(kind, body, most_levels=most_levels)
        )
    if not items:
        return problem(422, "Nothing to take", "the batch is empty", field="body")
    if len(items) > (most := settings().ingest_max_items):
        return problem(413, "Too large", f"a batch has at most {most} items", field="body")
    key = only(request, "Idempotency-Key")
    if key is not None and not (
        0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()
    ):
        raise WrongHeader(
            422, "Idempotency-Key", f"must be 1 to {LONGEST_KEY} printable ASCII characters"
        )
    organization = caller.organization.organization
    now = clock.now()
    accepted_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    confirmed = False
    if key is not None:
        request_hash = hashlib.sha256(f"{kind.plural}\n".encode() + body).digest()
        kept = await in_a_thread(
            lambda: keep_key(service, organization, key, request_hash, accepted_at)
        )
        if kept.request_hash != request_hash:
            raise WrongHeader(422, "Idempotency-Key", "was used for another request")
        accepted_at, confirmed = kept.accepted_at, kept.confirmed
    terms = caller.terms(accepted_at)
    async with held.turn(large=large):
        intake = await maybe_in_a_thread(large, lambda: take_in(kind, items, terms, source="http"))
    if not confirmed:
        await deliver(service, kind, organization, intake)
    if key is not None and not confirmed:
        await in_a_thread(lambda: confirm_key(service, organization, key))
    if intake.accepted and not confirmed:
        log.info(
            "accepted",
            kind=kind.plural,
            organization=organization,
            partition=kafka.partition_of(organization),
            accepted=len(intake.accepted),
            refused=len(items) - len(intake.accepted),
            ids=[one.id for one in intake.accepted[:MOST_LOGGED]],
        )
    return respond(intake, batch=batch, duplicate=confirmed)


async def deliver(service: Service, kind: Kind, organization: str, intake: Intake) -> None:
    """Until every in-sync replica has what was accepted. Raises Overloaded, Retryable."""
    if not intake.accepted:
        return
    partition = kafka.partition_of(organization)
    if isinstance(intake.accepted[0].event, Order):
        encoded = [one.encoded for one in intake.accepted]
        await service.batcher.put_orders(organization, partition, encoded)
        metrics.ORDERS_ACCEPTED.labels("http").inc(len(intake.accepted))
        return
    records = [record_of(one) for one in intake.accepted]
    await service.batcher.put_records(organization, kind.topic, partition, records)


def keep_key(
    service: Service, organization: str, key: str, request_hash: bytes, accepted_at: datetime
) -> store.KeptKey:
    with db.organization_transaction(service.app_pool, organization) as connection:
        return store.keep_key(
            connection,
            organization=organization,
            key=key,
            request_hash=request_hash,
            accepted_at=accepted_at,
        )


def confirm_key(service: Service, organization: str, key: str) -> None:
    with db.organization_transaction(service.app_pool, organization) as connection:
        store.confirm_key(connection, organization=organization, key=key, at=clock.now())


async def in_a_thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


async def maybe_in_a_thread(large: bool, work: Callable[[], T]) -> T:
    return await in_a_thread(work) if large else work()
