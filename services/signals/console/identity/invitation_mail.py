"""The mail that asks somebody to be a member: they are none before they say so."""

from html import escape

import structlog

from services.signals.console.identity.sign_in_mail import send_one
from shared.errors import Retryable
from shared.mail import own_mailbox
from shared.settings import settings
from shared.wording import isolated, plain_name

log = structlog.get_logger()

TEXT = """{link}

{by} asks {email} to be a member ({role}) of {name} at Winback. Follow the link to accept or to
decline, within seven days. If you do not know them, nothing needs to be done.
"""
HTML = """<p>{by} asks {email} to be a member ({role}) of {name} at Winback.</p>
<p><a href="{link}">Accept or decline</a>, within seven days. If you do not know them, nothing
needs to be done.</p>
"""


def mail(email: str, path: str, *, by: str, name: str, role: str) -> None:
    """To whoever is invited. `path`: of the page with the two buttons."""
    link = f"{settings().base_url.rstrip('/')}{path}"
    words = {
        "link": link,
        "by": plain_name(by),
        "email": email,
        "name": isolated(plain_name(name)),
        "role": role,
    }
    try:
        send_one(
            own_mailbox("Winback"),
            email,
            subject="You are invited to Winback",
            text=TEXT.format(**words),
            html=HTML.format(**{key: escape(word) for key, word in words.items()}),
        )
    except Retryable as error:
        log.warning("an invitation was not mailed", error=str(error))
