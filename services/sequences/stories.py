"""What a letter tells of an account, from its own history."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from services.sequences import accounts_store as store
from services.sequences.accounts_store import Candidate, Grounds
from shared import db
from shared.domain import drafts


def told(
    connection: db.Connection, grounds: Grounds, candidates: Iterable[Candidate]
) -> Iterator[tuple[Candidate, dict[str, str]]]:
    """Each candidate with what fills the text for it. Histories are read one account at a time;
    what has no history comes last.
    """
    by_account: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_account[candidate.account].append(candidate)
    for account, purchases in store.purchases(connection, grounds, by_account):
        for candidate in by_account.pop(account):
            yield candidate, _variables(grounds, candidate, purchases)
    for candidate in (c for left in by_account.values() for c in left):
        yield candidate, _variables(grounds, candidate, [])


def _variables(
    grounds: Grounds, candidate: Candidate, purchases: list[drafts.Purchase]
) -> dict[str, str]:
    story = drafts.Story(
        as_of=grounds.as_of,
        drafted_on=grounds.on,
        organization=grounds.organization_name,
        account=candidate.name or candidate.account,
        owner=candidate.owner,
        contact_name=candidate.contact_name,
        purchases=purchases,
        minimum_od=grounds.settings.cherry_picking.minimum_od,
        lapsed=candidate.lapsed,
        specialty_share_bps=candidate.specialty_share_bps,
    )
    return drafts.variables(candidate.signal_type, story)
