"""Pinning an account in its row or its drawer."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import enrollment
from services.signals.console.accounts.row import ENROLLMENTS, enrollment_view
from services.signals.console.http.access import NotHere
from services.signals.console.http.forms import Form, flash
from services.signals.console.http.organization import organization_of
from services.signals.console.http.problems import Wrong
from services.signals.console.http.rendering import render
from services.signals.console.paths import back_to_table
from services.signals.store import accounts
from shared import clock
from shared.domain.identifiers import wrong_id
from shared.wording import plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.post("/o/{organization}/enrollment")
def set_enrollment(request: Request, organization: str, form: Form) -> Response:
    """`auto`, `yes` or `no` is the pressed button's name, the account its value; scripts get only
    the cell back.
    """
    now = clock.now()
    with organization_of(request, organization) as (who, connection):
        pressed = [(pin, form[pin]) for pin in ENROLLMENTS if pin in form]
        if len(pressed) != 1:
            raise Wrong("enrollment", "must be one of auto, yes and no")
        chosen, account = pressed[0]
        if wrong_id(account):
            raise NotHere
        by = who.acting_in(organization)
        is_new = enrollment.pin(connection, organization, account, chosen, by=by)
        row = accounts.find(connection, organization, account)
    assert row is not None
    if request.headers.get("hx-request") == "true":
        return render(
            request,
            "parts/enrollment.html",
            enrollment=enrollment_view(row, now),
            organization=organization,
        )
    answer = RedirectResponse(back_to_table(form.get("back", ""), organization), status_code=303)
    if is_new:
        flash(
            request,
            answer,
            f"{plain_name(row.name or account)}: enrollment {ENROLLMENTS[row.enrollment]}",
        )
    return answer
