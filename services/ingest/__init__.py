"""Ingest: the only door. Untrusted orders, accounts and contacts become canonical events
on Kafka, or a reason per field.

consumes  HTTP, CSV and Parquet files, erp-orders and raw topics of one's own (raw JSON)
produces  orders (blocks), accounts, contacts, erp-orders-dead
owns      idempotency_keys, imports, token_uses, raw_marks, raw_orders

    fields.py      one text -> one value, or why not; the same for HTTP, Kafka and files
    shapes.py      what a body over HTTP may look like (pydantic, and so the OpenAPI document)
    acceptance.py  one untrusted item -> one event with warnings, or all that is wrong with it
    bodies.py      bytes -> JSON values, strictly, within bounds
    blocks.py      orders -> records of the topic orders
    app.py         HTTP;  batcher.py gathers what it accepts into blocks
    erp.py         raw topics; once.py what makes their orders come once, over
                   orders_log.py and erp_store.py
    raw_orders.py  what connectors write -> orders, by a mapping (raw_mapping.py, pointers.py)
                   of what is left when their envelopes are off (connect.py)
    importing.py   files: sources (bytes), lines and parquet (cells), columns and plain (values),
                   grouping (orders), encoding (their bytes), sending, leases
    cli.py         winback import
"""
