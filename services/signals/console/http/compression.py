"""Pages are compressed only for who asks from our own pages or by hand, so that no other
site can learn from their length.

A page holds what is nobody else's (names, sums, the token of its forms) beside what its address
says (a search word). Whoever may make a browser ask with words of their choosing, and sees how long
the compressed answers are, guesses the rest byte by byte (BREACH). That needs requests which
another site starts: browsers say so in `Sec-Fetch-Site`, and those get the plain page. So do
browsers that do not say it. Styles and scripts hold nothing secret. Streams of events are not
touched: each has to arrive at once.
"""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

OWN = ("same-origin", "none")  # from a page of ours; typed or a bookmark
STATIC = "/static/"
LEAST_BYTES = 1_000
LEVEL = 5


class Compression:
    """Around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=LEAST_BYTES, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._compressed if scope["type"] == "http" and _is_safe(scope) else self._plain
        await app(scope, receive, send)


def _is_safe(scope: Scope) -> bool:
    return scope["path"].startswith(STATIC) or Headers(scope=scope).get("sec-fetch-site") in OWN
