"""One mail from the console to one person, as the answer to what somebody just did."""

import secrets
from contextlib import nullcontext
from html import escape

import structlog

from shared import clock
from shared.errors import Retryable
from shared.mail import message, own_mailbox
from shared.settings import settings
from shared.smtp import Session, mail_server

log = structlog.get_logger()


def send(to: str, subject: str, paragraphs: list[str], *, link: str, button: str) -> None:
    """Text, and the same as HTML; `button` names the link there. What cannot be sent is logged."""
    sender = own_mailbox("Winback")
    html = [f"<p>{escape(part)}</p>" for part in paragraphs]
    mailed = message(
        sender=sender,
        to=to,
        subject=subject,
        message_id=f"{secrets.token_hex(16)}@{sender.domain}",
        at=clock.now(),
        text="\n\n".join([link, *paragraphs]) + "\n",
        html="\n".join([f'<p><a href="{escape(link)}">\n{escape(button)}</a></p>', *html]),
    )
    try:
        server = Session(mail_server(settings().smtp_url))
        answer = server.send(
            sender=sender.email, recipient=to, message=mailed, at_final_dot=nullcontext(True)
        )
        server.quit()
    except Retryable as error:
        log.warning("a mail was not sent", subject=subject, error=str(error))
        return
    if answer.state != "sent":
        log.warning("a mail was not sent", subject=subject, state=answer.state, answer=answer.text)
