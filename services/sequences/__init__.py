"""Sequences: one fresh draft per active type of each digest, with the contacts it is for; once it
is launched, its letters, until an answer, an order or a person stops them.

consumes  sequence-ticks, signals, actions
produces  sequences (SequenceDrafted), outreach
owns      enrollments, sequence_mails, answers, tasks, sender_days, refusals, sending_pauses,
          outreach_events, received_mails, round_trips

The sequence and its steps, which people edit, belong to the signals service; who is enrolled, and
what is sent, is here.

    drafting   a tick: drafts, with who is enrolled and who is skipped
    starting   a launch, or a resume: tested again, nobody in two flows
    stopping   what stops the rest, with what is queued
    actions    what people decide
    release    what time brings: what is due goes into the outbox, or says why not yet
    letters    how a letter looks, and the guard at its final dot
"""
