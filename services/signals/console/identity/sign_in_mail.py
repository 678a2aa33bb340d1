"""One-time links by mail: for members alone, a few at a time, and silent about who is one."""

import secrets
from contextlib import nullcontext
from html import escape
from urllib.parse import quote

import structlog
from psycopg_pool import ConnectionPool

from services.signals.actions import sign_in as actions
from services.signals.actions.sign_in import Asked
from services.signals.store import sign_in
from shared import clock, db, mail_limits, metrics
from shared.errors import Rejected, Retryable
from shared.mail import Mailbox, message, own_mailbox
from shared.settings import settings
from shared.smtp import Session, mail_server
from shared.wording import isolated, plain_name

log = structlog.get_logger()

# of an answer: whatever else it is, the link did not leave, for another reason than its address
OUTCOMES = {"sent": "sent", "bounced": "refused"}
MOST_NAMED = 5
LONGEST_LINK = 900  # bytes; a line of a mail has 998
MOST_OPEN = 5  # links of one address that work at once: nobody's mailbox is filled by asking
TEXT = """{link}

Follow it and press the button to sign in to Winback as {email}: {opens}.
It works once, within ten minutes. In another browser than the one that asked for it, it wants
the code that is shown there. If you did not ask for it, nothing needs to be done: give nobody a
code.
"""
HTML = """<p><a href="{link}">
Sign in to Winback</a> as {email}: {opens}.</p>
<p>It works once, within ten minutes. In another browser than the one that asked for it, it wants
the code that is shown there. If you did not ask for it, nothing needs to be done: give nobody a
code.</p>
"""


def mail(
    pool: ConnectionPool[db.Connection], email: str, go_on: str, *, asked: Asked, known: bool
) -> None:
    """Mail a link to a member's address; who is none gets nothing. `go_on`: the page that comes
    after. `known`: the address signed in from this browser before: then nobody else's asking stands
    in its way.
    """
    now = clock.now()
    with pool.connection() as connection, connection.transaction():
        sign_in.lock_person(connection, email)  # who asks twice at once is counted twice
        if not known and sign_in.open_links(connection, email, now=now) >= MOST_OPEN:
            log.warning("no further sign-in link: several are open")
            return
        if not sign_in.is_member(connection, email):
            return
        kind: mail_limits.Kind = "sign-in, known browser" if known else "sign-in"
        try:
            mail_limits.take(connection, kind, now=now, address=email)
        except Rejected as refused:
            log.warning("no further sign-in link", reason=str(refused))
            return
        link = actions.make_link(connection, email, settings().base_url, asked=asked)
        opens = _opens(
            [isolated(plain_name(one.name)) for one in sign_in.memberships(connection, email)]
        )
    sender = own_mailbox("Winback")
    try:
        _send(sender, email, _leading(link, go_on), opens)
    except Retryable as error:
        metrics.SIGN_IN_MAILS.labels("failed").inc()
        log.warning("a sign-in link was not mailed", error=str(error))


def _leading(link: str, go_on: str) -> str:
    """The link with the page that comes after; one that is too long for a line of a mail goes
    without its query.
    """
    ways = (f"{link}?next={quote(one, safe='')}" for one in (go_on, go_on.partition("?")[0]))
    return link if go_on == "/" else next((way for way in ways if len(way) <= LONGEST_LINK), link)


def _opens(names: list[str]) -> str:
    """Acme Pipe and Borealis Steel; some of many."""
    if len(names) <= 1:
        return "".join(names)
    shown, rest = (
        (names, 0)
        if len(names) <= MOST_NAMED
        else (names[: MOST_NAMED - 1], len(names) - MOST_NAMED + 1)
    )
    return (
        f"{', '.join(shown)} and {rest} more"
        if rest
        else f"{', '.join(shown[:-1])} and {shown[-1]}"
    )


def _send(sender: Mailbox, email: str, link: str, opens: str) -> None:
    """Raises Retryable."""
    send_one(
        sender,
        email,
        subject="Sign in to Winback",
        text=TEXT.format(link=link, email=email, opens=opens),
        html=HTML.format(link=escape(link), email=escape(email), opens=escape(opens)),
    )


def send_one(sender: Mailbox, email: str, *, subject: str, text: str, html: str) -> None:
    """A mail that somebody waits for: tried once. Raises Retryable."""
    mailed = message(
        sender=sender,
        to=email,
        subject=subject,
        message_id=f"{secrets.token_hex(16)}@{sender.domain}",
        at=clock.now(),
        text=text,
        html=html,
    )
    server = Session(mail_server(settings().smtp_url))
    answer = server.send(
        sender=sender.email, recipient=email, message=mailed, at_final_dot=nullcontext(True)
    )
    server.quit()
    metrics.SIGN_IN_MAILS.labels(OUTCOMES.get(answer.state, "failed")).inc()
    if answer.state != "sent":
        log.warning("a mail was not sent", state=answer.state, answer=answer.text)
