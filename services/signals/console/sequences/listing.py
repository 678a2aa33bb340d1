"""The sequences: drafts, those that run, those that are through, and what was put away."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import like
from services.signals.console.http.rendering import render
from services.signals.console.paths import sequence_path
from services.signals.console.words import day_of
from services.signals.store import sequences
from services.signals.store.head import Head
from services.signals.store.sequences import SequenceRow
from shared import clock, wording
from shared.domain.sequence_states import State
from shared.wording import TYPE_LETTERS, TYPE_NAMES, age, counted

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Tab = Literal["drafts", "running", "finished", "archived"]
TABS: dict[Tab, tuple[State, ...]] = {
    "drafts": ("draft",),
    "running": ("launched", "paused"),
    "finished": ("finished",),
    "archived": ("archived",),
}
STATES: dict[State, str] = {
    "draft": "Draft",
    "launched": "Running",
    "paused": "Paused",
    "finished": "Finished",
    "archived": "Archived",
}
NOTHING: dict[Tab, str] = {
    "running": "Nothing runs. A draft is launched on its page.",
    "finished": "Nothing is through yet.",
    "archived": "Nothing is archived.",
}


@router.get("/o/{organization}/sequences")
def show_list(
    request: Request,
    organization: str,
    state: Annotated[
        str,
        Query(),
        like(
            "drafts|running|finished|archived",
            "is one of drafts, running, finished and archived",
        ),
    ] = "drafts",
) -> Response:
    """The newest first."""
    tab = next(one for one in TABS if one == state)
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        rows = sequences.newest(connection, organization, states=TABS[tab])
    return render(
        request,
        "sequences.html",
        visitor=who,
        organization=organization,
        head=head,
        tab=tab,
        tabs=[(one, one.capitalize()) for one in TABS],
        nothing=NOTHING.get(tab),
        sequences=[_view(row, organization, head) for row in rows],
    )


def _view(row: SequenceRow, organization: str, head: Head) -> dict[str, str]:
    return {
        "path": sequence_path(organization, row.sequence),
        "letter": TYPE_LETTERS[row.signal_type],
        "type": TYPE_NAMES[row.signal_type],
        "name": row.name,
        "state": STATES[row.state],
        "enrolled": wording.count(row.enrolled),
        "skipped": wording.count(row.skipped),
        "news": _news(row),
        "day": day_of(row.launched_at or row.drafted_at, head.timezone),
    }


def _news(row: SequenceRow) -> str:
    """Of a draft who edited it; of one that runs, what came of it."""
    if row.launched_at is None:
        if row.asked_by:
            return f"{row.asked_by} asks to launch it"
        if not row.edited_at:
            return ""
        return f"edited {age(clock.now() - row.edited_at)} ago, {row.edited_by}"
    said = [
        (row.asked_about, f"your turn: {row.asked_about}"),
        (row.is_open, f"{row.is_open} open"),
        (row.ordered, counted(row.ordered, "order")),
        (row.replied, "1 reply" if row.replied == 1 else f"{row.replied} replies"),
    ]
    return " · ".join(text for number, text in said if number)
