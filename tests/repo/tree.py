"""The project's own files, and what is in its Python modules."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("shared", "services", "winback")
TEXT = {
    "",
    ".py",
    ".md",
    ".sql",
    ".toml",
    ".in",
    ".txt",
    ".yml",
    ".yaml",
    ".json",
    ".xml",
    ".html",
    ".mjml",
    ".css",
    ".js",
    ".sh",
    ".cfg",
}
FOREIGN = {".git", "node_modules", "__pycache__"}
STATEMENT = re.compile(  # of a table: asking for a lock or a setting is none
    r"\s*(?:(?:SELECT|WITH)\s.*?\bFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s.*?\bSET\s|DELETE\s+FROM\s|TRUNCATE\s"
    r"|(?:CREATE|ALTER|DROP)\s+TABLE\s|LOCK\s+TABLE\s)",
    re.DOTALL,
)


@cache
def ignored() -> frozenset[str]:
    """Folders that are no part of the project."""
    lines = (ROOT / ".gitignore").read_text().split()
    return frozenset(line.strip("/") for line in lines) | FOREIGN


def files(*folders: str) -> Iterator[Path]:
    """Every text file of the project, or of some of its folders, in order."""
    for path in sorted(path for folder in folders or (".",) for path in (ROOT / folder).rglob("*")):
        parts = path.relative_to(ROOT).parts
        if (
            path.is_file()
            and path.suffix in TEXT
            and not any(part in ignored() or part.endswith(".egg-info") for part in parts)
        ):
            yield path


def modules(*folders: str) -> Iterator[Path]:
    """Every Python module."""
    return (path for path in files(*folders) if path.suffix == ".py")


def name(path: Path) -> str:
    """As it is said: from the project's root."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


def imports(path: Path) -> set[str]:
    """Full names of what a module imports anywhere; of `from a import b` both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: a relative import"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def statements(path: Path) -> Iterator[str]:
    """The SQL in a module: string constants (the fixed parts of f-strings too) that
    begin like a statement.
    """
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            text = (
                node.value.decode(errors="replace") if isinstance(node.value, bytes) else node.value
            )
            if isinstance(text, str) and STATEMENT.match(text):
                yield text


def none_of(wrong: list[str], *, hint: str = "") -> None:
    """Fails with every fault on a line of its own."""
    assert not wrong, "\n".join([hint, *wrong])
