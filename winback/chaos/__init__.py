"""`winback chaos`: faults done to a running system, and what it promised held against
what is there afterwards.

    stories.py      what is told: seeded orders, corrections, runs, settings
    erp.py          who tells it, over HTTP, again until it is acknowledged;
                    history.py keeps what was
    machine.py      the stack that suffers: kills and freezes by pid, further processes
    disks.py        folders that are small file systems, and how they fill
    scenarios/      the faults, one function each; world.py is the frame that they share
    oracles.py      R, H and M, over what log.py reads from Kafka and store.py from PostgreSQL
    runner.py       scenarios one after the other; reporting.py writes the page

Nothing is imitated: the parts are those that run everywhere. tests/chaos plants faults in the data
to show that each oracle sees them.
"""
