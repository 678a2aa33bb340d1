"""The signals service on real Kafka and PostgreSQL; only the clock is fake."""
