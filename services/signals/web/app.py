"""The console's application: pages, /v1, /docs, /healthz, /readyz, /metrics."""

from collections.abc import Awaitable, Callable

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg_pool import ConnectionPool, PoolTimeout

from services.signals.web import (
    account,
    accounts,
    api,
    audit_page,
    digest_page,
    doors,
    health,
    members_page,
    orders,
    outcomes,
    pages,
    problems,
    saved_views,
    sequences,
    settings_page,
    single_sign_on,
    summary,
    tokens_page,
)
from services.signals.web.compression import Compression
from services.signals.web.live import Streams
from services.signals.web.rendering import HEADERS, render
from shared import db
from shared.http import TELEMETRY
from shared.metrics import READY
from shared.settings import settings


def build(pool: ConnectionPool[db.Connection]) -> FastAPI:
    """`pool` is of the app role: each transaction sees one organization."""
    app = FastAPI(
        title="Winback",
        version="1",
        description="Which accounts are being lost, for systems. A token with the scope signals:read names the organization.",
        docs_url=None,  # its page would load scripts from elsewhere; ours is below
        redoc_url=None,
        telemetry=TELEMETRY,
    )
    app.state.pool = pool
    app.state.streams = Streams()
    problems.register(app)
    app.include_router(api.router)
    app.include_router(single_sign_on.router)  # before doors: its paths look like links
    app.include_router(doors.router)
    app.include_router(outcomes.router)
    app.include_router(summary.router)
    app.include_router(orders.router)
    app.include_router(health.router)
    app.include_router(sequences.router)
    app.include_router(settings_page.router)
    app.include_router(digest_page.router)
    app.include_router(members_page.router)
    app.include_router(tokens_page.router)
    app.include_router(audit_page.router)
    app.include_router(accounts.router)
    app.include_router(saved_views.router)
    app.include_router(account.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(packages=[("services.signals.web", "static")]), name="static")

    @app.middleware("http")
    async def headers(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await go_on(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.add_middleware(Compression)

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        return render(request, "docs.html", paths=app.openapi()["paths"], description=app.description, base_url=settings().base_url)

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        try:
            with pool.connection(timeout=2) as connection:
                connection.execute("SELECT 1")
        except (psycopg.OperationalError, PoolTimeout) as error:
            READY.set(False)
            return Response(f"PostgreSQL: {error}\n", status_code=503, media_type="text/plain")
        READY.set(True)
        return Response("ready\n", media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        readyz()  # winback_ready is as of now, also where nobody else asks
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app
