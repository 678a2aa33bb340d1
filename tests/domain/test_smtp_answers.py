"""What a refusal in the dialogue is about; words outrank codes, as in what comes back later."""

import pytest

from shared.domain.smtp_answers import undelivered


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("550 5.1.1 <x@y>: Recipient address rejected: User unknown", "undeliverable"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "undeliverable"),
        ("550 No such user here", "undeliverable"),
        ("552 5.2.2 The email account is over quota", "soft"),
        ("550 5.2.1 The email account is disabled", "soft"),
        ("550 5.0.0 rejected", "soft"),
        ("421 4.2.1 busy", "soft"),
        ("given up: 450 4.2.1 busy", "soft"),
        ("550 5.7.1 relaying denied", "ours"),
        ("550 5.7.26 unauthenticated mail: SPF and DKIM did not pass", "ours"),
        ("550 5.1.8 bad sender's system address", "ours"),
        ("554 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org", "ours"),
        ("554 5.6.0 message content rejected", "text"),
        ("550 5.6.7 cannot be converted", "text"),
        ("554 transaction failed", "text"),
    ],
)
def test_a_refusal_is_about_one_of_four_things(answer: str, kind: str) -> None:
    assert undelivered(answer) == kind
