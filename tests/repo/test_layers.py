"""Who may know whom. import-linter says the same of whole chains (`make check`); this names the
line.
"""

import ast
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, imports, modules, name, none_of, parsed, statements

SERVICES = ("ingest", "detector", "signals", "digest", "sequences")

# What a rule may be made of: values, numbers, texts. Nothing here reads, sends, waits or asks the
# time.
PURE = {
    "base64", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools",
    "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "statistics", "string", "struct", "typing", "unicodedata",
    "uuid", "zoneinfo", "babel", "msgspec",
}  # fmt: skip
PURE_SHARED = {"shared.domain", "shared.errors", "shared.events", "shared.ids", "shared.wording"}
ASKS_THE_TIME = {"now", "utcnow", "today", "time", "monotonic", "time_ns"}

SQL_LIVES_IN = "a module called store… (or …_store), audit…, or shared/db.py"
SQL_ELSEWHERE = {
    "shared/dead_letters.py": "two statements over the one table that remembers replays, for "
    "command line and console",
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


def test_every_exception_for_sql_is_still_needed() -> None:
    assert [path for path in SQL_ELSEWHERE if not list(statements(ROOT / path))] == []
