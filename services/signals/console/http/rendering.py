"""Templates to pages; what a browser may do with them."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.signals.console.http import kept_forms
from services.signals.console.http.forms import FLASH, csrf_field, read_flash
from services.signals.console.http.refilling import refilled
from shared.settings import settings

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # links that sign in or unsubscribe stay with us
    "Cross-Origin-Opener-Policy": "same-origin",
}

_templates = Environment(
    loader=PackageLoader("services.signals.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: Request, template: str, *, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """A page, or with a template of parts/ a piece of one; what is about
    one person is kept by no cache.
    """
    # a problem is no place for it
    said = read_flash(request) if status_code < 400 and not template.startswith("parts/") else None
    values = {
        "visitor": None,
        "organization": None,
        "head": None,
        "path": request.url.path,
        "csrf_field": csrf_field(request),
        "flash": said,
        "single_sign_on": settings().oidc_name if settings().oidc_issuer else "",
        "refused": "",
        "is_kept": False,
        "again": False,
        "code": "",
    } | context
    page = _templates.get_template(template).render(values)
    typed = None
    if status_code == 200 and request.method == "GET" and not template.startswith("parts/"):
        typed = kept_forms.of_page(request, values["visitor"])
    response = HTMLResponse(
        page if typed is None else refilled(page, typed.action, typed.typed),
        status_code=status_code,
        headers={"Cache-Control": "private, no-store"},
    )
    if typed is not None:
        kept_forms.shown(request, response, typed)
    if said:
        response.delete_cookie(FLASH, path="/")
    return response
