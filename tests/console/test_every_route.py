"""Who may what, on every route of the console; and nothing crosses two
organizations, at every route.

Both are generated from entries, one a route; tests/repo/test_routes.py fails where a route has
none. Everyone tries everything; who may not changes nothing, in any table.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest
from psycopg.types.json import Jsonb

from services.signals.actions import contacts as contact_actions
from services.signals.actions import settings, sign_in, tokens
from services.signals.actions.actor import COMMAND_LINE
from services.signals.console.http.forms import FLASH, csrf_token
from services.signals.console.settings import detection_form, sending
from services.signals.persist import handlers
from services.signals.store import organizations
from services.signals.store.contacts import Person
from shared import clock, db
from shared.domain.sending import DEFAULTS as SENDING_DEFAULTS
from shared.domain.thresholds import DEFAULTS
from shared.events import Combo, ContactChanged
from shared.ids import signal_id
from shared.mail import opt_out_url, proof_url, unsubscribe_token
from shared.wording import number_style
from tests.console.conftest import COOKIE
from tests.console.routes import Route
from tests.repo.test_tables import tables_with_organization
from tests.signals.builders import block, completed, order, record, requested, rows, signal_event
from tests.signals.conftest import make_tenant

ROLES = ("owner", "admin", "member")
EVERYONE = (*ROLES, "outsider", "nobody", "token", "token without scope")
Audience = Literal["anyone", "signed in", "members", "governors", "token"]
ALLOWED: dict[Audience, tuple[str, ...]] = {
    "anyone": EVERYONE,
    "signed in": (*ROLES, "outsider"),
    "members": ROLES,
    "governors": ("owner", "admin"),
    "token": ("token",),
}
J55 = Combo(od="5.5", grade="J55")


class Ids(NamedTuple):
    """What an organization has, one set for each who tries: each uses up its own."""

    organization: str
    who: str

    def __getattr__(self, name: str) -> str:
        return f"{name}-{self.who.replace(' ', '-')}-{self.organization}"

    @property
    def person(self) -> str:
        return f"{self.victim}@example.com"

    @property
    def signal(self) -> str:
        return signal_id(self.organization, self.account, "lapse", J55.od, J55.grade)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A route: for whom it is, what the allowed are answered, and what they send."""

    audience: Audience
    status: int
    query: Callable[[Ids], dict[str, Any]] = field(default=lambda ids: {})
    form: Callable[[Ids], dict[str, Any]] | None = None
    # a POST without the session's token is refused; False: it needs none
    needs_session: bool = True
    is_stream: bool = False


def page(audience: Audience = "members", **more: Any) -> Case:
    return Case(audience=audience, status=200, **more)


def deed(
    form: Callable[[Ids], dict[str, Any]] = lambda ids: {},
    *,
    audience: Audience = "members",
    status: int = 303,
    **more: Any,
) -> Case:
    return Case(audience=audience, status=status, form=form, **more)


def governed(form: Callable[[Ids], dict[str, Any]] = lambda ids: {}, *, status: int = 303) -> Case:
    """A deed of owners and admins."""
    return deed(form, audience="governors", status=status)


STEPS = {"edition": 1, "do": "save", "wait-1": 0, "subject-1": "Hello", "body-1": "How are you?"}
VERSION = "2"  # the one that `two` saves; saving it again changes nothing
DETECTION = detection_form.typed_of(DEFAULTS, number_style("USD")) | {
    "lapse.enabled": "on",
    "version": VERSION,
}
SIZES = {"version": VERSION, "sizes": "", "grade_aliases": "GR-B = B"}
TOKEN = {"scope": "orders:write"}
SENDING = {
    "replies": "by_hand", "postal_address": "1 Road", "country": "US", "region": "TX",
    "closing_days": "2026-12-24", "every_day": "on",
    **{key: str(getattr(SENDING_DEFAULTS, key)) for key, _, _ in sending.NUMBERS},
}  # fmt: skip
WEEKLY = {"frequency": "weekly", "hour": "8", "weekday": "0"}

