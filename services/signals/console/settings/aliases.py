"""Aliases to propose: grades that look like one, which accounts went from one spelling to the
other, and what taking one would change. An admin takes one with a click.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import settings as configuration
from services.signals.actions.actor import must_govern
from services.signals.console.http.access import NotHere
from services.signals.console.http.forms import Form, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.paths import account_path
from services.signals.console.settings import detection_view
from services.signals.console.settings.dry_run_view import subject_name
from services.signals.store import settings
from services.signals.trial.dry_run import TriedAlias
from shared.domain.grades import plain_grade
from shared.domain.look_alikes import MOST_SHOWN, aliases_with, look_alikes
from shared.domain.trial import Subject
from shared.events import SignalType
from shared.wording import TYPE_TITLES, counted, exact_day, plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

CHANGES_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class AliasView:
    """A proposal. switches: (name, its page, what happened). changes: (what, whose, their page)."""

    spelling: str
    grade: str
    what: str
    switches: list[tuple[str, str, str]]
    more_switches: int
    changes: list[tuple[str, str, str]]
    more_changes: int


def alias_views(
    tried: Sequence[TriedAlias], *, organization: str, names: Mapping[str, str]
) -> list[AliasView]:
    """As the page shows them."""
    return [_view(one, organization, names) for one in tried]


def accounts_named(tried: Sequence[TriedAlias]) -> set[str]:
    """Whose names `alias_views` needs."""
    return {one.account for alias in tried for one in alias.proposal.switches[:MOST_SHOWN]} | {
        subject.account for alias in tried for _, _, subject in _changes(alias)[:CHANGES_SHOWN]
    }


@router.post("/o/{organization}/settings/aliases")
def take(request: Request, organization: str, form: Form) -> Response:
    """The alias, as a version of the settings, and the run that applies it to all of history."""
    with organization_of(request, organization) as (who, connection):
        by = who.acting_in(organization)
        must_govern(by)
        head = head_of(connection, organization)
        _, saved = settings.latest(connection, organization)
        spelling, grade = (plain_grade(form.get(name, "")) for name in ("spelling", "grade"))
        if not look_alikes((spelling, grade)):
            raise NotHere  # no page of ours proposes it
        patch = {"grade_aliases": aliases_with(saved.grade_aliases, spelling, grade)}
        taken = configuration.save(connection, organization, patch, by=by, run=True)
    answer = RedirectResponse(f"/o/{organization}/settings", status_code=303)
    stored = detection_view.saved_words(taken.changes, head.style)
    said = f"Saved as version {taken.version}. {stored}" if taken.changes else "Nothing was changed"
    flash(request, answer, f"{said}. Its run, number {taken.run}, has been asked for")
    return answer


def _view(tried: TriedAlias, organization: str, names: Mapping[str, str]) -> AliasView:
    proposal, changes = tried.proposal, _changes(tried)
    closed, opened = sum(map(len, tried.closes.values())), sum(map(len, tried.opens.values()))
    said = [
        words
        for number, words in (
            (closed, f"closes {counted(closed, 'signal')}"),
            (opened, f"opens {counted(opened, 'signal')}"),
        )
        if number
    ]
    return AliasView(
        spelling=proposal.spelling,
        grade=proposal.grade,
        what=f"Taking it {' and '.join(said)}." if said else "Taking it changes no signal today.",
        switches=[
            (
                plain_name(names.get(one.account, one.account)),
                account_path(organization, one.account),
                f"{one.old} until {exact_day(one.until)}, {one.new} since {exact_day(one.since)}",
            )
            for one in proposal.switches[:MOST_SHOWN]
        ],
        more_switches=max(0, len(proposal.switches) - MOST_SHOWN),
        changes=[
            (
                f"{verb} {TYPE_TITLES[type_].lower()}",
                subject_name(subject, names),
                account_path(organization, subject.account),
            )
            for verb, type_, subject in changes[:CHANGES_SHOWN]
        ],
        more_changes=max(0, len(changes) - CHANGES_SHOWN),
    )


def _changes(tried: TriedAlias) -> list[tuple[str, SignalType, Subject]]:
    """What closes first: that is what the alias is for."""
    return [
        (verb, type_, subject)
        for verb, of_type in (("closes", tried.closes), ("opens", tried.opens))
        for type_, subjects in of_type.items()
        for subject in sorted(subjects, key=str)
    ]
