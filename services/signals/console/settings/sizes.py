"""Sizes and grades: the two tables that teach how texts of orders are read, and what they cannot
read yet.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import settings as configuration
from services.signals.actions.actor import must_govern
from services.signals.console.http.access import Visitor
from services.signals.console.http.forms import Form, Posted, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.settings import detection_form
from services.signals.console.settings.detection import saved_words
from services.signals.store import settings, trials
from shared import db
from shared.errors import Rejected

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

UNREAD_SHOWN = 40


@router.get("/o/{organization}/settings/sizes")
def sizes(request: Request, organization: str) -> Response:
    """The two tables, and what could not be read."""
    with organization_of(request, organization) as (who, connection):
        return _sizes(request, connection, organization, who, None, {})


@router.post("/o/{organization}/settings/sizes")
def save_sizes(request: Request, organization: str, form: Form) -> Response:
    """Both tables as a version, and the run that applies it to all of history."""
    with organization_of(request, organization) as (who, connection):
        by = who.acting_in(organization)
        must_govern(by)
        head = head_of(connection, organization)
        size_rows, wrong_sizes = detection_form.read_sizes(form.get("sizes", ""), head.style)
        grade_rows, wrong_grades = detection_form.read_table(
            form.get("grade_aliases", ""), name="grade_aliases"
        )
        errors = [*wrong_sizes, *wrong_grades]
        version, _ = settings.latest(connection, organization)
        if form.get("version") != str(version):
            return _sizes(request, connection, organization, who, form, {}, status_code=409)
        if not errors:
            try:
                patch = {"sizes": size_rows, "grade_aliases": grade_rows}
                saved = configuration.save(connection, organization, patch, by=by, run=True)
            except Rejected as refused:
                errors = list(refused.errors)
        if errors:
            said: dict[str, list[str]] = {}
            for error in errors:
                table, _, row = error.field.partition(".")
                said.setdefault(table, []).append(f"{row}: {error.reason}" if row else error.reason)
            return _sizes(request, connection, organization, who, form, said, status_code=422)
    answer = RedirectResponse(f"/o/{organization}/settings/sizes", status_code=303)
    flash(request, answer, saved_words(saved, head))
    return answer


def _sizes(
    request: Request,
    connection: db.Connection,
    organization: str,
    who: Visitor,
    form: Posted | None,
    errors: Mapping[str, list[str]],
    *,
    status_code: int = 200,
) -> Response:
    head = head_of(connection, organization)
    version, saved = settings.latest(connection, organization)
    unread = trials.unread_texts(connection, organization, saved)
    return render(
        request,
        "settings_sizes.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head,
        tab="sizes",
        may_change=who.governs(organization),
        version=version,
        stale=status_code == 409,
        sizes=form.get("sizes", "")
        if form is not None
        else detection_form.sizes_text(saved.sizes, head.style),
        grade_aliases=form.get("grade_aliases", "")
        if form is not None
        else detection_form.table_text(saved.grade_aliases),
        errors=errors,
        unread=unread[:UNREAD_SHOWN],
        unread_more=max(0, len(unread) - UNREAD_SHOWN),
    )
