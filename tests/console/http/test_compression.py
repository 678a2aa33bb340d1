"""Compressed for our own pages alone; never for what another site starts, never a stream."""

import gzip

import httpx
import pytest

from tests.console.conftest import MakeBrowser

ASKED_GZIP = {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize(("site", "is_compressed"), [
    ("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False),
    (None, False),
])  # fmt: skip
def test_a_page_is_compressed_only_where_no_other_site_asked(
    browser: MakeBrowser, tenant: str, site: str | None, is_compressed: bool
) -> None:
    asked = ASKED_GZIP | ({"Sec-Fetch-Site": site} if site else {})
    with browser(tenant).client.stream("GET", f"/o/{tenant}/accounts", headers=asked) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == ("gzip" if is_compressed else None)
    page = gzip.decompress(raw) if is_compressed else raw
    assert page.rstrip().endswith(b"</html>") and (not is_compressed or len(raw) < len(page) / 2)


def test_styles_are_compressed_for_all_and_what_does_not_ask_for_it_gets_it_plain(
    browser: MakeBrowser, tenant: str
) -> None:
    nobody = browser()
    for site in ("cross-site", "same-origin"):
        styles = nobody.get("/static/components.css", headers=ASKED_GZIP | {"Sec-Fetch-Site": site})
        assert (
            styles.headers["content-encoding"] == "gzip"
            and "Accept-Encoding" in styles.headers["vary"]
        )
    plain = browser(tenant).get(
        f"/o/{tenant}/accounts",
        headers={"Accept-Encoding": "identity", "Sec-Fetch-Site": "same-origin"},
    )
    assert "content-encoding" not in plain.headers


def test_the_stream_of_orders_is_not_compressed_and_its_first_event_comes_at_once(
    browser: MakeBrowser, tenant: str
) -> None:
    asked = ASKED_GZIP | {"Sec-Fetch-Site": "same-origin"}
    with browser(tenant).client.stream("GET", f"/o/{tenant}/orders/live", headers=asked) as stream:
        assert "content-encoding" not in stream.headers
        assert _first_event(stream).startswith("data:")


def _first_event(stream: httpx.Response) -> str:
    return next(line for line in stream.iter_lines() if line.startswith("data:"))
