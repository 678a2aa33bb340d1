"""The digest's settings: who gets it, when, how the last one looks, what became of
each mail. Members set it up.

POST /settings/digest         recipients and schedule
POST …/digest/next            the next five firings of what is chosen
POST …/digest/test            one for whoever asks
POST …/digest/again           who unsubscribed takes it back
GET  …/digest/mail/{digest}   the mail's HTML, for the frame: it runs nothing and reaches nothing
"""

from collections import Counter
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import digest as actions
from services.signals.console.http.access import NotHere, Refused, Visitor
from services.signals.console.http.forms import Form, Posted, by_field, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import HEADERS, render
from services.signals.console.words import moment, owner_words
from services.signals.store import delivery, owner_people, slots
from services.signals.store.delivery import DigestRow, MailRow
from services.signals.store.head import Head
from shared import clock, db
from shared.domain.cadence import Frequency, Schedule, first_day, next_firings
from shared.domain.identifiers import wrong_id
from shared.errors import Rejected
from shared.wording import age, city, counted, long_day

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

FREQUENCIES: dict[Frequency, str] = {
    "5-minutes": "every 5 minutes",
    "10-minutes": "every 10 minutes",
    "30-minutes": "every 30 minutes",
    "hourly": "every hour",
    "daily": "every day",
    "3-days": "every 3 days",
    "weekly": "every week",
    "2-weeks": "every 2 weeks",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STATES = {
    "queued": "waiting to be sent",
    "sending": "being sent",
    "sent": "sent",
    "retry": "to be tried again",
    "bounced": "bounced",
    "unknown": "perhaps sent: the server’s answer was lost",
    "suppressed": "not sent: unsubscribed",
}
FIRINGS_SHOWN = 5
DIGESTS_SHOWN = 20
DEFAULT = {"frequency": "weekly", "hour": "8", "weekday": "0"}

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; sandbox; frame-ancestors 'self'; form-action 'none'"
)
PAGE_POLICY = HEADERS["Content-Security-Policy"] + "; frame-src 'self'"


@dataclass(frozen=True, kw_only=True)
class DigestView:
    """One line of the history."""

    digest: str
    subject: str
    when: str
    when_exact: str
    kind: str
    mails: list[tuple[str, str, str]]
    summary: str


@router.get("/o/{organization}/settings/digest")
def show(request: Request, organization: str) -> Response:
    """As it is set up."""
    with organization_of(request, organization) as (who, connection):
        return _page(request, connection, organization, who, None, {})


@router.get("/o/{organization}/settings/digest/next")
def again(organization: str) -> Response:
    """Where a reload of what was posted ends."""
    return RedirectResponse(f"/o/{organization}/settings/digest", status_code=303)


@router.post("/o/{organization}/settings/digest")
def save(request: Request, organization: str, form: Form) -> Response:
    """Recipients and schedule, both or neither."""
    try:
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            actions.set_recipients(connection, organization, form.all("recipient"), by=by)
            schedule = {name: form.get(name, "") for name in DEFAULT}
            actions.set_schedule(connection, organization, **schedule, by=by)
    except Rejected as refused:
        with organization_of(request, organization) as (who, connection):
            return _page(
                request, connection, organization, who, form, by_field(refused), status_code=422
            )
    return _back(request, organization, "Saved")


@router.post("/o/{organization}/settings/digest/next")
def upcoming(request: Request, organization: str, form: Form) -> Response:
    """The next five firings, were what is chosen saved now."""
    with organization_of(request, organization) as (who, connection):
        if "hx-request" not in request.headers:
            return _page(request, connection, organization, who, form, {})
        head = head_of(connection, organization)
        schedule, errors = _chosen(connection, organization, head, form)
        return render(
            request, "parts/digest_next.html", firings=_firings(schedule, head), errors=errors
        )


@router.post("/o/{organization}/settings/digest/test")
def test(request: Request, organization: str, form: Form) -> Response:
    """The digest of the latest complete run, to whoever asks, alone."""
    try:
        with organization_of(request, organization) as (who, connection):
            actions.ask_for_one(connection, organization, by=who.acting_in(organization))
    except Rejected as refused:
        raise Refused(429, "; ".join(by_field(refused).values())) from None
    return _back(
        request,
        organization,
        f"A digest of the latest run is on its way to {who.email}, and to nobody else",
    )


@router.post("/o/{organization}/settings/digest/own")
def own_only(request: Request, organization: str, form: Form) -> Response:
    """Whether the digest of whoever asks has their own accounts alone."""
    wanted = form.get("own", "") == "yes"
    with organization_of(request, organization) as (who, connection):
        by = who.acting_in(organization)
        actions.set_own_only(connection, organization, own_only=wanted, by=by)
    said = "Your digest has your accounts alone" if wanted else "Your digest has all accounts"
    return _back(request, organization, said)


@router.post("/o/{organization}/settings/digest/again")
def want_mail_again(request: Request, organization: str, form: Form) -> Response:
    """Who unsubscribed takes it back."""
    with organization_of(request, organization) as (who, connection):
        actions.want_mail_again(connection, organization, by=who.acting_in(organization))
    return _back(request, organization, "You get mails of this organization again")


