"""The embedded stack: Apache Kafka, PostgreSQL, a mail sink and every service on this machine,
without Docker.

    home        the one folder that holds all state, and the two files that tell where everything is
    processes   ending, adopting and recognising processes
    probes      is it ready? asked in each server's own protocol
    java, jars  a Java runtime; Kafka's jars, locked by hash
    kafka, postgres, smtp   one launcher each: prepare what is missing, then become the server
    schema      migrations and topics
    parts       the list of what runs, in order
    supervisor  starts the parts, watches them, starts them again, ends them

Nothing here is imported by a service.
"""
