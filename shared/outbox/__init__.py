"""Mails that leave a service: planned in its transaction, claimed with a lease, one recipient an
SMTP transaction.

    table     what an outbox is: its table, and where services differ
    store     its SQL, composed once per table
    final_dot the note before the dot, and the guard that is held while it is written
    sender    claims, hands over, notes the answer
    measuring the gauges

A mail goes through these states:

    queued      planned, not tried yet
    sending     one sender's, until its lease ends
    retry       the server has not got it; tried again for 24 hours
    sent        the server has it
    bounced     the server never takes it, or nobody took it for 24 hours
    unknown     the answer was lost behind the dot: submitted again while `ambiguous` is below what
                the outbox allows, then left for a person
    suppressed  it must not go out: known when it was planned, or said by the guard

The table has these columns beside those of its key: email, message_id, message, state, attempts,
ambiguous, queued_at, next_attempt_at, lease_until, submitted_at, sent_at, answer.
tests/outbox/contract.py says what every table must prove.
"""
