"""View models to mails: Jinja with autoescape first, then MJML, so that no name
can be a tag of either.

A mail is rendered once; what differs between its recipients (why they get it, how to unsubscribe)
is put in afterwards.
"""

from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from mjml import mjml2html

from services.digest import plain
from services.digest.view import UNSUBSCRIBE, WHY, DigestView, HeartbeatView, RowView
from shared import wording

LINE_BREAKS = {  # mail has no long lines: where a break changes nothing
    **{tag: f"{tag}\n" for tag in ("<tbody>", "</tr>", "</div>", "</style>")},
    "<a href=": "<a\nhref=",
    "><bdi>": "\n><bdi>",
}
FIGURE_WIDTH = 15  # of a column in plain text

Email = Literal["digest", "heartbeat"]


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One mail, for whoever gets it."""

    subject: str
    text: str
    html: str

    @property
    def size(self) -> int:
        """Bytes of both parts as they travel."""
        return len(self.text.encode()) + len(self.html.encode())

    def personal(self, *, why: str, unsubscribe_url: str) -> "Rendered":
        """The mail of one recipient."""
        return Rendered(
            subject=self.subject,
            text=self.text.replace(WHY, why).replace(UNSUBSCRIBE, unsubscribe_url),
            html=self.html.replace(WHY, escape(why)).replace(
                _entities(UNSUBSCRIBE), escape(unsubscribe_url)
            ),
        )


def render(email: Email, view: DigestView | HeartbeatView) -> Rendered:
    """Subject, plain text and HTML."""
    subject = _environment().get_template(f"{email}/subject.txt").render(view=view)
    text = _environment().get_template(f"{email}/body.txt").render(view=view)
    mjml = _environment().get_template(f"{email}/body.mjml").render(view=view)
    html = str(mjml2html(mjml, disable_comments=True, fonts={}))  # no fonts of other hosts
    for place, broken in LINE_BREAKS.items():
        html = html.replace(place, broken)
    return Rendered(subject=subject.strip(), text=text.strip("\n") + "\n", html=html)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("services.digest"),
        autoescape=select_autoescape(enabled_extensions=("mjml",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "account_row": _account_row,
        "entities": _entities,
        "heads_row": _heads_row,
        "indented": plain.indented,
        "isolated": wording.isolated,
        "labelled": plain.labelled,
        "row": plain.row,
        "wrapped": plain.wrapped,
    }
    environment.filters.update(filters)
    return environment


def _entities(text: str) -> Markup:
    """For an attribute: MJML's library spells characters it takes for invisible as Rust does."""
    spelled = "".join(
        f"&#{ord(character)};" if ord(character) > 127 else escape(character) for character in text
    )
    return Markup(spelled)  # noqa: S704 - escaped here


def _account_row(row: RowView) -> str:
    """Name, what is said beside it, figures."""
    beside = row.state or row.owner
    left = wording.isolated(row.name.text) + (f" ({beside})" if beside else "")
    return plain.row(left, *((figure, FIGURE_WIDTH) for figure in row.figures))


def _heads_row(heads: tuple[str, ...]) -> str:
    return plain.row(heads[0], *((head, FIGURE_WIDTH) for head in heads[1:]))
