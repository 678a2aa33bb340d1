"""What a mail is that came back: each row of the table of cases, and mails that real servers sent
(tests/domain/sisimai), whose meaning others wrote down.
"""

import csv
import re
import tarfile
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.delivery_failures import Failure, failure_of
from shared.domain.received_mail import SAID, Kind, classify

SISIMAI = Path(__file__).parent / "sisimai"
# What a label means for us. Where a mail says that a server will not have this text, or this
# sender, it may be read as either.
OURS = {
    "authfailure", "badreputation", "blocked", "policyviolation", "requireptr", "spamdetected",
    "securityerror", "norelaying", "virusdetected", "notcompliantrfc",
}  # fmt: skip
OURS_OR_SOFT = {"contenterror", "exceedlimit", "rejected", "toomanyconn", "speeding"}
# The label says that the address is not to blame, and the mail that the domain is not there or
# takes no mail (Google's 4.0.0), or that nobody is there.
BLAMED_BY_ITS_WORDS = {
    "lhost-gsuite-03", "lhost-gsuite-04", "lhost-gsuite-05", "lhost-gsuite-10", "lhost-gsuite-15",
    "rhost-nttdocomo-02", "rhost-nttdocomo-03",
}  # fmt: skip
LEAST_RIGHT, MOST_REFUSED_WRONGLY = 530, 6


def mail(
    subject: str = "Re: Your usual 4 1/2 tubing", text: str = "Call me.", **headers: str
) -> bytes:
    made = EmailMessage()
    made["From"] = headers.pop("From", "Dana Cruz <dana@permian.example>")
    made["To"] = "rep@acme.example"
    made["Subject"] = subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made.as_bytes()


def report(status: str, words: str, action: str = "failed") -> bytes:
    return (
        "From: Mail Delivery System <MAILER-DAEMON@mx.example>\r\nSubject: Undelivered Mail\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; dana@permian.example\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {words}\r\n\r\n--b--\r\n"
    ).encode()


def feedback(kind: str) -> bytes:
    return (
        "From: feedback@provider.example\r\nSubject: Complaint\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSomebody pressed a button.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nVersion: 1\r\n\r\n--b--\r\n"
    ).encode()


PERSON = "dana@permian.example"


@pytest.mark.parametrize(
    ("source", "envelope_from", "kind"),
    [
        (feedback("abuse"), "fbl@provider.example", Kind.COMPLAINT),
        (feedback("fraud"), "", Kind.COMPLAINT),
        (feedback("auth-failure"), "", Kind.NOTICE),
        (feedback("opt-out"), "", Kind.OPT_OUT),
        (report("4.4.1", "451 try later", "delayed"), "", Kind.NOTICE),
        (report("2.0.0", "250 ok", "delivered"), "", Kind.NOTICE),
        (report("2.0.0", "250 ok", "relayed"), "", Kind.NOTICE),
        (report("5.1.1", "550 5.1.1 User unknown"), "", Kind.UNDELIVERABLE),
        (report("5.1.10", "550 5.1.10 RecipientNotFound"), "", Kind.UNDELIVERABLE),
        (report("5.4.4", "domain has no mail exchangers"), "", Kind.UNDELIVERABLE),
        (
            report("4.0.0", "DNS type 'mx' lookup responded with code NXDOMAIN"),
            "",
            Kind.UNDELIVERABLE,
        ),
        (report("5.2.2", "552 5.2.2 The mailbox is over quota"), "", Kind.SOFT),
        (report("5.2.1", "550 5.2.1 The account is disabled"), "", Kind.SOFT),
        (report("4.4.7", "message expired"), "", Kind.SOFT),
        (report("5.0.0", ""), "", Kind.SOFT),
        (report("5.7.1", "550 5.7.1 Message rejected: SPF check failed"), "", Kind.OURS),
        (report("5.1.8", "553 5.1.8 sender domain does not exist"), "", Kind.OURS),
        (report("5.1.0", "550 5.1.0 not allowed to send: SPF of acme.example"), "", Kind.OURS),
        (report("5.1.1", "554 5.7.1 blocked using zen.spamhaus.org"), "", Kind.OURS),
        (mail(Auto_Submitted="auto-replied"), PERSON, Kind.AWAY),
        (mail(X_Autoreply="yes"), PERSON, Kind.AWAY),
        (mail(X_Apple_Action="VACATION"), PERSON, Kind.AWAY),
        (mail(Precedence="auto_reply"), PERSON, Kind.AWAY),
        (mail("Automatic reply: Your usual tubing"), "", Kind.AWAY),
        (mail("Automatische Antwort: Ihr Rohr"), "", Kind.AWAY),
        (mail("Hello"), "", Kind.SOFT),
        (mail(), PERSON, Kind.REPLY),
        (mail(Auto_Submitted="no"), PERSON, Kind.REPLY),
        (mail(X_Auto_Response_Suppress="All"), PERSON, Kind.REPLY),
        (mail(Precedence="bulk"), PERSON, Kind.REPLY),
        (mail("My vacation is over, call me"), PERSON, Kind.REPLY),
        (mail("Automatic reply: not one", "But a person wrote this."), PERSON, Kind.REPLY),
        (mail(text="unsubscribe"), PERSON, Kind.OPT_OUT),
        (mail(text="STOP!\n\nOn Monday Dana wrote:\n> Hello"), PERSON, Kind.OPT_OUT),
        (mail(text="abmelden"), PERSON, Kind.OPT_OUT),
        (mail("unsubscribe", Auto_Submitted="auto-generated"), PERSON, Kind.OPT_OUT),
        (mail(text="Please stop by on Monday, and remove the old price."), PERSON, Kind.REPLY),
        (b"", PERSON, Kind.REPLY),
        (b"\xff\x00 no mail at all", PERSON, Kind.REPLY),
    ],
)
def test_a_mail_is_what_the_table_says(source: bytes, envelope_from: str, kind: Kind) -> None:
    assert classify(source, envelope_from=envelope_from).kind is kind


