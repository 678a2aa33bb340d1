"""Which addresses that a form brings are followed: pages of the organization, and nothing else."""

import pytest

from services.signals.console.paths import account_path, back_to, local_path

ACCOUNTS = "/o/acme/accounts"


@pytest.mark.parametrize(
    "wanted",
    [
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
        "/o/acme",
        "/o/acmes/accounts",
        "/o/other/accounts",
        "//evil.example/o/acme/accounts",
        "https://evil.example/o/acme/accounts",
        "javascript:alert(1)",
        "/o/acme/\\evil.example",
        "/o/acme/accounts\r\nset-cookie: a=b",
        "/o/acme/accounts#x",
        "/o/acme/accöunts",
    ],
)
def test_anything_else_leads_where_one_would_go_otherwise(wanted: str) -> None:
    assert back_to(wanted, "acme", otherwise=ACCOUNTS) == ACCOUNTS


@pytest.mark.parametrize("query", ["q=\r\nset-cookie: a=b", "q=ö", "q=\x00"])
def test_a_query_that_no_browser_writes_is_left_out(query: str) -> None:
    assert back_to(f"{ACCOUNTS}?{query}", "acme", otherwise="/") == ACCOUNTS


def test_after_signing_in_the_first_page_stands_for_anything_foreign() -> None:
    assert local_path("/o/acme/accounts") == "/o/acme/accounts"
    assert local_path("//evil.example") == local_path("/sign-out") == "/"
    assert account_path("acme", "A/1?") == "/o/acme/accounts/A%2F1%3F"
