"""Who may know whom. import-linter says the same of whole chains (`make
check`); this names the line.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, imports, modules, name, none_of, parsed, statements

SERVICES = ("ingest", "detector", "signals", "digest", "sequences")

# What a rule may be made of: values, numbers, texts. Nothing here reads, sends,
# waits or asks the time.
PURE = {
    "base64", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "email",
    "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator",
    "re", "statistics", "string", "struct", "typing", "unicodedata", "uuid", "zoneinfo", "babel",
    "msgspec",
}  # fmt: skip
PURE_SHARED = {"shared.domain", "shared.errors", "shared.events", "shared.ids", "shared.wording"}
ASKS_THE_TIME = {"now", "utcnow", "today", "time", "monotonic", "time_ns"}

SQL_LIVES_IN = "a module called store… (or …_store), audit…, or shared/db.py"
SQL_ELSEWHERE = {
    "shared/dead_letters.py": "two statements over the one table that remembers replays, "
    "for command line and console",
    "shared/mail_limits.py": "two statements over the one table that counts mails, for every door",
    "shared/security.py": "two statements over the one table that keeps security events",
}


def beneath(imported: str, package: str) -> bool:
    return imported == package or imported.startswith(package + ".")


@pytest.mark.parametrize("service", SERVICES)
def test_services_never_import_each_other(service: str) -> None:
    others = [f"services.{other}" for other in SERVICES if other != service]
    wrong = [
        f"{name(path)} imports {imported}"
        for path in modules(f"services/{service}")
        for imported in imports(path)
        if any(beneath(imported, other) for other in others) or beneath(imported, "winback")
    ]
    none_of(wrong)


def test_shared_knows_no_service() -> None:
    wrong = [
        f"{name(path)} imports {imported}"
        for path in modules("shared")
        for imported in imports(path)
        if beneath(imported, "services")
        or beneath(imported, "winback")
        or beneath(imported, "tests")
    ]
    none_of(wrong)


def test_the_domain_is_made_of_values() -> None:
    def is_pure(imported: str) -> bool:
        return (
            imported.split(".")[0] in PURE
            or any(beneath(imported, package) for package in PURE_SHARED)
            or imported == "shared"
        )

    paths = [
        *modules("shared/domain"),
        ROOT / "shared/wording.py",
        ROOT / "shared/ids.py",
        ROOT / "shared/errors.py",
    ]
    wrong = [
        f"{name(path)} imports {imported}"
        for path in paths
        for imported in imports(path)
        if not is_pure(imported)
    ]
    none_of(wrong)


def test_the_domain_never_asks_the_time() -> None:
    assert [
        f"{name(path)}: {call}" for path in modules("shared/domain") for call in time_calls(path)
    ] == []


def test_only_the_clock_looks_at_the_wall() -> None:
    """`time.monotonic` measures how long something takes; what o'clock it is, only
    `shared/clock.py` asks.
    """
    walls = {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "time.time",
        "time.time_ns",
    }
    wrong = [
        f"{name(path)}: {call}"
        for path in modules("shared", "services")
        if name(path) != "shared/clock.py"
        for call in time_calls(path)
        if call in walls
    ]
    none_of(wrong)


def time_calls(path: Path) -> list[str]:
    return [
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ASKS_THE_TIME
        and isinstance(node.func.value, ast.Name)
    ]


def test_only_stores_hold_sql() -> None:
    def may(path: Path) -> bool:
        parts = {*path.parts[:-1], path.stem}
        is_store = any(
            part == "store" or part.endswith("_store") or part.startswith("audit") for part in parts
        )
        return is_store or name(path) == "shared/db.py" or name(path) in SQL_ELSEWHERE

    wrong = [
        f"{name(path)}: {sql.split()[:4]}"
        for path in modules("shared", "services", "winback")
        if not may(path)
        for sql in statements(path)
    ]
    none_of(wrong, hint=f"SQL lives in {SQL_LIVES_IN}")


def test_pages_and_verbs_leave_changes_to_the_actions() -> None:
    """A page reads its form, calls an action, and answers; a verb does the same with words."""
    writers = {name for path in modules("services/signals/store") for name in writers_of(path)}
    wrong = [
        f"{name(path)} calls {called}"
        for path in modules("services/signals/console", "services/signals/cli")
        for called in calls(path)
        if called in writers and (name(path), called) != SEEN
    ]
    none_of(wrong, hint="what people do lives in services/signals/actions")


# that a session was used is noted as it is looked up
SEEN = ("services/signals/console/http/access.py", "services.signals.store.sign_in.find_session")
WRITES = re.compile(r"\s*(?:WITH\s.*)?(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s", re.DOTALL)


def writers_of(path: Path) -> set[str]:
    """Full names of a store's functions that change rows, themselves or through another of the
    module.
    """
    module = name(path).removesuffix(".py").replace("/", ".")
    changing = {
        target.id
        for node in parsed(path).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and WRITES.match(str(node.value.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    functions = [node for node in parsed(path).body if isinstance(node, ast.FunctionDef)]
    used = {
        function.name: {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        for function in functions
    }
    while more := {one for one, names in used.items() if names & changing} - changing:
        changing |= more
    return {f"{module}.{function}" for function in changing & used.keys()}


def calls(path: Path) -> set[str]:
    """Full names of what a module calls as `imported.name(…)` or `name(…)`."""
    known = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(known.get(node.func.id, ""))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            found.add(f"{known.get(node.func.value.id, '')}.{node.func.attr}")
    return found


def test_every_exception_for_sql_is_still_needed() -> None:
    assert [path for path in SQL_ELSEWHERE if not list(statements(ROOT / path))] == []
