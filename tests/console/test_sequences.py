"""Draft sequences in the console: edited, previewed, archived; what was typed is never lost, and
nothing wrong is saved.
"""

import html
import re
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from shared import db
from tests.actions import world as w
from tests.console.conftest import MakeBrowser, text_of
from tests.signals.builders import rows
from tests.signals.conftest import make_tenant

STEPS = [
    (0, "About {lapsed}", "Hello {contact_name},\n\nis {lapsed} still needed?"),
    (3, "Once more", "Hello again"),
]


@pytest.fixture
def draft(connection: db.Connection, tenant: str) -> str:
    """A draft with one contact enrolled and one account skipped; its path."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO sequences (organization, sequence, digest, signal_type, name, drafted_at)"
            " VALUES (%s, 's-1', 'd-1', 'lapse', 'Product lapse, 2 Mar', now())",
            (tenant,),
        )
        for position, (wait, subject, body) in enumerate(STEPS, start=1):
            connection.execute(
                "INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, "
                "body) VALUES (%s, 's-1', %s, %s, %s, %s)",
                (tenant, position, wait, subject, body),
            )
        for account, contact, state, reason, values in (
            ("A1", "C1", "enrolled", None, {"lapsed": "5 1/2 J55", "contact_name": "<b>Ana</b>"}),
            ("A2", "", "skipped", "no-email", {}),
        ):
            connection.execute(
                "INSERT INTO accounts (organization, account, name) VALUES (%s, %s, %s)",
                (tenant, account, account),
            )
            connection.execute(
                "INSERT INTO enrollments (organization, sequence, account, contact, state, reason, "
                "variables, enrolled_at, digest, signal_type, seen_at) "
                "VALUES (%s, 's-1', %s, %s, %s, %s, %s, now(), 'd-1', 'lapse', now())",
                (tenant, account, contact, state, reason, Jsonb(values)),
            )
    return f"/o/{tenant}/sequences/s-1"


def form(*steps: tuple[int, str, str], edition: int = 1, do: str = "save") -> dict[str, Any]:
    fields: dict[str, Any] = {"edition": edition, "do": do}
    for n, (wait, subject, body) in enumerate(steps, start=1):
        fields |= {f"wait-{n}": wait, f"subject-{n}": subject, f"body-{n}": body}
    return fields


def saved(connection: db.Connection, path: str) -> list[Any]:
    query = (
        "SELECT wait_days, subject, body FROM sequence_steps "
        "WHERE organization = %s ORDER BY position"
    )
    return rows(connection, query, path.split("/")[2])


def test_the_preview_underlines_what_is_filled_in_and_escapes_it(
    browser: MakeBrowser, draft: str
) -> None:
    page = browser(draft.split("/")[2]).get(draft).text
    assert "<b>About <mark>5 1/2 J55</mark></b>" in page
    assert "Hello <mark>&lt;b&gt;Ana&lt;/b&gt;</mark>," in page
    assert "nothing is sent until someone launches it" in page


def test_anybody_enrolled_is_previewed_however_many_there_are(
    browser: MakeBrowser, connection: db.Connection, draft: str
) -> None:
    tenant = draft.split("/")[2]
    connection.execute(
        "INSERT INTO enrollments (organization, sequence, account, contact, state, variables, "
        "enrolled_at, digest, signal_type, seen_at) SELECT %s, 's-1', 'B' || lpad(n::text, "
        "4, '0'), 'C' || n, 'enrolled', jsonb_build_object('lapsed', 'size ' || n), now(), 'd-1', "
        "'lapse', now() FROM generate_series(1, 750) n",
        (tenant,),
    )
    ana = browser(tenant)
    last = text_of(ana.get(f"{draft}?contact=750"))  # A1 is the first
    assert "As B0750 gets it" in last and "751 of 751" in last and "About size 750" in last
    assert "751 of 751" in text_of(ana.get(f"{draft}?contact=9999"))
    places, path = [], f"{draft}?tab=contacts"
    while path:
        page = ana.get(path)
        places.append(re.findall(r"[0-9]+–[0-9]+ of [0-9]+", text_of(page)))
        assert f"?contact={200 * (len(places) - 1)}" in page.text
        behind = re.search(r'href="([^"]*)"[^>]*aria-label="Those behind"', page.text)
        path = html.unescape(behind[1]) if behind else ""
    assert places == [["1–200 of 751"], ["201–400 of 751"], ["401–600 of 751"], ["601–751 of 751"]]


def test_each_pane_shows_its_part(browser: MakeBrowser, draft: str) -> None:
    ana = browser(draft.split("/")[2], "member")
    assert "No email 1 Add an address" in text_of(ana.get(f"{draft}?tab=skipped"))
    assert "Preview for A1" in text_of(ana.get(f"{draft}?tab=contacts"))
    assert "Drafted with the digest" in text_of(ana.get(f"{draft}?tab=activity"))
    assert ana.get(f"{draft}?tab=nothing").status_code == 422
    assert "1" in text_of(ana.get(f"/o/{draft.split('/')[2]}/sequences"))


def test_what_is_edited_is_saved_and_noted(
    browser: MakeBrowser, connection: db.Connection, draft: str
) -> None:
    ana = browser(draft.split("/")[2], "member")
    new = [
        (0, "{lapsed}?", "Do you\r\nneed it, {contact_name}?"),
        (5, "Last", "Bye"),
        (2, "Really", "Bye {{now}}"),
    ]
    assert ana.post(draft, form(*new)).status_code == 303
    assert saved(connection, draft) == [
        (0, "{lapsed}?", "Do you\nneed it, {contact_name}?"),
        *new[1:],
    ]
    assert f"Edited {ana.email}" in text_of(ana.get(f"{draft}?tab=activity"))


def test_two_people_do_not_overwrite_each_other(
    browser: MakeBrowser, connection: db.Connection, draft: str
) -> None:
    organization = draft.split("/")[2]
    assert browser(organization).post(draft, form((0, "mine", "first"))).status_code == 303
    late = browser(organization).post(draft, form((0, "yours", "second")))
    assert (
        late.status_code == 422
        and 'value="yours"' in late.text
        and "somebody saved this draft" in late.text.lower()
    )
    assert saved(connection, draft) == [(0, "mine", "first")]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ((0, "{colour}", "text"), "{colour} is no variable"),
        ((0, "subject", "a lone { brace"), "a lone {"),
        ((0, "subject", ""), "must say something"),
        ((0, "one\ntwo", "text"), "must be one line"),
        ((0, "bell \x07", "text"), "characters that nobody sees"),
        ((0, "turned \u202e", "text"), "characters that nobody sees"),
        ((0, "x" * 201, "text"), "must be 200 characters at most"),
        ((-1, "subject", "text"), "must be 0 to 90 business days"),
        (("٣", "subject", "text"), "must be 0 to 90 business days"),
        ((0, "{{ 7*7 }} {% x %}", "text"), "{% x %} is no variable"),
    ],
)
def test_what_cannot_be_right_is_said_at_its_field_and_not_saved(
    browser: MakeBrowser,
    connection: db.Connection,
    draft: str,
    step: tuple[Any, str, str],
    said: str,
) -> None:
    page = browser(draft.split("/")[2]).post(draft, form(STEPS[0], step))
    assert page.status_code == 422
    assert said in page.text and 'aria-invalid="true"' in page.text
    assert saved(connection, draft) == STEPS


def test_a_step_is_added_and_removed_without_losing_what_was_typed(
    browser: MakeBrowser, connection: db.Connection, draft: str
) -> None:
    ana = browser(draft.split("/")[2])
    more = ana.post(draft, form((0, "typed", "not saved"), STEPS[1], do="add")).text
    assert 'name="subject-3"' in more and 'value="typed"' in more
    less = ana.post(draft, form((0, "typed", "not saved"), STEPS[1], do="remove-1")).text
    assert (
        'value="typed"' not in less
        and 'value="Once more"' in less
        and 'name="subject-2"' not in less
    )
    assert saved(connection, draft) == STEPS


def test_a_draft_is_archived_and_brought_back(
    browser: MakeBrowser, connection: db.Connection, draft: str
) -> None:
    organization = draft.split("/")[2]
    ana = browser(organization)
    assert ana.post(f"{draft}/move", {"do": "archive"}).status_code == 303
    assert (
        "Product lapse, 2 Mar"
        not in ana.get(f"/o/{organization}/sequences").text.split("<main")[1].split("toast")[0]
    )
    assert "Product lapse, 2 Mar" in ana.get(f"/o/{organization}/sequences?state=archived").text
    assert ana.post(draft, form(STEPS[0])).status_code == 409
    assert ana.post(f"{draft}/move", {"do": "archive"}).status_code == 409
    assert ana.post(f"{draft}/move", {"do": "restore"}).status_code == 303
    assert rows(
        connection, "SELECT state FROM sequences WHERE organization = %s", organization
    ) == [("draft",)]


def test_sequences_are_for_members(
    browser: MakeBrowser, connection: db.Connection, draft: str
) -> None:
    other = browser(make_tenant(connection))
    for path in (draft, f"{draft}/move", f"{draft}/launch", f"{draft}/people"):
        assert other.post(path, form(*STEPS)).status_code == 404
    assert other.get(draft).status_code == 404
    assert browser(draft.split("/")[2]).cross_post(draft, form(*STEPS)).status_code == 403
    assert saved(connection, draft) == STEPS


# -- launched --------------------------------------------------------------------------------------


def test_a_launch_says_what_is_missing_and_sends_nothing(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ana = browser(tenant)
    w.furnished(connection, tenant)
    path = f"/o/{tenant}/sequences/{w.DRAFT}"
    page = text_of(ana.get(f"{path}/launch"))
    assert "Nobody has said who hears the answers" in page and "Nobody is left to write to" in page
    refused = ana.post(f"{path}/launch", {"confirmed": "In stock"})
    assert refused.status_code == 422 and 'value="In stock"' in refused.text
    assert rows(
        connection, "SELECT count(*) FROM action_events WHERE organization = %s", tenant
    ) == [(0,)]


def test_a_draft_is_launched_taken_back_paused_and_archived(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ana = browser(tenant)
    w.launchable(w.furnished(connection, tenant))
    path = f"/o/{tenant}/sequences/{w.DRAFT}"
    assert "Launch to 1 contact" in text_of(ana.get(f"{path}/launch"))
    assert ana.post(f"{path}/launch", {"confirmed": "On the yard"}).status_code == 303
    page = text_of(ana.get(path))
    assert "Running" in page and "Take back" in page and "Launched" in page
    assert ana.post(f"{path}/move", {"do": "take_back"}).status_code == 303
    assert ana.post(f"{path}/launch", {"confirmed": ""}).status_code == 303
    for move, state in (("pause", "paused"), ("resume", "launched"), ("archive", "archived")):
        assert ana.post(f"{path}/move", {"do": move}).status_code == 303
        query = "SELECT state FROM sequences WHERE organization = %s AND sequence = 's-draft'"
        assert rows(connection, query, tenant) == [(state,)]
    assert ana.post(f"{path}/move", {"do": "restore"}).status_code == 409
    told = "SELECT kind FROM action_events WHERE organization = %s ORDER BY number"
    assert [kind for (kind,) in rows(connection, told, tenant)] == [
        "SequenceLaunched", "SequenceTakenBack", "SequenceLaunched", "SequencePaused",
        "SequenceResumed", "SequenceArchived",
    ]  # fmt: skip


def test_a_member_asks_for_a_launch_to_many_and_somebody_who_governs_launches_it(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ben, ana = browser(tenant, "member"), browser(tenant)
    w.launchable(w.furnished(connection, tenant))
    connection.execute(
        "WITH more AS (SELECT n FROM generate_series(1, 25) n),"
        " a AS (INSERT INTO accounts (organization, account) SELECT %(o)s, 'm' || n FROM more),"
        " c AS (INSERT INTO contacts (organization, contact, account, email, revision)"
        " SELECT %(o)s, 'm' || n, 'm' || n, 'm' || n || '@x.example', 1 FROM more),"
        " s AS (INSERT INTO signals (organization, signal, account, type, detected_at,"
        " last_seen_at, episode, opened_on, as_of, settings_version, run, lifetime_revenue_cents,"
        " figures, source_offset) SELECT %(o)s, 'm' || n, 'm' || n, 'dormant', now(), now(), 1,"
        " now(), now(), 1, 1, 1, '{}', 1 FROM more)"
        " INSERT INTO enrollments (organization, sequence, account, contact, state, enrolled_at,"
        " digest, signal_type, seen_at) SELECT %(o)s, 's-draft', 'm' || n, 'm' || n, 'enrolled',"
        " now(), 'd', 'dormant', now() FROM more",
        {"o": tenant},
    )
    path = f"/o/{tenant}/sequences/s-draft"
    assert "Ask to launch to 26 contacts" in text_of(ben.get(f"{path}/launch"))
    assert ben.post(f"{path}/launch", {"confirmed": "Ours"}).status_code == 303
    state = (
        "SELECT state, confirmed FROM sequences WHERE organization = %s AND sequence = 's-draft'"
    )
    assert rows(connection, state, tenant) == [("draft", "Ours")]
    assert "asks for it" in text_of(ana.get(path))
    assert ana.post(f"{path}/launch", {"confirmed": "Ours"}).status_code == 303
    assert rows(connection, state, tenant) == [("launched", "Ours")]
