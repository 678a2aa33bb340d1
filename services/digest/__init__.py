"""Digest: turns a complete run into mail, and hands the mail over.

consumes   digest-ticks (DigestDue)
produces   nothing
owns       digests, digest_mails (its outbox)
reads      the signals service's tables through published_* and digest_*

facts -> edition (compose, view, render) -> outbox rows, in the transaction of the tick's position;
senders (`shared.outbox`) take it from there.
"""
