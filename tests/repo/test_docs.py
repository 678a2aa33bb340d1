"""What is not documented is not there: settings, verbs, metrics, decisions."""

import re
from pathlib import Path

import pytest

from shared.settings import PREFIX, Settings
from shared.topics import TOPICS
from tests.repo.tree import ROOT, files, name, none_of
from winback import reference
from winback.cli import VERBS

DOCS = [path for path in files("docs") if path.suffix == ".md"] + [
    ROOT / page for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
]
DECISIONS = [name(path) for path in files("docs/decisions") if path.name[0].isdigit()]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DECISION_LONGEST_LINES = 50  # a page


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_in_the_example_with_its_description(setting: str) -> None:
    example = (ROOT / ".env.example").read_text()
    field = Settings.model_fields[setting]
    assert re.search(rf"^#?{PREFIX}{setting.upper()}=", example, re.MULTILINE)
    assert field.description and field.description in example


def test_the_example_names_no_setting_that_is_gone() -> None:
    named = re.findall(rf"^#?{PREFIX}(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert {setting.lower() for setting in named} <= Settings.model_fields.keys()


def test_the_references_say_what_the_commands_and_metrics_are() -> None:
    old = [
        name(path)
        for path, text in reference.generated().items()
        if not path.exists() or path.read_text() != text
    ]
    assert old == [], "run `python -m winback.reference`"


def test_every_verb_is_in_the_reference_with_an_example() -> None:
    text = reference.cli()
    for verb in VERBS:
        assert f"\n    winback {verb}" in text or f"| winback {verb}" in text, verb


def test_every_command_has_a_help_of_its_own() -> None:
    none_of([line for line in reference.cli().splitlines() if line.endswith(": None")])


def test_every_topic_is_told_of() -> None:
    architecture = (ROOT / "docs/architecture.md").read_text()
    assert [topic.name for topic in TOPICS if topic.name not in architecture] == []


@pytest.mark.parametrize("path", DECISIONS)
def test_a_decision_is_one_page_with_a_line_to_quote(path: str) -> None:
    text = (ROOT / path).read_text()
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= DECISION_LONGEST_LINES
    assert re.search(r"^> \S", text, re.MULTILINE), "the line to quote"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Passed over",
    ]


def test_every_decision_is_listed_by_its_title() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    titles = {
        path.rsplit("/", 1)[1]: (ROOT / path).read_text().splitlines()[0].removeprefix("# ")
        for path in DECISIONS
    }
    assert {
        path: title for path, title in titles.items() if f"]({path}) | {title} |" not in listed
    } == {}


def test_links_between_documents_lead_somewhere() -> None:
    wrong = [
        f"{name(path)}: {link}"
        for path in DOCS
        for link in LINK.findall(path.read_text())
        if "://" not in link
        and not link.startswith(("#", "mailto:"))
        and not (path.parent / link.split("#")[0]).exists()
    ]
    none_of(wrong)


def test_links_to_a_heading_find_it() -> None:
    wrong = [
        f"{name(path)}: {link}"
        for path in DOCS
        for link in LINK.findall(path.read_text())
        if "://" not in link and "#" in link
        if link.split("#")[1] not in anchors(path, link.split("#")[0])
    ]
    none_of(wrong)


def anchors(path: Path, page: str) -> set[str]:
    """Of the page's headings: lower case, hyphens for blanks, no other marks."""
    text = (path.parent / page).read_text() if page else path.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(page for page in pages if f"]({page})" not in index) == []
