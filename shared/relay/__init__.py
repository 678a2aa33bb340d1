"""Events that a service tells: written down in the transaction of what they tell, then published in
order by whichever of its processes holds the lock.

    store     notes an event; takes the oldest, and forgets what Kafka has
    relaying  the loop

An event that was published and not yet forgotten comes again, with the same id: readers act on what
is so, not on how often they are told.
"""
