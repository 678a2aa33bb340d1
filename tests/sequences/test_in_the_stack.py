"""From files to drafts and back: every service a real process, driven by the command line alone."""

from pathlib import Path
from typing import Any

from shared import db
from tests.eventually import eventually
from tests.stack_fixtures import Stack

WAIT_SECONDS = 60.0
ORGANIZATION = "three-forks"

CONTACTS = """\
contact,account,email,name,primary
C-1,permian,purchasing@permian.example,Ana Ruiz,true
C-2,redwater,,Yard,true
"""

# Permian bought 5 1/2 J55 every month until August and 7 L80 ever since; Redwater
# bought once, long ago.
ORDERS = (
    "order,account,account_name,owner,ordered_on,product,od,grade,quantity,revenue\n"
    + "\n".join(
        [
            f"SO-{month},permian,Permian Supply,dk,2026-{month:02}-21,CSG,5 1/2,J-55,500,18420.00"
            for month in range(3, 9)
        ]
        + ["SO-70,permian,Permian Supply,dk,2026-11-20,TBG,7,L80,200,9000.00"]
        + ["SO-90,redwater,Redwater Completions,ms,2026-01-09,CSG,9 5/8,P110,900,150000.00"]
    )
)
ANSWER = """\
order,account,ordered_on,product,od,grade,quantity,revenue
SO-99,permian,2026-11-24,CSG,139.7 mm,J55,500,18420.00
"""

DRAFTS = """
SELECT
    s.signal_type,
    s.name,
    s.state,
    count(*)
FROM published_sequences s
JOIN sequence_steps USING (organization, sequence)
WHERE s.organization = %s
GROUP BY s.organization, s.sequence, s.signal_type, s.name, s.state
ORDER BY s.signal_type
"""

ENROLLMENTS = """
SELECT
    signal_type,
    account,
    contact,
    state,
    reason
FROM published_enrollments
WHERE organization = %s
ORDER BY signal_type, account
"""


def rows(query: str) -> list[tuple[Any, ...]]:
    with db.connect() as connection:
        return connection.execute(query.encode(), (ORGANIZATION,)).fetchall()


def test_a_digest_makes_drafts_with_contacts_and_an_order_stops_them(
    services: Stack, tmp_path: Path
) -> None:
    def put(kind: str, text: str) -> None:
        file = tmp_path / f"{kind}.csv"
        file.write_text(text)
        services.winback("import", kind, str(file), "--organization", ORGANIZATION)

    names = ("--name", "Three Forks Pipe", "--currency", "USD", "--timezone", "America/Chicago")
    services.winback("organization", "create", ORGANIZATION, *names, "--no-schedules")
    services.winback(
        "member", "add", ORGANIZATION, "rs@threeforks.example", "--role", "owner", "--digest"
    )
    settings = tmp_path / "settings.json"
    settings.write_text('{"lapse": {"enabled": true}}')
    services.winback("settings", "set", str(settings), "--organization", ORGANIZATION)
    put("contacts", CONTACTS)
    put("orders", ORDERS)
    # the run waits for orders alone, drafts look for contacts
    services.winback("wait", "--organization", ORGANIZATION)
    services.winback("run", "--organization", ORGANIZATION, "--as-of", "2026-11-23", "--wait")

    services.winback("digest", "send", "--organization", ORGANIZATION)
    eventually(lambda: len(rows(DRAFTS)) == 2, what="two drafts")
    drafted = rows(DRAFTS)
    assert [(kind, state, steps) for kind, _, state, steps in drafted] == [
        ("dormant", "draft", 3),
        ("lapse", "draft", 3),
    ]
    assert [name.split(",")[0] for _, name, _, _ in drafted] == ["Fully dormant", "Product lapse"]
    assert rows(ENROLLMENTS) == [
        ("dormant", "redwater", "C-2", "skipped", "no-email"),
        ("lapse", "permian", "C-1", "enrolled", None),
    ]

    put("orders", ANSWER)
    services.winback("wait", "--organization", ORGANIZATION)
    eventually(
        lambda: ("lapse", "permian", "C-1", "stopped", "reordered") in rows(ENROLLMENTS),
        what="an enrollment that is stopped",
    )
