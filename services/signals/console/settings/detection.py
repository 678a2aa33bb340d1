"""Win-Back settings: a card a type, tried out as one types, saved as a version that starts a run.

GET  /settings          the page                 POST  the same, saved
POST /settings/try      the dry run of what is typed: the parts that change (htmx), or the page
POST /settings/replay   the last four quarters under it, likewise
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import settings as configuration
from services.signals.actions.actor import must_govern
from services.signals.actions.settings import Saved, changes_between
from services.signals.console.http.access import Visitor
from services.signals.console.http.forms import Form, Posted, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.settings import detection_form, detection_view, dry_run_view
from services.signals.console.settings.aliases import accounts_named, alias_views
from services.signals.store import runs, settings, trials
from services.signals.store.head import Head
from services.signals.trial import dry_run
from services.signals.trial.dry_run import Quarter, TooSlow, Tried, TriedAlias
from shared import clock, db
from shared.domain.thresholds import DetectionSettings, checked
from shared.errors import Rejected
from shared.events import SignalType
from shared.wording import exact_day, exact_time

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

VERSIONS_SHOWN = 8
TOO_SLOW = (
    "The orders are too many to try this out while you type. The button below takes up to a minute."
)
ONLY_ON_ASKING = (
    "With so many accounts the dry run takes a while, so it waits for the button below."
)
READING = "The orders are being read for this: a few seconds. Without scripts, press Try."
NO_ORDERS = "No orders yet: with the first ones this shows whom these thresholds would flag."


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every answer here is made from. `typed` may be what cannot be; then
    `errors` says so and `wanted` is None. `is_reading`: the page asks for its first
    try itself, since that reads all orders.
    """

    organization: str
    who: Visitor
    head: Head
    version: int
    saved: DetectionSettings
    typed: Mapping[str, str]
    wanted: DetectionSettings | None
    errors: Mapping[str, str] = field(default_factory=dict)
    tried: dict[SignalType, Tried] | None = None
    replayed: dict[SignalType, list[Quarter]] | None = None
    no_dry: str = ""
    is_reading: bool = False
    aliases: Sequence[TriedAlias] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_change(self) -> bool:
        """Members look."""
        return self.who.governs(self.organization)


@router.get("/o/{organization}/settings")
def show(request: Request, organization: str) -> Response:
    """The settings as they are saved."""
    with organization_of(request, organization) as (who, connection):
        page = _page(
            connection,
            organization,
            who,
            None,
            seconds=dry_run.SECONDS_WHILE_TYPING,
            reads_ahead=True,
        )
        return _whole(request, connection, page)


@router.get("/o/{organization}/settings/try")
@router.get("/o/{organization}/settings/replay")
def again(organization: str) -> Response:
    """Where a reload of what was posted ends."""
    return RedirectResponse(f"/o/{organization}/settings", status_code=303)


@router.post("/o/{organization}/settings/try")
def try_out(request: Request, organization: str, form: Form) -> Response:
    """What is typed, tried out and not saved."""
    by_itself = "hx-request" in request.headers
    with organization_of(request, organization) as (who, connection):
        seconds = dry_run.SECONDS_WHILE_TYPING if by_itself else dry_run.SECONDS_ON_A_BUTTON
        page = _page(connection, organization, who, form, seconds=seconds, is_try=True)
        if by_itself:
            return _parts(request, page)
        return _whole(request, connection, page)


@router.post("/o/{organization}/settings/replay")
def replay(request: Request, organization: str, form: Form) -> Response:
    """What is typed, on the last four quarters."""
    by_itself = "hx-request" in request.headers
    with organization_of(request, organization) as (who, connection):
        seconds = dry_run.SECONDS_WHILE_TYPING if by_itself else dry_run.SECONDS_ON_A_BUTTON
        page = _page(
            connection, organization, who, form, seconds=seconds, is_try=True, with_replay=True
        )
        if by_itself:
            return render(request, "parts/settings_replays.html", cards=_cards(page))
        return _whole(request, connection, page)


