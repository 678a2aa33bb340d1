"""A page that is cited is there, and holds the section that is cited; so are the files that pages
name.

A citation is a page's name, then perhaps a section's number, then perhaps a title in asterisks:

    (product.md 4 and 7)    (product.md 1, *Grade*)    (trust.md, *Hostile inputs*)

A number is that of a heading `## 4. …`. A title is a heading, or what a paragraph begins with in
bold type; where a number stands before it, in that section.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.repo.tree import ROOT, files, name, none_of
from winback.cli import VERBS

PAGES = ROOT / "docs"
TO_READ = [
    *(path for path in files("docs") if path.suffix == ".md"),
    *(ROOT / page for page in ("README.md", "CONTRIBUTING.md")),
]
LINE_ENDS = re.compile(r"[ \t]*\n[ \t]*(?:#|--|//)?[ \t]*")  # comments go on behind their marks
CITATION = re.compile(
    r"(?<![\w.{*/:-])(?P<page>(?:[\w-]+/)*[\w-]+\.md)\b`?(?:\]\([^)]*\))?"
    r"(?:,? (?P<numbers>\d+(?:(?:, | and )\d+)*)\b)?"
    r"(?:,? \*(?P<title>[^*\n]+)\*(?!\*))?"
)
SECTION_OF = re.compile(r"\bsections? (?P<number>\d+) of `?(?P<page>[\w-]+\.md)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
BOLD = re.compile(r"^(?:[-|] )?\*\*(?P<title>[^*]+?):?\*\*", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
IN_CODE = re.compile(r"`([^`\n]+)`")
FOLDERS = "services|shared|tests|winback|docs|ops|schemas|bench|demo|requirements|.ci"
PATH = re.compile(rf"(?<![\w./:@-])(?:{FOLDERS})/[\w./{{}},*-]*")
NOT_BUILT = re.compile(r"^\*Not built yet", re.IGNORECASE)
VERB = re.compile(r"`winback ([a-z-]+)")


class Citation(NamedTuple):
    """One page that a text sends its reader to. `where` the text is, from the project's root."""

    where: str
    page: str
    numbers: tuple[str, ...] = ()
    title: str | None = None

    def __str__(self) -> str:
        said = " and ".join(self.numbers) + (f" *{self.title}*" if self.title else "")
        return f"{self.where}: {self.page} {said}".strip()


def citations(where: str, text: str) -> Iterator[Citation]:
    """Every citation in a text, over its line ends."""
    said = LINE_ENDS.sub(" ", text)
    for found in CITATION.finditer(said):
        numbers = re.findall(r"\d+", found["numbers"] or "")
        yield Citation(where, found["page"], tuple(numbers), found["title"])
    for found in SECTION_OF.finditer(said):
        yield Citation(where, found["page"], (found["number"],))


def is_there(citation: Citation) -> bool:
    """Whether it leads to a page, and to all that it names of it."""
    page = page_of(citation)
    if page is None:
        return False
    text = FENCED.sub("", page.read_text())
    parts = [section(text, number) for number in citation.numbers]
    if citation.title is None:
        return None not in parts
    return None not in parts and any(
        citation.title.strip() in titles(part or "") for part in parts or [text]
    )


def page_of(citation: Citation) -> Path | None:
    """In docs/, at the root, or beside the file that cites it."""
    folders = (PAGES, ROOT, (ROOT / citation.where).parent)
    return next((at for folder in folders if (at := folder / citation.page).is_file()), None)


def section(text: str, number: str) -> str | None:
    """What stands under the heading `## number. …`, down to the next of its rank."""
    found = re.search(rf"^## {number}\. .+?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else None


def titles(text: str) -> set[str]:
    """Its headings, without their numbers, and what paragraphs begin with in bold type."""
    headings = {re.sub(r"^\d+\. ", "", found["title"]) for found in HEADING.finditer(text)}
    return headings | {found["title"] for found in BOLD.finditer(text)}


def test_every_page_that_is_cited_is_there_and_holds_what_is_cited() -> None:
    every = [
        citation
        for path in files()
        if path != Path(__file__) and ".md" in (text := path.read_text(encoding="utf-8"))
        for citation in citations(name(path), text)
    ]
    assert len(every) > 100, "the pattern finds the citations"
    none_of([str(citation) for citation in every if not is_there(citation)])


@pytest.mark.parametrize(
    "text",
    [
        "(nowhere.md)",
        "(product.md 13)",
        "(product.md 2 and 13)",
        "section 13 of `product.md`",
        "(product.md 2, *Grade*)",
        "(trust.md, *Hostile people*)",
        '"""Order lines (interfaces.md, *Order\nlines as a folder*)."""',
        "# ids (product.md\n# 13)",
        "docs/nowhere.md",
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str) -> None:
    assert not all(is_there(citation) for citation in citations("README.md", text))


@pytest.mark.parametrize(
    "text",
    [
        "(product.md 2 and 10)",
        "(product.md 1, *Which version\nof an order counts*)",
        "-- as trust.md, *Mail* says",
        "[the contract](product.md)",
        "# ids (product.md\n# 12)",
    ],
)
def test_a_citation_that_leads_somewhere_is_followed(text: str) -> None:
    assert {is_there(citation) for citation in citations("README.md", text)} == {True}


# -- files ------------------------------------------------------------


def test_every_file_that_a_page_names_is_there() -> None:
    none_of(
        [
            f"{name(page)}: {path}"
            for page in TO_READ
            for path in paths(page.read_text(encoding="utf-8"))
            if not exists(path)
        ]
    )


def paths(text: str) -> Iterator[str]:
    """Paths in `code` and in fenced blocks, from the project's root; `{a,b}` is one for each."""
    fenced = FENCED.findall(text)
    for code in [*fenced, *IN_CODE.findall(FENCED.sub("", text))]:
        for path in PATH.findall(code):
            if "NNNN" not in path:
                yield from expanded(path.rstrip(".,"))


def expanded(path: str) -> Iterator[str]:
    parts = re.split(r"\{([^}]*)\}", path)
    choices = [part.split(",") if place % 2 else [part] for place, part in enumerate(parts)]
    return ("".join(one) for one in product(*choices))


def exists(path: str) -> bool:
    return any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()


def test_a_file_that_is_not_there_is_found() -> None:
    text = (
        "see `services/{ingest,nowhere}/`, `tests/repo/tree.py::files` and `docs/*.nothing`:\n"
        "```sh\nmake test T=tests/nowhere.py\n```"
    )
    assert sorted(path for path in paths(text) if not exists(path)) == [
        "docs/*.nothing",
        "services/nowhere/",
        "tests/nowhere.py",
    ]


# -- what is not built yet ------------------------------------------------------------


PARTLY_THERE = {"import", "dev", "serve"}  # of these only some of what they take is promised


def test_a_verb_is_promised_until_it_is_there_and_no_longer() -> None:
    """A page marks what is not there by a paragraph that begins with *Not built yet*."""
    wrong = []
    for page in TO_READ:
        for paragraph in FENCED.sub("", page.read_text()).split("\n\n"):
            for verb in VERB.findall(paragraph):
                is_promised = NOT_BUILT.match(paragraph) is not None
                if is_promised == (verb in VERBS) and verb not in PARTLY_THERE:
                    wrong.append(f"{name(page)}: winback {verb}")
    none_of(wrong)