CASES: dict[Route, Case] = {
    Route("GET", "/"): Case(audience="signed in", status=303),
    Route("GET", "/docs"): page("anyone"),
    Route("GET", "/openapi.json"): page("anyone"),
    Route("GET", "/healthz"): page("anyone"),
    Route("GET", "/livez"): page("anyone"),
    Route("GET", "/readyz"): page("anyone"),
    Route("GET", "/metrics"): page("anyone"),
    Route("GET", "/sign-in"): page("anyone"),
    Route("POST", "/sign-in"): deed(
        lambda ids: {"email": "x@example.com"}, audience="anyone", status=200, needs_session=False,
    ),
    Route("GET", "/sign-in/{link}"): page("anyone"),
    # until the settings name a provider
    Route("GET", "/sign-in/oidc"): Case(audience="anyone", status=404),
    Route("GET", "/sign-in/oidc/callback"): Case(audience="anyone", status=404),
    Route("POST", "/sign-in/{link}"): deed(audience="anyone", needs_session=False),
    # there is none
    Route("GET", "/invitation/{organization}/{secret}"): Case(audience="anyone", status=410),
    Route("POST", "/invitation/{organization}/{secret}"): deed(
        lambda ids: {"answer": "accept"}, audience="anyone", status=410, needs_session=False,
    ),
    Route("GET", "/sessions"): page("signed in"),
    # there is none of that name
    Route("POST", "/sessions/end"): deed(
        lambda ids: {"session": str(uuid5(NAMESPACE_URL, ids.session))},
        audience="signed in",
        status=404,
    ),
    Route("POST", "/sign-out"): deed(audience="signed in"),
    Route("GET", "/unsubscribe/{token}"): page("anyone"),
    Route("GET", "/opt-out/{token}"): page("anyone"),
    Route("POST", "/opt-out/{token}"): deed(audience="anyone", status=200, needs_session=False),
    Route("POST", "/unsubscribe/{token}"): deed(audience="anyone", status=200, needs_session=False),
    Route("GET", "/v1/signals"): page("token", query=lambda ids: {"account": ids.account}),
    Route("GET", "/v1/accounts/{account:path}"): page("token"),
    Route("GET", "/o/{organization}"): page(),
    Route("POST", "/o/{organization}/runs"): governed(),
    Route("POST", "/o/{organization}/follow-ups/{follow_up}"): deed(
        lambda ids: {"do": "move", "follow_up_on": clock.today("UTC").isoformat()}
    ),
    Route("POST", "/o/{organization}/accounts/{account:path}/notes"): deed(
        lambda ids: {"note": "They move in March.", "once": ids.once}
    ),
    Route("POST", "/o/{organization}/notes/{note}/delete"): deed(),
    Route("GET", "/o/{organization}/settings/owners"): page(),
    Route("POST", "/o/{organization}/settings/owners"): governed(
        lambda ids: {"owner": "dk", "name": "Dana King", "email": ids.person}
    ),
    Route("GET", "/o/{organization}/signals"): Case(audience="anyone", status=303),
    Route("GET", "/o/{organization}/accounts"): page(),
    Route("GET", "/o/{organization}/accounts.csv"): page(),
    Route("GET", "/o/{organization}/accounts/{account:path}"): page(),
    Route("POST", "/o/{organization}/accounts/{account:path}/primary"): deed(
        lambda ids: {"contact": ids.contact}
    ),
    Route("POST", "/o/{organization}/accounts/{account:path}/contacts"): deed(
        lambda ids: {
            "contact": ids.contact,
            "edition": contact_actions.edition(
                Person(email=ids.person, name=secret(ids.organization))
            ),
            "name": "Ana Ruiz", "title": "Buyer", "phone": "+1 432 555 0142",
            "email": "ana@x.example", "newsletter": "subscribed", "language": "en-US",
            "zone": "America/Chicago", "country": "US", "primary": "yes",
        }
    ),
    Route("POST", "/o/{organization}/views"): deed(
        lambda ids: {"name": "Mine", "query": "sort=name"}
    ),
    Route("POST", "/o/{organization}/views/delete"): deed(lambda ids: {"view": ids.view}),
    Route("POST", "/o/{organization}/columns"): deed(lambda ids: {"column": ["own", "wb"]}),
    Route("POST", "/o/{organization}/enrollment"): deed(lambda ids: {"no": ids.account}),
    Route("POST", "/o/{organization}/outcomes"): deed(
        lambda ids: {
            "account": ids.account, "kind": "lost", "reason": "price", "signal": ids.signal,
            "once": ids.once, "note": "They said so.",
            "follow_up_on": clock.today("UTC").isoformat(),
        }
    ),
    Route("POST", "/o/{organization}/outcomes/{outcome}/undo"): deed(),
    Route("GET", "/o/{organization}/outcomes/{kind}/{account:path}"): page(),
    Route("GET", "/o/{organization}/orders"): page(),
    Route("GET", "/o/{organization}/orders/live"): page(is_stream=True),
    Route("GET", "/o/{organization}/order/{order:path}"): page(),
    Route("GET", "/o/{organization}/search"): page(query=lambda ids: {"q": "secret"}),
    Route("GET", "/o/{organization}/sequences"): page(),
    Route("GET", "/o/{organization}/sequences/{sequence}"): page(),
    Route("POST", "/o/{organization}/sequences/{sequence}"): deed(lambda ids: STEPS),
    Route("POST", "/o/{organization}/sequences/{sequence}/move"): deed(
        lambda ids: {"do": "archive"}
    ),
    Route("GET", "/o/{organization}/sequences/{sequence}/launch"): page(),
    # nobody has said who hears the answers
    Route("POST", "/o/{organization}/sequences/{sequence}/launch"): deed(
        lambda ids: {"confirmed": "In stock."}, status=422,
    ),
    # nobody is in it
    Route("POST", "/o/{organization}/sequences/{sequence}/people"): deed(
        lambda ids: {"account": ids.account, "do": "remove"}, status=404,
    ),
    Route("GET", "/o/{organization}/summary"): page(),
    Route("GET", "/o/{organization}/summary.csv"): page(),
    Route("GET", "/o/{organization}/health"): page("governors"),
    Route("POST", "/o/{organization}/health/audit"): governed(),
    # there is none
    Route("POST", "/o/{organization}/health/dead-letters"): governed(
        lambda ids: {"id": "orders/0/0"}, status=404,
    ),
    Route("GET", "/o/{organization}/settings"): page(),
    Route("GET", "/o/{organization}/settings/try"): Case(audience="anyone", status=303),
    Route("GET", "/o/{organization}/settings/replay"): Case(audience="anyone", status=303),
    Route("POST", "/o/{organization}/settings/try"): deed(lambda ids: DETECTION, status=200),
    Route("POST", "/o/{organization}/settings/replay"): deed(lambda ids: DETECTION, status=200),
    Route("POST", "/o/{organization}/settings"): governed(lambda ids: DETECTION),
    Route("GET", "/o/{organization}/settings/sizes"): page(),
    Route("POST", "/o/{organization}/settings/sizes"): governed(lambda ids: SIZES),
    Route("POST", "/o/{organization}/settings/aliases"): governed(
        lambda ids: {"spelling": "GR-B", "grade": "B"}
    ),
    Route("GET", "/o/{organization}/settings/digest"): page(),
    Route("POST", "/o/{organization}/settings/digest"): deed(
        lambda ids: WEEKLY | {"recipient": [ids.person]}
    ),
    Route("GET", "/o/{organization}/settings/digest/next"): Case(audience="anyone", status=303),
    Route("POST", "/o/{organization}/settings/digest/next"): deed(lambda ids: WEEKLY, status=200),
    Route("POST", "/o/{organization}/settings/digest/test"): deed(),
    Route("POST", "/o/{organization}/settings/digest/own"): deed(lambda ids: {"own": "yes"}),
    Route("POST", "/o/{organization}/settings/digest/again"): deed(),
    Route("GET", "/o/{organization}/settings/digest/mail/{digest}"): page(),
    Route("GET", "/o/{organization}/settings/sending"): page(),
    Route("POST", "/o/{organization}/settings/sending"): governed(lambda ids: SENDING),
    Route("POST", "/o/{organization}/settings/sending/prove"): deed(),
    # of the address that is asked for alone
    Route("GET", "/o/{organization}/settings/sending/prove/{token}"): page(),
    Route("POST", "/o/{organization}/settings/sending/prove/{token}"): deed(),
    # nothing is paused
    Route("POST", "/o/{organization}/settings/sending/go-on"): governed(
        lambda ids: {"sender": ids.person}, status=404,
    ),
    Route("GET", "/o/{organization}/settings/members"): page(),
    Route("POST", "/o/{organization}/settings/members/invite"): governed(
        lambda ids: {"email": f"x{ids.person}", "role": "member"}
    ),
    # there is none
    Route("POST", "/o/{organization}/settings/members/withdraw"): governed(
        lambda ids: {"email": ids.person}, status=404,
    ),
    Route("POST", "/o/{organization}/settings/members/role"): governed(
        lambda ids: {"email": ids.person, "role": "admin"}
    ),
    Route("POST", "/o/{organization}/settings/members/remove"): governed(
        lambda ids: {"email": ids.person}
    ),
    Route("GET", "/o/{organization}/settings/tokens"): page(),
    Route("POST", "/o/{organization}/settings/tokens"): governed(
        lambda ids: TOKEN | {"name": f"x{ids.token}"}, status=200,
    ),
    Route("POST", "/o/{organization}/settings/tokens/rotate"): governed(
        lambda ids: {"name": ids.token}, status=200,
    ),
    Route("POST", "/o/{organization}/settings/tokens/revoke"): governed(
        lambda ids: {"name": ids.token}
    ),
    Route("GET", "/o/{organization}/settings/audit"): page(),
    Route("GET", "/o/{organization}/settings/audit.csv"): page(),
}  # fmt: skip