@router.post("/o/{organization}/settings")
def save(request: Request, organization: str, form: Form) -> Response:
    """A version, and the run that applies it. What cannot be comes back as it was typed."""
    with organization_of(request, organization) as (who, connection):
        by = who.acting_in(organization)
        must_govern(by)
        page = _page(connection, organization, who, form, seconds=dry_run.SECONDS_WHILE_TYPING)
        stale = form.get("version") != str(page.version)
        if page.wanted is None or stale:
            return _whole(
                request,
                connection,
                page,
                status_code=422 if page.wanted is None else 409,
                stale=stale,
            )
        patch = detection_form.patch_of(page.typed, page.head.style)
        saved = configuration.save(connection, organization, patch, by=by, run=True)
    answer = RedirectResponse(f"/o/{organization}/settings", status_code=303)
    flash(request, answer, saved_words(saved, page.head))
    return answer


def saved_words(saved: Saved, head: Head) -> str:
    """What was stored, so that whoever typed it sees how it was read."""
    if not saved.changes:
        return "Nothing was changed; a run has been asked for all the same"
    stored = detection_view.saved_words(saved.changes, head.style)
    return (
        f"Saved as version {saved.version}. {stored}. Its run, number {saved.run}, has been "
        "asked for"
    )


# -- the page and its parts ------------------------------------------------------------------------


def _page(
    connection: db.Connection,
    organization: str,
    who: Visitor,
    form: Posted | None,
    *,
    seconds: float,
    is_try: bool = False,
    with_replay: bool = False,
    reads_ahead: bool = False,
) -> Page:
    """`is_try`: the person's next try ends it; where it has to read the orders first it may take
    its time. Raises dry_run.Superseded.
    """
    head = head_of(connection, organization)
    version, saved = settings.latest(connection, organization)
    typed = dict(form) if form is not None else detection_form.typed_of(saved, head.style)
    if (reset := typed.pop("reset", None)) in detection_form.FIELDS:
        typed[reset] = detection_form.default_of(detection_form.FIELDS[reset], head.style)
    wanted: DetectionSettings | None = None
    errors: dict[str, str] = {}
    try:
        wanted = checked(detection_form.patch_of(typed, head.style), saved)
    except Rejected as refused:
        errors = detection_form.errors_of(refused.errors, typed, head.style)
    page = Page(
        organization=organization,
        who=who,
        head=head,
        version=version,
        saved=saved,
        typed=typed,
        wanted=wanted,
        errors=errors,
        no_dry=_why_not(errors) if errors else NO_ORDERS if head.last_accepted_at is None else "",
    )
    if wanted is None or page.no_dry:
        return page
    if (
        head.accounts or 0
    ) > dry_run.WITHOUT_ASKING_ACCOUNTS and seconds < dry_run.SECONDS_ON_A_BUTTON:
        return replace(page, no_dry=ONLY_ON_ASKING)
    as_of, run = _as_of(head), runs.newest_number(connection, organization)
    if not dry_run.is_read(organization):
        if reads_ahead and page.may_change and (head.accounts or 0) > dry_run.READ_AHEAD_ACCOUNTS:
            return replace(page, no_dry=READING, is_reading=True)
        if is_try:
            seconds = max(seconds, dry_run.SECONDS_TO_READ)
    what = "replays" if with_replay else "tries"
    turn = dry_run.next_turn(organization, f"{who.email} {what}") if is_try else None
    try:
        tried = dry_run.tried(
            connection, organization, wanted, as_of=as_of, run=run, seconds=seconds, turn=turn
        )
        aliases: Sequence[TriedAlias] = ()
        if form is None:  # parts of the page that change while one types do not have them
            aliases = dry_run.tried_aliases(
                connection, organization, saved, as_of=as_of, run=run, seconds=seconds
            )
        needed = {*dry_run_view.names_needed(tried), *accounts_named(aliases)}
        names = trials.names(connection, organization, sorted(needed))
        page = replace(page, tried=tried, aliases=aliases, names=names)
        if with_replay:
            replayed = dry_run.replayed(
                connection, organization, wanted, as_of=as_of, run=run, seconds=seconds, turn=turn
            )
            page = replace(page, replayed=replayed)
    except TooSlow:
        return replace(page, no_dry=TOO_SLOW)
    return page


