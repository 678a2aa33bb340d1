"""The console's application: pages, /v1, /docs, /healthz, /readyz, /metrics."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg_pool import ConnectionPool

from services.signals.console import health, home, orders, search, summary, unsubscribe
from services.signals.console.accounts import (
    drawer,
    enrollment,
    export,
    outcomes,
    saved_views,
    table,
)
from services.signals.console.api import routes
from services.signals.console.http import problems
from services.signals.console.http.compression import Compression
from services.signals.console.http.csv_export import Exports
from services.signals.console.http.rendering import HEADERS, render
from services.signals.console.identity import invitation, sessions, sign_in, single_sign_on
from services.signals.console.live import Streams
from services.signals.console.sequences import draft, launch, listing
from services.signals.console.settings import (
    aliases,
    audit_log,
    detection,
    digest,
    members,
    owners,
    sending,
    sizes,
    tokens,
)
from services.signals.console.today import page as today
from shared import db, http, security
from shared.health import Readiness
from shared.metrics import SIGN_IN_MAILS
from shared.settings import settings


def build(pool: ConnectionPool[db.Connection], why_not: Callable[[], str] = lambda: "") -> FastAPI:
    """`pool` is of the app role: each transaction sees one organization. `why_not`: what is away
    that it needs, for /readyz.
    """
    for outcome in ("sent", "refused", "failed"):
        SIGN_IN_MAILS.labels(outcome)
    app = FastAPI(
        title="Winback",
        version="1",
        description="Which accounts are being lost, for systems. "
        "A token with the scope signals:read names the organization.",
        docs_url=None,  # its page would load scripts from elsewhere; ours is below
        redoc_url=None,
        telemetry=http.TELEMETRY,
    )
    security.begin()
    app.state.pool = pool
    readiness = Readiness(why_not)
    readiness.set(True)
    app.state.streams = Streams()
    app.state.exports = Exports()
    problems.register(app)
    app.include_router(routes.router)
    app.include_router(single_sign_on.router)  # before doors: its paths look like links
    app.include_router(sign_in.router)
    app.include_router(invitation.router)
    app.include_router(sessions.router)
    app.include_router(unsubscribe.router)
    app.include_router(outcomes.router)
    app.include_router(summary.router)
    app.include_router(orders.router)
    app.include_router(search.router)
    app.include_router(health.router)
    app.include_router(listing.router)
    app.include_router(launch.router)
    app.include_router(draft.router)
    app.include_router(detection.router)
    app.include_router(sizes.router)
    app.include_router(aliases.router)
    app.include_router(digest.router)
    app.include_router(members.router)
    app.include_router(owners.router)
    app.include_router(sending.router)
    app.include_router(tokens.router)
    app.include_router(audit_log.router)
    app.include_router(table.router)
    app.include_router(export.router)
    app.include_router(enrollment.router)
    app.include_router(saved_views.router)
    app.include_router(drawer.router)
    app.include_router(today.router)
    app.include_router(home.router)
    app.mount(
        "/static", StaticFiles(packages=[("services.signals.console", "static")]), name="static"
    )

    # not by a function: then an answer that fails in its middle would end as if it were whole
    app.add_middleware(http.Headers, headers=HEADERS)
    app.add_middleware(http.Hosts, names=http.console_hosts)
    app.add_middleware(Compression)

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        return render(
            request,
            "docs.html",
            paths=app.openapi()["paths"],
            description=app.description,
            base_url=settings().base_url,
        )

    # none of these waits for a thread: all may be held up by what is away

    @app.get("/livez", include_in_schema=False)
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        status, text = readiness.answer()
        return Response(text, status_code=status, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app
