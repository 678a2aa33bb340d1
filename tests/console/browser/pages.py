"""Every page of the console and its states, by the route that gives it: what axe, the pictures and
the budgets look at.

tests/repo/test_routes.py fails where a route that gives pages is not listed, so a new
page cannot be forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Page

from shared.mail import opt_out_url, proof_url, unsubscribe_token
from tests.console.browser import world as w
from tests.console.browser.world import World

Act = Callable[[Page], None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """A page in one state. `path` is filled in from the world; `act`: what is done there first;
    `role` None: of nobody.
    """

    name: str
    path: str
    role: str | None = "owner"
    act: Act | None = None
    status: int = 200
    expecting: tuple[str, ...] = field(default=())


def fill(name: str, text: str) -> Act:
    return lambda page: page.get_by_label(name).first.fill(text)


def press(name: str) -> Act:
    return lambda page: page.get_by_role("button", name=name).first.click()


def then(*acts: Act) -> Act:
    def do(page: Page) -> None:
        for act in acts:
            act(page)

    return do


def show(text: str) -> Act:
    """A menu, by what is written on it."""
    return lambda page: page.get_by_text(text, exact=True).first.click()


def follow(name: str) -> Act:
    return lambda page: page.get_by_role("link", name=name).click()


def refused(page: Page) -> None:
    """The form came back with what is wrong."""
    page.get_by_role("alert").first.wait_for()


def typed_search(page: Page) -> None:
    """The results stand below the box."""
    page.keyboard.press("/")
    page.get_by_role("searchbox").fill("pipe")
    page.get_by_role("link", name="All results").wait_for()


def wrong_settings(page: Page) -> None:
    page.get_by_label("History window").fill("60")
    page.get_by_label("Specialty share above").fill("120")
    page.get_by_role("button", name="Save and run now").click()
    refused(page)


def wrong_step(page: Page) -> None:
    opened_draft(page)
    page.get_by_label("Subject").first.fill("About {nobody}")
    page.get_by_role("button", name="Save", exact=True).last.click()
    refused(page)


def wrong_value(page: Page) -> None:
    page.get_by_text("Won back…").click()
    page.get_by_label("Monthly value").fill("much")
    page.get_by_role("button", name="Won back", exact=True).click()
    page.get_by_text("must be").first.wait_for()


def opened_draft(page: Page) -> None:
    page.locator("tbody a").first.click()
    page.get_by_label("Subject").first.wait_for()


def opened_running(page: Page) -> None:
    page.locator("tbody a").first.click()
    page.get_by_role("heading", name="People").wait_for()


def to_launch(page: Page) -> None:
    opened_draft(page)
    page.get_by_role("link", name="Launch…").click()
    page.get_by_role("heading", name="Before it is launched").wait_for()


def tab(name: str) -> Act:
    def do(page: Page) -> None:
        opened_draft(page)
        page.get_by_role("navigation", name="Draft").get_by_role("link", name=name).click()
        page.get_by_role("region", name=name).wait_for()

    return do


UNPROCESSABLE = ("status of 422",)

LOOKS: dict[str, tuple[Look, ...]] = {
    "/": (Look(name="organizations", path="/"),),
    "/docs": (Look(name="docs", path="/docs", role=None),),
    "/sign-in": (
        Look(name="sign-in", path="/sign-in", role=None),
        Look(
            name="sign-in-mailed",
            path="/sign-in",
            role=None,
            act=then(fill("Your mail address", "nobody@pipe.example"), press("Mail me a link")),
        ),
    ),
    "/sign-in/{link}": (
        Look(name="sign-in-link", path="{link}", role=None),
        Look(
            name="sign-in-spent", path="/sign-in/spent",
            role=None, status=410, expecting=("status of 410",),
        ),
    ),
    "/invitation/{organization}/{secret}": (
        Look(name="invitation", path="{invitation}", role=None),
        Look(
            name="invitation-answered", path="/invitation/{organization}/none",
            role=None, status=410, expecting=("status of 410",),
        ),
    ),
    "/sessions": (Look(name="sessions", path="/sessions"),),
    "/unsubscribe/{token}": (
        Look(name="unsubscribe", path="/unsubscribe/{token}", role=None),
        Look(
            name="unsubscribe-broken", path="/unsubscribe/cut",
            role=None, status=404, expecting=("status of 404",),
        ),
    ),
    "/o/{organization}": (
        Look(name="today", path="/o/{organization}"),
        Look(name="today-first", path="/o/{empty}"),
    ),
    "/o/{organization}/settings/owners": (
        Look(name="owners", path="/o/{organization}/settings/owners"),
        Look(name="owners-member", path="/o/{organization}/settings/owners", role="member"),
    ),
    "/o/{organization}/accounts": (
        Look(name="accounts", path="/o/{organization}/accounts"),
        Look(
            name="accounts-narrowed",
            path="/o/{organization}/accounts?only=lapse&owner=dk&enrollment=auto&q=permian",
        ),
        Look(name="accounts-none", path="/o/{organization}/accounts?q=nobody-is-called-so"),
        Look(
            name="accounts-second-page", path="/o/{organization}/accounts?sort=name",
            act=follow("Next 50"),
        ),
        Look(name="first-start", path="/o/{empty}/accounts"),
        Look(
            name="accounts-views", path="/o/{organization}/accounts?only=lapse&columns=wb.stake",
            act=show("Views"),
        ),
        Look(name="accounts-menu", path="/o/{organization}/accounts", act=show("Enrollment")),
        Look(
            name="keys", path="/o/{organization}/accounts",
            act=lambda page: page.keyboard.press("?"),
        ),
    ),
    "/o/{organization}/accounts/{account:path}": (
        Look(name="drawer-lapse", path="/o/{organization}/accounts/" + w.PERMIAN),
        Look(name="drawer-contact", path="/o/{organization}/accounts/" + w.PERMIAN + "?contact="),
        Look(name="drawer-dormant", path="/o/{organization}/accounts/" + w.CAPROCK),
        Look(name="drawer-cherry-picking", path="/o/{organization}/accounts/" + w.COPPER),
        Look(name="drawer-two-types", path="/o/{organization}/accounts/" + w.SALT_FORK),
        Look(name="drawer-arabic", path="/o/{organization}/accounts/" + w.ARABIC),
        Look(name="drawer-long-name", path="/o/{organization}/accounts/" + w.LONG),
        Look(name="drawer-quiet", path="/o/{organization}/accounts/" + w.HEALTHY),
        Look(
            name="drawer-won-back-form", path="/o/{organization}/accounts/" + w.IRONWOOD,
            act=show("Won back…"),
        ),
        Look(
            name="drawer-lost-form", path="/o/{organization}/accounts/" + w.IRONWOOD,
            act=show("Lost…"),
        ),
        Look(
            name="drawer-wrong-value", path="/o/{organization}/accounts/" + w.IRONWOOD,
            act=wrong_value, expecting=UNPROCESSABLE,
        ),
        Look(
            name="not-found", path="/o/{organization}/accounts/nobody",
            status=404, expecting=("status of 404",),
        ),
    ),
    "/o/{organization}/outcomes/{kind}/{account:path}": (
        Look(name="outcome", path="/o/{organization}/outcomes/lost/" + w.IRONWOOD),
        Look(name="outcome-of-a-signal", path="/o/{organization}/outcomes/won_back/" + w.PERMIAN),
    ),
    "/o/{organization}/orders": (
        Look(name="orders", path="/o/{organization}/orders"),
        Look(name="orders-none", path="/o/{empty}/orders"),
        Look(name="orders-narrowed", path="/o/{organization}/orders?size=5.5&grade=J55"),
        Look(name="orders-largest", path="/o/{organization}/orders?sort=net"),
        Look(
            name="orders-of-nobody",
            path="/o/{organization}/orders?account=nobody&from=yesterday&size=big",
        ),
        Look(
            name="wrong-parameter", path="/o/{organization}/orders?before=x",
            status=422, expecting=UNPROCESSABLE,
        ),
    ),
    "/o/{organization}/order/{order:path}": (
        Look(name="order", path="/o/{organization}/order/SO-40001"),
    ),
    "/o/{organization}/search": (
        Look(name="search", path="/o/{organization}/search"),
        Look(name="search-found", path="/o/{organization}/search?q=pipe"),
        Look(name="search-of-a-product", path="/o/{organization}/search?q=5+1%2F2+J55"),
        Look(name="search-nothing", path="/o/{organization}/search?q=zzz"),
        Look(name="search-as-typed", path="/o/{organization}/orders", act=typed_search),
    ),
    "/o/{organization}/sequences": (
        Look(name="sequences", path="/o/{organization}/sequences"),
        Look(name="sequences-none", path="/o/{empty}/sequences"),
        Look(name="sequences-archived", path="/o/{organization}/sequences?state=archived"),
    ),
    "/o/{organization}/sequences/{sequence}": (
        Look(name="sequence", path="/o/{organization}/sequences", act=opened_draft),
        Look(name="sequence-contacts", path="/o/{organization}/sequences", act=tab("Contacts")),
        Look(name="sequence-skipped", path="/o/{organization}/sequences", act=tab("Skipped")),
        Look(name="sequence-activity", path="/o/{organization}/sequences", act=tab("Activity")),
        Look(
            name="sequence-wrong", path="/o/{organization}/sequences",
            act=wrong_step, expecting=UNPROCESSABLE,
        ),
        Look(
            name="sequence-running", path="/o/{organization}/sequences?state=running",
            act=opened_running,
        ),
        Look(name="sequences-running", path="/o/{organization}/sequences?state=running"),
    ),
    "/o/{organization}/sequences/{sequence}/launch": (
        Look(name="sequence-launch", path="/o/{organization}/sequences", act=to_launch),
    ),
    "/o/{organization}/settings/sending": (
        Look(name="sending", path="/o/{organization}/settings/sending"),
        Look(name="sending-member", path="/o/{organization}/settings/sending", role="member"),
    ),
    "/o/{organization}/settings/sending/prove/{token}": (
        Look(name="prove", path="/o/{organization}/settings/sending/prove/{proof}"),
    ),
    "/opt-out/{token}": (
        Look(name="opt-out", path="/opt-out/{opt_out}", role=None),
        Look(
            name="opt-out-broken", path="/opt-out/cut",
            role=None, status=404, expecting=("status of 404",),
        ),
    ),
    "/o/{organization}/summary": (
        Look(name="summary", path="/o/{organization}/summary"),
        Look(name="summary-none", path="/o/{empty}/summary"),
    ),
    "/o/{organization}/settings": (
        Look(
            name="settings", path="/o/{organization}/settings",
            act=lambda page: page.get_by_text("Replayed").first.wait_for(),
        ),
        Look(name="settings-member", path="/o/{organization}/settings", role="member"),
        Look(name="settings-none", path="/o/{empty}/settings"),
        Look(
            name="settings-wrong", path="/o/{organization}/settings",
            act=wrong_settings, expecting=UNPROCESSABLE,
        ),
    ),
    "/o/{organization}/settings/sizes": (
        Look(name="sizes", path="/o/{organization}/settings/sizes"),
        Look(
            name="sizes-wrong",
            path="/o/{organization}/settings/sizes",
            act=then(fill("Sizes", "6 SCH 40 = large"), press("Save and run now"), refused),
            expecting=UNPROCESSABLE,
        ),
    ),
    "/o/{organization}/settings/digest": (
        Look(name="digest-settings", path="/o/{organization}/settings/digest"),
        Look(name="digest-settings-none", path="/o/{empty}/settings/digest"),
    ),
    "/o/{organization}/settings/members": (
        Look(name="members", path="/o/{organization}/settings/members"),
        Look(name="members-member", path="/o/{organization}/settings/members", role="member"),
        Look(
            name="members-wrong",
            path="/o/{organization}/settings/members",
            act=then(fill("Mail address", "nobody"), press("Invite"), refused),
            expecting=UNPROCESSABLE,
        ),
    ),
    "/o/{organization}/settings/tokens": (
        Look(name="tokens", path="/o/{organization}/settings/tokens"),
        Look(name="tokens-none", path="/o/{empty}/settings/tokens"),
        Look(
            name="tokens-wrong",
            path="/o/{organization}/settings/tokens",
            act=then(press("Make the token"), refused),
            expecting=UNPROCESSABLE,
        ),
    ),
    "/o/{organization}/settings/audit": (
        Look(name="audit", path="/o/{organization}/settings/audit"),
        Look(name="audit-none", path="/o/{organization}/settings/audit?subject=nothing-like-it"),
    ),
    "/o/{organization}/health": (
        Look(name="health", path="/o/{organization}/health?look=true"),
        Look(name="health-none", path="/o/{empty}/health?look=true"),
    ),
}  # fmt: skip

NOT_PAGES: dict[str, str] = {
    "/openapi.json": "JSON",
    "/v1/signals": "JSON",
    "/v1/accounts/{account:path}": "JSON",
    "/healthz": "text for probes",
    "/livez": "text for probes",
    "/readyz": "text for probes",
    "/metrics": "text for Prometheus",
    "/sign-in/oidc": "leads on to the identity provider",
    "/sign-in/oidc/callback": "leads on, or is the sign-in page with the reason",
    "/o/{organization}/signals": "leads on to the accounts",
    "/o/{organization}/accounts.csv": "a file",
    "/o/{organization}/summary.csv": "a file",
    "/o/{organization}/settings/audit.csv": "a file",
    "/o/{organization}/orders/live": "a stream",
    "/o/{organization}/settings/try": "leads on to the settings",
    "/o/{organization}/settings/replay": "leads on to the settings",
    "/o/{organization}/settings/digest/next": "leads on to the digest's settings",
    "/o/{organization}/settings/digest/mail/{digest}": "a mail, in a frame of the settings",
}


def looks() -> list[Look]:
    return [look for of_route in LOOKS.values() for look in of_route]


def address(look: Look, world: World) -> str:
    """The look's path in this world."""
    parts = {"organization": world.organization, "empty": world.empty}
    if "{link}" in look.path:
        parts["link"] = world.sign_in_link(world.people["member"])
    if "{invitation}" in look.path:
        parts["invitation"] = world.invitation()
    if "{token}" in look.path:
        parts["token"] = unsubscribe_token(world.organization, world.people["member"])
    if "{opt_out}" in look.path:
        parts["opt_out"] = opt_out_url(world.organization, "buyer@x.example").rpartition("/")[2]
    if "{proof}" in look.path:
        mine = proof_url(world.organization, world.people[look.role or "owner"])
        parts["proof"] = mine.rpartition("/")[2]
    return look.path.format_map(parts)


def go(page: Page, look: Look, world: World) -> None:
    """Be there, in that state, with everything loaded."""
    answer = page.goto(address(look, world))
    assert answer is not None and answer.status == look.status, (
        f"{look.name}: {answer and answer.status}"
    )
    if look.act is not None:
        look.act(page)
    page.wait_for_load_state("load")