# -- two organizations, each with one of everything ------------------------------------------------


def secret(organization: str) -> str:
    """What nobody else may ever read."""
    return f"Secret of {organization}"


def furnish(connection: db.Connection, ids: Ids) -> None:
    """An account with a signal, a contact, an outcome; a draft; a digest; a token; a member."""
    organization, marked, now = ids.organization, secret(ids.organization), clock.now()
    with connection.transaction():
        offset = next(OFFSETS)
        sent = order(
            organization, ids.order, account=ids.account, account_name=marked, owner=marked
        )
        handlers.handle_orders(connection, [block(sent, offset=offset)])
        person = ContactChanged(
            organization=organization, contact=ids.contact, account=ids.account, name=marked,
            email=ids.person, revision=1,
        )  # fmt: skip
        handlers.handle_contacts(connection, [record("contacts", person, organization, offset)])
        opened = signal_event("opened", organization, offset=offset, account=ids.account, combo=J55)
        handlers.handle_signals(connection, [record("signals", opened, organization, offset)])
        organizations.set_member(connection, organization, ids.person, "member")
        tokens.create(
            connection, organization, name=ids.token, scopes=["orders:write"], by=COMMAND_LINE
        )
        connection.execute(
            "INSERT INTO sequences (organization, sequence, digest, signal_type, name, drafted_at)"
            " VALUES (%s, %s, %s, 'lapse', %s, %s)",
            (organization, ids.sequence, ids.digest, marked, now),
        )
        connection.execute(
            "INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, "
            "body) VALUES (%s, %s, 1, 0, %s, %s)",
            (organization, ids.sequence, marked, marked),
        )
        connection.execute(
            "INSERT INTO digests (organization, digest, slot, slot_at, run, heartbeat, "
            "recoverable_revenue_cents, shown, subject, html, body, created_at) "
            "VALUES (%s, %s, %s, %s, 1, false, 0, %s, %s, %s, %s, %s)",
            (
                organization,
                ids.digest,
                ids.digest,
                now,
                Jsonb({}),
                marked,
                f"<p>{marked}</p>",
                marked,
                now,
            ),
        )
        connection.execute(
            "INSERT INTO saved_views (organization, view, member, name, query, saved_by, saved_at)"
            " VALUES (%s, %s, %s, %s, '', %s, %s)",
            (
                organization,
                ids.view,
                email_of(ids.who, organization),
                f"{marked} {ids.view}",
                email_of(ids.who, organization),
                now,
            ),
        )
        connection.execute(
            "INSERT INTO follow_ups (organization, follow_up, account, due_on, note, email,"
            " created_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                organization,
                ids.follow_up,
                ids.account,
                now.date(),
                marked,
                email_of(ids.who, organization),
                now,
            ),
        )
        connection.execute(
            "INSERT INTO account_notes (organization, note, account, body, at, actor)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (organization, ids.note, ids.account, marked, now, email_of(ids.who, organization)),
        )
        connection.execute(
            "INSERT INTO owner_people (organization, owner, name, mapped_at, mapped_by)"
            " VALUES (%s, %s, %s, %s, %s)",
            (organization, ids.owner_code, marked, now, ids.person),
        )
        connection.execute(
            "INSERT INTO outcomes (organization, outcome, account, kind, at, actor, reason, about)"
            " VALUES (%s, %s, %s, 'lost', %s, %s, 'price', %s)",
            (organization, ids.outcome, ids.account, now, email_of(ids.who, organization), marked),
        )


