"""Sequences: one fresh draft per active type of each digest, with the contacts it is for; stopped
by the orders they wait for.

consumes  sequence-ticks, signals
produces  sequences (SequenceDrafted)
owns      enrollments, sequence_mails

The sequence and its steps, which people edit, belong to the signals service; who is enrolled, and
what is sent, is here. Launching and sending come later, and their rows fit: an enrollment goes from
enrolled to active at launch, has the next step and its time, and ends finished or stopped;
sequence_mails is an outbox (`shared.outbox`), a row per step and contact. Nothing plans one yet:
tests/sequences/test_outbox.py holds the table to the contract. At launch and before every mail
`shared.domain.drafts.skip` is asked again, and whether the signal is active.
"""