def test_what_comes_to_the_address_for_opting_out_is_one_whatever_its_headers_say() -> None:
    answer = mail("unsubscribe", Auto_Submitted="auto-replied")
    received = classify(answer, envelope_from="", to_opt_out=True)
    assert received.kind is Kind.OPT_OUT


def test_a_report_that_is_only_a_text_is_read_up_to_the_copy_of_the_letter() -> None:
    words = (
        "Hi. This is the qmail-send program.\nI'm afraid I wasn't able to deliver your message.\n\n"
        "<dana@permian.example>:\nRemote host said: 550 sorry, no mailbox here by that name\n\n"
        "--- Below this line is a copy of the message.\n\nReceived: x\n\nspam reputation blacklist"
    )
    received = classify(
        mail("failure notice", words, From="MAILER-DAEMON@mx.example"), envelope_from=""
    )
    assert received.kind is Kind.UNDELIVERABLE
    assert "no mailbox here" in received.said


def test_a_warning_that_a_mail_is_late_is_no_failure() -> None:
    words = (
        "A message that you sent has not yet been delivered after more than 24 hours: no such host"
    )
    received = classify(mail("Warning", words, From="MAILER-DAEMON@mx.example"), envelope_from="")
    assert received.kind is Kind.NOTICE


def test_parts_within_parts_a_thousand_deep_are_a_reply_and_not_an_error() -> None:
    deep = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (level, level)
        for level in range(2_000)
    )
    assert classify(deep, envelope_from=PERSON).kind is Kind.REPLY


@given(st.binary(max_size=2_000), st.booleans())
def test_whatever_bytes_come_they_are_something(content: bytes, by_nobody: bool) -> None:
    received = classify(content, envelope_from="" if by_nobody else PERSON)
    assert received.kind in Kind
    assert len(received.said) <= SAID


@given(
    st.text(max_size=40),
    st.text(max_size=200),
    st.sampled_from(["failed", "delayed", "", "\u00e9", "failed;x"]),
)
def test_whatever_a_report_says_it_is_something(status: str, words: str, action: str) -> None:
    source = report(status, words, action)
    assert classify(source, envelope_from="").kind is not Kind.AWAY


@pytest.mark.parametrize(
    ("status", "words", "failure"),
    [
        (
            "",
            "550 5.1.1 <dana@permian.example>: Recipient address rejected: User unknown",
            "undeliverable",
        ),
        ("", "550 5.4.1 Recipient address rejected: Access denied", "undeliverable"),
        ("5.7.1", "550 5.7.1 Access denied", "ours"),
        ("", "421 too many connections", "ours"),
        ("", "552 message too large", "soft"),
        ("", "", "soft"),
    ],
)
def test_an_answer_of_a_server_is_judged_as_a_report_is(
    status: str, words: str, failure: str
) -> None:
    assert failure_of(status, words) is Failure(failure)


def expected(reason: str, *, hard: bool) -> set[Kind]:
    if hard:
        return {Kind.UNDELIVERABLE}
    if reason == "feedback":
        return {Kind.COMPLAINT, Kind.NOTICE, Kind.OPT_OUT}
    if reason == "vacation":
        return {Kind.AWAY}
    if reason == "delivered":
        return {Kind.NOTICE}
    if reason == "filtered":  # "user unknown" after the text was seen: its words decide
        return {Kind.SOFT, Kind.OURS, Kind.UNDELIVERABLE}
    if reason in OURS_OR_SOFT:
        return {Kind.OURS, Kind.SOFT}
    return {Kind.OURS} if reason in OURS else {Kind.SOFT, Kind.NOTICE}


def test_mails_of_real_servers_mean_what_others_found_them_to_mean() -> None:
    """A mail that reports on several recipients is right where it is for one of them: our letters
    have one.
    """
    labels: dict[str, list[tuple[str, bool]]] = {}
    with (SISIMAI / "labels.tsv").open() as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            labels.setdefault(row["mail"], []).append((row["reason"], row["hard"] == "yes"))
    counted: Counter[str] = Counter()
    refused_wrongly = []
    with tarfile.open(SISIMAI / "mails.tar.xz") as mails:
        for member in mails:
            content = mails.extractfile(member)
            if content is None:
                continue
            name = Path(member.name).stem
            source = content.read()
            top = source.replace(b"\r\n", b"\n").split(b"\n\n")[0]
            path = re.search(rb"(?mi)^return-path:\s*<(.*?)>", top)
            by_person = labels[name][0][0] == "feedback"
            envelope = path[1].decode() if path else ("fbl@provider.example" if by_person else "")
            kind = classify(source, envelope_from=envelope).kind
            right = any(kind in expected(reason, hard=hard) for reason, hard in labels[name])
            counted["right" if right else "wrong"] += 1
            if kind is Kind.UNDELIVERABLE and not right and name not in BLAMED_BY_ITS_WORDS:
                refused_wrongly.append(name)
    assert counted.total() == 589
    assert counted["right"] >= LEAST_RIGHT, counted
    assert len(refused_wrongly) <= MOST_REFUSED_WRONGLY, sorted(refused_wrongly)
