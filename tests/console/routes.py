"""The routes of an application as it answers them, whatever routers they came by."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes_of(app: FastAPI) -> list[Route]:
    """Every one; HEAD goes with GET. Files below /static are no routes: they
    say nothing of anybody.
    """
    return sorted(set(_walk(app.routes)))


def _walk(routes: Sequence[Any]) -> Iterator[Route]:
    for route in routes:
        if hasattr(route, "effective_route_contexts"):  # a router that was included (FastAPI 0.16x)
            for context in route.effective_route_contexts():
                yield from (Route(method, context.path) for method in context.methods)
        elif getattr(route, "methods", None):
            yield from (Route(method, route.path) for method in route.methods if method != "HEAD")
