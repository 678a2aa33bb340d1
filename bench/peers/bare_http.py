"""The same route without what it is for: FastAPI parses the body and returns as many results as
there were orders.

python -m bench.peers.bare_http PORT
"""

import json
import sys

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared import http

app = FastAPI()


@app.post("/v1/orders")
async def take(request: Request) -> JSONResponse:
    """Parse and return."""
    found = json.loads(await request.body())
    orders = found if isinstance(found, list) else [found]
    results = [
        {"index": number, "id": one["order"], "status": "accepted"}
        for number, one in enumerate(orders)
    ]
    return JSONResponse({"results": results}, status_code=202)


@app.get("/readyz")
async def ready() -> str:
    """At once."""
    return "ready"


if __name__ == "__main__":
    uvicorn.Server(http.config(app, int(sys.argv[1]))).run()