@router.get("/o/{organization}/settings/digest/mail/{digest}")
def mail(request: Request, organization: str, digest: str) -> Response:
    """As it was sent, without what is personal."""
    if wrong_id(digest):
        raise NotHere
    with organization_of(request, organization) as (_, connection):
        found = delivery.body(connection, organization, digest)
    if found is None:
        raise NotHere
    return HTMLResponse(
        found[0],
        headers={"Content-Security-Policy": MAIL_POLICY, "Cache-Control": "private, no-store"},
    )


def _back(request: Request, organization: str, said: str) -> Response:
    answer = RedirectResponse(f"/o/{organization}/settings/digest", status_code=303)
    flash(request, answer, said)
    return answer


def _page(
    request: Request,
    connection: db.Connection,
    organization: str,
    who: Visitor,
    form: Posted | None,
    errors: dict[str, str],
    *,
    status_code: int = 200,
) -> Response:
    head = head_of(connection, organization)
    members = delivery.members(connection, organization)
    chosen = (
        set(form.all("recipient"))
        if form is not None
        else {member.email for member in members if member.gets_it}
    )
    schedule, wrong = _chosen(connection, organization, head, form)
    digests = delivery.newest_digests(connection, organization, limit=DIGESTS_SHOWN)
    mails = delivery.mails(connection, organization, [digest.digest for digest in digests])
    last = digests[0] if digests else None
    body = delivery.body(connection, organization, last.digest) if last else None
    page = render(
        request,
        "settings_digest.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head,
        tab="digest",
        errors=errors | wrong,
        members=[
            {
                "email": member.email,
                "role": member.role,
                "is_chosen": member.email in chosen,
                "unsubscribed": moment(member.unsubscribed_at, head.timezone)[0],
                "is_me": member.email == who.email,
                "own_only": member.own_only,
            }
            for member in members
        ],
        frequencies=[(name, FREQUENCIES[name]) for name in actions.frequencies()],
        hours=[(str(hour), f"{hour:02}:00") for hour in range(24)],
        weekdays=list(enumerate(WEEKDAYS)),
        gets_it=any(one.email == who.email and one.gets_it for one in members),
        own_only=any(one.email == who.email and one.own_only for one in members),
        own=[
            owner_words(code, owner_people.people(connection, organization))
            for code in owner_people.of_member(connection, organization, who.email)
        ],
        typed=_typed(connection, organization, form),
        zone=city(head.timezone),
        firings=_firings(schedule, head),
        is_scheduled=slots.digest_schedule(connection, organization) is not None,
        last=_digest_view(last, [], head) if last else None,
        text=body[1] if body else "",
        digests=[
            _digest_view(digest, [one for one in mails if one.digest == digest.digest], head)
            for digest in digests
        ],
    )
    page.headers["Content-Security-Policy"] = PAGE_POLICY
    return page


def _typed(connection: db.Connection, organization: str, form: Posted | None) -> dict[str, str]:
    if form is not None:
        return {name: form.get(name, "") for name in DEFAULT}
    saved = slots.digest_schedule(connection, organization)
    if saved is None:
        return DEFAULT
    return {
        "frequency": saved.frequency,
        "hour": str(saved.hour),
        "weekday": str(saved.anchor_on.weekday()),
    }


def _chosen(
    connection: db.Connection, organization: str, head: Head, form: Posted | None
) -> tuple[Schedule | None, dict[str, str]]:
    """The schedule that is saved, or the one that would be."""
    saved = slots.digest_schedule(connection, organization)
    typed = _typed(connection, organization, form)
    if form is None or (saved is not None and typed == _typed(connection, organization, None)):
        return saved, {}
    try:
        frequency, hour, weekday = actions.checked_schedule(
            typed["frequency"], typed["hour"], typed["weekday"]
        )
    except Rejected as refused:
        return None, by_field(refused)
    now = clock.now()
    anchor_on = first_day(frequency, hour, weekday, now=now, timezone=head.timezone)
    return Schedule(
        frequency=frequency, hour=hour, anchor_on=anchor_on, timezone=head.timezone, since=now
    ), {}


def _firings(schedule: Schedule | None, head: Head) -> list[tuple[str, str]]:
    """(day and time in the organization's zone, how far off)."""
    if schedule is None:
        return []
    now = clock.now()
    zone = ZoneInfo(head.timezone)
    return [
        (
            f"{long_day(at.astimezone(zone).date())}, {at.astimezone(zone):%H:%M}",
            f"in {age(at - now)}",
        )
        for at in next_firings(schedule, now, FIRINGS_SHOWN)
    ]


def _digest_view(row: DigestRow, mails: list[MailRow], head: Head) -> DigestView:
    when, exact = moment(row.created_at, head.timezone)
    states = Counter(mail.state for mail in mails)
    kind = "heartbeat" if row.heartbeat else "digest"
    return DigestView(
        digest=row.digest,
        subject=row.subject,
        when=when,
        when_exact=exact,
        kind=f"{kind}, asked for" if row.private else kind,
        mails=[
            (mail.email, _state(mail, head), (mail.answer or "") if mail.state != "sent" else "")
            for mail in mails
        ],
        summary=", ".join(f"{number} {STATES[state]}" for state, number in states.most_common())
        or "nobody to send it to",
    )


def _state(mail: MailRow, head: Head) -> str:
    said = STATES.get(mail.state, mail.state)
    if mail.sent_at is not None:
        said += f" {moment(mail.sent_at, head.timezone)[0]}"
    return said if mail.attempts < 2 else f"{said}, after {counted(mail.attempts, 'attempt')}"
