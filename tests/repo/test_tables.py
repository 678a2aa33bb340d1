"""Each PostgreSQL table has exactly one writing service; a service's
docstring says which it `owns`.

The tables are those of the migrations, so a new one without an owner fails here.
"""

import ast
import re
from collections import defaultdict

from tests.repo.tree import ROOT, modules, name, none_of, parsed, statements

OWNED_ELSEWHERE = {
    # of every consumer, moved in its own transaction by the one consume loop
    "positions": "shared",
    "migrations": "shared",
    "taking": "shared",  # of every consumer, by the one consume loop
    "mails_counted": "shared",  # of mails that people cause, in the one module that counts them
    "security_events": "shared",  # of every process and verb, in the one module that keeps them
    "broker": "shared",  # by `winback topics`, as the owner
    # what every consumer, and whoever accepts, holds the log against
    "logs": "shared",
    "backups": "ops",  # by whoever makes backups: scripts of ops/, or an operator's own
    "dead_letter_replays": "shared",  # of every replay, in the one module that puts records back
}
# forgets a person wherever they are, in one transaction, for the operator
ERASURE = "services/signals/store/erasure.py"
TAMPERING = "winback/chaos/store.py"  # does damage on purpose, to a stack of its own
TEMPORARY = {"staged"}  # prefixes of tables that live as long as a connection

WRITES = re.compile(
    r"\b(?:INSERT\s+INTO|(?<!FOR )(?<!KEY )(?<!DO )UPDATE|DELETE\s+FROM|MERGE\s+INTO"
    r"|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(\w+)"
)
CREATES = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)")
VIEWS = re.compile(r"\bCREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+(\w+)")


def migrations() -> list[str]:
    """Their text, without comments."""
    paths = sorted((ROOT / "shared/migrations").glob("*.sql"))
    return [re.sub(r"--.*", "", path.read_text()) for path in paths]


def tables() -> set[str]:
    """Every table that the migrations make, and the one that `db.migrate` makes for them."""
    texts = [*migrations(), *statements(ROOT / "shared/db.py")]
    return {table for text in texts for table in CREATES.findall(text)}


def owners() -> dict[str, set[str]]:
    """table -> who says that it is theirs."""
    found: dict[str, set[str]] = defaultdict(set)
    for table, owner in OWNED_ELSEWHERE.items():
        found[table].add(owner)
    for path in sorted((ROOT / "services").glob("*/__init__.py")):
        documentation = ast.get_docstring(parsed(path)) or ""
        paragraph = next(
            (part for part in documentation.split("\n\n") if re.search(r"^owns\b", part, re.M)), ""
        )
        owned = re.split(r"^owns\b", paragraph, flags=re.M)[-1]
        owned = re.split(r"^\w", owned, flags=re.M)[0]  # up to the next word at the start of a line
        for table in tables() & set(re.findall(r"\w+", re.sub(r"\([^)]*\)", "", owned))):
            found[table].add(path.parent.name)
    return found


def test_every_table_has_exactly_one_owner() -> None:
    wrong = {
        table: sorted(owners().get(table, set()))
        for table in tables()
        if len(owners().get(table, set())) != 1
    }
    assert wrong == {}, (
        "name each table in the docstring (`owns`) of the one service that writes it"
    )


def test_nobody_writes_the_table_of_another() -> None:
    owner_of = {table: next(iter(who)) for table, who in owners().items()}
    wrong = []
    for path in (
        path
        for path in modules("services", "shared", "winback")
        if name(path) not in (ERASURE, TAMPERING)
    ):
        parts = name(path).split("/")
        writer = parts[1] if parts[0] == "services" else parts[0]
        for statement in statements(path):
            for table in WRITES.findall(re.sub(r"--.*", "", statement)):
                if owner_of.get(table, writer) != writer:
                    wrong.append(f"{name(path)} writes {table}, which is {owner_of[table]}'s")
                elif table not in owner_of and not any(
                    table.startswith(prefix) for prefix in TEMPORARY
                ):
                    wrong.append(f"{name(path)} writes {table}, which has no owner")
    none_of(wrong)


def test_an_outbox_is_of_its_service_s_own_table() -> None:
    """`shared.outbox` writes the table that it is given: nobody gives it another's."""
    owner_of = {table: next(iter(who)) for table, who in owners().items()}
    outboxes = {
        name(path): keyword.value.value
        for path in modules("services")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Outbox"
        for keyword in node.keywords
        if keyword.arg == "table"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }
    assert "digest_mails" in outboxes.values()
    none_of(
        [
            f"{path} has the outbox {table}, which is {owner_of[table]}'s"
            for path, table in outboxes.items()
            if owner_of[table] != path.split("/")[1]
        ]
    )


def test_a_view_that_several_services_read_is_named_for_what_it_publishes() -> None:
    """A service's name is for the view that it alone reads."""
    readers: dict[str, set[str]] = defaultdict(set)
    views = {view for text in migrations() for view in VIEWS.findall(text)}
    for path in modules("services"):
        for statement in statements(path):
            for view in views & set(re.findall(r"\w+", statement)):
                readers[view].add(name(path).split("/")[1])
    assert len(readers) > 1
    none_of(
        [
            f"{view} is read by {', '.join(sorted(who))}"
            for view, who in sorted(readers.items())
            if not view.startswith("published_") and who != {view.split("_")[0]}
        ]
    )


def tables_with_organization() -> set[str]:
    """Those whose CREATE TABLE has an `organization` column."""
    made = [
        match
        for text in migrations()
        for match in re.findall(r"\bCREATE\s+TABLE\s+(\w+)\s*\((.*?)\n\);", text, re.DOTALL)
    ]
    return {table for table, body in made if re.search(r"^\s*organization\s", body, re.MULTILINE)}
