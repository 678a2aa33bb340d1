"""No route is forgotten: each has an entry that says who may use it, and each that gives a page is
looked at in a browser.
"""

from services.ingest import app as ingest
from services.signals.console import app as console
from tests.console import test_every_route as of_console
from tests.console.browser.pages import LOOKS, NOT_PAGES
from tests.console.routes import routes_of
from tests.ingest import test_every_route as of_ingest

CONSOLE = set(routes_of(console.build(None)))  # type: ignore[arg-type] # nothing is asked
INGEST = set(routes_of(ingest.build(None)))  # type: ignore[arg-type] # it is not started


def test_every_route_of_the_console_says_who_may_use_it() -> None:
    assert sorted(map(str, CONSOLE - of_console.CASES.keys())) == [], (
        "say in tests/console/test_every_route.py who may"
    )
    assert sorted(map(str, of_console.CASES.keys() - CONSOLE)) == []


def test_every_route_of_ingest_says_who_may_use_it() -> None:
    assert sorted(map(str, INGEST ^ (of_ingest.BODIES.keys() | of_ingest.OPEN))) == []


def test_every_route_that_gives_pages_is_looked_at() -> None:
    given = {path for method, path in CONSOLE if method == "GET"}
    assert sorted(given ^ (LOOKS.keys() | NOT_PAGES.keys())) == [], (
        "add it to tests/console/browser/pages.py"
    )
    assert not LOOKS.keys() & NOT_PAGES.keys()
