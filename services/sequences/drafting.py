"""What a tick does, in the consume loop's transaction, with the position."""

import msgspec
import structlog

from services.sequences import drafts_store as store
from services.sequences import stories
from services.sequences.accounts_store import Candidate
from services.sequences.drafts_store import Enrolled, Occasion
from shared import db, metrics, tracing
from shared.domain import drafts, letters
from shared.domain.enrollment import INCLUDED, inclusion
from shared.event_headers import headers_of
from shared.events import SequenceDrafted, SequencesDue, SignalType
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
    candidates = _included(store.candidates(connection, occasion), due)
    enrolled = [
        _enroll(occasion, candidate, variables)
        for candidate, variables in stories.told(connection, occasion.grounds, candidates)
    ]
    store.save(connection, occasion, enrolled)
    _publish(publisher, occasion, enrolled)


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


def _enroll(occasion: Occasion, candidate: Candidate, variables: dict[str, str]) -> Enrolled:
    return Enrolled(
        sequence=sequence_id(occasion.due, candidate.signal_type),
        candidate=candidate,
        skipped=drafts.skip(candidate.addressee),
        variables=variables,
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
            headers=headers_of(event, source="sequences", event_id=event.sequence),
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
