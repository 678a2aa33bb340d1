"""Rules of the house that a reader would otherwise have to remember."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.repo.tree import CODE, ROOT, files, modules, name, none_of

LONGEST_MODULE_LINES = 500
LONG_TEMPLATE_LINE = re.compile(r"^.{121,}", re.MULTILINE)  # of Python, ruff sees to it
WORTH_A_DOCSTRING = 3  # lines of a module

# Written so that this file does not find itself.
UNFINISHED = re.compile(
    r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|NotImplemented" + r"Error"
)
IGNORE = re.compile(
    r"#\s*(?:type:\s*ignore\[[^\]]+\]|noqa:\s*[A-Z0-9, ]*[A-Z0-9]|fmt:\s*(?:skip|off))"
    r"(?P<reason>.*)$"
)
ANY_IGNORE = re.compile(r"#\s*(?:type:\s*ignore|noqa|fmt:)")
BARE_IGNORE = re.compile(r"#\s*(?:type:\s*ignore(?!\[)|noqa(?!:))")
REASON = re.compile(r"\s+[#—-]\s*\S")
# a constant in capitals may be set (smaller buffers, shorter waits), and the clock; no other code
MOCKS = re.compile(
    r"unittest\.mo" + r"ck|Magic" + r"Mock|pytest\.mark\.(?:sk" + r"ip|xf" + r"ail)"
    r'|monkeypatch\.setattr\((?!\s*(?:clock,\s+"now"|\w+,\s+"[A-Z_]+"))'
)
WAITS = re.compile(
    r"\btime\.sle" + r"ep\(|SIGST" + r"OP|SIGCO" + r"NT|until = time\.mono" + r"tonic"
)
FAULTS = {
    "tests/children.py",
    "tests/eventually.py",
    "tests/ingest/test_hostile.py",  # a connection between whose requests a while goes by
    "tests/operations/test_drill_at_length.py",
    "tests/operations/test_upgrade.py",
    "tests/operations/world.py",
    "tests/sequences/test_outbox.py",  # a sender that stops itself at the dot
}
HOSTS = re.compile(
    r"pypi\.or" + r"g|pythonhosted\.or" + r"g|registry\.npmjs|repo1?\.maven\.or" + r"g"
    r"|repo\.maven\.apache|deb\.debian\.or" + r"g|crates\.i" + r"o\b|proxy\.golang"
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/(?:wor" + r"k|far" + r"m|hom" + r"e/\w+|roo" + r"t|User" + r"s)/\w"
)


def lines_with(
    pattern: re.Pattern[str], *folders: str, only_python: bool = False
) -> Iterator[tuple[str, int, str]]:
    """File, number and text of every line in which it is found. Most files are seen in one look."""
    for path in modules(*folders) if only_python else files(*folders):
        text = text_of(path)
        if pattern.search(text):
            for number, line in enumerate(text.splitlines(), start=1):
                if pattern.search(line):
                    yield name(path), number, line


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def told(found: Iterable[tuple[str, int, str]]) -> list[str]:
    return [f"{path}:{number}: {line.strip()[:100]}" for path, number, line in found]


def test_no_module_is_too_long_to_be_one_idea() -> None:
    long = {
        name(path): length
        for path in modules(*CODE)
        if (length := len(path.read_text().splitlines())) > LONGEST_MODULE_LINES
    }
    assert long == {}


def test_no_line_of_a_template_a_style_or_a_script_is_too_long_to_be_read() -> None:
    none_of(
        [
            f"{path}:{number}: {len(line)} characters"
            for path, number, line in lines_with(LONG_TEMPLATE_LINE, "services")
            if (Path(path).suffix in {".html", ".mjml", ".css", ".js"} or "/templates/" in path)
            and "/vendor/" not in path
        ]
    )


def test_every_module_begins_with_its_idea() -> None:
    wrong = []
    for path in modules(*CODE):
        text = path.read_text()
        if len(text.splitlines()) >= WORTH_A_DOCSTRING and not text.lstrip("\ufeff").startswith(
            ('"""', "#!/")
        ):
            wrong.append(name(path))
    none_of(wrong)


def test_nothing_is_left_for_later_in_the_code() -> None:
    none_of(told(lines_with(UNFINISHED, only_python=True)))


def test_an_ignore_carries_its_reason() -> None:
    wrong = []
    for path, number, line in lines_with(ANY_IGNORE, only_python=True):
        found = IGNORE.search(line)
        layout_only = found is not None and "fmt:" in found[0] and "fmt: off" not in found[0]
        if BARE_IGNORE.search(line) or (
            found and not layout_only and not REASON.match(found["reason"])
        ):
            wrong.append(f"{path}:{number}: {line.strip()}")
    none_of(wrong)


def test_nothing_is_mocked_and_no_test_is_left_out() -> None:
    wrong = []
    for path in modules("tests"):
        text = text_of(path)
        for found in MOCKS.finditer(text):  # a call may go on behind its first line
            number = text.count("\n", 0, found.start())
            wrong.append(f"{name(path)}:{number + 1}: {text.splitlines()[number].strip()}")
    none_of(wrong)


def test_no_file_names_a_package_registry() -> None:
    none_of(told(lines_with(HOSTS)))


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    none_of(told(lines_with(MACHINE_PATHS)))


def test_a_service_says_what_it_consumes_produces_and_owns() -> None:
    for path in sorted((ROOT / "services").glob("*/__init__.py")):
        text = path.read_text()
        assert all(
            re.search(rf"^{word}\b", text, re.MULTILINE)
            for word in ("consumes", "produces", "owns")
        ), name(path)


def test_tests_wait_in_one_place_and_stop_processes_in_one() -> None:
    """`eventually` and `stopped`. What takes time by its nature is in FAULTS: a fault of so many
    seconds, a sender that pauses.
    """
    found = lines_with(WAITS, "tests", only_python=True)
    none_of(told(one for one in found if one[0] not in FAULTS))