OFFSETS = iter(range(10, 10**9))


def email_of(who: str, organization: str) -> str:
    return f"{who.split()[0]}@{organization}.example"


@dataclass(frozen=True)
class Two:
    """Two organizations, and everyone's clients. The outsider is the owner of the other one."""

    connection: db.Connection
    address: str
    mine: str
    theirs: str
    there: Ids  # what nobody changes
    there_too: Ids
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def fresh(self, who: str) -> Ids:
        """For who may use them up."""
        ids = Ids(self.mine, f"{who} {secrets.token_hex(3)}")
        furnish(self.connection, ids)
        return ids

    def client(self, who: str) -> httpx.Client:
        """Signed in, or with a token, or neither."""
        if who in self.clients:
            return self.clients[who]
        client = self.clients[who] = httpx.Client(base_url=self.address, timeout=30)
        organization = self.theirs if who == "outsider" else self.mine
        if who.startswith("token"):
            scopes = ["signals:read"] if who == "token" else ["orders:write"]
            token = tokens.create(
                self.connection,
                organization,
                name=secrets.token_hex(8),
                scopes=scopes,
                by=COMMAND_LINE,
            )
            client.headers["Authorization"] = f"Bearer {token}"
        elif who != "nobody":
            email = email_of(who, organization)
            organizations.set_member(
                self.connection, organization, email, "owner" if who == "outsider" else who
            )
            link = sign_in.make_link(self.connection, email, "")
            assert client.post(link, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
        return client

    def forget(self, who: str) -> None:
        self.clients.pop(who).close()

    def _token(self, who: str, route: Route, ids: Ids) -> str:
        """As the mail has it that leads to the route."""
        if "prove" in route.path:
            return proof_url(self.mine, email_of(who, self.mine)).rpartition("/")[2]
        if "opt-out" in route.path:
            return opt_out_url(self.mine, ids.person).rpartition("/")[2]
        return unsubscribe_token(self.mine, ids.person)

    def ask(
        self,
        who: str,
        route: Route,
        organization: str,
        ids: Ids,
        *,
        token: bool = True,
        site: str = "same-origin",
    ) -> httpx.Response:
        """The route as its entry says, with what `ids` names."""
        case, client = CASES[route], self.client(who)
        link = sign_in.make_link(self.connection, email_of("member", self.mine), "")
        path = route.path.replace(":path", "").format(
            organization=organization,
            account=ids.account,
            order=ids.order,
            sequence=ids.sequence,
            digest=ids.digest,
            outcome=ids.outcome,
            follow_up=ids.follow_up,
            note=ids.note,
            kind="lost",
            link=link.split("/")[-1],
            secret="none",
            token=self._token(who, route, ids),
        )
        session = client.cookies.get(COOKIE)
        csrf = {"csrf": csrf_token(session)} if session and token else {}
        form = None if case.form is None else csrf | case.form(ids)
        headers = {"Sec-Fetch-Site": site}
        with client.stream(
            route.method, path, params=case.query(ids), data=form, headers=headers
        ) as answer:
            if not case.is_stream or answer.status_code != case.status:
                answer.read()
        return answer


@pytest.fixture(scope="module")
def two(address: str) -> Iterator[Two]:
    with db.connect() as connection:
        connection.autocommit = True
        there, there_too = (furnished(connection) for _ in range(2))
        made = Two(
            connection, address, there.organization, there_too.organization, there, there_too
        )
        made.client("member")
        yield made
        for client in made.clients.values():
            client.close()


def furnished(connection: db.Connection) -> Ids:
    """A new organization with a complete run and one of everything."""
    organization = make_tenant(connection)
    settings.save(
        connection,
        organization,
        {"lapse": {"enabled": True}},
        by=COMMAND_LINE,
        run=False,
        dry_run=False,
    )
    with connection.transaction():
        handlers.handle_orders(
            connection, [record("orders", requested(organization, 1), organization, 1)]
        )
        handlers.handle_signals(
            connection, [record("signals", completed(organization, 1, offset=2), organization, 1)]
        )
    ids = Ids(organization, "owner 0")
    furnish(connection, ids)
    return ids


def everything(connection: db.Connection, organization: str) -> dict[str, str]:
    """A hash of each tenant table's rows of an organization."""
    each = (
        f"SELECT '{table}', coalesce(md5(string_agg(t::text, '|' "
        f"ORDER BY t::text)), '') FROM {table} t WHERE organization = %s"
        for table in TENANT_TABLES
    )
    return dict(rows(connection, " UNION ALL ".join(each), *[organization] * len(TENANT_TABLES)))


TENANT_TABLES = sorted(tables_with_organization())


def refusal(case: Case, who: str) -> int:
    """What who is not allowed is answered."""
    if case.audience == "token":
        return 403 if who == "token without scope" else 401
    if who in ("nobody", "token", "token without scope"):
        return 401
    return 403 if who in ROLES else 404


# -- who may what ----------------------------------------------------------------------------------


@pytest.mark.parametrize("route", sorted(CASES), ids=str)
def test_each_role_is_answered_as_it_should_be_and_who_may_not_changes_nothing(
    two: Two, route: Route
) -> None:
    case = CASES[route]
    said: dict[str, int] = {}
    for who in EVERYONE:
        is_allowed = who in ALLOWED[case.audience]
        ids = two.fresh(who) if is_allowed and case.form else two.there
        two.client(who).cookies.pop(FLASH, None)  # what an earlier page said
        before = {} if is_allowed or route.method == "GET" else everything(two.connection, two.mine)
        answer = two.ask(who, route, two.mine, ids)
        said[who] = answer.status_code
        if before:
            assert everything(two.connection, two.mine) == before, f"{who} changed something"
        if not is_allowed:
            assert secret(two.mine) not in answer.text, f"{who} read something"
        if route.path == "/sign-out" or (route.method == "POST" and "{link}" in route.path):
            two.forget(who)
    assert said == {
        who: case.status if who in ALLOWED[case.audience] else refusal(case, who)
        for who in EVERYONE
    }


@pytest.mark.parametrize(
    "route",
    sorted(route for route, case in CASES.items() if case.form and case.needs_session),
    ids=str,
)
def test_a_form_needs_the_token_of_the_session_and_our_own_page(two: Two, route: Route) -> None:
    before = everything(two.connection, two.mine)
    for token, site in ((False, "same-origin"), (True, "cross-site"), (True, "same-site")):
        assert (
            two.ask("owner", route, two.mine, two.there, token=token, site=site).status_code == 403
        )
    assert everything(two.connection, two.mine) == before


# -- nothing crosses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "route", sorted(route for route, case in CASES.items() if case.audience != "anyone"), ids=str
)
def test_what_belongs_to_another_organization_is_not_there(two: Two, route: Route) -> None:
    """Its ids, under one's own organization, by an owner or with a token: refused, and
    neither read nor changed.
    """
    case = CASES[route]
    theirs, own = two.there_too, two.there
    names_things = (
        any(f"{{{name}" in route.path for name in NAMED_IN_PATHS)
        or case.query(theirs) != case.query(own)
        or (case.form is not None and case.form(theirs) != case.form(own))
    )
    before = everything(two.connection, two.theirs)
    answer = two.ask("token" if case.audience == "token" else "owner", route, two.mine, theirs)
    assert everything(two.connection, two.theirs) == before
    if not case.is_stream:
        assert secret(two.theirs) not in answer.text
    if route in MADE_ANEW:
        assert answer.status_code == case.status
    elif route in LISTS:
        assert answer.json() == LISTS[route]
    elif names_things:
        assert answer.status_code in (404, 422), answer.text
    if route.path == "/sign-out":
        two.forget("owner")


NAMED_IN_PATHS = ("account", "order", "sequence", "digest", "outcome", "follow_up", "note")
MADE_ANEW = {  # what is sent is a name for something new: another organization's is as good as any
    Route("POST", "/o/{organization}/settings/members/invite"),
    Route("POST", "/o/{organization}/settings/tokens"),
}
LISTS: dict[Route, dict[str, Any]] = {Route("GET", "/v1/signals"): {"signals": [], "next": None}}
