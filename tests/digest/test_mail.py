"""Messages that are safe to send."""

import email
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest

from shared import mail
from shared.errors import Misconfigured, Rejected
from shared.settings import settings

AT = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
HOSTILE = (
    "x\r\nBcc: evil@example.com",
    "=?utf-8?q?x=0D=0ABcc:_evil@example.com?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQGV4YW1wbGUuY29t?=",
    '"quoted", <evil@example.com>',
    "back\\slash",
    "شركة \u202eالواحة 🛢️",
    "=" * 300,
    "Ä" * 300,
)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("WINBACK_SECRET", "s" * 32)
    monkeypatch.setenv("WINBACK_MAIL_FROM", "winback@pipe.example")
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=policy.default)


def made(**changes: Any) -> bytes:
    values: dict[str, Any] = {
        "sender": mail.own_mailbox("Three Forks Pipe"),
        "to": "ana@example.com",
        "subject": "23 accounts to call · $1.84M · 4 new",
        "message_id": "0b6c@pipe.example",
        "at": AT,
        "text": "one\n.two\nFrom here\n",
        "html": "<p>één</p>\n",
    }
    return mail.message(**values | changes)


def test_a_message_has_both_parts_and_its_headers() -> None:
    message = parsed(made())

    assert message["From"] == "Three Forks Pipe <winback@pipe.example>"
    assert message["To"] == "ana@example.com"
    assert message["Subject"] == "23 accounts to call · $1.84M · 4 new"
    assert message["Message-ID"] == "<0b6c@pipe.example>"
    assert message["Date"] == "Mon, 23 Nov 2026 14:00:00 +0000"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content() for part in message.iter_parts()] == [
        "one\r\n.two\r\nFrom here\r\n",
        "<p>één</p>\r\n",
    ]
    assert not message.defects


def test_the_same_input_is_the_same_bytes() -> None:
    assert made() == made()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_a_header_of_its_own(name: str) -> None:
    content = made(sender=mail.own_mailbox(name), subject=name)
    message = parsed(content)

    assert message.keys() == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
    ]
    assert message["From"].addresses[0].addr_spec == "winback@pipe.example"
    assert "\r" not in message["Subject"] and "\n" not in message["Subject"]
    head = content.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(len(line) for line in head.split(b"\r\n")) <= mail.LONGEST_LINE


def test_a_mail_for_an_old_server_is_seven_bit_and_says_the_same() -> None:
    content = made(html="<p>één</p>\n" + "ü" * 400 + "\nFrom x\n.\n")
    seven = mail.seven_bit(content)

    assert not content.isascii()
    assert seven.isascii()
    assert parsed(seven).items() == parsed(content).items()
    for before, after in zip(parsed(content).iter_parts(), parsed(seven).iter_parts(), strict=True):
        assert after.get_content().splitlines() == before.get_content().splitlines()


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        ("ana@example.com", "ana@example.com"),
        (" o'brien+digest@mail.example.co.uk ", "o'brien+digest@mail.example.co.uk"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
        ("ana@example.com.", "ana@example.com"),
    ],
)
def test_an_address_is_taken_as_smtp_has_it(given: str, checked: str) -> None:
    assert mail.checked_address(given) == checked


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "ana@example.com\r\nRCPT TO:<evil@example.com>",
        "ana@example.com, evil@example.com",
        "<ana@example.com>",
        "a na@example.com",
        ".ana@example.com",
        "ana..b@example.com",
        "änä@example.com",
        "ana@" + "a" * 250 + ".com",
        "ana@\ud800.example",
    ],
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(Rejected):
        mail.checked_address(wrong)


def test_an_unsubscribe_token_reads_back_and_no_other_does() -> None:
    token = mail.unsubscribe_token("acme", "ana@example.com")

    assert mail.read_unsubscribe_token(token) == ("acme", "ana@example.com")
    assert mail.read_unsubscribe_token(token[:-2] + "AA") is None
    assert mail.read_unsubscribe_token("") is None
    assert mail.read_unsubscribe_token("ä.b") is None


def test_another_secret_makes_old_tokens_void(own_settings: pytest.MonkeyPatch) -> None:
    token = mail.unsubscribe_token("acme", "ana@example.com")
    own_settings.setenv("WINBACK_SECRET", "t" * 32)
    settings.cache_clear()

    assert mail.read_unsubscribe_token(token) is None


def test_without_a_secret_nothing_is_signed(own_settings: pytest.MonkeyPatch) -> None:
    own_settings.setenv("WINBACK_SECRET", "")
    settings.cache_clear()

    with pytest.raises(Misconfigured, match="WINBACK_SECRET"):
        mail.unsubscribe_token("acme", "ana@example.com")


def test_one_click_is_offered_only_over_https(own_settings: pytest.MonkeyPatch) -> None:
    own_settings.setenv("WINBACK_PLAINTEXT", "http")
    own_settings.setenv("WINBACK_BASE_URL", "http://winback.example")
    settings.cache_clear()
    assert mail.unsubscribe_headers("acme", "ana@example.com") == {}

    own_settings.setenv("WINBACK_BASE_URL", "https://winback.example/")
    settings.cache_clear()
    headers = mail.unsubscribe_headers("acme", "ana@example.com")
    token = mail.unsubscribe_token("acme", "ana@example.com")
    assert headers == {
        "List-Unsubscribe": f"<https://winback.example/unsubscribe/{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert f"List-Unsubscribe: <https://winback.example/unsubscribe/{token}>\r\n".encode() in made(
        headers=headers
    )
