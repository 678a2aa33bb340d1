"""The detector: rolling tables per account and per combo, and the signals that they give.

consumes  orders (blocks of orders, and runs)
produces  signals (SignalOpened, SignalSeen, SignalRecovered, RunCompleted)
owns      one Faust table, `state`, in RocksDB with a changelog; nothing in PostgreSQL

    partition.py   what happens to a record: orders are folded and checked, runs
                   classify (no Kafka, no clock)
    accounts.py    an account: head and sealed pages; the order index; the table of raw combos
    checkpoint.py  the Faust table that saves them: changelog, RocksDB and
                   acknowledgement, in that order
    app.py         topics -> partition
"""
