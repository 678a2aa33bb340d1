"""What a page says once is ours, is of its session, and never larger than what came."""

import json
import zlib
from base64 import urlsafe_b64encode
from http.cookies import SimpleCookie

import pytest
from fastapi import Request, Response
from itsdangerous import Signer, URLSafeSerializer

from services.signals.console.http.access import cookie_name
from services.signals.console.http.forms import FLASH, MOST_FLASH_BYTES, flash, read_flash


def request(session: str, value: str | None = None) -> Request:
    """A request of that session, with what it says was left for it."""
    cookies = f"{cookie_name()}={session}" + ("" if value is None else f"; {FLASH}={value}")
    headers = [(b"cookie", cookies.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


def left(session: str, text: str, undo: str | None = None) -> str:
    """The cookie that says so."""
    answer = Response()
    flash(request(session), answer, text, undo=undo)
    return SimpleCookie(answer.headers["set-cookie"])[FLASH].value


def test_what_was_left_is_read_by_its_session_alone() -> None:
    value = left("mine", "Gespeichert: 5 ½ €", "/o/acme/undo")
    said = {"text": "Gespeichert: 5 ½ €", "undo": "/o/acme/undo"}
    assert read_flash(request("mine", value)) == said
    assert read_flash(request("another", value)) is None


@pytest.mark.parametrize("text", ["x" * 5_000, "👩" * 500, "\ud800" * 900])
def test_a_long_text_is_cut_to_a_cookie_of_a_kilobyte(text: str) -> None:
    value = left("mine", text)
    assert len(value) <= MOST_FLASH_BYTES
    read = read_flash(request("mine", value))
    assert read is not None
    assert str(read["text"]).endswith("…")


def test_what_a_browser_signs_by_its_own_session_is_not_read() -> None:
    bomb = urlsafe_b64encode(zlib.compress(json.dumps(["x" * 10_000_000, None]).encode(), 9))
    for content in (b"." + bomb, urlsafe_b64encode(b'["x", null]')):
        for salt in ("flash", "flash mine"):
            signer = Signer("mine", salt=salt, key_derivation="django-concat")
            assert read_flash(request("mine", signer.sign(content).decode())) is None
    small = URLSafeSerializer("mine", salt="flash").dumps(["x" * 100_000, None])
    assert len(small) < MOST_FLASH_BYTES
    assert read_flash(request("mine", str(small))) is None
