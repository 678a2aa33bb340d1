"""Aliases that are proposed: what they would change, taking one, and the same by the command
line.
"""

import json
from datetime import timedelta

import pytest

from services.signals.actions import settings as configuration
from services.signals.actions.actor import COMMAND_LINE
from services.signals.store import settings
from shared import db
from shared.domain.look_alikes import aliases_with
from tests.console.conftest import MakeBrowser, text_of
from tests.console.settings.test_detection import AS_OF, NOW, At, put_orders
from tests.signals.builders import rows
from tests.stack_fixtures import Stack


@pytest.fixture
def switched(connection: db.Connection, tenant: str, at: At) -> str:
    """A buys N80-Q for $60,000 a year until 120 days ago, and N80Q since; B always N80-Q."""
    at(NOW)
    days = [(-age, "N80-Q") for age in (300, 200, 120)] + [(-age, "N80Q") for age in (60, 5)]
    lines = [("A", AS_OF + timedelta(days=day), "5 1/2", grade, 20_000) for day, grade in days] + [
        ("B", AS_OF - timedelta(days=age), "5 1/2", "N 80 Q", 20_000) for age in (90, 3)
    ]
    put_orders(connection, tenant, lines)
    with connection.transaction():
        configuration.save(connection, tenant, {"lapse": {"enabled": True}}, by=COMMAND_LINE)
    return tenant


def test_a_switch_is_proposed_with_what_it_changes_and_taken_with_a_click(
    browser: MakeBrowser, connection: db.Connection, switched: str
) -> None:
    admin = browser(switched, "admin")
    page = text_of(admin.get(f"/o/{switched}/settings"))
    assert "N80Q is N80-Q ?" in page
    assert "Name of A N80-Q until 2 Nov 2025, N80Q since 1 Jan 2026" in page
    assert "Taking it closes 1 signal." in page
    assert "closes product lapse Name of A: 5 1/2 N80-Q" in page
    said = admin.post(f"/o/{switched}/settings/aliases", {"spelling": "N80Q", "grade": "N80-Q"})
    assert said.status_code == 303
    version, saved = settings.latest(connection, switched)
    assert (version, saved.grade_aliases) == (3, {"GR-B": "B", "N80Q": "N80-Q"})
    (pending,) = rows(
        connection, "SELECT reason FROM runs WHERE organization = %s AND number > 1", switched
    )
    assert pending == ("settings",)
    after = text_of(admin.get(f"/o/{switched}/settings"))
    assert "Saved as version 3" in after and "N80Q is N80-Q ?" not in after


def test_members_see_a_proposal_and_cannot_take_it(browser: MakeBrowser, switched: str) -> None:
    member = browser(switched, "member")
    page = member.get(f"/o/{switched}/settings")
    assert "N80Q" in page.text and "Take it and run" not in page.text
    said = member.post(f"/o/{switched}/settings/aliases", {"spelling": "N80Q", "grade": "N80-Q"})
    assert said.status_code == 403


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"spelling": "N80Q"},
        {"spelling": "-", "grade": "B"},
        {"spelling": "B", "grade": "b"},
        {"spelling": "J55", "grade": "K55"},
    ],
)
def test_what_is_no_alias_is_refused(
    browser: MakeBrowser, connection: db.Connection, tenant: str, form: dict[str, str]
) -> None:
    said = browser(tenant, "admin").post(f"/o/{tenant}/settings/aliases", form)
    assert said.status_code == 404
    assert settings.latest(connection, tenant)[0] == 1


def test_what_was_read_as_the_spelling_is_read_as_the_grade() -> None:
    assert aliases_with({"X": "N80Q", "n80 q": "Z", "GR-B": "B"}, "N80Q", "N80-Q") == {
        "X": "N80-Q",
        "GR-B": "B",
        "N80Q": "N80-Q",
    }


def test_the_command_line_lists_the_same(stack: Stack, switched: str) -> None:
    told = stack.winback("settings", "aliases", "--organization", switched, "--json").stdout
    (found,) = json.loads(told)
    assert (found["spelling"], found["grade"]) == ("N80Q", "N80-Q")
    assert [one["account"] for one in found["switches"]] == ["A"]
    assert found["closes"] == [
        {"type": "lapse", "account": "A", "combo": {"od": "5.5", "grade": "N80-Q"}}
    ]
    words = stack.winback("settings", "aliases", "--organization", switched).stdout
    assert "N80Q is N80-Q? 1 switched; closes 1 signals, opens 0" in words
