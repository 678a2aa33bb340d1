"""The audit log in sentences: names, not ids; whatever a row holds, it is one."""

from typing import Any

import pytest

from services.signals.console.settings.audit_words import accounts_of, sentence

NAMES = {"A-1": "Permian Supply"}
SIGNAL = "5d3f7f3e-7d3c-5f0e-9a54-6b1f3f1a9b10"


@pytest.mark.parametrize(
    ("action", "subject", "detail", "said"),
    [
        ("enrollment", "account A-1", {"from": "auto", "to": "no"}, "set Permian Supply to No"),
        (
            "lost",
            "account A-1",
            {"reason": "went_quiet"},
            "noted Permian Supply as lost: went quiet",
        ),
        ("reached out", f"account A-1, signal {SIGNAL}", {}, "reached out to Permian Supply"),
        ("wrote note", "account A-2", {}, "wrote a note about A-2"),
        ("invited", "member bo@x.example", {"role": "admin"}, "invited bo@x.example as admin"),
        (
            "changed role",
            "member bo@x.example",
            {"role": {"to": "owner"}},
            "made bo@x.example owner",
        ),
        ("revoked", "token erp", {}, "revoked token erp"),
        ("changed", "settings", {"dormant.gap_days": {"from": 90, "to": 80}}, "changed settings"),
        ("invited", "member bo@x.example", {}, "invited bo@x.example as …"),
    ],
)
def test_a_row_is_a_sentence(action: str, subject: str, detail: Any, said: str) -> None:
    assert sentence("dana@x.example", action, subject, detail, NAMES) == f"Dana {said}"


def test_a_detail_that_is_named_like_a_part_of_the_sentence_is_no_part_of_it() -> None:
    detail = {"who": "somebody else", "it": "another"}
    assert sentence("dana@x.example", "lost", "account A-1", detail, NAMES).startswith("Dana noted")
    assert sentence("{who}", "lost", "account A-1", {}, {}) == "{who} noted A-1 as lost"


def test_names_are_looked_up_for_the_accounts_of_a_page() -> None:
    subjects = ["account A-1", f"account A-1, signal {SIGNAL}", "account B", "settings"]
    assert accounts_of(subjects) == ["A-1", "B"]
