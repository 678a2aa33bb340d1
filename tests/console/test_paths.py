"""Which addresses are gone back to, and how they are written: pages of the organization alone."""

import pytest

from services.signals.console.paths import (
    MOST_LETTERS,
    account_path,
    back_to,
    local_path,
    page_of_theirs,
)

ACCOUNTS = "/o/acme/accounts"


@pytest.mark.parametrize(
    "wanted",
    [
        "/o/acme",
        "/o/acme/accounts",
        "/o/acme/accounts?only=lapse&q=A%20B",
        "/o/acme/accounts/A%2F1?why=s-1",
        "/o/acme/sequences/s-1",
    ],
)
def test_a_page_of_the_organization_is_gone_back_to_with_its_query(wanted: str) -> None:
    assert back_to(wanted, "acme", otherwise=ACCOUNTS) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "/",
        "/o/acmes/accounts",
        "/o/other/accounts",
        "//evil.example/o/acme/accounts",
        "https://evil.example/o/acme/accounts",
        "javascript:alert(1)",
        "/o/acme/\\evil.example",
        "/o/acme/accounts\r\nset-cookie: a=b",
        "/o/acme/accounts#x",
        "/o/acme/../other/accounts",
        "/o/acme/%2E%2e/other/accounts",
        "/o/acme/\ud800",
    ],
)
def test_anything_else_leads_where_one_would_go_otherwise(wanted: str) -> None:
    assert back_to(wanted, "acme", otherwise=ACCOUNTS) == ACCOUNTS


@pytest.mark.parametrize("query", ["q=\r\nset-cookie: a=b", "q=\ud800", "q=\x00"])
def test_a_query_that_no_browser_writes_is_left_out(query: str) -> None:
    assert back_to(f"{ACCOUNTS}?{query}", "acme", otherwise="/") == ACCOUNTS


def test_after_signing_in_the_first_page_stands_for_anything_foreign() -> None:
    assert local_path("/o/acme/accounts") == "/o/acme/accounts"
    assert local_path("//evil.example") == local_path("/sign-out") == "/"
    assert account_path("acme", "A/1?") == "/o/acme/accounts/A%2F1%3F"


@pytest.mark.parametrize(
    ("wanted", "gone_to"),
    [
        ("/o/acme/accounts?only=dormant&sort=-lifetime&q=A%26B%20+", None),
        ("/o/acme/accounts/A%2F2?q=M%C3%BCller", None),
        ("/o/acme/accounts/Müller?q=Žďár 钢管", "/o/acme/accounts/M%C3%BCller?q="
         "%C5%BD%C4%8F%C3%A1r%20%E9%92%A2%E7%AE%A1"),
        ("/o/acme/accounts?q=50%|\\[x]", "/o/acme/accounts?q=50%25%7C%5C%5Bx%5D"),
        ("/o/acme?x=//evil.example", None),
    ],
)  # fmt: skip
def test_any_letters_come_back_encoded_once(wanted: str, gone_to: str | None) -> None:
    assert local_path(wanted) == (gone_to or wanted)
    assert local_path(local_path(wanted)) == local_path(wanted)


@pytest.mark.parametrize(
    "hostile",
    [
        "//evil.example", "/\\evil.example", "/o/\\evil.example", "/o//evil.example", "/o/",
        "/%2F%2Fevil.example", "https://evil.example/o/acme/accounts", "javascript:alert(1)",
        "/o/acme/accounts?q=\r\nSet-Cookie: a=b", "/o/acme/acc\tounts", " /o/acme/accounts",
        "/o/acme/../../sign-out", "/o/%2e%2e/sign-out", "/o/acme/accounts#x", "/sign-out",
    ],
)  # fmt: skip
def test_what_leads_elsewhere_is_the_first_page(hostile: str) -> None:
    assert local_path(hostile) == page_of_theirs(hostile, ["acme"]) == "/"


def test_an_address_that_is_too_long_loses_its_query() -> None:
    assert local_path(f"{ACCOUNTS}?q={'x' * (MOST_LETTERS - len(ACCOUNTS) - 3)}") != ACCOUNTS
    assert local_path(f"{ACCOUNTS}?q={'x' * (MOST_LETTERS - len(ACCOUNTS) - 2)}") == ACCOUNTS
    assert local_path(f"{ACCOUNTS}/{'x' * MOST_LETTERS}") == "/"


def test_after_signing_in_one_comes_to_organizations_of_one_s_own_alone() -> None:
    for own in ("/o/acme", "/o/acme?type=lapse", "/o/acme/summary?month=2026-08"):
        assert page_of_theirs(own, ["borealis", "acme"]) == own
    for other in ("/o/other/accounts", "/o/acmes/accounts", "/o/acme%2F..%2Fother/accounts", "/"):
        assert page_of_theirs(other, ["borealis", "acme"]) == "/"
    assert page_of_theirs("/o/acme/accounts", []) == "/"
