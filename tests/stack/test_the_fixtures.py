"""The stack that every other test stands on."""

import smtplib
import urllib.request
from email.message import EmailMessage

import pytest

from shared import db, kafka
from shared.settings import settings
from shared.topics import TOPICS
from tests.stack_fixtures import Mailbox, Organizations, Stack


def test_topics_and_tables_are_there(stack: Stack) -> None:
    assert kafka.create_topics() == []
    assert db.migrate() == []
    assert [kafka.end_offset(topic.name, 0) >= 0 for topic in TOPICS] == [True] * len(TOPICS)


def test_each_test_has_a_tenant_of_its_own(organization: str, organizations: Organizations) -> None:
    other = organizations(currency="EUR", timezone="Europe/Berlin")
    with db.connect() as connection:
        rows = connection.execute(
            "SELECT organization, currency FROM organizations "
            "WHERE organization = ANY(%s) ORDER BY currency",
            ([organization, other],),
        ).fetchall()
    assert rows == [(other, "EUR"), (organization, "USD")]


def test_a_mail_is_kept_with_its_envelope_and_parts(mailbox: Mailbox) -> None:
    send(mailbox, "one@example.com")
    (mail,) = mailbox.mails(to="one@example.com")
    assert (mail["sender"], mail["recipients"], mail["subject"]) == (
        "digest@example.com",
        ["one@example.com"],
        "Ünterwegs",
    )
    assert (mail["text"].strip(), mail["html"].strip()) == ("plain", "<p>rich</p>")
    assert mailbox.source(mail["id"]).startswith(
        b"Return-Path: <digest@example.com>\r\nDelivered-To: one@example.com\r\n"
    )


def test_a_mail_is_shown_in_a_sandbox_where_its_scripts_do_not_run(mailbox: Mailbox) -> None:
    send(mailbox, "shown@example.com")
    (mail,) = mailbox.mails(to="shown@example.com")
    with urllib.request.urlopen(f"{mailbox.url}/messages/{mail['id']}/html", timeout=10) as answer:
        policy, content = answer.headers["Content-Security-Policy"], answer.read()
    assert policy.startswith(
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'"
    )
    assert b"<p>rich</p>" in content


def test_a_recipient_can_be_given_another_answer_a_number_of_times(mailbox: Mailbox) -> None:
    mailbox.answer("busy@example.com", "450 4.2.1 busy", times=1)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailbox, "busy@example.com")
    send(mailbox, "busy@example.com")
    assert len(mailbox.mails(to="busy@example.com")) == 1


def test_a_mail_can_be_kept_while_its_answer_is_lost(mailbox: Mailbox) -> None:
    mailbox.answer("lost@example.com", "drop", times=1)
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(mailbox, "lost@example.com")
    assert len(mailbox.mails(to="lost@example.com")) == 1


def send(mailbox: Mailbox, to: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "digest@example.com", to, "Ünterwegs"
    message.set_content("plain")
    message.add_alternative("<p>rich</p>", subtype="html")
    host, port = settings().smtp_url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        client.send_message(message)
