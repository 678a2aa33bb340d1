"""A sequence that was launched: the funnel of its steps, its people and why the next letter does
not leave yet, what came back, what happened; live where the browser can.
"""

from fastapi import Request
from fastapi.responses import Response

from services.signals.actions import sequences as actions
from services.signals.console.http.access import Visitor
from services.signals.console.http.organization import head_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import sequence_path
from services.signals.console.sequences import running_view as view
from services.signals.console.sequences.draft_view import skipped_by_reason
from services.signals.console.sequences.listing import STATES
from services.signals.store import launching, live, sequence_people, sequences
from services.signals.store.sequences import SequenceRow
from shared import clock, db
from shared.wording import TYPE_LETTERS, TYPE_NAMES

PEOPLE_A_PAGE = 200
MOST_REPLIES = 50


def page(
    request: Request,
    connection: db.Connection,
    organization: str,
    who: Visitor,
    row: SequenceRow,
    *,
    first: int,
) -> Response:
    """All of it on one page; its live part alone for scripts."""
    head = head_of(connection, organization)
    now = clock.now()
    steps = sequences.steps(connection, organization, row.sequence)
    people = sequence_people.people(
        connection, organization, row.sequence, first=first, most=PEOPLE_A_PAGE
    )
    skipped = sequences.enrolled(
        connection, organization, row.sequence, first=0, most=PEOPLE_A_PAGE, skipped=True
    )
    path = sequence_path(organization, row.sequence)
    is_part = request.headers.get("hx-request") == "true"
    return render(
        request,
        "parts/sequence_running.html" if is_part else "sequence_running.html",
        visitor=who,
        organization=organization,
        head=head,
        sequence=row,
        path=path,
        letter=TYPE_LETTERS[row.signal_type],
        type_name=TYPE_NAMES[row.signal_type],
        state=STATES[row.state],
        told=view.told(row, head),
        moves=[
            (move, words)
            for move, words in view.MOVES
            if actions.may(row, move)
            and (move != "take_back" or actions.taken_back_until(connection, organization, row) > 0)
        ],
        take_back=actions.taken_back_until(connection, organization, row),
        counter=live.counter(connection, organization),
        funnel=view.funnel(
            sequence_people.funnel(connection, organization, row.sequence),
            steps,
            people=row.enrolled,
        ),
        people=[view.person(one, row, head, organization=organization, now=now) for one in people],
        people_line=view.people_line(row),
        before=f"{path}?first={max(0, first - PEOPLE_A_PAGE)}#people" if first else "",
        after=f"{path}?first={first + PEOPLE_A_PAGE}#people"
        if first + len(people) < row.enrolled
        else "",
        skipped=skipped_by_reason(skipped, organization=organization),
        skipped_count=row.skipped,
        replies=view.replies(
            sequence_people.replies(connection, organization, row.sequence, most=MOST_REPLIES),
            [one for one in people if one.reason == "replied"],
            head,
            organization=organization,
        ),
        activity=view.activity(
            sequence_people.happened(connection, organization, row.sequence),
            sequences.activity(connection, organization, row.sequence),
            head,
        ),
        pauses=view.pauses(launching.pauses(connection, organization)),
    )