def _as_of(head: Head) -> date:
    """The latest run's day: what is active today was seen then."""
    return head.as_of or clock.today(head.timezone)


def _why_not(errors: Mapping[str, str]) -> str:
    if "lapse.history_days" in errors and "longer" in errors["lapse.history_days"]:
        return "No dry run until the history window is longer than the lapse window."
    return "No dry run until every field can be read."


def _cards(page: Page) -> list[detection_view.CardView]:
    saved = detection_form.typed_of(page.saved, page.head.style)
    return [
        detection_view.card_view(
            type_,
            typed=page.typed,
            saved=saved,
            errors=page.errors,
            style=page.head.style,
            dry=None
            if page.tried is None or type_ not in page.tried or page.wanted is None
            else dry_run_view.dry_view(
                page.tried[type_],
                page.wanted,
                page.saved,
                head=page.head,
                organization=page.organization,
                names=page.names,
            ),
            no_dry=page.no_dry,
            replay=dry_run_view.replay_view(type_, page.replayed[type_]) if page.replayed else None,
        )
        for type_ in dry_run.TYPES
    ]


def _bar(page: Page) -> dict[str, str]:
    changes = changes_between(page.saved, page.wanted) if page.wanted is not None else []
    if page.wanted is None:
        return {
            "what": "Not ready to be saved",
            "starts": "One field needs another value." if len(page.errors) == 1 else "",
        }
    what, starts = detection_view.save_words(changes, page.tried, page.wanted)
    return {"what": what, "starts": starts}


def _parts(request: Request, page: Page) -> Response:
    return render(
        request,
        "parts/settings_tried.html",
        cards=_cards(page),
        bar=_bar(page),
        may_change=page.may_change,
    )


def _whole(
    request: Request,
    connection: db.Connection,
    page: Page,
    *,
    status_code: int = 200,
    stale: bool = False,
) -> Response:
    return render(
        request,
        "settings.html",
        status_code=status_code,
        visitor=page.who,
        organization=page.organization,
        head=page.head,
        tab="detection",
        cards=_cards(page),
        bar=_bar(page),
        may_change=page.may_change,
        version=page.version,
        stale=stale,
        summary=detection_view.error_summary(page.errors),
        as_of=exact_day(_as_of(page.head)),
        is_reading=page.is_reading,
        aliases=alias_views(page.aliases, organization=page.organization, names=page.names),
        replays_by_itself=(page.tried is not None or page.is_reading)
        and (page.head.accounts or 0) <= dry_run.REPLAYED_UNASKED_ACCOUNTS,
        versions=_versions(connection, page),
    )


def _versions(connection: db.Connection, page: Page) -> list[detection_view.VersionView]:
    found = settings.newest_versions(connection, page.organization, limit=VERSIONS_SHOWN + 1)
    zone, now = page.head.timezone, clock.now()
    shown = [
        detection_view.version_view(
            number,
            by,
            at,
            exact_time(at, zone),
            changes_between(before[1], wanted),
            style=page.head.style,
            now=now,
        )
        for (number, wanted, at, by), before in pairwise(found)
    ]
    if found and found[-1][0] == 1:
        number, _, at, by = found[-1]
        exact = exact_time(at, zone)
        shown.append(
            detection_view.version_view(number, by, at, exact, [], style=page.head.style, now=now)
        )
    return shown[:VERSIONS_SHOWN]
