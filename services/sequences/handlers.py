"""What a tick and a recovery do. Both run in the consume loop's transaction, with the position."""

from collections import defaultdict
from collections.abc import Iterator

import msgspec
import structlog

from services.sequences import store
from services.sequences.store import Candidate, Enrolled, Occasion, Stop
from shared import db, kafka, metrics, tracing
from shared.domain import drafts, letters
from shared.domain.enrollment import INCLUDED, inclusion
from shared.events import SequenceDrafted, SequencesDue, SignalRecovered, SignalType
from shared.ids import derived
from shared.kafka import Publisher
from shared.records import Record
from shared.topics import SEQUENCE_TICKS, SEQUENCES

log = structlog.get_logger()


def draft(connection: db.Connection, records: list[Record], *, publisher: Publisher) -> None:
    """One draft per active type of each digest that is due. A digest that has its
    drafts gets no others.

    The drafts are published, confirmed, before the enrollments commit: a tick that comes again says
    the same under the same id.
    """
    for record in records:
        with tracing.of(record):
            _draft(connection, record.event, publisher)


def _draft(connection: db.Connection, due: SequencesDue, publisher: Publisher) -> None:
    occasion = store.occasion(connection, due)
    if occasion is None:
        metrics.RECORDS_SKIPPED.labels("sequences", SEQUENCE_TICKS.name).inc()
        return
    if occasion.drafted:
        log.info("drafts are there already", organization=due.organization, digest=due.digest)
        return
    enrolled = list(
        _enrolled(connection, occasion, _included(store.candidates(connection, occasion), due))
    )
    store.save(connection, occasion, enrolled)
    _publish(publisher, occasion, enrolled)


def stop(connection: db.Connection, records: list[Record]) -> None:
    """An order that answers a signal stops what drafts and sequences of its type have not sent to
    the account yet.

    Where this process reads a recovery before a tick, and the signals service only after it, the
    launch's own test finds it.
    """
    stops = [
        Stop(
            organization=event.organization,
            account=event.account,
            signal_type=event.signal_type,
            at=event.at,
            reason="reordered",
        )
        for record in records
        if isinstance(event := record.event, SignalRecovered)
        and event.resolution == "reordered"
        and kafka.partition_of(event.organization) == record.partition
    ]
    if stops:
        store.stop(connection, stops)


def _included(candidates: list[Candidate], due: SequencesDue) -> list[Candidate]:
    """Without those that are pinned to No, lost or paused: they leave digest, totals and drafts."""
    return [
        c
        for c in candidates
        if inclusion(
            enrollment=c.enrollment,
            lost_at=c.lost_at,
            paused_until=c.paused_until,
            at=due.drafted_at,
        )
        in INCLUDED
    ]


def _enrolled(
    connection: db.Connection, occasion: Occasion, candidates: list[Candidate]
) -> Iterator[Enrolled]:
    """Each candidate enrolled or skipped, with what fills the text for it. Histories are read one
    account at a time.
    """
    by_account: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_account[candidate.account].append(candidate)
    for account, purchases in store.purchases(connection, occasion, by_account):
        for candidate in by_account.pop(account):
            yield _enroll(occasion, candidate, purchases)
    for candidate in (c for left in by_account.values() for c in left):
        yield _enroll(occasion, candidate, [])


def _enroll(occasion: Occasion, candidate: Candidate, purchases: list[drafts.Purchase]) -> Enrolled:
    story = drafts.Story(
        as_of=occasion.as_of,
        drafted_on=occasion.drafted_on,
        organization=occasion.organization_name,
        account=candidate.name or candidate.account,
        owner=candidate.owner,
        contact_name=candidate.contact_name,
        purchases=purchases,
        minimum_od=occasion.settings.cherry_picking.minimum_od,
        lapsed=candidate.lapsed,
        specialty_share_bps=candidate.specialty_share_bps,
    )
    return Enrolled(
        sequence=sequence_id(occasion.due, candidate.signal_type),
        candidate=candidate,
        skipped=drafts.skip(candidate.addressee),
        variables=drafts.variables(candidate.signal_type, story),
    )


def _publish(publisher: Publisher, occasion: Occasion, enrolled: list[Enrolled]) -> None:
    due = occasion.due
    types = {each.candidate.signal_type for each in enrolled}
    for signal_type in (t for t in letters.STEPS if t in types):
        event = SequenceDrafted(
            organization=due.organization,
            sequence=sequence_id(due, signal_type),
            digest=due.digest,
            signal_type=signal_type,
            name=drafts.draft_name(signal_type, occasion.drafted_on),
            drafted_at=due.drafted_at,
            steps=letters.STEPS[signal_type],
        )
        publisher.publish(
            SEQUENCES.name,
            msgspec.json.encode(event),
            key=due.organization.encode(),
            partition=0,
            headers=kafka.headers_of(event, source="sequences", event_id=event.sequence),
        )
        metrics.DRAFTS.labels(signal_type).inc()
    for skipped in (each.skipped for each in enrolled if each.skipped):
        metrics.ENROLLMENTS_SKIPPED.labels(skipped.reason).inc()
    log.info(
        "drafted",
        organization=due.organization,
        digest=due.digest,
        types=sorted(types),
        enrollments=len(enrolled),
    )


def sequence_id(due: SequencesDue, signal_type: SignalType) -> str:
    """The id of a digest's draft for one type: the digest derives the same, and links it."""
    return derived("sequence", due.organization, due.digest, signal_type)
